//! Tables of what was measured: medians over the rounds, and the first engine beside the better of RocksDB and fjall.

use std::collections::{BTreeMap, BTreeSet};

use crate::bars;
use crate::engines::EngineName;
use crate::measurement::Measurement;
use crate::workloads;

const MIB: f64 = (1 << 20) as f64;

/// The engines that the first one is set beside.
pub(crate) const PEERS: [EngineName; 2] = [EngineName::Rocksdb, EngineName::Fjall];

/// The workloads that are one operation only.
const OPENINGS: [&str; 2] = ["open-after-kill", "families-open"];

/// A number of a measurement.
pub(crate) type Metric = fn(&Measurement) -> f64;

/// What was measured with one number of keys.
pub(crate) struct Results<'a> {
    by_place: BTreeMap<(&'a str, EngineName), Vec<&'a Measurement>>,
}

impl<'a> Results<'a> {
    pub(crate) fn new(measurements: impl Iterator<Item = &'a Measurement>) -> Results<'a> {
        let mut by_place: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for measurement in measurements {
            let place = (measurement.workload.as_str(), measurement.engine);
            by_place.entry(place).or_default().push(measurement);
        }
        Results { by_place }
    }

    /// The median over the rounds; none if it was not measured.
    pub(crate) fn median(&self, workload: &str, engine: EngineName, metric: Metric) -> Option<f64> {
        middle(self.by_place.get(&(workload, engine))?.iter().map(|measured| metric(measured)).collect())
    }

    /// The median, over the rounds, of what a workload has in a round by what another of the same engine has in that round: the two
    /// ran one behind the other, and a machine that is faster in some rounds than in others was the same for both.
    pub(crate) fn median_ratio(
        &self,
        workload: &str,
        other: &str,
        engine: EngineName,
        metric: Metric,
    ) -> Option<f64> {
        let others = self.by_place.get(&(other, engine))?;
        let ratio = |measured: &&Measurement| {
            let beside = others.iter().find(|other| other.round == measured.round)?;
            Some(metric(measured) / metric(beside))
        };
        middle(self.by_place.get(&(workload, engine))?.iter().filter_map(ratio).collect())
    }

    /// The largest of the medians of these engines.
    pub(crate) fn best(&self, workload: &str, engines: &[EngineName], metric: Metric) -> Option<f64> {
        let medians = engines.iter().filter_map(|engine| self.median(workload, *engine, metric));
        medians.max_by(f64::total_cmp)
    }

    /// The smallest of the medians of these engines.
    pub(crate) fn least(&self, workload: &str, engines: &[EngineName], metric: Metric) -> Option<f64> {
        let medians = engines.iter().filter_map(|engine| self.median(workload, *engine, metric));
        medians.min_by(f64::total_cmp)
    }

    /// The largest of all values of an engine, over workloads and rounds.
    pub(crate) fn most(&self, engine: EngineName, metric: Metric) -> Option<f64> {
        let values = self.by_place.iter().filter(|((_, of), _)| *of == engine).flat_map(|(_, values)| values);
        values.map(|measured| metric(measured)).max_by(f64::total_cmp)
    }

    fn engines(&self) -> Vec<EngineName> {
        let engines: BTreeSet<EngineName> = self.by_place.keys().map(|(_, engine)| *engine).collect();
        engines.into_iter().collect()
    }

    fn workloads(&self) -> Vec<&'static str> {
        let measured: BTreeSet<&str> = self.by_place.keys().map(|(workload, _)| *workload).collect();
        workloads::ALL.iter().map(|workload| workload.name).filter(|name| measured.contains(name)).collect()
    }

    fn rounds(&self) -> usize {
        self.by_place.values().map(Vec::len).max().unwrap_or(0)
    }
}

/// The median.
fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

/// How a number is shown.
#[derive(Clone, Copy)]
enum Show {
    /// With a thousand as k and a million as M.
    Count,
    /// With one decimal.
    Tenths,
    /// With two decimals.
    Hundredths,
}

struct Table {
    title: &'static str,
    metric: Metric,
    show: Show,
    /// Whether the workload belongs into the table.
    wanted: fn(&str) -> bool,
    /// Whether more is better; rules how the last column is reckoned.
    more_is_better: bool,
}

fn any(_: &str) -> bool {
    true
}

fn repeats(workload: &str) -> bool {
    !OPENINGS.contains(&workload)
}

fn opens(workload: &str) -> bool {
    OPENINGS.contains(&workload)
}

fn writes(workload: &str) -> bool {
    matches!(
        workload,
        "fillseq"
            | "batch"
            | "fillrandom"
            | "overwrite"
            | "overwrite-long"
            | "overwrite-pinned"
            | "overwrite-released"
            | "deletes"
    ) || writes_large(workload)
}

fn writes_large(workload: &str) -> bool {
    workload.starts_with("large-") && !workload.contains("read")
}

fn has_families(workload: &str) -> bool {
    workload.starts_with("families")
}

fn commits(workload: &str) -> bool {
    workload.starts_with("commit")
}

