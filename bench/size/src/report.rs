//! The report as text: the loads, the fetches, and what the database is held to.

use ordinum::Stats;

use crate::fetch::{Keys, Measurement, Size};
use crate::load::{Loaded, Mark};
use crate::options::Options;
use crate::store::Bounds;

/// How much slower a fetch from the large database may be.
const RATIO_MAX: f64 = 1.5;

fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}

/// What bounds the memory of a database.
pub(crate) fn given(options: &Options) -> String {
    let bounds = Bounds::of(options);
    format!(
        "memory: block cache {:.0} MiB (blocks, filters and indexes of tables), memtables {:.0} MiB, \
         tables that compactions write {:.0} MiB, all else {:.0} MiB: {:.0} MiB\n",
        mib(bounds.cache_bytes),
        mib(bounds.memtable_bytes),
        mib(bounds.compaction_bytes),
        mib(bounds.else_bytes),
        mib(bounds.sum())
    )
}

/// A load, part by part.
pub(crate) fn load(loaded: &Loaded) -> String {
    let mut text = format!("\nload of {} rows\n\n", loaded.shop.rows());
    text.push_str("rows           rows/s     MB/s   cpu us/row   held back s   stalls ");
    text.push_str("  resident MiB   cached   memtables\n");
    for pair in loaded.marks.windows(2) {
        if let [from, to] = pair {
            part(&mut text, &to.rows.to_string(), from, to);
        }
    }
    let rows = loaded.shop.rows() as f64;
    if let (Some(first), Some(last)) = (loaded.marks.first(), loaded.marks.last()) {
        part(&mut text, "all", first, last);
        let bytes = (last.bytes - first.bytes) as f64;
        let written = (loaded.stats.log_bytes + moved(&loaded.stats) + moved(&loaded.rest.stats)) as f64;
        let making = loaded.making.as_secs_f64();
        text.push_str(&format!(
            "\n{:.1} s, of which {making:.1} made the rows; {:.0} bytes a row with its index entries, \
             {:.2} times as much written\n",
            last.at.duration_since(first.at).as_secs_f64(),
            bytes / rows,
            written / bytes,
        ));
    }
    text.push_str(&format!(
        "statistics of all entities {:.1} s, the count of all rows {:.1} s\n",
        loaded.sampling.as_secs_f64(),
        loaded.counting.as_secs_f64()
    ));
    text.push_str(&format!(
        "on disk {:.1} MiB behind the load; {:.1} MiB, {:.1} bytes a row, at rest after {:.1} s \
         ({:.1} s of processors)\n",
        mib(loaded.disk_bytes),
        mib(loaded.settled_disk_bytes),
        loaded.settled_disk_bytes as f64 / rows,
        loaded.rest.seconds,
        loaded.rest.cpu_seconds,
    ));
    text.push_str(&levels(&loaded.rest.stats));
    text.push_str(&format!("most resident memory {:.1} MiB\n", mib(loaded.peak_memory_bytes)));
    text
}

fn part(text: &mut String, name: &str, from: &Mark, to: &Mark) {
    let (rows, seconds) = ((to.rows - from.rows) as f64, to.at.duration_since(from.at).as_secs_f64());
    text.push_str(&format!(
        "{name:<10} {:>10.0} {:>8.1} {:>12.2} {:>13.2} {:>8} {:>14.1} {:>8.1} {:>11.1}\n",
        rows / seconds,
        (to.bytes - from.bytes) as f64 / 1e6 / seconds,
        (to.cpu_seconds - from.cpu_seconds) * 1e6 / rows,
        (to.delayed - from.delayed).as_secs_f64(),
        to.stalls - from.stalls,
        mib(to.resident_bytes),
        mib(to.cached_bytes),
        mib(to.memtable_bytes),
    ));
}

/// What flushes and compactions wrote.
fn moved(stats: &Stats) -> u64 {
    stats.flush_bytes + stats.compaction_bytes_written
}

/// Where the data lies: tables and bytes of each level that has any.
fn levels(stats: &Stats) -> String {
    let mut text = String::new();
    for family in stats.families.iter().filter(|family| ["rows", "indexes"].contains(&family.name.as_str())) {
        let levels = family.levels.iter().enumerate().filter(|(_, level)| level.files > 0);
        let levels =
            levels.map(|(at, level)| format!("level {at} {} of {:.1} MiB", level.files, mib(level.bytes)));
        text.push_str(&format!("tables of {}: {}\n", family.name, levels.collect::<Vec<_>>().join(", ")));
    }
    text
}

