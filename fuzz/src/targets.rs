//! The list of targets.

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

/// Every target.
pub const TARGETS: &[Target] = &[];
