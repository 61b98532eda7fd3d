//! What the columns of a CSV file hold, from reading all of it: types, nulls, and which column is a key.
//!
//! Memory is bounded: of each column some counters are kept, and of the columns that may be a key a hash of each value.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;

use ormdb_proto::value::{Decimal, temporal};

use crate::exit::{Failure, Result};
use crate::text_file;

/// The most values of a column that are compared; a column of more rows is taken for no key.
const KEY_ROWS_MAX: usize = 10_000_000;

/// A file.
#[derive(Debug)]
pub(crate) struct Table {
    /// The name of its entity.
    pub(crate) entity: String,
    /// How many rows it has.
    pub(crate) rows: u64,
    /// Its columns.
    pub(crate) columns: Vec<Column>,
    /// Whether the columns that are called like references are different together in every row.
    pub(crate) references_are_unique: bool,
}

/// A column.
#[derive(Debug)]
pub(crate) struct Column {
    /// Its name in the file, which `import` looks for.
    pub(crate) name: String,
    /// What all of its values are.
    pub(crate) kind: Kind,
    /// Whether a value is missing somewhere.
    pub(crate) nulls: bool,
    /// Whether every value is there once.
    pub(crate) unique: bool,
    /// Whether there was any value.
    pub(crate) seen: bool,
    whole_digits: usize,
    scale: usize,
    values: Option<HashSet<u64>>,
}

/// The kinds of values, from narrow to wide as far as one is in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Decimal,
    Float,
    Uuid,
    Date,
    DateTime,
    Text,
}

impl Column {
    fn new(name: &str, may_be_key: bool) -> Column {
        Column {
            name: name.to_owned(),
            kind: Kind::Bool,
            nulls: false,
            unique: true,
            seen: false,
            whole_digits: 0,
            scale: 0,
            values: may_be_key.then(HashSet::new),
        }
    }

    fn see(&mut self, text: &str) {
        if text.is_empty() {
            self.nulls = true;
            return;
        }
        let kind = kind_of(text);
        if let Kind::Int | Kind::Decimal = kind {
            let (whole, fraction) = text.trim_start_matches('-').split_once('.').unwrap_or((text, ""));
            self.whole_digits = self.whole_digits.max(whole.trim_start_matches('-').len());
            self.scale = self.scale.max(fraction.len());
        }
        self.kind = if self.seen { wider(self.kind, kind) } else { kind };
        self.seen = true;
        let new = self.values.as_mut().is_some_and(|values| is_new(values, text));
        if !new {
            self.unique = false;
            self.values = None;
        }
    }

    /// The name of the type in the schema language.
    pub(crate) fn type_name(&self) -> String {
        match self.kind {
            _ if !self.seen => "string".to_owned(),
            Kind::Bool => "bool".to_owned(),
            Kind::Int => "int64".to_owned(),
            Kind::Decimal => {
                // Room for numbers a thousand times as large.
                let precision = (self.whole_digits + self.scale + 3).max(10);
                if precision > 38 {
                    "float64".to_owned()
                } else {
                    format!("decimal({precision},{})", self.scale)
                }
            }
            Kind::Float => "float64".to_owned(),
            Kind::Uuid => "uuid".to_owned(),
            Kind::Date => "date".to_owned(),
            Kind::DateTime => "datetime".to_owned(),
            Kind::Text => "string".to_owned(),
        }
    }
}

/// Whether a value was not among `values`; it is then.
fn is_new(values: &mut HashSet<u64>, value: impl Hash) -> bool {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    values.len() < KEY_ROWS_MAX && values.insert(hasher.finish())
}