#[allow(clippy::cast_precision_loss, reason = "shown with three digits")]
const TABLES: &[Table] = &[
    Table {
        title: "operations a second (entries, for batch and scans)",
        metric: Measurement::ops_per_second,
        show: Show::Count,
        wanted: repeats,
        more_is_better: true,
    },
    Table {
        title: "CPU microseconds an operation, all threads, background work included",
        metric: Measurement::cpu_us_per_op,
        show: Show::Hundredths,
        wanted: repeats,
        more_is_better: false,
    },
    Table {
        title: "microseconds, p50 (of a batch, for batch; of the whole, for scans)",
        metric: |measured| measured.p50_ns as f64 / 1e3,
        show: Show::Hundredths,
        wanted: repeats,
        more_is_better: false,
    },
    Table {
        title: "microseconds, p99",
        metric: |measured| measured.p99_ns as f64 / 1e3,
        show: Show::Tenths,
        wanted: repeats,
        more_is_better: false,
    },
    Table {
        title: "microseconds, p999",
        metric: |measured| measured.p999_ns as f64 / 1e3,
        show: Show::Tenths,
        wanted: repeats,
        more_is_better: false,
    },
    Table {
        title: "milliseconds, slowest operation",
        metric: |measured| measured.max_ns as f64 / 1e6,
        show: Show::Tenths,
        wanted: repeats,
        more_is_better: false,
    },
    Table {
        title: "bytes to the disk for each byte written, settling included",
        metric: Measurement::write_amplification,
        show: Show::Hundredths,
        wanted: writes,
        more_is_better: false,
    },
    Table {
        title: "bytes to the disk for each byte written, settling included, log excluded",
        metric: Measurement::write_amplification_without_log,
        show: Show::Hundredths,
        wanted: writes_large,
        more_is_better: false,
    },
    Table {
        title: "most bytes on disk for each byte that is alive, log excluded",
        metric: Measurement::peak_space,
        show: Show::Hundredths,
        wanted: writes_large,
        more_is_better: false,
    },
    Table {
        title: "MiB on disk, settled",
        metric: |measured| measured.disk_bytes as f64 / MIB,
        show: Show::Tenths,
        wanted: writes,
        more_is_better: false,
    },
    Table {
        title: "seconds from the last write until settled",
        metric: |measured| measured.settle_seconds,
        show: Show::Hundredths,
        wanted: writes,
        more_is_better: false,
    },
    Table {
        title: "syncs a commit",
        metric: Measurement::syncs_per_op,
        show: Show::Hundredths,
        wanted: commits,
        more_is_better: false,
    },
    Table {
        title: "milliseconds to open",
        metric: |measured| measured.seconds * 1e3,
        show: Show::Tenths,
        wanted: opens,
        more_is_better: false,
    },
    Table {
        title: "files",
        metric: |measured| measured.files as f64,
        show: Show::Count,
        wanted: has_families,
        more_is_better: false,
    },
    Table {
        title: "threads",
        metric: |measured| measured.threads as f64,
        show: Show::Count,
        wanted: has_families,
        more_is_better: false,
    },
    Table {
        title: "peak anonymous memory, MiB",
        metric: |measured| measured.peak_anonymous_bytes as f64 / MIB,
        show: Show::Tenths,
        wanted: any,
        more_is_better: false,
    },
];

/// All tables, for each number of keys.
pub(crate) fn of(measurements: &[Measurement]) -> String {
    let keys: BTreeSet<u64> = measurements.iter().map(|measured| measured.keys).collect();
    let mut text = String::new();
    for keys in keys {
        let results = Results::new(measurements.iter().filter(|measured| measured.keys == keys));
        text.push_str(&format!("# {keys} keys, medians of {} rounds\n\n", results.rounds()));
        for table in TABLES {
            text.push_str(&table_of(&results, table));
        }
        text.push_str(&bars::of(&results));
    }
    text
}

fn table_of(results: &Results<'_>, table: &Table) -> String {
    let engines = results.engines();
    let workloads: Vec<&str> = results.workloads().into_iter().filter(|name| (table.wanted)(name)).collect();
    if workloads.is_empty() {
        return String::new();
    }
    let mut text = format!("## {}\n\n{:<18}", table.title, "");
    for engine in &engines {
        text.push_str(&format!("{engine:>11}"));
    }
    text.push_str(&format!("{:>8}\n", "ratio"));
    for workload in workloads {
        text.push_str(&format!("{workload:<18}"));
        for engine in &engines {
            let median = results.median(workload, *engine, table.metric);
            text.push_str(&format!(
                "{:>10}",
                median.map_or("-".to_owned(), |value| shown(value, table.show))
            ));
        }
        let peer = match table.more_is_better {
            true => results.best(workload, &PEERS, table.metric),
            false => results.least(workload, &PEERS, table.metric),
        };
        let own = results.median(workload, EngineName::Ordinum, table.metric);
        let ratio = own.zip(peer).filter(|(_, peer)| *peer > 0.0).map(|(own, peer)| own / peer);
        text.push_str(&format!("{:>8}\n", ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"))));
    }
    text.push('\n');
    text
}

fn shown(value: f64, show: Show) -> String {
    match show {
        Show::Count if value >= 1e6 => format!("{:.2} M", value / 1e6),
        Show::Count if value >= 1e4 => format!("{:.0} k", value / 1e3),
        Show::Count if value >= 1e3 => format!("{:.1} k", value / 1e3),
        Show::Count | Show::Tenths => format!("{value:.1}"),
        Show::Hundredths => format!("{value:.2}"),
    }
}

/// One measurement, for who waits for the others.
pub(crate) fn line_of(measured: &Measurement) -> String {
    format!(
        "round {} {:<8} {:<17} {:>9}/s  {:7.2} us CPU  p50 {:8.2} us  p999 {:9.1} us  {:6.1} MiB memory",
        measured.round,
        measured.engine,
        measured.workload,
        shown(measured.ops_per_second(), Show::Count),
        measured.cpu_us_per_op(),
        ns_as_us(measured.p50_ns),
        ns_as_us(measured.p999_ns),
        bytes_as_mib(measured.peak_anonymous_bytes),
    )
}

#[allow(clippy::cast_precision_loss, reason = "shown with three digits")]
fn ns_as_us(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}

#[allow(clippy::cast_precision_loss, reason = "shown with three digits")]
fn bytes_as_mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

#[cfg(test)]
pub(crate) mod tests;
