//! What the columns of a CSV file hold, from reading all of it: types, nulls, and which column is a key.
//!
//! Memory is bounded: of each column some counters are kept, and of the columns that may be a key a hash of each value.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;

use ormdb_proto::value::{Decimal, temporal};

use crate::csv_text::{self, Record, Records};
use crate::exit::{Failure, Result};
use crate::model::identifier;
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
    /// Whether a value is missing somewhere, where nothing stands between commas.
    nulls: bool,
    /// Whether a value is the empty text, between quotes.
    empty_texts: bool,
    /// Whether every value is there once.
    unique: bool,
    /// Whether there was any value.
    seen: bool,
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
            empty_texts: false,
            unique: true,
            seen: false,
            whole_digits: 0,
            scale: 0,
            values: may_be_key.then(HashSet::new),
        }
    }

    fn see(&mut self, text: &str, quoted: bool) {
        if text.is_empty() {
            self.nulls |= !quoted;
            self.empty_texts |= quoted;
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

    /// Whether it may be null: a value is missing somewhere, or everywhere; the empty text is a value of texts only.
    pub(crate) fn is_optional(&self) -> bool {
        self.nulls || (!self.seen && !self.empty_texts) || (self.empty_texts && self.type_name() != "string")
    }

    /// Whether it may be a key: every row has a value, and no two the same.
    pub(crate) fn identifies(&self) -> bool {
        self.seen && self.unique && !self.nulls && !self.empty_texts
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
    let broken = |error| csv_text::failure(&name, error);
    let (mut records, header) = Records::new(input).map_err(broken)?;
    if header.len() == 0 {
        return Err(wrong("the file is empty; its first line names the columns"));
    }
    let mut columns: Vec<Column> = Vec::with_capacity(header.len());
    for (at, cell) in texts(&header).map_err(|what| wrong(&what))?.into_iter().enumerate() {
        let cell = cell.0.trim();
        if identifier(cell).as_deref() != Some(cell) {
            let what = format!(
                "line 1, column {}: `{cell}` is no name of a field: use letters, digits and _",
                at + 1
            );
            return Err(wrong(&what));
        }
        if columns.iter().any(|column| column.name == cell) {
            return Err(wrong(&format!("line 1, column {}: another column is called `{cell}` too", at + 1)));
        }
        let may_be_key = at == 0 || cell.to_lowercase().ends_with("id");
        columns.push(Column::new(cell, may_be_key));
    }
    let references: Vec<usize> = (0..columns.len())
        .filter(|at| columns.get(*at).is_some_and(|column| reference_stem(&column.name).is_some()))
        .collect();
    let mut seen_references = (references.len() > 1).then(HashSet::new);
    let mut rows = 0;
    let mut record = Record::default();
    while records.read(&mut record).map_err(broken)? {
        rows += 1;
        let cells = texts(&record).map_err(|what| wrong(&what))?;
        if cells.len() != columns.len() {
            let what = format!(
                "line {}: the row has {} values, the first line {}",
                record.line,
                cells.len(),
                columns.len()
            );
            return Err(wrong(&what));
        }
        for (column, (text, quoted)) in columns.iter_mut().zip(&cells) {
            column.see(text, *quoted);
        }
        let together: Vec<&str> = references.iter().filter_map(|at| Some(cells.get(*at)?.0)).collect();
        if seen_references.as_mut().is_some_and(|seen| !is_new(seen, together)) {
            seen_references = None;
        }
    }
    Ok(Table { entity, rows, columns, references_are_unique: seen_references.is_some() })
}

/// The cells of a record, and whether quotes stand around them. The error says what is wrong.
fn texts(record: &Record) -> std::result::Result<Vec<(&str, bool)>, String> {
    if !record.closed {
        return Err(format!("line {}: {}", record.line, Record::NOT_CLOSED));
    }
    let texts = record.cells().map(|cell| std::str::from_utf8(cell.content).map(|text| (text, cell.quoted)));
    texts.collect::<std::result::Result<_, _>>().map_err(|_| format!("line {}: not UTF-8", record.line))
}

/// `artistId` and `artist_id` without the end.
pub(crate) fn reference_stem(column: &str) -> Option<&str> {
    let stem = ["_id", "_ID", "Id", "ID"].iter().find_map(|end| column.strip_suffix(end))?;
    (!stem.is_empty()).then_some(stem)
}