type Metric = fn(&Measurement) -> f64;

/// A fetch on both databases.
struct Pair<'a> {
    small: Vec<&'a Measurement>,
    large: Vec<&'a Measurement>,
}

impl Pair<'_> {
    fn of<'a>(measurements: &'a [Measurement], name: &str, keys: Keys) -> Pair<'a> {
        let side = |size| {
            let of = measurements.iter().filter(|m| m.name == name && m.keys == keys && m.size == size);
            of.collect()
        };
        Pair { small: side(Size::Small), large: side(Size::Large) }
    }

    /// The median over the rounds of what the large database took beside the small one.
    fn ratio(&self, metric: Metric) -> f64 {
        median(self.small.iter().zip(&self.large).map(|(small, large)| metric(large) / metric(small)))
    }
}

/// The fetches from both databases: medians, and the large one beside the small one.
pub(crate) fn fetches(measurements: &[Measurement], keys: Keys) -> String {
    let mut text = String::from(
        "fetch      database     p50 us     p99 us    mean us     cpu us      rows    blocks      found  cached MiB\n",
    );
    for name in names(measurements) {
        let pair = Pair::of(measurements, name, keys);
        for (size, rounds) in Size::ALL.into_iter().zip([&pair.small, &pair.large]) {
            let of = |metric: Metric| median(rounds.iter().map(|measured| metric(measured)));
            let times = [of(|m| m.p50_us), of(|m| m.p99_us), of(|m| m.mean_us), of(|m| m.cpu_us)];
            let times = times.map(|time| format!("{time:>10.1}")).join(" ");
            let (rows, blocks, hits) = (of(|m| m.rows), of(|m| m.blocks), 100.0 * of(|m| m.hits));
            let cached = of(|m| m.cached_bytes) / f64::from(1 << 20);
            text.push_str(&format!(
                "{name:<10} {:<8} {times} {rows:>9.2} {blocks:>9.2} {hits:>8.2} % {cached:>11.1}\n",
                size.name()
            ));
        }
        let ratios = [
            pair.ratio(|m| m.p50_us),
            pair.ratio(|m| m.p99_us),
            pair.ratio(|m| m.mean_us),
            pair.ratio(|m| m.cpu_us),
        ];
        let ratios = ratios.map(|ratio| format!("{ratio:>10.2}")).join(" ");
        text.push_str(&format!("{:<10} {:<8} {ratios}\n", "", "ratio"));
    }
    text
}

/// What is fetched, in the order of the measurements.
fn names(measurements: &[Measurement]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for measured in measurements {
        if !names.contains(&measured.name) {
            names.push(measured.name);
        }
    }
    names
}

/// The memory of the fetches.
pub(crate) fn memory(peak_bytes: u64) -> String {
    format!("most resident memory, both databases open: {:.1} MiB\n", mib(peak_bytes))
}

/// What the database is held to.
pub(crate) fn bars(loads: &[Loaded], measurements: &[Measurement], options: &Options) -> String {
    let bound = mib(Bounds::of(options).sum());
    let mut bars = Vec::new();
    for loaded in loads {
        let what = format!("most memory of the load of {} rows, MiB", loaded.shop.rows());
        bars.push((what, mib(loaded.peak_memory_bytes), bound));
    }
    for name in names(measurements) {
        let ratio = Pair::of(measurements, name, Keys::Hot).ratio(|m| m.p50_us);
        bars.push((format!("{name}, hot: p50 of the large database to the small one's"), ratio, RATIO_MAX));
    }
    let mut text = String::new();
    for (what, measured, most) in &bars {
        let verdict = if measured <= most { "pass" } else { "MISSED" };
        text.push_str(&format!("{what:<60} {measured:>8.2}   <= {most:.2} {verdict}\n"));
    }
    let reached = bars.iter().filter(|(_, measured, most)| measured <= most).count();
    text.push_str(&format!("\n{reached} of {} bars are reached\n", bars.len()));
    text
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    f64::midpoint(at(values.len().saturating_sub(1) / 2), at(values.len() / 2))
}
