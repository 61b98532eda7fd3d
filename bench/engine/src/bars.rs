//! The bars that Ordinum is held to, and where it stands against each.
//!
//! Invariant: a bar is judged only when everything that it compares was measured in the same run.

use crate::engines::EngineName;
use crate::measurement::Measurement;
use crate::report::{Metric, PEERS, Results};

const OWN: EngineName = EngineName::Ordinum;

/// The engines whose synced commits survive the loss of power. sled's do not: it waits for the kernel to write the range,
/// and asks the disk for nothing.
const DURABLE_PEERS: [EngineName; 4] =
    [EngineName::Rocksdb, EngineName::Fjall, EngineName::Lmdb, EngineName::Redb];

/// Synced commits may be this much slower than the best peer's and still pass: the disk's noise.
const COMMIT_NOISE: f64 = 0.9;
/// Memory beyond the budgets.
const MEMORY_BEYOND_BYTES: f64 = (64 << 20) as f64;
/// Rounds of noise apart, an opening may take so many seconds.
const OPEN_SECONDS: f64 = 0.3;
/// No put may wait longer, in milliseconds.
const PUT_MS_MAX: f64 = 250.0;
/// Two reader threads beside one.
const TWO_READERS: f64 = 1.8;

/// Workloads, with the ratio to the better of RocksDB and fjall that is required, and the one that is aimed at.
const THROUGHPUT: &[(&str, f64, f64)] = &[
    ("fillrandom", 1.5, 2.0),
    ("overwrite", 1.5, 2.0),
    ("ycsb-a", 1.5, 2.0),
    ("ycsb-f", 1.5, 2.0),
    ("readrandom", 1.5, 2.0),
    ("zipfian", 1.5, 2.0),
    ("ycsb-b", 1.5, 2.0),
    ("ycsb-c", 1.5, 2.0),
    ("ycsb-d", 1.5, 2.0),
    ("missing", 1.3, 2.0),
    ("seek10", 1.5, 2.0),
    ("ycsb-e", 1.5, 2.0),
    ("scan", 1.5, 2.0),
    ("scanback", 1.5, 2.0),
];

const COMMITS: [&str; 3] = ["commit@1", "commit@8", "commit@32"];

enum Better {
    More,
    Less,
}

struct Bar {
    name: String,
    measured: f64,
    required: f64,
    /// None where the requirement is all.
    goal: Option<f64>,
    better: Better,
    /// The same comparison by CPU time an operation, which a busy machine changes less; it decides nothing.
    by_cpu: Option<f64>,
}

impl Bar {
    fn more(name: impl Into<String>, measured: f64, required: f64, goal: Option<f64>) -> Bar {
        Bar { name: name.into(), measured, required, goal, better: Better::More, by_cpu: None }
    }

    fn less(name: impl Into<String>, measured: f64, required: f64, goal: Option<f64>) -> Bar {
        Bar { name: name.into(), measured, required, goal, better: Better::Less, by_cpu: None }
    }

    fn reaches(&self, wanted: f64) -> bool {
        match self.better {
            Better::More => self.measured >= wanted,
            Better::Less => self.measured <= wanted,
        }
    }

    fn verdict(&self) -> &'static str {
        match (self.reaches(self.required), self.goal.map(|goal| self.reaches(goal))) {
            (true, Some(true)) => "goal",
            (true, _) => "pass",
            (false, _) => "MISSED",
        }
    }

    fn line(&self) -> String {
        let sign = match self.better {
            Better::More => ">=",
            Better::Less => "<=",
        };
        let goal = self.goal.map_or(String::new(), |goal| format!("{sign} {goal:.2}"));
        let required = format!("{sign} {:.2}", self.required);
        let by_cpu = self.by_cpu.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        let (name, measured, verdict) = (&self.name, self.measured, self.verdict());
        format!("{name:<52}{measured:>10.2}{required:>12}{goal:>12}  {verdict:<8}{by_cpu:>8}\n")
    }
}

/// The list of bars with required, goal and measured.
pub(crate) fn of(results: &Results<'_>) -> String {
    let bars = all(results);
    if bars.is_empty() {
        return String::new();
    }
    let mut text =
        format!("## bars\n\n{:<52}{:>10}{:>12}{:>12}{:>18}\n", "", "measured", "required", "goal", "by CPU");
    for bar in &bars {
        text.push_str(&bar.line());
    }
    let missed = bars.iter().filter(|bar| !bar.reaches(bar.required)).count();
    text.push_str(&format!("\n{} of {} bars are reached\n\n", bars.len() - missed, bars.len()));
    text
}

