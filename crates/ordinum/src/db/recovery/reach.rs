//! Whether the manifest, the logs and the tables reach each other: what one of them relies on, the others must have.

use super::{
    Error, FileKind, FileNumber, HEADER_BYTES, Recovery, RecoveryMode, Result, Salvage, SeqNo, file_name,
};
use crate::log::first_record;

impl Recovery<'_> {
    /// Refuses what does not fit, behind the replay that reached this commit.
    pub(super) fn check_reach(&mut self, recovered: SeqNo) -> Result<()> {
        self.check_tables_reached(recovered)?;
        self.check_ingested()?;
        match self.unnamed_log()? {
            None => Ok(()),
            Some((number, damage)) => self.leave_unnamed(number, damage, recovered),
        }
    }

    /// Refuses tables that are ahead of the log: commits between would be missing.
    fn check_tables_reached(&self, recovered: SeqNo) -> Result<()> {
        let ahead = self.state.families.values().find(|family| family.flushed_through > recovered);
        ahead.map_or(Ok(()), |family| {
            let (name, through) = (&family.name, family.flushed_through);
            Err(Error::Corrupt {
                file: self.directory.to_path_buf(),
                offset: 0,
                expected: format!("a log that reaches what is in the tables of {name:?}: {through}"),
                found: format!("one that ends at {recovered}"),
            })
        })
    }

    /// Refuses ingestions that are to be repeated and whose tables are gone.
    fn check_ingested(&self) -> Result<()> {
        let tables = self.ingestions.iter().flat_map(|(_, ingestion)| &ingestion.tables);
        for table in tables {
            let file = file_name::path(self.directory, FileKind::Table, table.number);
            if !self.fs.exists(&file)? {
                let why = "an ingestion in the log names it, and the manifest does not have that".to_owned();
                return Err(Error::MissingFile { file, why });
            }
        }
        Ok(())
    }

    /// A log behind all that the manifest names, with a record in it: none is written before the manifest durably names its log,
    /// so that the end of the manifest is damaged.
    fn unnamed_log(&self) -> Result<Option<(FileNumber, Error)>> {
        if self.salvage.is_some() {
            return Ok(None);
        }
        let newest = self.state.logs.last_key_value().map(|(number, _)| *number);
        let logs = self.names.iter().filter_map(|name| match file_name::parse(name) {
            Some((FileKind::Log, number)) if newest.is_some_and(|newest| number > newest) => Some(number),
            _ => None,
        });
        for number in logs {
            let path = file_name::path(self.directory, FileKind::Log, number);
            // One that was begun and not named has no record that is its own.
            if let Some((offset, seqno)) = first_record(&*self.fs.open(&path)?, number, &path)? {
                let found = format!("one that has it, with commit {seqno}");
                let expected = "no record in a log that the manifest does not name";
                return Ok(Some((number, Error::corrupt(&path, offset, expected, &found))));
            }
        }
        Ok(None)
    }

    /// What is in a log that the manifest lost is not taken back: the salvage ends before it.
    fn leave_unnamed(&mut self, number: FileNumber, damage: Error, last: SeqNo) -> Result<()> {
        match self.options.recovery {
            RecoveryMode::Strict => Err(damage),
            RecoveryMode::Salvage => {
                let file = file_name::path(self.directory, FileKind::Log, number);
                let bytes_cut = self.fs.open(&file)?.len()?;
                let (offset, damage) = (HEADER_BYTES as u64, damage.to_string());
                self.salvage = Some(Salvage { file, offset, damage, bytes_cut, logs_cut: Vec::new(), last });
                Ok(())
            }
        }
    }
}
