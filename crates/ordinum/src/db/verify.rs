//! Reads everything that is on disk and live, and checks every checksum.

use std::sync::Arc;

use super::core::Core;
use crate::error::{Error, Result};
use crate::file_name::{self, CURRENT, FileKind, FileNumber};
use crate::fs::read_whole;
use crate::log::{LogEnd, read_log};
use crate::manifest;
use crate::version::LiveTable;

/// What a verification has found.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// The files that were read.
    pub files: u64,
    /// The bytes that were read.
    pub bytes: u64,
    /// Every damage: one for each damaged file, the first in it.
    pub damages: Vec<Error>,
}

impl VerifyReport {
    fn note(&mut self, result: Result<u64>) {
        self.files += 1;
        match result {
            Ok(bytes) => self.bytes += bytes,
            Err(error) => self.damages.push(error),
        }
    }
}

impl Core {
    pub(super) fn verify(&self) -> Result<VerifyReport> {
        let mut report = VerifyReport::default();
        report.note(self.verify_manifest());
        self.verify_logs(&mut report)?;
        let families: Vec<_> = self.families.read().values().cloned().collect();
        for family in families {
            // The tables stay while this holds them, whatever is compacted meanwhile.
            let levels = Arc::clone(&family.family.view.load().levels);
            for table in levels.tables() {
                report.note(verify_table(table));
            }
            for used in levels.values().iter() {
                report.note(used.file.verify());
            }
        }
        Ok(report)
    }

    fn verify_manifest(&self) -> Result<u64> {
        let fs = &*self.options.fs;
        let live = self.manifest.lock();
        let path = file_name::path(&self.directory, FileKind::Manifest, live.number());
        let bytes = read_whole(fs, &path)?;
        let damaged = |found: &str| Error::Corrupt {
            file: path.clone(),
            offset: 0,
            expected: "the state that the database has".to_owned(),
            found: found.to_owned(),
        };
        if manifest::read_manifest(&bytes, live.number(), &path)? != *live.state() {
            return Err(damaged("another state"));
        }
        match manifest::read_current(fs, &self.directory)? {
            Some(number) if number == live.number() => Ok(bytes.len() as u64),
            Some(number) => Err(damaged(&format!("{CURRENT} names manifest {number}"))),
            None => Err(damaged(&format!("no {CURRENT}"))),
        }
    }

    fn verify_logs(&self, report: &mut VerifyReport) -> Result<()> {
        // The ordered section fixes the end of the log that is written.
        let (written, end) = {
            let mut commits = self.commits.lock();
            self.check_writable()?;
            commits.log.hand_over().map_err(|error| self.poisoned_by(error))?;
            (commits.log.number(), commits.log.end())
        };
        let logs = self.manifest.lock().state().logs.clone();
        for (number, log) in logs {
            let end = log.end.or((number == written).then_some(end));
            let Some(end) = end else { continue };
            let result = self.verify_log(number, end);
            // A flush may have removed it meanwhile.
            if self.manifest.lock().state().logs.contains_key(&number) {
                report.note(result);
            }
        }
        Ok(())
    }

    fn verify_log(&self, number: FileNumber, end: u64) -> Result<u64> {
        let path = file_name::path(&self.directory, FileKind::Log, number);
        let bytes = read_whole(&*self.options.fs, &path)?;
        read_log(&bytes, number, &path, LogEnd::At(end))?;
        Ok(end)
    }
}

fn verify_table(table: &LiveTable) -> Result<u64> {
    let reader = table.reader()?;
    let bytes = reader.verify()?;
    let (said, found) = (&table.meta().values, &reader.properties.values);
    if said != found {
        let (said, found) = (format!("shares of the value log {said:?}"), format!("{found:?}"));
        return Err(Error::corrupt(&reader.blocks.path, reader.footer.properties.offset, &said, &found));
    }
    Ok(bytes)
}
