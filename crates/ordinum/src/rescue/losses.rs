//! What was lost so far: for the report, and for those who ask whether something may be missing below an operand.

use std::collections::BTreeMap;
use std::path::Path;

use super::report::{LOSSES_TOLD_MAX, Loss, Lost};
use crate::error::Error;
use crate::family::FamilyId;
use crate::key::SeqNo;

/// Which commits may be missing.
pub(super) type SeqNos = (SeqNo, SeqNo);

/// A first and a last key.
pub(super) type KeySpan = (Vec<u8>, Vec<u8>);

/// Every commit.
pub(super) const ALL_SEQNOS: SeqNos = (SeqNo::ZERO, SeqNo::MAX);

/// Something that may be missing.
#[derive(Debug)]
struct Missing {
    /// The first and the last key; none: any.
    keys: Option<KeySpan>,
    seqnos: SeqNos,
}

impl Missing {
    /// Behind `above` and through the same commit is nothing, whatever is missing.
    fn may_have(&self, key: &[u8], above: SeqNo, through: SeqNo) -> bool {
        let has_key =
            self.keys.as_ref().is_none_or(|(first, last)| first.as_slice() <= key && key <= last.as_slice());
        has_key && above < through && self.seqnos.0 <= through && self.seqnos.1 > above
    }
}

/// What was lost so far.
#[derive(Debug, Default)]
pub(super) struct Losses {
    told: Vec<Loss>,
    total: u64,
    missing: BTreeMap<FamilyId, Vec<Missing>>,
    /// What is missing of all families.
    anywhere: Vec<Missing>,
}

impl Losses {
    /// Tells of a damage of this file.
    pub(super) fn tell(&mut self, lost: Lost, file: &Path, damage: &Error) {
        self.tell_of(lost, file, None, None, damage);
    }

    /// Tells of a damage of this file that takes something of these keys of the family.
    pub(super) fn tell_of(
        &mut self,
        lost: Lost,
        file: &Path,
        family: Option<&str>,
        keys: Option<KeySpan>,
        damage: &Error,
    ) {
        let (offset, damage) = (offset_of(damage), damage.to_string());
        let family = family.map(str::to_owned);
        self.push(Loss { lost, file: file.to_path_buf(), offset, family, keys, damage });
    }

    /// Says that commits of the family may be missing. Without keys they may be of any, without a family of any.
    pub(super) fn miss(&mut self, family: Option<FamilyId>, keys: Option<KeySpan>, seqnos: SeqNos) {
        match family {
            Some(family) => self.missing.entry(family).or_default().push(Missing { keys, seqnos }),
            None => self.anywhere.push(Missing { keys, seqnos }),
        }
    }

    fn push(&mut self, loss: Loss) {
        self.total += 1;
        if self.told.len() < LOSSES_TOLD_MAX {
            self.told.push(loss);
        }
    }

    /// Whether a version of the key with a number above `above` and not above `through` may be missing.
    pub(super) fn may_have(&self, family: FamilyId, key: &[u8], above: SeqNo, through: SeqNo) -> bool {
        let of_family = self.missing.get(&family).into_iter().flatten();
        of_family.chain(&self.anywhere).any(|missing| missing.may_have(key, above, through))
    }

    /// Whether anything of the family may be missing.
    pub(super) fn touch(&self, family: FamilyId) -> bool {
        self.missing.contains_key(&family) || !self.anywhere.is_empty()
    }

    /// The losses, and how many there were.
    pub(super) fn into_told(self) -> (Vec<Loss>, u64) {
        (self.told, self.total)
    }
}

/// Where in its file the damage is.
pub(super) fn offset_of(damage: &Error) -> u64 {
    match damage {
        Error::Corrupt { offset, .. } => *offset,
        _ => 0,
    }
}
