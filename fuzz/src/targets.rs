//! The list of targets.

mod block;
mod frame;
mod log;
mod query_text;
mod record;
mod schema_text;
mod table;
mod value;
mod value_log;

use ormdb_proto::Error;

use crate::mutator::Form;

/// One decoder or parser under test.
pub struct Target {
    /// Names the corpus directory too.
    pub name: &'static str,
    /// What it reads.
    pub form: Form,
    /// Tokens that inputs are made of.
    pub dictionary: &'static [&'static str],
    /// Bytes that one input may make it hold at once.
    pub allocation_bytes_max: usize,
    /// Sound inputs that are made by the present encoders, beside those that are kept as files.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Must return, whatever the bytes are.
    pub run: fn(&[u8]),
}

/// Enough for any input of the mutator's size; far less than a length taken from the input would ask for.
const ALLOCATION_BYTES_MAX: usize = 64 << 20;

/// Every target.
pub const TARGETS: &[Target] = &[
    binary("block", block::seeds, block::run),
    binary("frame", frame::seeds, frame::run),
    binary("log", log::seeds, log::run),
    text("query_text", query_text::DICTIONARY, query_text::run),
    binary("record", record::seeds, ormdb::fuzz_targets::fuzz_record),
    binary("row", Vec::new, ormdb::fuzz_targets::fuzz_row),
    text("schema_text", schema_text::DICTIONARY, schema_text::run),
    binary("table", table::seeds, table::run),
    text("value", value::DICTIONARY, value::run),
    binary("value_log", value_log::seeds, value_log::run),
];

const fn text(name: &'static str, dictionary: &'static [&'static str], run: fn(&[u8])) -> Target {
    let (form, allocation_bytes_max) = (Form::Text, ALLOCATION_BYTES_MAX);
    Target { name, form, dictionary, allocation_bytes_max, seeds: Vec::new, run }
}

const fn binary(name: &'static str, seeds: fn() -> Vec<Vec<u8>>, run: fn(&[u8])) -> Target {
    let (form, allocation_bytes_max) = (Form::Binary, ALLOCATION_BYTES_MAX);
    Target { name, form, dictionary: &[], allocation_bytes_max, seeds, run }
}

/// An error about `text` says something, and points into the text.
fn check_error(error: &Error, text: &str) {
    assert!(!error.message.is_empty(), "{error:?}");
    if let Some(span) = error.detail.span {
        let place = usize::try_from(span.start).ok().zip(usize::try_from(span.end).ok());
        let pointed = place.and_then(|(start, end)| text.get(start..end));
        assert!(pointed.is_some(), "{span:?} is no part of the text");
        assert!(span.line > 0, "lines are counted from 1");
        assert!(span.column > 0, "columns are counted from 1");
    }
}
