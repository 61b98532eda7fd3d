//! CSV files: the names of fields in the first line.

use std::io::Read;

use csv::{ByteRecord, Reader, ReaderBuilder, WriterBuilder};
use ormdb_proto::ir::RecordInput;

use super::source::{BadRow, Columns, Source, SourceRow, assignment};
use super::value;
use crate::exit::{Failure, Result};
use crate::model::StoredField;

/// Rows of a CSV file.
pub(crate) struct CsvSource<'m, R> {
    name: String,
    reader: Reader<R>,
    header: ByteRecord,
    fields: Vec<StoredField<'m>>,
    record: ByteRecord,
}

impl<'m, R: Read> CsvSource<'m, R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// If it names a field twice, or one that the entity does not store.
    pub(crate) fn new(name: &str, input: R, columns: &Columns<'m>) -> Result<CsvSource<'m, R>> {
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(input);
        let header = reader.byte_headers().map_err(|error| broken(name, &error))?.clone();
        let mut fields: Vec<StoredField<'m>> = Vec::with_capacity(header.len());
        for (at, cell) in header.iter().enumerate() {
            let place = |what: String| Failure::Request(format!("{name}: line 1, column {}: {what}", at + 1));
            let column = std::str::from_utf8(cell).map_err(|_| place("the name is not UTF-8".to_owned()))?;
            let field = columns.field(column.trim().trim_start_matches('\u{feff}')).map_err(|error| {
                let suggestion = error.detail.suggestion.as_ref();
                let meant = suggestion.map(|name| format!("; did you mean `{name}`?"));
                place(format!("{}{}", error.message, meant.unwrap_or_default()))
            })?;
            if fields.iter().any(|known| known.name() == field.name()) {
                return Err(place(format!("field `{}` stands there twice", field.name())));
            }
            fields.push(*field);
        }
        Ok(CsvSource { name: name.to_owned(), reader, header, fields, record: ByteRecord::new() })
    }

    fn row(&self, line: u64) -> std::result::Result<SourceRow, BadRow> {
        let raw = written(&self.record);
        let bad = |place: Option<String>, reason: String| BadRow { line, place, reason, raw: raw.clone() };
        if self.record.len() != self.fields.len() {
            let reason =
                format!("the row has {} values, the first line {}", self.record.len(), self.fields.len());
            return Err(bad(None, reason));
        }
        let mut assignments = Vec::with_capacity(self.fields.len());
        for (at, (field, cell)) in self.fields.iter().zip(&self.record).enumerate() {
            let place = || Some(format!("column {} `{}`", at + 1, field.name()));
            let text = std::str::from_utf8(cell).map_err(|_| bad(place(), "not UTF-8".to_owned()))?;
            if let Some(value) = value::of_cell(field, text).map_err(|reason| bad(place(), reason))? {
                assignments.push(assignment(field.name(), value));
            }
        }
        Ok(SourceRow { line, record: RecordInput { assignments }, raw })
    }
}

impl<R: Read> Source for CsvSource<'_, R> {
    fn next_row(&mut self) -> Result<Option<std::result::Result<SourceRow, BadRow>>> {
        if !self.reader.read_byte_record(&mut self.record).map_err(|error| broken(&self.name, &error))? {
            return Ok(None);
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        Ok(Some(self.row(line)))
    }

    fn bytes_read(&self) -> u64 {
        self.reader.position().byte()
    }

    fn header(&self) -> Option<Vec<u8>> {
        Some(written(&self.header))
    }
}

fn broken(name: &str, error: &csv::Error) -> Failure {
    Failure::Request(format!("{name}: {error}"))
}

/// A record as a line of a CSV file.
fn written(record: &ByteRecord) -> Vec<u8> {
    let mut writer = WriterBuilder::new().flexible(true).from_writer(Vec::new());
    // Writing to memory does not fail.
    writer.write_byte_record(record).unwrap_or_default();
    writer.into_inner().unwrap_or_default()
}
