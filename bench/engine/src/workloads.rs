//! The workloads, in the order in which they run, and the data set that each needs.
//!
//! Invariants: (1) the workloads of a data set run on it in the order of `ALL`, so that each engine is in the same state
//! before each; (2) a data set whose filling was not chosen is filled without being measured; (3) an engine is settled
//! before a workload that reads.

mod fill;
mod log;
mod mix;
mod operations;
mod ranges;
mod read;

use std::path::Path;

pub(crate) use log::fill_log;

use crate::engines::{Direction, EngineName, Result, Tuning};
use crate::measurement::Measurement;
use crate::options::Sizes;
use crate::session::Session;
use mix::Mix;
use read::Pick;

/// A directory with entries, made anew for each engine and round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dataset {
    /// Filled in random order; most workloads run on it.
    Main,
    /// Filled in ascending order.
    Ascending,
    /// Filled in batches.
    Batches,
    /// Written by synced commits.
    Commits,
    /// Values of 4 KiB, kept apart from their keys where the engine can.
    Large4,
    /// The same with 64 KiB.
    Large64,
    /// A log that a killed process left.
    Killed,
    /// Filled in random order, then with range deletes.
    Ranges,
    /// Filled in random order, for loads with range deletes in them.
    RangeMix,
    /// Followed while it is filled, then copied.
    Followed,
    /// In many families.
    Families,
    /// Overwritten while snapshots are held.
    Pinned,
}

impl Dataset {
    pub(crate) const ALL: [Dataset; 12] = [
        Dataset::Ascending,
        Dataset::Batches,
        Dataset::Main,
        Dataset::Commits,
        Dataset::Large4,
        Dataset::Large64,
        Dataset::Killed,
        Dataset::Ranges,
        Dataset::RangeMix,
        Dataset::Followed,
        Dataset::Families,
        Dataset::Pinned,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Dataset::Main => "main",
            Dataset::Ascending => "ascending",
            Dataset::Batches => "batches",
            Dataset::Commits => "commits",
            Dataset::Large4 => "large4",
            Dataset::Large64 => "large64",
            Dataset::Killed => "killed",
            Dataset::Ranges => "ranges",
            Dataset::RangeMix => "range-mix",
            Dataset::Followed => "followed",
            Dataset::Families => "families",
            Dataset::Pinned => "pinned",
        }
    }

    /// The bytes of a value, if the data set is one of large values.
    fn large_value_bytes(self) -> Option<usize> {
        match self {
            Dataset::Large4 => Some(4 << 10),
            Dataset::Large64 => Some(64 << 10),
            Dataset::Main
            | Dataset::Ascending
            | Dataset::Batches
            | Dataset::Commits
            | Dataset::Killed
            | Dataset::Ranges
            | Dataset::RangeMix
            | Dataset::Followed
            | Dataset::Families
            | Dataset::Pinned => None,
        }
    }

    /// Whether its workloads delete ranges.
    fn has_range_deletes(self) -> bool {
        matches!(self, Dataset::Ranges | Dataset::RangeMix)
    }

    /// Whether its workloads run on what the first of them filled.
    fn is_filled_once(self) -> bool {
        matches!(self, Dataset::Main | Dataset::Pinned) || self.large_value_bytes().is_some()
    }
}

enum Kind {
    FillAscending,
    FillBatches,
    FillRandom,
    Read { pick: Pick, threads: usize },
    ReadWhileWriting,
    Seek,
    Scan(Direction),
    Overwrite,
    OverwriteLong,
    OverwriteLarge,
    OverwritePinned,
    Mixed(&'static Mix),
    Deletes,
    Commits { threads: usize },
    OpenAfterKill,
    DeleteRanges,
    RangeMix { deletes: u32 },
    Tail,
    Checkpoint,
    FillFamilies,
    ReadFamilies,
    OpenFamilies,
}

/// A workload.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) dataset: Dataset,
    kind: Kind,
}

const fn on(dataset: Dataset, name: &'static str, kind: Kind) -> Workload {
    Workload { name, dataset, kind }
}

