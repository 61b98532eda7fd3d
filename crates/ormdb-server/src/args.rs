//! The command line: commands, arguments and options.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// What is printed below the list of commands.
const AFTER_HELP: &str = "\
TARGET is the directory of an embedded database, the URL of a server (ormdb://127.0.0.1:5477; ormdb+tls://host with TLS), or its \
Unix socket (ormdb+unix:///run/ormdb.sock, or the path of the socket). A user is named in the URL (ormdb://ann@host); the password \
is asked for, or stands in ORMDB_PASSWORD.

Exit status: 0 done, 1 the request is wrong, 2 the command line is wrong, 3 denied, 4 over budget, 5 unavailable \
(try later, or look at the server), 6 run it again, 7 data are damaged, 70 a bug.";

/// ormDB: a relational database of entities, relations and graph fetches.
#[derive(Debug, Parser)]
#[command(name = "ormdb", version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show ormDB at work: load a music shop, fetch a graph, meet a constraint.
    Demo(Demo),
    /// Serve a database to clients.
    Serve(Serve),
    /// Talk to a database: queries, schema and plans, line by line.
    Shell(Shell),
    /// Run the statements of a text.
    Query(Query),
    /// Load rows from CSV or JSON Lines files.
    Import(Import),
    /// Write the rows of entities as CSV or JSON Lines.
    Export(Export),
    /// Check, format, show or apply a schema.
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Verify a database: every checksum, every index entry against its row, every foreign key.
    Check(Check),
    /// Look into the files of a database, verify them, or rescue what is intact of them.
    #[command(subcommand)]
    Storage(StorageCommand),
    /// Add users to a database, list them, change their passwords, take them away.
    #[command(subcommand)]
    User(UserCommand),
    /// Really delete the rows that were deleted longer ago than their entity keeps them.
    Purge(Purge),
    /// Start a project: a schema from the example, or inferred from CSV files.
    Init(Init),
    /// Write the types of a schema for a programming language.
    #[command(subcommand)]
    Generate(GenerateCommand),
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables; trees where rows have related rows.
    Table,
    /// JSON.
    Json,
}

/// How rows stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileFormat {
    /// Comma-separated values, the names of fields in the first line; nothing between commas is null, `""` is the
    /// empty text.
    Csv,
    /// A JSON object on each line.
    Jsonl,
}

/// Arguments of `ormdb demo`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    /// Where the database is created; one that an earlier demo made there is replaced.
    #[arg(long, default_value = "demo.ormdb", value_name = "DIR")]
    pub(crate) path: PathBuf,
}

/// Arguments of `ormdb serve`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// The directory of the database; created if it is not there.
    pub(crate) path: PathBuf,
    /// The address to listen on; port 0 for any that is free. Other than loopback addresses need TLS and a user
    /// (`ormdb user add`).
    #[arg(long, default_value = "127.0.0.1:5477", value_name = "ADDR")]
    pub(crate) listen: std::net::SocketAddr,
    /// Listen on an address that is not loopback without TLS or users, where something else guards it.
    #[arg(long)]
    pub(crate) insecure_listen: bool,
    /// The certificate of the server (PEM), with those between it and its authority: clients come by ormdb+tls://. Read again
    /// when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Listen on this Unix socket too; it is for its owner alone.
    #[arg(long, value_name = "PATH")]
    pub(crate) unix: Option<PathBuf>,
    /// The most connections at a time.
    #[arg(long, default_value_t = 1024, value_name = "N")]
    pub(crate) connections_max: usize,
    /// The most requests in flight on one connection; further ones wait unread.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) requests_max: u32,
    /// The longest frame that is read, in MiB.
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) frame_mib_max: u32,
    /// Memory for blocks of the database's files that were read, in MiB.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) cache_mib: u32,
    /// Seconds that a version can be read (`as of`) after it was overwritten; 0 for none. The database keeps it: without it,
    /// versions are kept as it was said before, and none in a new database.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) retention_age: Option<f64>,
    /// Versions are given up before their age when more than this was written to the log since they were overwritten.
    #[arg(long, value_name = "BYTES", requires = "retention_age")]
    pub(crate) retention_bytes: Option<u64>,
    /// Seconds that a connection may be quiet; clients give signs of life by themselves.
    #[arg(long, default_value_t = 300.0, value_name = "SECONDS")]
    pub(crate) idle_timeout: f64,
    /// Seconds that a result may wait for its client to read on; then its request is cancelled.
    #[arg(long, default_value_t = 300.0, value_name = "SECONDS")]
    pub(crate) stall_timeout: f64,
    /// Microseconds that the next request of a client which asks one thing after another is looked for before a thread goes to sleep; 0
    /// for none. It costs processor time and shortens the way of each request by what it takes to wake a thread.
    #[arg(long, default_value_t = 100, value_name = "MICROSECONDS", value_parser = clap::value_parser!(u64).range(..=10_000))]
    pub(crate) busy_poll: u64,
    /// Seconds that a frame may take from its first byte to its last; the first of a connection has at most 5.
    #[arg(long, default_value_t = 30.0, value_name = "SECONDS")]
    pub(crate) frame_timeout: f64,
    /// Seconds that requests in flight may take once the server is told to stop.
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    pub(crate) drain_timeout: f64,
}

