//! How the process ends.

use std::process::ExitCode;

use ormdb_proto::{Error, ErrorKind};

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the database, with the text that its place is in.
    Database {
        /// The error.
        error: Box<Error>,
        /// The text of the query or schema.
        source: Option<String>,
    },
    /// Several errors of one text.
    Text {
        /// The errors.
        errors: Vec<Error>,
        /// The name of the file.
        name: String,
        /// The text.
        source: String,
    },
    /// A file or the terminal could not be read or written.
    File {
        /// Which.
        name: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// What was asked for makes no sense.
    Request(String),
    /// What was to be found good was not; the details are told already.
    Findings(ErrorKind),
    /// Nobody reads the output any more.
    OutputClosed,
}

/// The result of a command.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Database { error: Box::new(error), source: None }
    }
}

impl Failure {
    /// An error about a place in `source`.
    pub(crate) fn in_text(error: Error, source: &str) -> Failure {
        Failure::Database { error: Box::new(error), source: Some(source.to_owned()) }
    }

    /// An error of the system about a file.
    pub(crate) fn file(path: &std::path::Path, error: std::io::Error) -> Failure {
        Failure::File { name: path.display().to_string(), error }
    }

    /// An error of the system about standard output.
    pub(crate) fn output(error: std::io::Error) -> Failure {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Failure::OutputClosed
        } else {
            Failure::File { name: "standard output".to_owned(), error }
        }
    }

    /// What a person reads of it; nothing if all is told.
    pub(crate) fn render(&self) -> Option<String> {
        match self {
            Failure::Database { error, source } => Some(error.render(source.as_deref())),
            Failure::Text { errors, name, source } => {
                let errors: Vec<String> = errors.iter().map(|error| error.render(Some(source))).collect();
                Some(format!("{}\n\n{name}: {}", errors.join("\n\n"), count(errors.len(), "error")))
            }
            Failure::File { name, error } => Some(format!("error[io]: {name}: {error}")),
            Failure::Request(message) => Some(format!("error: {message}")),
            Failure::Findings(_) | Failure::OutputClosed => None,
        }
    }

    fn status(&self) -> u8 {
        match self {
            Failure::Database { error, .. } => status(error.kind()),
            Failure::Text { errors, .. } => errors.first().map_or(1, |error| status(error.kind())),
            Failure::File { .. } => status(ErrorKind::Unavailable),
            Failure::Request(_) => status(ErrorKind::FixTheRequest),
            Failure::Findings(kind) => status(*kind),
            Failure::OutputClosed => 0,
        }
    }
}

/// The exit status of a kind of error; `args` documents them.
const fn status(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::FixTheRequest => 1,
        ErrorKind::Denied => 3,
        ErrorKind::OverBudget => 4,
        ErrorKind::Unavailable => 5,
        ErrorKind::Retry => 6,
        ErrorKind::Corrupt => 7,
        ErrorKind::Bug => 70,
    }
}

/// `1 row`, `2 rows`
pub(crate) fn count(n: impl TryInto<u64>, noun: &str) -> String {
    let n: u64 = n.try_into().unwrap_or(u64::MAX);
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// `15,607`
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Tells why a command failed, and the exit status.
pub(crate) fn report(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(text) = failure.render() {
                crate::output::diagnose(&text);
            }
            ExitCode::from(failure.status())
        }
    }
}
