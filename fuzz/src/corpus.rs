//! The kept inputs of a target, and where findings go.
//!
//! Invariants: inputs are read in the order of their names, so that a seed means the same run everywhere; a finding
//! is named by its content, so that the same finding is kept once.

use std::io;
use std::path::{Path, PathBuf};

use crate::targets::Target;

/// Bytes that an input may have; a longer file in the corpus is cut.
pub const INPUT_BYTES_MAX: usize = 16 * 1024;

/// The empty input, the target's own seeds, and the inputs in `directory/target`, if there is such a directory.
///
/// # Errors
/// Those of reading the directory, except that it may be missing.
pub fn load(directory: &Path, target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let mut paths = match std::fs::read_dir(directory.join(target.name)) {
        Ok(entries) => {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    paths.sort();
    let mut inputs = vec![Vec::new()];
    inputs.extend((target.seeds)());
    for path in paths {
        let mut bytes = std::fs::read(path)?;
        bytes.truncate(INPUT_BYTES_MAX);
        inputs.push(bytes);
    }
    Ok(inputs)
}

/// Keeps `input` as a finding of `target`.
///
/// # Errors
/// Those of writing the file.
pub fn keep_finding(directory: &Path, target: &str, input: &[u8]) -> io::Result<PathBuf> {
    std::fs::create_dir_all(directory)?;
    let path = directory.join(format!("{target}-{:016x}", fingerprint(input)));
    std::fs::write(&path, input)?;
    Ok(path)
}

/// FNV-1a: enough to tell two findings apart by name.
fn fingerprint(input: &[u8]) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
