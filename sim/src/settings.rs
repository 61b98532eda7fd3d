//! Options of the engine as text: `name=number` each, and what is not named is small.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use ordinum::{
    Background, CompactionFilter, CompactionStyle, Compression, FamilyOptions, FilterDecision, FilteredEntry,
    LEVELS, LogWriting, MergeFailed, MergeOperator, Options, RetentionWindow,
};

/// One option: its name, its least and largest value, the one that it has if it is not named, and what it sets.
struct Field {
    name: &'static str,
    least: u64,
    most: u64,
    unnamed: u64,
    set: fn(&mut Options, u64),
}

fn small(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn compression(number: u64) -> Compression {
    match number % 3 {
        0 => Compression::None,
        1 => Compression::Lz4,
        _ => Compression::Zstd,
    }
}

/// The retention, which every opening says.
fn retention(options: &mut Options) -> &mut RetentionWindow {
    options.retention.get_or_insert(RetentionWindow::NONE)
}

/// Those of the database first, then those of families.
const FIELDS: &[Field] = &[
    Field {
        name: "segment",
        least: 4 << 10,
        most: 64 << 10,
        unnamed: 8 << 10,
        set: |o, v| o.log_segment_bytes = v,
    },
    Field { name: "logs", least: 1, most: 8, unnamed: 4, set: |o, v| o.closed_logs_max = small(v) },
    Field {
        name: "budget",
        least: 32 << 10,
        most: 1 << 20,
        unnamed: 1 << 20,
        set: |o, v| o.write_buffer_budget_bytes = v,
    },
    Field {
        name: "cache",
        least: 0,
        most: 256 << 10,
        unnamed: 64 << 10,
        set: |o, v| o.block_cache_bytes = v,
    },
    Field {
        name: "retain_s",
        least: 0,
        most: 1,
        unnamed: 0,
        set: |o, v| retention(o).age = Duration::from_secs(v << 20),
    },
    Field {
        name: "retain_bytes",
        least: 0,
        most: 64 << 10,
        unnamed: 32 << 10,
        set: |o, v| retention(o).bytes = v,
    },
    Field {
        name: "buffer",
        least: 4 << 10,
        most: 16 << 10,
        unnamed: 4 << 10,
        set: |o, v| o.family_defaults.write_buffer_bytes = v,
    },
    Field {
        name: "immutable",
        least: 1,
        most: 3,
        unnamed: 2,
        set: |o, v| o.family_defaults.immutable_memtables_max = small(v),
    },
    Field {
        name: "block",
        least: 256,
        most: 1000,
        unnamed: 256,
        set: |o, v| o.family_defaults.block_bytes = small(v),
    },
    Field {
        name: "compression",
        least: 0,
        most: 2187,
        unnamed: 0,
        set: |o, v| {
            let digit = |level: usize| compression(v / 3_u64.pow(u32::try_from(level).unwrap_or(0)));
            o.family_defaults.compression = std::array::from_fn::<_, LEVELS, _>(digit);
        },
    },
    Field {
        name: "separate",
        least: 15,
        most: 300,
        unnamed: 15,
        set: |o, v| o.family_defaults.separate_values_from_bytes = (v > 15).then(|| narrow(v)),
    },
    Field {
        name: "value_compression",
        least: 0,
        most: 1,
        unnamed: 0,
        set: |o, v| o.family_defaults.value_compression = compression(v),
    },
    Field {
        name: "value_garbage",
        least: 1,
        most: 99,
        unnamed: 40,
        set: |o, v| o.family_defaults.value_garbage_percent = narrow(v),
    },
    Field {
        name: "filter",
        least: 0,
        most: 12,
        unnamed: 10,
        set: |o, v| o.family_defaults.filter_bits_per_key = narrow(v),
    },
    Field {
        name: "trigger",
        least: 1,
        most: 5,
        unnamed: 2,
        set: |o, v| o.family_defaults.level0_tables_trigger = small(v),
    },
    Field {
        name: "busy",
        least: 1,
        most: 6,
        unnamed: 4,
        set: |o, v| o.family_defaults.level0_tables_busy = small(v),
    },
    Field {
        name: "pending",
        least: 1 << 10,
        most: 1 << 30,
        unnamed: 1 << 30,
        set: |o, v| o.family_defaults.pending_bytes_slowdown = v,
    },
    Field {
        name: "garbage",
        least: 1,
        most: 120,
        unnamed: 50,
        set: |o, v| o.family_defaults.garbage_percent = narrow(v),
    },
    Field {
        name: "base",
        least: 8 << 10,
        most: 64 << 10,
        unnamed: 8 << 10,
        set: |o, v| o.family_defaults.level_base_bytes = v,
    },
    Field {
        name: "table",
        least: 4 << 10,
        most: 16 << 10,
        unnamed: 4 << 10,
        set: |o, v| o.family_defaults.table_bytes_target = v,
    },
    Field {
        name: "keep_all",
        least: 0,
        most: 1,
        unnamed: 0,
        set: |o, v| {
            o.family_defaults.compaction_filter =
                (v > 0).then(|| Arc::new(KeepAll) as Arc<dyn CompactionFilter>)
        },
    },
    Field {
        name: "range_index",
        least: 0,
        most: 1,
        unnamed: 1,
        set: |o, v| o.family_defaults.range_index = v > 0,
    },
    Field {
        name: "mapped",
        least: 0,
        most: 1,
        unnamed: 0,
        set: |o, v| o.log_writing = if v > 0 { LogWriting::Mapped } else { LogWriting::Calls },
    },
    Field {
        name: "rate",
        least: 0,
        most: 8,
        unnamed: 0,
        set: |o, v| o.background_bytes_per_second = v * (16 << 10),
    },
    Field {
        name: "delayed",
        least: 64 << 10,
        most: 1 << 20,
        unnamed: 1 << 20,
        set: |o, v| o.delayed_write_bytes_per_second = v,
    },
    Field { name: "measure", least: 0, most: 1, unnamed: 0, set: |o, v| o.measure_latency = v > 0 },
    Field {
        name: "slowdown",
        least: 5,
        most: 12,
        unnamed: 6,
        set: |o, v| {
            o.family_defaults.level0_tables_slowdown = small(v);
            o.family_defaults.level0_tables_max = small(v + 2);
        },
    },
    Field {
        name: "pending_max",
        least: 1 << 30,
        most: 1 << 40,
        unnamed: 1 << 40,
        set: |o, v| o.family_defaults.pending_bytes_max = v,
    },
    Field {
        name: "fifo",
        least: 0,
        most: 5,
        unnamed: 0,
        set: |o, v| {
            // Nothing expires: the model does not know of time.
            let time_to_live = Duration::from_secs(1 << 40);
            o.family_defaults.compaction_style =
                if v == 5 { CompactionStyle::Fifo { time_to_live } } else { CompactionStyle::Leveled };
        },
    },
];

/// What differs from what is small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    named: Vec<(&'static str, u64)>,
}

