//! CURRENT: the one line that names the live manifest.

#![deny(clippy::indexing_slicing)]

use std::path::Path;

use crate::error::{Error, Result};
use crate::file_name::{self, CURRENT, FileKind, FileNumber};
use crate::fs::{Fs, read_whole};

/// Names the manifest in CURRENT, durably and at once.
pub(crate) fn write_current(fs: &dyn Fs, directory: &Path, manifest: FileNumber) -> Result<()> {
    let text = format!("ordinum 1 MANIFEST-{manifest}");
    let line = format!("{text} {:08x}\n", crc32c::crc32c(text.as_bytes()));
    let temporary = file_name::path(directory, FileKind::Temporary, manifest);
    let file = fs.create(&temporary)?;
    file.append(line.as_bytes())?;
    file.sync()?;
    fs.rename(&temporary, &directory.join(CURRENT))?;
    fs.sync_dir(directory)
}

/// The manifest that CURRENT names, or none if there is no CURRENT.
pub(crate) fn read_current(fs: &dyn Fs, directory: &Path) -> Result<Option<FileNumber>> {
    let path = directory.join(CURRENT);
    if !fs.exists(&path)? {
        return Ok(None);
    }
    let bytes = read_whole(fs, &path)?;
    let damaged = |expected: &str| Error::Corrupt {
        file: path.clone(),
        offset: 0,
        expected: expected.to_owned(),
        found: String::from_utf8_lossy(bytes.get(..80).unwrap_or(&bytes)).into_owned(),
    };
    let line = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n'));
    let (text, sum) =
        line.and_then(|line| line.rsplit_once(' ')).ok_or_else(|| damaged("one line of text"))?;
    if sum != format!("{:08x}", crc32c::crc32c(text.as_bytes())) {
        return Err(damaged("a line that ends with its checksum"));
    }
    let name = text.strip_prefix("ordinum 1 ").ok_or_else(|| Error::UnknownFormat {
        file: path.clone(),
        what: "another kind of CURRENT".to_owned(),
        written_by: text.to_owned(),
    })?;
    match file_name::parse(name) {
        Some((FileKind::Manifest, number)) => Ok(Some(number)),
        Some((FileKind::Log | FileKind::Table | FileKind::ValueLog | FileKind::Temporary, _)) | None => {
            Err(damaged("the name of a manifest"))
        }
    }
}
