//! `ormdb storage`: the files of a database below rows and schema.

use std::ops::ControlFlow;

use ormdb::storage::{self, FileContents};
use ormdb_proto::ErrorKind;

use crate::args::{StorageCommand, StorageFile};
use crate::exit::{Failure, Result, count, grouped};
use crate::output;

/// Runs `ormdb storage`.
pub(crate) fn run(command: StorageCommand) -> Result<()> {
    match command {
        StorageCommand::Dump { contents, file } => {
            let contents = match contents {
                StorageFile::Table => FileContents::Table,
                StorageFile::Log => FileContents::Log,
                StorageFile::Manifest => FileContents::Manifest,
                StorageFile::ValueLog => FileContents::ValueLog,
            };
            let mut printed = Ok(());
            let dumped = storage::dump(contents, &file, |line| {
                printed = output::print(line);
                if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            printed?;
            Ok(dumped?)
        }
        StorageCommand::Verify { dir } => {
            let verified = storage::verify(&dir)?;
            let (files, bytes) = (count(verified.files, "file"), grouped(verified.bytes));
            output::print(&format!("{}: {files} ({bytes} bytes)", dir.display()))?;
            for damage in &verified.damages {
                output::print(&format!("  {}", damage.message))?;
            }
            if verified.damages.is_empty() {
                return output::print("no damage");
            }
            output::print(&count(verified.damages.len(), "damaged file"))?;
            Err(Failure::Findings(ErrorKind::Corrupt))
        }
    }
}
