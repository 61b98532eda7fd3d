//! Text that a command reads and writes: files and standard input.

use std::fs;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::exit::{Failure, Result};

/// The longest text that is read whole, in bytes.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// The text of a file, or of standard input where the path is `-`.
pub(crate) fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    let taken = if path == Path::new("-") {
        io::stdin().lock().take(TEXT_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        let (file, _) = open(path)?;
        file.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text)
    };
    taken.map_err(|error| Failure::file(path, error))?;
    if text.len() as u64 > TEXT_BYTES_MAX {
        return Err(Failure::Request(format!("{}: longer than {TEXT_BYTES_MAX} bytes", path.display())));
    }
    Ok(text)
}

/// A file to read from its beginning, and its length.
pub(crate) fn open(path: &Path) -> Result<(BufReader<fs::File>, u64)> {
    #[expect(clippy::disallowed_methods, reason = "the user's own files, not those of the database")]
    let file = fs::File::open(path).map_err(|error| Failure::file(path, error))?;
    let length = file.metadata().map_err(|error| Failure::file(path, error))?.len();
    Ok((BufReader::with_capacity(1 << 16, file), length))
}

/// A file to write, empty.
pub(crate) fn create(path: &Path) -> Result<io::BufWriter<fs::File>> {
    fs::File::create(path).map(io::BufWriter::new).map_err(|error| Failure::file(path, error))
}

/// Writes a whole file.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| Failure::file(path, error))
}
