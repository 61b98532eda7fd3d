//! The entries of one key that make its value, gathered from the newest to the oldest.

use super::MergeOperator;
use super::operands::{Base, Entry, encode};
use crate::error::{Error, Result};
use crate::key::{Kind, VALUE_BYTES_MAX};
use crate::slice::Slice;

/// The operator of a family, as readers and compactions have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator<'a> {
    pub(crate) family: &'a str,
    /// None only if entries are damaged: a family without an operator has no operands.
    pub(crate) merges: Option<&'a dyn MergeOperator>,
}

/// Where a chain ends.
#[derive(Clone, Debug)]
enum End {
    Open,
    Absent,
    /// In the last of the merge entries.
    InEntry,
    Value(Slice),
}

/// The entries of a key, newest first, down to what they are applied to.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    entries: Vec<Slice>,
    end: End,
}

impl Chain {
    /// A chain that begins with a merge entry.
    pub(crate) fn new(operator: Operator<'_>, key: &[u8], value: Slice) -> Result<Chain> {
        let mut chain = Chain { entries: Vec::new(), end: End::Open };
        chain.add_entry(operator, key, value)?;
        Ok(chain)
    }

    /// Whether older entries make no difference.
    pub(crate) fn is_complete(&self) -> bool {
        !matches!(self.end, End::Open)
    }

    /// Adds the next older entry; of a pointer, the value that it leads to.
    pub(crate) fn add(&mut self, operator: Operator<'_>, key: &[u8], kind: Kind, value: Slice) -> Result<()> {
        match kind {
            Kind::Merge => self.add_entry(operator, key, value)?,
            Kind::Put | Kind::Pointer => self.end = End::Value(value),
            Kind::Delete | Kind::RangeDelete => self.end = End::Absent,
        }
        Ok(())
    }

    fn add_entry(&mut self, operator: Operator<'_>, key: &[u8], value: Slice) -> Result<()> {
        let entry = Entry::parse(&value).ok_or_else(|| damaged(operator, key))?;
        if entry.base != Base::Below {
            self.end = End::InEntry;
        }
        self.entries.push(value);
        Ok(())
    }

    /// There is nothing below.
    pub(crate) fn end(&mut self) {
        if !self.is_complete() {
            self.end = End::Absent;
        }
    }

    fn base(&self) -> Base<'_> {
        match &self.end {
            End::Open => Base::Below,
            End::Absent => Base::Absent,
            End::Value(value) => Base::Value(value),
            End::InEntry => self
                .entries
                .last()
                .and_then(|entry| Entry::parse(entry))
                .map_or(Base::Absent, |entry| entry.base),
        }
    }

    /// The operands, oldest first.
    fn operands(&self) -> Vec<&[u8]> {
        let entries = self.entries.iter().rev().filter_map(|entry| Entry::parse(entry));
        entries.flat_map(|entry| entry.operands()).collect()
    }

    /// The value that the chain makes, if nothing stands below it.
    ///
    /// # Errors
    /// [`Error::MergeFailed`], [`Error::LimitExceeded`].
    pub(crate) fn value(&self, operator: Operator<'_>, key: &[u8]) -> Result<Slice> {
        let failed = |message: String| Error::MergeFailed {
            family: operator.family.to_owned(),
            key: key.to_vec(),
            message,
        };
        let merges = operator.merges.ok_or_else(|| failed("the family has no merge operator".to_owned()))?;
        let existing = match self.base() {
            Base::Below | Base::Absent => None,
            Base::Value(value) => Some(value),
        };
        let value = merges.merge(key, existing, &self.operands()).map_err(|cause| failed(cause.0))?;
        if value.len() > VALUE_BYTES_MAX {
            let (actual, limit) = (value.len() as u64, VALUE_BYTES_MAX as u64);
            return Err(Error::LimitExceeded { what: "a merged value", actual, limit });
        }
        Ok(Slice::from(value))
    }

    /// One entry that does what the chain does: the value, if it is known to have an end and the operator makes it, and
    /// operands otherwise.
    pub(crate) fn fold(&self, operator: Operator<'_>, key: &[u8]) -> (Kind, Slice) {
        if self.is_complete()
            && let Ok(value) = self.value(operator, key)
        {
            return (Kind::Put, value);
        }
        if let [only] = self.entries.as_slice()
            && matches!(self.end, End::Open | End::InEntry)
        {
            return (Kind::Merge, only.clone());
        }
        let operands = self.operands();
        let joined = match operands.as_slice() {
            [_] => None,
            several => operator.merges.and_then(|merges| merges.join(key, several)),
        };
        let value = match &joined {
            Some(joined) => encode(self.base(), std::iter::once(joined.as_slice())),
            None => encode(self.base(), operands.into_iter()),
        };
        (Kind::Merge, Slice::from(value))
    }

    /// The bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.len()).sum()
    }
}

fn damaged(operator: Operator<'_>, key: &[u8]) -> Error {
    let message = "the entry is no list of operands".to_owned();
    Error::MergeFailed { family: operator.family.to_owned(), key: key.to_vec(), message }
}
