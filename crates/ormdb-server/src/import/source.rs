//! Where rows come from.

use ormdb_proto::ir::RecordInput;
use ormdb_proto::schema::Entity;
use ormdb_proto::{Error, ErrorCode};

use crate::exit::Result;
use crate::model::{Model, StoredField};

/// A row as it stands in its file, and what it means.
#[derive(Debug)]
pub(crate) struct SourceRow {
    /// The line that it begins on.
    pub(crate) line: u64,
    /// As it stands in the file, with its line break.
    pub(crate) raw: Vec<u8>,
    /// What it means.
    pub(crate) record: RecordInput,
}

/// A row that cannot be written.
#[derive(Debug)]
pub(crate) struct BadRow {
    /// The line that it begins on.
    pub(crate) line: u64,
    /// The field that is wrong, or the column of the line.
    pub(crate) place: Option<String>,
    /// What is wrong.
    pub(crate) reason: String,
    /// As it stands in the file, with its line break.
    pub(crate) raw: Vec<u8>,
}

impl BadRow {
    /// A row that the database refused.
    pub(crate) fn of(row: &SourceRow, error: Error) -> BadRow {
        let place = error.detail.field.as_ref().map(|field| format!("column `{field}`"));
        let mut reason = format!("{} [{}]", error.message, error.code.name());
        if let Some(suggestion) = &error.detail.suggestion {
            reason.push_str(&format!("; did you mean `{suggestion}`?"));
        }
        BadRow { line: row.line, place, reason, raw: row.raw.clone() }
    }
}

/// Rows, one after the other.
pub(crate) trait Source {
    /// The next row, good or bad; none at the end.
    fn next_row(&mut self) -> Result<Option<std::result::Result<SourceRow, BadRow>>>;

    /// How much of the file is read, in bytes.
    fn bytes_read(&self) -> u64;

    /// What stands above the first row in a file of this kind.
    fn header(&self) -> Option<Vec<u8>>;
}

/// The fields of an entity that a file may name.
#[derive(Debug)]
pub(crate) struct Columns<'m> {
    entity: &'m Entity,
    fields: Vec<StoredField<'m>>,
}

impl<'m> Columns<'m> {
    pub(crate) fn of(model: &'m Model, entity: &'m str) -> Result<Columns<'m>> {
        let entity = model.entity(entity)?;
        Ok(Columns { entity, fields: Model::stored_fields(entity).collect() })
    }

    /// Whether a name is that of an embedded struct.
    pub(crate) fn is_struct(&self, name: &str) -> bool {
        self.entity.embedded_at(name).is_some()
    }

    /// The field of a name.
    pub(crate) fn field(&self, name: &str) -> std::result::Result<&StoredField<'m>, Error> {
        self.fields.iter().find(|field| field.name() == name).ok_or_else(|| {
            let message = format!("entity `{}` stores no field `{name}`", self.entity.name);
            Error::new(ErrorCode::UnknownField, message)
                .entity(&self.entity.name)
                .field(name)
                .suggest(name, self.fields.iter().map(|field| field.0.name.as_str()))
        })
    }
}
