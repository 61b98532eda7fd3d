//! The values of the value log that are intact, each found by its pointer.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::file_name::{self, FileKind, FileNumber};
use crate::fs::Fs;
use crate::table::{BlockFile, Origin, TableFormat};
use crate::value_log::ValuePointer;

/// The most files that are open at a time.
const OPEN_FILES_MAX: usize = 64;

/// The value-log files of a directory.
#[derive(Debug)]
pub(super) struct Values<'a> {
    fs: &'a dyn Fs,
    directory: &'a Path,
    open: BTreeMap<FileNumber, BlockFile>,
}

impl<'a> Values<'a> {
    pub(super) fn new(fs: &'a dyn Fs, directory: &'a Path) -> Values<'a> {
        Values { fs, directory, open: BTreeMap::new() }
    }

    /// The file of the value log with this number.
    pub(super) fn path(&self, number: FileNumber) -> std::path::PathBuf {
        file_name::path(self.directory, FileKind::ValueLog, number)
    }

    /// The value. The header of the file says nothing that the pointer does not: it may be damaged.
    ///
    /// # Errors
    /// What is wrong with the file there.
    pub(super) fn read(&mut self, pointer: ValuePointer) -> Result<Vec<u8>> {
        let number = pointer.file;
        if !self.open.contains_key(&number) {
            let path = self.path(number);
            if !self.fs.exists(&path)? {
                return Err(Error::MissingFile { file: path, why: "a table points into it".to_owned() });
            }
            let file = self.fs.open(&path)?;
            let blocks_end = file.len()?;
            if self.open.len() >= OPEN_FILES_MAX {
                self.open.pop_first();
            }
            let (origin, path, format) = (Origin::here(number), path.into(), TableFormat::V2);
            self.open.insert(number, BlockFile { file, number, origin, path, blocks_end, format });
        }
        match self.open.get(&number) {
            Some(file) => file.read_owned(pointer.handle),
            None => Err(Error::Bug { message: "a file that was opened is not open".to_owned() }),
        }
    }
}
