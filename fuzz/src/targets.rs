//! The list of targets.

mod table;
mod value;

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
    /// Must return, whatever the bytes are.
    pub run: fn(&[u8]),
}

/// Enough for any input of the mutator's size; far less than a length taken from the input would ask for.
const ALLOCATION_BYTES_MAX: usize = 64 << 20;

/// Every target.
pub const TARGETS: &[Target] = &[binary("table", table::run), text("value", value::DICTIONARY, value::run)];

const fn text(name: &'static str, dictionary: &'static [&'static str], run: fn(&[u8])) -> Target {
    Target { name, form: Form::Text, dictionary, allocation_bytes_max: ALLOCATION_BYTES_MAX, run }
}

const fn binary(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, form: Form::Binary, dictionary: &[], allocation_bytes_max: ALLOCATION_BYTES_MAX, run }
}
