//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::engines::{EngineName, Tuning};
use crate::keys::KeyShape;
use crate::workloads::{self, Workload};

/// Entries with `--quick`.
const QUICK_KEYS: u64 = 200_000;
/// MiB of large values with `--quick`.
const QUICK_LARGE_MIB: u64 = 64;
/// Reads of a read workload, at least.
const READS_MIN: u64 = 200_000;

/// Runs the same workloads on several storage engines and compares them.
#[derive(Clone, Debug, Parser)]
#[command(name = "engine-bench", args_override_self = true)]
pub(crate) struct Options {
    /// Engines, comma-separated: ordinum, rocksdb, fjall, lmdb, redb, sled. All that are built in by default.
    #[arg(long, value_delimiter = ',')]
    engines: Vec<EngineName>,
    /// Workloads, comma-separated; `list` lists them. All by default.
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<String>,
    /// Entries of a filled data set.
    #[arg(long, default_value_t = 2_000_000)]
    keys: u64,
    /// Reads of a read workload; half the keys by default.
    #[arg(long)]
    reads: Option<u64>,
    /// Bytes of a value.
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,
    /// MiB of values of a data set of large values.
    #[arg(long, default_value_t = 512)]
    large_mib: u64,
    /// `hashed` (16 random bytes) or `dense` (a shared half, then numbers without gaps).
    #[arg(long, default_value_t = KeyShape::Hashed)]
    key_shape: KeyShape,
    /// Rounds; each runs every engine, and the table shows medians.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: u32,
    /// Where the data sets are put, and removed from again. It must be on a disk.
    #[arg(long, default_value = "target/engine-bench")]
    pub(crate) dir: PathBuf,
    /// Block cache, in MiB.
    #[arg(long, default_value_t = 64)]
    cache_mib: u64,
    /// One memtable, in MiB.
    #[arg(long, default_value_t = 16)]
    write_buffer_mib: u64,
    /// Memtables in memory, the active one included.
    #[arg(long, default_value_t = 4)]
    write_buffers: usize,
    /// Bytes of a data block before compression, for Ordinum, RocksDB and fjall; each engine's own default if it is not given.
    #[arg(long)]
    block_bytes: Option<u32>,
    /// Seconds of each workload of synced commits.
    #[arg(long, default_value_t = 3.0)]
    commit_seconds: f64,
    /// Minutes of `overwrite-long`, which runs only if it is asked for by name.
    #[arg(long, default_value_t = 10.0)]
    overwrite_minutes: f64,
    /// Puts a second of the writer of readwhilewriting.
    #[arg(long, default_value_t = 20_000)]
    write_rate: u64,
    /// Range deletes that stay while it is read beside them.
    #[arg(long, default_value_t = 100_000)]
    range_deletes: u64,
    /// 200 000 keys, one round, short commit workloads.
    #[arg(long)]
    quick: bool,
    /// Also appends every measurement to this file, a line of JSON each.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Measures nothing: prints the tables of files that --json wrote.
    #[arg(long, num_args = 1..)]
    pub(crate) report: Vec<PathBuf>,

    /// This process measures one engine on one data set; used by the program itself.
    #[arg(long, hide = true, requires = "dataset")]
    pub(crate) child: Option<EngineName>,
    #[arg(long, hide = true)]
    pub(crate) dataset: Option<String>,
    #[arg(long, hide = true, default_value_t = 1)]
    pub(crate) round: u32,
    /// This process fills a log and waits to be killed; used by the program itself.
    #[arg(long, hide = true)]
    pub(crate) fill_log: bool,
}

/// How much a workload does.
#[derive(Clone, Debug)]
pub(crate) struct Sizes {
    pub(crate) keys: u64,
    pub(crate) reads: u64,
    pub(crate) value_bytes: usize,
    /// Bytes of all values of a data set of large values.
    pub(crate) large_bytes: u64,
    pub(crate) key_shape: KeyShape,
    pub(crate) commit_seconds: f64,
    pub(crate) overwrite_minutes: f64,
    pub(crate) write_rate: u64,
    pub(crate) range_deletes: u64,
}

impl Options {
    /// Applies `--quick`.
    pub(crate) fn settled(mut self) -> Options {
        if self.quick {
            self.keys = QUICK_KEYS;
            self.rounds = 1;
            self.large_mib = self.large_mib.min(QUICK_LARGE_MIB);
            self.commit_seconds = self.commit_seconds.min(1.0);
        }
        self
    }

    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            keys: self.keys,
            reads: self.reads.unwrap_or((self.keys / 2).max(READS_MIN)),
            value_bytes: self.value_bytes,
            large_bytes: self.large_mib << 20,
            key_shape: self.key_shape,
            commit_seconds: self.commit_seconds,
            overwrite_minutes: self.overwrite_minutes,
            write_rate: self.write_rate.max(1),
            range_deletes: self.range_deletes,
        }
    }

    pub(crate) fn tuning(&self) -> Tuning {
        Tuning {
            cache_bytes: self.cache_mib << 20,
            write_buffer_bytes: self.write_buffer_mib << 20,
            write_buffers: self.write_buffers,
            block_bytes: self.block_bytes,
            separates_values: false,
            commits_synced: false,
            log_kept: false,
        }
    }

    /// The engines to measure.
    pub(crate) fn engines(&self) -> Result<Vec<EngineName>, String> {
        if self.engines.is_empty() {
            return Ok(EngineName::ALL.into_iter().filter(|engine| engine.is_built()).collect());
        }
        match self.engines.iter().find(|engine| !engine.is_built()) {
            Some(engine) => {
                Err(format!("this program was built without {engine}; build it with --features {engine}"))
            }
            None => Ok(self.engines.clone()),
        }
    }

    /// The workloads to run, in the order in which they run.
    pub(crate) fn workloads(&self) -> Result<Vec<&'static Workload>, String> {
        let all = || workloads::ALL.iter().chain(workloads::ON_DEMAND);
        let known = |name: &str| all().any(|workload| workload.name == name);
        if let Some(unknown) = self.workloads.iter().find(|name| !known(name)) {
            let names: Vec<&str> = all().map(|workload| workload.name).collect();
            return Err(format!("no workload is called `{unknown}`; there are {}", names.join(", ")));
        }
        if self.workloads.is_empty() {
            return Ok(workloads::ALL.iter().collect());
        }
        let chosen = |workload: &&Workload| self.workloads.iter().any(|name| name == workload.name);
        Ok(all().filter(chosen).collect())
    }
}
