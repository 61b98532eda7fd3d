//! The value of a merge entry, as bytes and back.

use crate::varint::{Varint, push_bytes, take_bytes};

/// What operands are applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base<'a> {
    /// What stands below.
    Below,
    /// Nothing: the key is absent.
    Absent,
    /// This value.
    Value(&'a [u8]),
}

/// A merge entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) base: Base<'a>,
    /// Each with its length.
    operands: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The entry with this value, or none if it is not one.
    pub(crate) fn parse(value: &'a [u8]) -> Option<Entry<'a>> {
        let (&base, mut rest) = value.split_first()?;
        let base = match base {
            0 => Base::Below,
            1 => Base::Absent,
            2 => Base::Value(take_bytes(&mut rest)?),
            _ => return None,
        };
        let entry = Entry { base, operands: rest };
        let mut operands = entry.operands();
        operands.next()?;
        operands.by_ref().for_each(drop);
        operands.rest.is_empty().then_some(entry)
    }

    /// The operands, oldest first.
    pub(crate) fn operands(&self) -> OperandIter<'a> {
        OperandIter { rest: self.operands }
    }
}

/// Whether the bytes are the value of a merge entry.
pub(crate) fn is_merge_entry(value: &[u8]) -> bool {
    Entry::parse(value).is_some()
}

/// Operands, taken one by one.
pub(crate) struct OperandIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for OperandIter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut rest = self.rest;
        let operand = take_bytes(&mut rest)?;
        self.rest = rest;
        Some(operand)
    }
}

/// How many bytes the value of an entry has.
pub(crate) fn encoded_bytes<'a>(base: Base<'_>, operands: impl Iterator<Item = &'a [u8]>) -> usize {
    let counted = |bytes: &[u8]| Varint::new(bytes.len() as u64).bytes().len().saturating_add(bytes.len());
    let base = match base {
        Base::Below | Base::Absent => 0,
        Base::Value(existing) => counted(existing),
    };
    operands.map(counted).fold(1usize.saturating_add(base), usize::saturating_add)
}

/// The value of an entry.
pub(crate) fn encode<'a>(base: Base<'_>, operands: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut value = Vec::new();
    match base {
        Base::Below => value.push(0),
        Base::Absent => value.push(1),
        Base::Value(existing) => {
            value.push(2);
            push_bytes(&mut value, existing);
        }
    }
    operands.for_each(|operand| push_bytes(&mut value, operand));
    value
}
