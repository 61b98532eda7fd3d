//! Standard output and standard error.

use std::io::{self, IsTerminal, Write};

use crate::exit::{Failure, Result};

/// Prints a text and a line break.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").map_err(Failure::output)
}

/// Tells a person something on standard error. That nobody listens is no reason to fail.
pub(crate) fn diagnose(text: &str) {
    writeln!(io::stderr().lock(), "{text}").unwrap_or_default();
}

/// How this program was called, for commands that a person may copy.
pub(crate) fn program() -> String {
    std::env::args().next().filter(|name| !name.is_empty()).unwrap_or_else(|| "ormdb".to_owned())
}

/// Whether a person watches standard error.
pub(crate) fn diagnostics_are_watched() -> bool {
    io::stderr().is_terminal()
}