fn kind_of(text: &str) -> Kind {
    let begins_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    // Numbers with leading zeros are codes, whose zeros must not be lost.
    let digits = text.trim_start_matches('-');
    let code = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    if matches!(text.to_ascii_lowercase().as_str(), "true" | "false") {
        Kind::Bool
    } else if begins_number && !code && text.parse::<i64>().is_ok() {
        Kind::Int
    } else if begins_number && !code && !text.contains(['e', 'E']) && text.parse::<Decimal>().is_ok() {
        Kind::Decimal
    } else if begins_number && !code && text.parse::<f64>().is_ok() {
        Kind::Float
    } else if temporal::parse_date(text).is_ok() && text.len() == "2024-12-31".len() {
        Kind::Date
    } else if begins_number && temporal::parse_datetime(text).is_ok() {
        Kind::DateTime
    } else if text.len() == 36 && text.bytes().filter(|b| *b == b'-').count() == 4 && is_hex(text) {
        Kind::Uuid
    } else {
        Kind::Text
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// The narrowest kind that holds the values of both.
const fn wider(a: Kind, b: Kind) -> Kind {
    match (a, b) {
        (Kind::Bool, Kind::Bool) => Kind::Bool,
        (Kind::Int, Kind::Int) => Kind::Int,
        (Kind::Int | Kind::Decimal, Kind::Int | Kind::Decimal) => Kind::Decimal,
        (Kind::Int | Kind::Decimal | Kind::Float, Kind::Int | Kind::Decimal | Kind::Float) => Kind::Float,
        (Kind::Uuid, Kind::Uuid) => Kind::Uuid,
        (Kind::Date, Kind::Date) => Kind::Date,
        (Kind::Date | Kind::DateTime, Kind::Date | Kind::DateTime) => Kind::DateTime,
        _ => Kind::Text,
    }
}

/// Reads a file.
pub(crate) fn table(path: &Path) -> Result<Table> {
    let name = path.display().to_string();
    let wrong = |what: &str| Failure::Request(format!("{name}: {what}"));
    let stem =
        path.file_stem().and_then(|stem| stem.to_str()).ok_or_else(|| wrong("the name says no entity"))?;
    let entity = identifier(stem).ok_or_else(|| wrong("the name says no entity"))?;
    let (input, _) = text_file::open(path)?;
    let mut reader = csv::Reader::from_reader(input);
    let broken = |error: csv::Error| Failure::Request(format!("{name}: {error}"));
    let header = reader.headers().map_err(broken)?.clone();
    let mut columns = Vec::new();
    for (at, cell) in header.iter().enumerate() {
        let cell = cell.trim().trim_start_matches('\u{feff}');
        if identifier(cell).as_deref() != Some(cell) {
            let what = format!(
                "line 1, column {}: `{cell}` is no name of a field: use letters, digits and _",
                at + 1
            );
            return Err(wrong(&what));
        }
        let may_be_key = at == 0 || cell.to_lowercase().ends_with("id");
        columns.push(Column::new(cell, may_be_key));
    }
    let references: Vec<usize> = (0..columns.len())
        .filter(|at| columns.get(*at).is_some_and(|column| reference_stem(&column.name).is_some()))
        .collect();
    let mut seen_references = (references.len() > 1).then(HashSet::new);
    let mut rows = 0;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(broken)? {
        rows += 1;
        for (column, cell) in columns.iter_mut().zip(&record) {
            column.see(cell);
        }
        let together: Vec<&str> = references.iter().filter_map(|at| record.get(*at)).collect();
        if seen_references.as_mut().is_some_and(|seen| !is_new(seen, together)) {
            seen_references = None;
        }
    }
    Ok(Table { entity, rows, columns, references_are_unique: seen_references.is_some() })
}

/// `artistId` and `artist_id` without the end.
pub(crate) fn reference_stem(column: &str) -> Option<&str> {
    let stem = ["_id", "_ID", "Id", "ID"].iter().find_map(|end| column.strip_suffix(end))?;
    (!stem.is_empty()).then_some(stem)
}

/// The text as a name, if letters, digits and `_` are left of it.
fn identifier(text: &str) -> Option<String> {
    let name: String = text.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    let name = name.trim_matches('_').to_owned();
    let begins = name.starts_with(|c: char| c.is_alphabetic());
    begins.then_some(name)
}
