//! Rows from files into a database: read one by one, written in batches, one transaction each, in bounded memory.
//!
//! Invariants: (1) a row is written once or not at all, and every row that is not is told of; (2) memory holds one
//! batch; (3) a batch that fails is halved until the bad row stands alone, so that its neighbours are written.

mod csv;
mod jsonl;
mod source;
mod value;

pub(crate) use self::csv::CsvSource;
pub(crate) use self::jsonl::JsonlSource;
pub(crate) use self::source::{BadRow, Columns, Source, SourceRow};

use ormdb_proto::ErrorKind;
use ormdb_proto::ir::{Create, Params, Statement};
use ormdb_proto::outcome::Outcome;

use crate::exit::Result;
use crate::target::Target;

/// The most bytes of one batch, as its rows stand in their file.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// How rows are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// The most rows of one transaction.
    pub(crate) batch_rows: usize,
    /// Whether a row whose key is taken is passed over.
    pub(crate) skip_duplicates: bool,
}

/// What becomes of bad rows.
pub(crate) trait Rejects {
    /// Takes a bad row; an error ends the import.
    fn reject(&mut self, row: BadRow) -> Result<()>;
}

/// Writes rows of one entity.
pub(crate) struct Loader<'a> {
    pub(crate) target: &'a mut Target,
    pub(crate) entity: &'a str,
    pub(crate) options: Options,
    /// How many rows were written.
    pub(crate) written: u64,
    /// How many rows were passed over because their key was taken.
    pub(crate) skipped: u64,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(target: &'a mut Target, entity: &'a str, options: Options) -> Loader<'a> {
        Loader { target, entity, options, written: 0, skipped: 0 }
    }

    /// Writes every row of `source`; `progress` is told how far the file is read, after each batch.
    pub(crate) fn load(
        &mut self,
        source: &mut dyn Source,
        rejects: &mut dyn Rejects,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let mut batch: Vec<SourceRow> = Vec::new();
        let mut bytes = 0;
        while let Some(row) = source.next_row()? {
            match row {
                Ok(row) => {
                    bytes += row.raw.len();
                    batch.push(row);
                }
                Err(bad) => {
                    // What stands above the bad row is written first.
                    self.write(&std::mem::take(&mut batch), rejects)?;
                    bytes = 0;
                    rejects.reject(bad)?;
                }
            }
            if batch.len() >= self.options.batch_rows || bytes >= BATCH_BYTES_MAX {
                self.write(&std::mem::take(&mut batch), rejects)?;
                bytes = 0;
                progress(source.bytes_read());
            }
        }
        self.write(&batch, rejects)?;
        progress(source.bytes_read());
        Ok(())
    }

    fn write(&mut self, rows: &[SourceRow], rejects: &mut dyn Rejects) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let create = Create {
            entity: self.entity.to_owned(),
            span: None,
            rows: rows.iter().map(|row| row.record.clone()).collect(),
            skip_duplicates: self.options.skip_duplicates,
            returning: None,
        };
        match self.target.execute(&Statement::Create(create), &Params::none()) {
            Ok(Outcome::Written(written)) => {
                self.written += written.created;
                self.skipped += (rows.len() as u64).saturating_sub(written.created);
                Ok(())
            }
            Ok(Outcome::Fetched(_) | Outcome::Explained(_) | Outcome::Done { .. }) => Ok(()),
            Err(error) => match (rows, error.kind()) {
                ([row], ErrorKind::FixTheRequest) => rejects.reject(BadRow::of(row, error)),
                ([_], _) => Err(error.into()),
                (_, ErrorKind::FixTheRequest | ErrorKind::OverBudget) => {
                    let (first, second) = rows.split_at(rows.len() / 2);
                    self.write(first, rejects)?;
                    self.write(second, rejects)
                }
                _ => Err(error.into()),
            },
        }
    }
}