fn all(results: &Results<'_>) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (workload, required, goal) in THROUGHPUT {
        let ratio = ratio_to_best(results, workload, &PEERS);
        let name = format!("{workload}, to the better of RocksDB and fjall");
        let by_cpu =
            beside_peers(results, workload, Measurement::cpu_us_per_op).map(|(own, peer)| peer / own);
        bars.extend(ratio.map(|ratio| Bar { by_cpu, ..Bar::more(name, ratio, *required, Some(*goal)) }));
    }
    for workload in COMMITS {
        let ratio = ratio_to_best(results, workload, &DURABLE_PEERS);
        bars.extend(
            ratio.map(|ratio| {
                Bar::more(format!("{workload}, to the best peer"), ratio, COMMIT_NOISE, Some(1.0))
            }),
        );
        bars.extend(beside_least(results, workload, Measurement::syncs_per_op).map(|(own, least)| {
            Bar::less(format!("{workload}, syncs a commit, to the fewest"), own, least * 1.05, Some(least))
        }));
    }
    bars.extend(scaling(results));
    bars.extend(space_and_writes(results));
    bars.extend(latency_and_memory(results));
    bars
}

fn scaling(results: &Results<'_>) -> Option<Bar> {
    let rate = Measurement::ops_per_second;
    let measured = results.median_ratio("readrandom@2", "readrandom", OWN, rate)?;
    Some(Bar::more("readrandom, two threads to one of the same round", measured, TWO_READERS, None))
}

#[allow(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
fn space_and_writes(results: &Results<'_>) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (workload, goal) in [("fillrandom", 3.0), ("overwrite", 4.0)] {
        let amplification = beside_rocksdb(results, workload, Measurement::write_amplification);
        bars.extend(amplification.map(|(own, rocksdb)| {
            Bar::less(format!("{workload}, write amplification, to RocksDB's"), own, rocksdb, Some(goal))
        }));
    }
    let disk = beside_rocksdb(results, "overwrite", |measured| measured.disk_bytes as f64);
    bars.extend(disk.map(|(own, rocksdb)| {
        Bar::less("overwrite, space when settled, to RocksDB's", own / rocksdb, 1.1, Some(1.0))
    }));
    bars
}

#[allow(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
fn latency_and_memory(results: &Results<'_>) -> Vec<Bar> {
    let mut bars = Vec::new();
    for workload in ["fillrandom", "overwrite"] {
        let p999 = beside_peers(results, workload, |measured| measured.p999_ns as f64 / 1e3);
        bars.extend(p999.map(|(own, least)| {
            Bar::less(format!("{workload}, p999 of puts, us, to the better peer's"), own, least, None)
        }));
    }
    for workload in ["overwrite", "overwrite-long"] {
        let slowest = results.median(workload, OWN, |measured| measured.max_ns as f64 / 1e6);
        let named = |ms| Bar::less(format!("{workload}, slowest put, ms"), ms, PUT_MS_MAX, None);
        bars.extend(slowest.map(named));
    }
    let beyond = results.most(OWN, |measured| {
        measured.peak_anonymous_bytes as f64 - measured.budget_bytes as f64 - MEMORY_BEYOND_BYTES
    });
    bars.extend(beyond.map(|bytes| {
        Bar::less("peak anonymous memory beyond budgets + 64 MiB, MiB", bytes / (1 << 20) as f64, 0.0, None)
    }));
    let open = beside_rocksdb(results, "open-after-kill", |measured| measured.seconds);
    bars.extend(open.map(|(own, rocksdb)| {
        Bar::less("open-after-kill, seconds, to RocksDB's", own, rocksdb, Some(OPEN_SECONDS))
    }));
    bars
}

fn ratio_to_best(results: &Results<'_>, workload: &str, peers: &[EngineName]) -> Option<f64> {
    let own = results.median(workload, OWN, Measurement::ops_per_second)?;
    let best = results.best(workload, peers, Measurement::ops_per_second)?;
    Some(own / best)
}

fn beside_peers(results: &Results<'_>, workload: &str, metric: Metric) -> Option<(f64, f64)> {
    results.median(workload, OWN, metric).zip(results.least(workload, &PEERS, metric))
}

fn beside_least(results: &Results<'_>, workload: &str, metric: Metric) -> Option<(f64, f64)> {
    results.median(workload, OWN, metric).zip(results.least(workload, &DURABLE_PEERS, metric))
}

fn beside_rocksdb(results: &Results<'_>, workload: &str, metric: Metric) -> Option<(f64, f64)> {
    results.median(workload, OWN, metric).zip(results.median(workload, EngineName::Rocksdb, metric))
}
