//! Which manifest is the live one, and its end: where one of them is damaged, a salvage finds the one and cuts the other.

use std::path::PathBuf;

use super::{
    Error, FileKind, FileNumber, Recovery, RecoveryMode, Result, Salvage, SeqNo, file_name, read_whole,
};
use crate::manifest::{ManifestScan, read_current, scan_manifest};

impl Recovery<'_> {
    /// The manifest that `CURRENT` names. A salvage takes the newest one that is whole where `CURRENT` is damaged or gone: one that is
    /// newer than the live one has the same state, which an opening that did not end has found.
    pub(super) fn live_manifest(&mut self) -> Result<Option<FileNumber>> {
        let named = read_current(self.fs, self.directory);
        let is_lost = matches!(named, Ok(None) | Err(Error::Corrupt { .. }));
        if !is_lost || self.options.recovery == RecoveryMode::Strict {
            return named;
        }
        let Some((number, bytes)) = self.newest_manifest()? else { return named };
        let damage = match named {
            Err(damage) => damage.to_string(),
            Ok(_) => "it is missing".to_owned(),
        };
        let file = self.directory.join(file_name::CURRENT);
        self.cut_of_manifest(file, 0, bytes, damage);
        Ok(Some(number))
    }

    /// The newest manifest that can be read, and the length of what names the live one.
    fn newest_manifest(&self) -> Result<Option<(FileNumber, u64)>> {
        let current = self.directory.join(file_name::CURRENT);
        let bytes = if self.fs.exists(&current)? { self.fs.open(&current)?.len()? } else { 0 };
        let mut numbers: Vec<FileNumber> = (self.names.iter().filter_map(|name| file_name::parse(name)))
            .filter_map(|(kind, number)| (kind == FileKind::Manifest).then_some(number))
            .collect();
        numbers.sort_unstable();
        for number in numbers.into_iter().rev() {
            let file = file_name::path(self.directory, FileKind::Manifest, number);
            if scan_manifest(&read_whole(self.fs, &file)?, number, &file).is_ok() {
                return Ok(Some((number, bytes)));
            }
        }
        Ok(None)
    }

    /// The state that the manifest stands for. Where its last record is damaged, a salvage goes on from the one before.
    pub(super) fn read_state(&mut self, number: FileNumber) -> Result<()> {
        let file = file_name::path(self.directory, FileKind::Manifest, number);
        if !self.fs.exists(&file)? {
            return Err(Error::MissingFile { file, why: "CURRENT names it".to_owned() });
        }
        let bytes = read_whole(self.fs, &file)?;
        let ManifestScan { state, damage } = scan_manifest(&bytes, number, &file)?;
        self.state = state;
        let Some((at, damage)) = damage else { return Ok(()) };
        match self.options.recovery {
            RecoveryMode::Strict => return Err(damage),
            RecoveryMode::Salvage => {
                let (at, bytes_cut) = (at as u64, (bytes.len() - at) as u64);
                self.cut_of_manifest(file, at, bytes_cut, damage.to_string());
            }
        }
        Ok(())
    }

    fn cut_of_manifest(&mut self, file: PathBuf, offset: u64, bytes_cut: u64, damage: String) {
        let (logs_cut, last) = (Vec::new(), SeqNo::ZERO);
        self.manifest_cut = Some(Salvage { file, offset, damage, bytes_cut, logs_cut, last });
    }

    /// Tells of the cut, unless one of a log is to be told of: what that took counts more.
    pub(super) fn tell_of_manifest(&mut self) {
        let cut = self.manifest_cut.take().map(|cut| Salvage { last: self.last, ..cut });
        self.salvage = self.salvage.take().or(cut);
    }
}
