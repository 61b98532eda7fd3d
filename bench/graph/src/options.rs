//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Runs the same graph queries and writes on ormDB, embedded, and on SQLite.
#[derive(Clone, Debug, Parser)]
#[command(name = "graph-bench", args_override_self = true)]
pub(crate) struct Options {
    /// Rows of all tables together.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) rows: u64,
    /// Rounds; each loads both databases anew, and the tables show medians.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u32,
    /// Operations of a case, in percent of what it has by default.
    #[arg(long, default_value_t = 100)]
    pub(crate) operations: usize,
    /// What the data and the arguments are made from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Cases, comma-separated, by their names or what these begin with. All by default.
    #[arg(long, value_delimiter = ',')]
    pub(crate) cases: Vec<String>,
    /// Runs one side only, `ormdb` or `sqlite`: for a profiler.
    #[arg(long)]
    pub(crate) side: Option<String>,
    /// Where the databases are put, and removed from again. It must be on a disk.
    #[arg(long, default_value = "target/graph-bench")]
    pub(crate) dir: PathBuf,
    /// Memory for what is cached of the files, of each side, in MiB.
    #[arg(long, default_value_t = 64)]
    pub(crate) cache_mib: u32,
}

impl Options {
    /// Whether a case is to run.
    pub(crate) fn wants(&self, case: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|wanted| case.starts_with(wanted.as_str()))
    }

    /// Whether a side is to run.
    pub(crate) fn wants_side(&self, side: &str) -> bool {
        self.side.as_deref().is_none_or(|wanted| wanted == side)
    }
}