const fn read(name: &'static str, pick: Pick, threads: usize) -> Workload {
    on(Dataset::Main, name, Kind::Read { pick, threads })
}

/// Every workload.
pub(crate) const ALL: &[Workload] = &[
    on(Dataset::Ascending, "fillseq", Kind::FillAscending),
    on(Dataset::Batches, "batch", Kind::FillBatches),
    on(Dataset::Main, "fillrandom", Kind::FillRandom),
    read("readrandom", Pick::Uniform, 1),
    read("readrandom@2", Pick::Uniform, 2),
    read("readrandom@4", Pick::Uniform, 4),
    read("zipfian", Pick::Zipfian, 1),
    read("zipfian@4", Pick::Zipfian, 4),
    read("missing", Pick::Missing, 1),
    read("missing@4", Pick::Missing, 4),
    on(Dataset::Main, "seek10", Kind::Seek),
    on(Dataset::Main, "scan", Kind::Scan(Direction::Forward)),
    on(Dataset::Main, "scanback", Kind::Scan(Direction::Back)),
    on(Dataset::Main, "overwrite", Kind::Overwrite),
    on(Dataset::Main, "readwhilewriting", Kind::ReadWhileWriting),
    on(Dataset::Main, "ycsb-a", Kind::Mixed(&mix::A)),
    on(Dataset::Main, "ycsb-b", Kind::Mixed(&mix::B)),
    on(Dataset::Main, "ycsb-c", Kind::Mixed(&mix::C)),
    on(Dataset::Main, "ycsb-d", Kind::Mixed(&mix::D)),
    on(Dataset::Main, "ycsb-e", Kind::Mixed(&mix::E)),
    on(Dataset::Main, "ycsb-f", Kind::Mixed(&mix::F)),
    on(Dataset::Main, "deletes", Kind::Deletes),
    on(Dataset::Commits, "commit@1", Kind::Commits { threads: 1 }),
    on(Dataset::Commits, "commit@8", Kind::Commits { threads: 8 }),
    on(Dataset::Commits, "commit@32", Kind::Commits { threads: 32 }),
    on(Dataset::Large4, "large-4k-fill", Kind::FillRandom),
    on(Dataset::Large4, "large-4k-overwrite", Kind::OverwriteLarge),
    on(Dataset::Large4, "large-4k-read", Kind::Read { pick: Pick::Uniform, threads: 1 }),
    on(Dataset::Large64, "large-64k-fill", Kind::FillRandom),
    on(Dataset::Large64, "large-64k-overwrite", Kind::OverwriteLarge),
    on(Dataset::Large64, "large-64k-read", Kind::Read { pick: Pick::Uniform, threads: 1 }),
    on(Dataset::Killed, "open-after-kill", Kind::OpenAfterKill),
    on(Dataset::Ranges, "range-deletes-none", Kind::Read { pick: Pick::Uniform, threads: 1 }),
    on(Dataset::Ranges, "delete-range", Kind::DeleteRanges),
    on(Dataset::Ranges, "range-deletes", Kind::Read { pick: Pick::Uniform, threads: 1 }),
    on(Dataset::RangeMix, "range-mix-none", Kind::RangeMix { deletes: 0 }),
    on(Dataset::RangeMix, "range-mix", Kind::RangeMix { deletes: 1 }),
    on(Dataset::Followed, "tail", Kind::Tail),
    on(Dataset::Followed, "checkpoint", Kind::Checkpoint),
    on(Dataset::Families, "families", Kind::FillFamilies),
    on(Dataset::Families, "families-get", Kind::ReadFamilies),
    on(Dataset::Families, "families-open", Kind::OpenFamilies),
    on(Dataset::Pinned, "overwrite-pinned", Kind::OverwritePinned),
    on(Dataset::Pinned, "overwrite-released", Kind::Overwrite),
];

/// How many times as many large values are overwritten as there are.
const LARGE_PASSES: u64 = 4;

/// Workloads that run only if they are asked for by name, behind the others of their data set.
pub(crate) const ON_DEMAND: &[Workload] = &[on(Dataset::Main, "overwrite-long", Kind::OverwriteLong)];

