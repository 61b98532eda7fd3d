//! JSON Lines files: an object on each line.

use std::io::{BufRead, Read};

use ormdb_proto::Value;
use ormdb_proto::ir::{AssignOp, Assignment, Expr, RecordInput};
use serde_json::Value as Json;

use super::source::{BadRow, Columns, Source, SourceRow};
use super::value;
use crate::exit::{Failure, Result};

/// The longest line, in bytes.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Rows of a JSON Lines file.
pub(crate) struct JsonlSource<'m, R> {
    name: String,
    input: R,
    columns: Columns<'m>,
    line: u64,
    bytes_read: u64,
}

impl<'m, R: BufRead> JsonlSource<'m, R> {
    pub(crate) fn new(name: &str, input: R, columns: Columns<'m>) -> JsonlSource<'m, R> {
        JsonlSource { name: name.to_owned(), input, columns, line: 0, bytes_read: 0 }
    }

    fn row(&self, raw: Vec<u8>) -> std::result::Result<SourceRow, BadRow> {
        let line = self.line;
        let bad = |place: Option<String>, reason: String| BadRow { line, place, reason, raw: raw.clone() };
        let json: Json = serde_json::from_slice(&raw).map_err(|error| {
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
            bad(Some(format!("column {}", error.column())), reason)
        })?;
        let Json::Object(members) = json else {
            return Err(bad(Some("column 1".to_owned()), "the line is no JSON object".to_owned()));
        };
        let record = self.record("", &members);
        let record = record.map_err(|(name, reason)| bad(Some(format!("member `{name}`")), reason))?;
        Ok(SourceRow { line, record, raw })
    }

    /// The members of a row, or of a struct of it, whose names stand behind `prefix`. The error has the name of the
    /// member, and what is wrong with it. JSON nests no deeper than its parser allows.
    fn record(
        &self,
        prefix: &str,
        members: &serde_json::Map<String, Json>,
    ) -> std::result::Result<RecordInput, (String, String)> {
        let mut assignments = Vec::with_capacity(members.len());
        for (name, member) in members {
            let whole = format!("{prefix}{name}");
            let op = if self.columns.is_struct(&whole) {
                match member {
                    Json::Null => AssignOp::Set(Expr::literal(Value::Null)),
                    Json::Object(members) => AssignOp::Struct(self.record(&format!("{whole}."), members)?),
                    _ => return Err((whole, "an object is expected".to_owned())),
                }
            } else {
                let field = self.columns.field(&whole).map_err(|error| {
                    let meant = error.detail.suggestion.map(|name| format!("; did you mean `{name}`?"));
                    (whole.clone(), format!("{}{}", error.message, meant.unwrap_or_default()))
                })?;
                // What follows from the row's other fields is computed again.
                if field.is_computed() {
                    continue;
                }
                let value = value::of_json(field, member).map_err(|reason| (whole, reason))?;
                AssignOp::Set(Expr::literal(value))
            };
            assignments.push(Assignment { name: name.clone(), span: None, op });
        }
        Ok(RecordInput { assignments })
    }
}

impl<R: BufRead> Source for JsonlSource<'_, R> {
    fn next_row(&mut self) -> Result<Option<std::result::Result<SourceRow, BadRow>>> {
        loop {
            let mut raw = Vec::new();
            let mut limited = self.input.by_ref().take(LINE_BYTES_MAX);
            let taken = limited.read_until(b'\n', &mut raw);
            let taken = taken.map_err(|error| Failure::File { name: self.name.clone(), error })? as u64;
            if taken == 0 {
                return Ok(None);
            }
            self.line += 1;
            self.bytes_read += taken;
            if taken == LINE_BYTES_MAX && raw.last() != Some(&b'\n') {
                let message =
                    format!("{}: line {} is longer than {LINE_BYTES_MAX} bytes", self.name, self.line);
                return Err(Failure::Request(message));
            }
            if raw.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if raw.last() != Some(&b'\n') {
                raw.push(b'\n');
            }
            return Ok(Some(self.row(raw)));
        }
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    fn header(&self) -> Option<Vec<u8>> {
        None
    }
}
