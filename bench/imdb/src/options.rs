//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::operation::Operation;

/// Runs a movie site on ormDB, PostgreSQL and SQLite, from Rust, Python and Node.
#[derive(Clone, Debug, Parser)]
#[command(name = "imdb-bench", args_override_self = true)]
pub(crate) struct Options {
    /// A hundredth of the data and short measurements: whether everything works, not how fast.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Movies; people and users are four times as many, reviews twenty times.
    #[arg(long, default_value_t = 25_000)]
    pub(crate) movies: u32,
    /// Rounds; the tables show medians.
    #[arg(long, default_value_t = 1)]
    pub(crate) rounds: u32,
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 1.5)]
    pub(crate) seconds: f64,
    /// What the data and the arguments are made from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Operations, comma-separated, by their names or what these begin with. All by default.
    #[arg(long, value_delimiter = ',')]
    pub(crate) operations: Vec<String>,
    /// Languages, comma-separated: rust, python, node. All by default.
    #[arg(long, value_delimiter = ',', default_value = "rust,python,node")]
    pub(crate) languages: Vec<String>,
    /// Sides, comma-separated: ormdb, postgres, sqlite. All by default.
    #[arg(long, value_delimiter = ',', default_value = "ormdb,postgres,sqlite")]
    pub(crate) sides: Vec<String>,
    /// Leaves out what is in the process, or what is behind a server: `remote` or `embedded`.
    #[arg(long)]
    pub(crate) only: Option<String>,
    /// Where the databases are put, and removed from again. It must be on a disk.
    #[arg(long, default_value = "target/imdb-bench")]
    pub(crate) dir: PathBuf,
    /// The `ormdb` binary.
    #[arg(long, default_value = "target/dist/ormdb")]
    pub(crate) ormdb: PathBuf,
    /// The Python that has the packages `ormdb` and `asyncpg`.
    #[arg(long, default_value = "python3")]
    pub(crate) python: PathBuf,
    /// The Node whose drivers directory has the packages `@ormdb/client` and `pg`.
    #[arg(long, default_value = "node")]
    pub(crate) node: PathBuf,
    /// The directory of the drivers in Python and Node.
    #[arg(long, default_value = "bench/imdb/drivers")]
    pub(crate) drivers: PathBuf,
    /// A file that gets a JSON object for each measurement.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Memory for what is cached of the files, of each side where it can be said, in MiB.
    #[arg(long, default_value_t = 256)]
    pub(crate) cache_mib: u32,
}

impl Options {
    /// With what `--quick` says.
    pub(crate) fn settled(mut self) -> Options {
        if self.quick {
            self.movies = self.movies.min(250);
            self.seconds = self.seconds.min(0.2);
        }
        self
    }

    /// The operations that are to run.
    pub(crate) fn wanted(&self) -> Vec<Operation> {
        let wants = |operation: &Operation| {
            self.operations.is_empty()
                || self.operations.iter().any(|wanted| operation.name().starts_with(wanted.as_str()))
        };
        Operation::ALL.into_iter().filter(wants).collect()
    }

    /// Whether a side is to run.
    pub(crate) fn wants_side(&self, side: &str) -> bool {
        self.sides.iter().any(|wanted| wanted == side)
    }

    /// Whether what is behind a server, or what is in the process, is to run.
    pub(crate) fn wants_place(&self, place: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == place)
    }
}
