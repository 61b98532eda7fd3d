//! Counts of durations in log-linear buckets: each power of two has 32, so that a value is known to 3 %.

/// Buckets of a power of two.
const PARTS: u64 = 1 << PART_BITS;
const PART_BITS: u32 = 5;
const BUCKETS: usize = (64 - PART_BITS as usize + 1) << PART_BITS;

/// A histogram of nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: vec![0; BUCKETS], total: 0, max: 0 }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, value: u64) {
        if let Some(count) = self.counts.get_mut(bucket(value)) {
            *count += 1;
        }
        self.total += 1;
        self.max = self.max.max(value);
    }

    pub(crate) fn add(&mut self, other: &Histogram) {
        for (to, from) in self.counts.iter_mut().zip(&other.counts) {
            *to += from;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    /// The value that `per_mille` of all are at or below; 0 if there are none.
    pub(crate) fn at_per_mille(&self, per_mille: u64) -> u64 {
        let wanted = (self.total * per_mille).div_ceil(1000);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted {
                return top_of(bucket).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(value: u64) -> usize {
    let index = if value < PARTS {
        value
    } else {
        let shift = 63 - value.leading_zeros() - PART_BITS;
        (u64::from(shift) + 1) * PARTS + (value >> shift) - PARTS
    };
    usize::try_from(index).unwrap_or(BUCKETS - 1)
}

/// The largest value of a bucket.
fn top_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < PARTS {
        return bucket;
    }
    let shift = bucket / PARTS - 1;
    let first = (bucket % PARTS + PARTS) << shift;
    first + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests;
