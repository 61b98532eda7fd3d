//! The command line.

use std::path::PathBuf;

use clap::{Parser, value_parser};

use crate::Result;
use crate::shop::Shop;

/// The most rows of a database.
const ROWS_MAX: i64 = 1_000_000_000_000;

/// Loads a large database and a small one, and asks the same of both.
#[derive(Clone, Debug, Parser)]
#[command(name = "size-bench", args_override_self = true)]
pub(crate) struct Options {
    /// Little data and few fetches: whether everything works, not how fast.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Rows of the large database, of all entities together.
    #[arg(long, default_value_t = 10_000_000, value_parser = value_parser!(i64).range(1..=ROWS_MAX))]
    pub(crate) rows: i64,
    /// Rows of the small database.
    #[arg(long, default_value_t = 100_000, value_parser = value_parser!(i64).range(1..=ROWS_MAX))]
    pub(crate) small_rows: i64,
    /// Orders, and as many products, that are fetched again and again: the hot set.
    #[arg(long, default_value_t = 1000, value_parser = value_parser!(i64).range(1..))]
    pub(crate) hot: i64,
    /// Rounds; in each all fetches are measured on both databases, and the tables show medians.
    #[arg(long, default_value_t = 9, value_parser = value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Fetches of a kind, a database and a round.
    #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u32).range(1..))]
    pub(crate) fetches: u32,
    /// What the data and the arguments are made from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Memory for blocks, filters and indexes of tables, of each database, in MiB.
    #[arg(long, default_value_t = 256)]
    pub(crate) cache_mib: u32,
    /// Memory for memtables, of each database, in MiB.
    #[arg(long, default_value_t = 64)]
    pub(crate) write_buffers_mib: u32,
    /// How long a table is that a compaction writes, in MiB.
    #[arg(long, default_value_t = 32)]
    pub(crate) table_mib: u32,
    /// Where the databases are put, and removed from again. It must be on a disk.
    #[arg(long, default_value = "target/size-bench")]
    pub(crate) dir: PathBuf,
    /// The databases stay, and the next run that says so, of the same rows and seed, does not load them again.
    #[arg(long)]
    pub(crate) keep: bool,
}

impl Options {
    /// With what `--quick` says, if they can be met.
    pub(crate) fn settled(mut self) -> Result<Options> {
        if self.quick {
            self.rows = self.rows.min(2 * Shop::SLICE_ROWS);
            self.small_rows = self.small_rows.min(Shop::SLICE_ROWS);
            self.hot = self.hot.min(50);
            self.rounds = self.rounds.min(2);
            self.fetches = self.fetches.min(200);
        }
        let (hot, rows) = (self.hot, self.rows.min(self.small_rows));
        let products = Shop::new(self.seed, rows).products();
        if hot > products {
            return Err(format!("--hot is {hot}, and {rows} rows have {products} products").into());
        }
        Ok(self)
    }
}