/// What a process that measures is asked for.
pub(crate) struct Request<'a> {
    pub(crate) engine: EngineName,
    pub(crate) round: u32,
    pub(crate) sizes: Sizes,
    pub(crate) tuning: Tuning,
    pub(crate) directory: &'a Path,
    pub(crate) workloads: Vec<&'static Workload>,
}

/// Runs the workloads, which are all of one data set, and shows each measurement when it is there.
pub(crate) fn run(request: &Request<'_>, show: &mut dyn FnMut(&Measurement) -> Result<()>) -> Result<()> {
    let Some(first) = request.workloads.first() else { return Ok(()) };
    if first.dataset == Dataset::Killed {
        return show(&log::open_after_kill(first.name, request)?);
    }
    if first.dataset.has_range_deletes() && !request.engine.deletes_ranges() {
        return Ok(());
    }
    let large = first.dataset.large_value_bytes();
    let tuning = Tuning {
        commits_synced: first.dataset == Dataset::Commits,
        separates_values: large.is_some(),
        log_kept: first.dataset == Dataset::Followed,
        ..request.tuning
    };
    let mut sizes = request.sizes.clone();
    if let Some(value_bytes) = large {
        sizes.keys = sizes.large_bytes / value_bytes as u64;
        sizes.reads = sizes.reads.min(sizes.keys);
        sizes.value_bytes = value_bytes;
    }
    let session = Session::open(request.engine, request.round, request.directory, &sizes, &tuning)?;
    let is_to_fill = first.dataset.is_filled_once() && !matches!(first.kind, Kind::FillRandom);
    if is_to_fill || first.dataset.has_range_deletes() {
        fill::random(&session, "unmeasured")?;
        session.settle()?;
    }
    let opens = |workload: &&&Workload| matches!(workload.kind, Kind::OpenFamilies);
    for workload in request.workloads.iter().filter(|workload| !opens(workload)) {
        if first.dataset.is_filled_once() {
            session.settle()?;
        }
        if let Some(measurement) = measured(&session, workload, request)? {
            show(&measurement)?;
        }
    }
    match request.workloads.iter().find(opens) {
        Some(workload) => match operations::open_families(session, workload.name, request)? {
            Some(measurement) => show(&measurement),
            None => Ok(()),
        },
        None => Ok(()),
    }
}

fn measured(session: &Session, workload: &Workload, request: &Request<'_>) -> Result<Option<Measurement>> {
    let name = workload.name;
    let measured = match &workload.kind {
        Kind::Tail => return operations::tail(session, name),
        Kind::Checkpoint => return operations::checkpoint(session, name),
        Kind::OverwritePinned => return operations::overwrite_pinned(session, name),
        Kind::FillFamilies => return operations::fill_families(session, name),
        Kind::ReadFamilies => return operations::read_families(session, name),
        // It needs an engine that is closed.
        Kind::OpenFamilies => return Ok(None),
        Kind::FillAscending => fill::ascending(session, name),
        Kind::FillBatches => fill::batches(session, name),
        Kind::FillRandom => fill::random(session, name),
        Kind::Overwrite => fill::overwrite(session, name),
        Kind::OverwriteLong => fill::overwrite_long(session, name),
        Kind::OverwriteLarge => fill::overwrite_large(session, name, LARGE_PASSES),
        Kind::Deletes => fill::deletes(session, name),
        Kind::Read { pick, threads } => read::points(session, name, *pick, *threads),
        Kind::ReadWhileWriting => read::while_writing(session, name),
        Kind::Seek => read::seeks(session, name),
        Kind::Scan(direction) => read::scan(session, name, *direction),
        Kind::Mixed(mix) => mix::run(session, name, mix),
        Kind::Commits { threads } => log::commits(session, name, *threads),
        Kind::OpenAfterKill => log::open_after_kill(name, request),
        Kind::DeleteRanges => ranges::delete(session, name),
        Kind::RangeMix { deletes } => ranges::mixed(session, name, *deletes),
    };
    measured.map(Some)
}
