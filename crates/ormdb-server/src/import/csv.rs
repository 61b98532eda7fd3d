//! CSV files: the names of fields in the first line.

use std::io::BufRead;

use ormdb_proto::ir::{Assignment, RecordInput};

use super::source::{BadRow, Columns, Source, SourceRow};
use super::value;
use crate::csv_text::{self, Record, Records};
use crate::exit::{Failure, Result};
use crate::model::StoredField;

/// Rows of a CSV file.
pub(crate) struct CsvSource<'m, R> {
    name: String,
    records: Records<R>,
    header: Record,
    fields: Vec<StoredField<'m>>,
    record: Record,
}

impl<'m, R: BufRead> CsvSource<'m, R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// If it names a field twice, or one that the entity does not store.
    pub(crate) fn new(name: &str, input: R, columns: &Columns<'m>) -> Result<CsvSource<'m, R>> {
        let (records, header) = Records::new(input).map_err(|error| csv_text::failure(name, error))?;
        if !header.closed {
            return Err(Failure::Request(format!("{name}: line 1: {}", Record::NOT_CLOSED)));
        }
        let mut fields: Vec<StoredField<'m>> = Vec::with_capacity(header.len());
        for (at, cell) in header.cells().enumerate() {
            let place = |what: String| Failure::Request(format!("{name}: line 1, column {}: {what}", at + 1));
            let column =
                std::str::from_utf8(cell.content).map_err(|_| place("the name is not UTF-8".to_owned()))?;
            let field = columns.field(column.trim()).map_err(|error| {
                let suggestion = error.detail.suggestion.as_ref();
                let meant = suggestion.map(|name| format!("; did you mean `{name}`?"));
                place(format!("{}{}", error.message, meant.unwrap_or_default()))
            })?;
            if fields.iter().any(|known| known.name() == field.name()) {
                return Err(place(format!("field `{}` stands there twice", field.name())));
            }
            fields.push(*field);
        }
        Ok(CsvSource { name: name.to_owned(), records, header, fields, record: Record::default() })
    }

    fn row(&self) -> std::result::Result<SourceRow, BadRow> {
        let Record { line, ref raw, closed, .. } = self.record;
        let bad = |place: Option<String>, reason: String| BadRow { line, place, reason, raw: raw.clone() };
        if !closed {
            return Err(bad(None, Record::NOT_CLOSED.to_owned()));
        }
        if self.record.len() != self.fields.len() {
            let reason =
                format!("the row has {} values, the first line {}", self.record.len(), self.fields.len());
            return Err(bad(None, reason));
        }
        let mut assignments = Vec::with_capacity(self.fields.len());
        for (at, (field, cell)) in self.fields.iter().zip(self.record.cells()).enumerate() {
            let place = || Some(format!("column {} `{}`", at + 1, field.name()));
            let text = std::str::from_utf8(cell.content).map_err(|_| bad(place(), "not UTF-8".to_owned()))?;
            // What follows from the row's other fields is computed again.
            if field.is_computed() {
                continue;
            }
            if let Some(value) =
                value::of_cell(field, text, cell.quoted).map_err(|reason| bad(place(), reason))?
            {
                assignments.push(Assignment::constant(field.name(), value));
            }
        }
        Ok(SourceRow { line, record: RecordInput { assignments }, raw: raw.clone() })
    }
}

impl<R: BufRead> Source for CsvSource<'_, R> {
    fn next_row(&mut self) -> Result<Option<std::result::Result<SourceRow, BadRow>>> {
        let found =
            self.records.read(&mut self.record).map_err(|error| csv_text::failure(&self.name, error))?;
        Ok(found.then(|| self.row()))
    }

    fn bytes_read(&self) -> u64 {
        self.records.bytes_read()
    }

    fn header(&self) -> Option<Vec<u8>> {
        Some(self.header.raw.clone())
    }
}