impl Settings {
    /// Every option at random.
    pub fn random(rng: &mut Rng) -> Settings {
        let mut named = Vec::new();
        for field in FIELDS {
            if rng.u8(..3) > 0 {
                named.push((field.name, rng.u64(field.least..=field.most)));
            }
        }
        Settings { named }
    }

    /// The settings with one less named; none when there are no more.
    pub fn without(&self, at: usize) -> Option<Settings> {
        let mut named = self.named.clone();
        (at < named.len()).then(|| named.remove(at))?;
        Some(Settings { named })
    }

    /// Reads what [`fmt::Display`] writes.
    ///
    /// # Errors
    /// What is not understood.
    pub fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Result<Settings, String> {
        let mut named = Vec::new();
        for word in words {
            let (name, value) = word.split_once('=').ok_or_else(|| format!("{word} is no setting"))?;
            let field = FIELDS.iter().find(|field| field.name == name);
            let field = field.ok_or_else(|| format!("there is no setting {name}"))?;
            let value: u64 = value.parse().map_err(|_| format!("{word} has no number"))?;
            named.push((field.name, value.clamp(field.least, field.most)));
        }
        Ok(Settings { named })
    }

    fn value(&self, field: &Field) -> u64 {
        let named = self.named.iter().find(|(name, _)| *name == field.name);
        named.map_or(field.unnamed, |(_, value)| *value)
    }

    /// The options, upon `base`, which has the seams.
    pub fn options(&self, base: Options) -> Options {
        let mut options = Options {
            background: Background::Manual,
            family_defaults: FamilyOptions {
                merge_operator: Some(Arc::new(Append)),
                ..FamilyOptions::default()
            },
            ..base
        };
        for field in FIELDS {
            (field.set)(&mut options, self.value(field));
        }
        options
    }

    /// The options of a family.
    pub fn family(&self) -> FamilyOptions {
        self.options(Options::default()).family_defaults
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.named.iter().map(|(name, value)| format!("{name}={value}")).collect();
        f.write_str(&words.join(" "))
    }
}

/// A filter that is asked, and removes nothing.
#[derive(Debug)]
struct KeepAll;

impl CompactionFilter for KeepAll {
    fn filter(&self, _: &FilteredEntry<'_>) -> FilterDecision {
        FilterDecision::Keep
    }
}

/// Appends operands, and joins some of them.
#[derive(Debug)]
struct Append;

impl MergeOperator for Append {
    fn name(&self) -> &str {
        "append"
    }

    fn merge(&self, _: &[u8], existing: Option<&[u8]>, operands: &[&[u8]]) -> Result<Vec<u8>, MergeFailed> {
        Ok([existing.unwrap_or_default(), &operands.concat()].concat())
    }

    fn join(&self, key: &[u8], operands: &[&[u8]]) -> Option<Vec<u8>> {
        key.last().is_none_or(|last| last % 2 == 0).then(|| operands.concat())
    }
}