/// Arguments of `ormdb shell`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Shell {
    /// The database.
    pub(crate) target: String,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Arguments of `ormdb query`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Query {
    /// The database.
    pub(crate) target: String,
    /// The statements, with semicolons between; read from standard input where none are given.
    pub(crate) text: Option<String>,
    /// A parameter: NAME=VALUE, the value as JSON, or else as text.
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    pub(crate) params: Vec<String>,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// Arguments of `ormdb import`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Import {
    /// The database.
    pub(crate) target: String,
    /// The files; each is called after its entity (Artist.csv, or what `init` made of the name), and parents are loaded before their children.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The entity, where the one file is not called after it.
    #[arg(long, value_name = "NAME")]
    pub(crate) entity: Option<String>,
    /// The format, where the file's name does not end in .csv, .jsonl or .ndjson.
    #[arg(long, value_enum)]
    pub(crate) format: Option<FileFormat>,
    /// Go on behind bad rows, and keep them in this file as they stand.
    #[arg(long, value_name = "FILE")]
    pub(crate) reject: Option<PathBuf>,
    /// Pass over rows whose key is taken.
    #[arg(long)]
    pub(crate) skip_duplicates: bool,
    /// The rows of one transaction.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch_rows: u32,
}

/// Arguments of `ormdb export`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Export {
    /// The database.
    pub(crate) target: String,
    /// The entities; every one if none is named.
    pub(crate) entities: Vec<String>,
    /// The directory of the files, one for each entity; standard output where none is given, for one entity.
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// The format.
    #[arg(long, value_enum, default_value_t = FileFormat::Jsonl)]
    pub(crate) format: FileFormat,
    /// Write the rows as well that are deleted and kept (`@@softDelete`).
    #[arg(long)]
    pub(crate) with_deleted: bool,
}

/// What to do with a schema.
#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Read a schema and tell of every error; with a database, of what applying it would change.
    Check {
        /// The schema; `-` for standard input.
        #[arg(default_value = "schema.ormdb")]
        file: PathBuf,
        /// The database whose schema it is compared with.
        #[arg(long, value_name = "TARGET")]
        against: Option<String>,
    },
    /// Write a schema in its canonical form.
    Format {
        /// The schema; `-` for standard input, to standard output.
        #[arg(default_value = "schema.ormdb")]
        file: PathBuf,
        /// Change nothing; fail if the file is not in its canonical form.
        #[arg(long)]
        check: bool,
    },
    /// Print the schema of a database.
    Show {
        /// The database.
        target: String,
    },
    /// Apply a schema to a database; a path that is not there is created.
    Apply {
        /// The database.
        target: String,
        /// The schema; `-` for standard input.
        #[arg(default_value = "schema.ormdb")]
        file: PathBuf,
    },
}

/// Arguments of `ormdb check`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Check {
    /// The directory of the database.
    pub(crate) path: PathBuf,
    /// How the report is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// What to do with the files of a database.
#[derive(Debug, Subcommand)]
pub(crate) enum StorageCommand {
    /// Print what a file holds, line by line. The database need not be closed, and is not changed.
    Dump {
        /// What the file is.
        #[arg(value_enum)]
        contents: StorageFile,
        /// The file, under its own name.
        file: PathBuf,
    },
    /// Verify every checksum of every file. `ormdb check` verifies besides what they mean.
    Verify {
        /// The directory of the database.
        dir: PathBuf,
    },
    /// Make a new database of all that is intact in a damaged one, and tell what was lost. The damaged one must be closed, and is
    /// not changed.
    Rescue {
        /// The directory of the damaged database.
        from: PathBuf,
        /// The directory of the new one: empty, or not there.
        to: PathBuf,
        /// How the report is printed.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
}

/// A kind of file in the directory of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StorageFile {
    /// A sorted table (.sst).
    Table,
    /// A log (.log).
    Log,
    /// A manifest (MANIFEST-…).
    Manifest,
    /// A file of the value log (.val).
    ValueLog,
}

/// What to do with users. A new password is asked for on the terminal, or is the first line of standard input, or stands in
/// ORMDB_NEW_PASSWORD; the database keeps salted keys only.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user. From the first one on, a server lets users in only.
    Add {
        /// The database.
        target: String,
        /// The name: letters, digits, and any of `_-.@`.
        name: String,
        /// The user reads, and changes nothing.
        #[arg(long)]
        read_only: bool,
    },
    /// Print the users.
    List {
        /// The database.
        target: String,
    },
    /// Give a user another password, for logins to come.
    Password {
        /// The database.
        target: String,
        /// The name.
        name: String,
    },
    /// Take a user away; connections that are open stay.
    Drop {
        /// The database.
        target: String,
        /// The name.
        name: String,
    },
}

/// Arguments of `ormdb purge`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Purge {
    /// The directory of the database. A server purges its own by itself.
    pub(crate) path: PathBuf,
}

/// Arguments of `ormdb init`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Init {
    /// The directory of the project.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Infer the schema from these CSV files: one entity for each.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) from: Vec<PathBuf>,
}

/// The language that types are written for.
#[derive(Debug, Subcommand)]
pub(crate) enum GenerateCommand {
    /// TypeScript, for `@ormdb/client`: rows, values of creates and updates, and keys of every entity.
    Ts(GenerateTs),
}

/// Arguments of `ormdb generate ts`.
#[derive(Debug, ClapArgs)]
pub(crate) struct GenerateTs {
    /// The schema; `-` for standard input.
    #[arg(default_value = "schema.ormdb")]
    pub(crate) file: PathBuf,
    /// The file to write; standard output where none is given.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// What an int64 is in rows, as in the options of `connect`.
    #[arg(long, value_enum, default_value_t = Int64::Number)]
    pub(crate) int64: Int64,
}

/// What an int64 is in JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Int64 {
    /// A number; one that is not exact is an error.
    Number,
    /// A bigint.
    Bigint,
}
