//! Locks of rows that a fetch takes: PostgreSQL's four strengths, and what happens where another transaction is in the way.

use rkyv::{Archive, Deserialize, Serialize};

/// A lock of the root rows of a fetch. It is kept until the transaction ends, or is rolled back to a savepoint before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct RowLock {
    /// What it excludes.
    pub strength: LockStrength,
    /// What happens where another transaction has a lock that excludes it.
    pub wait: LockWait,
}

/// What a lock of a row excludes, from the weakest on. Every write takes one of the last two, and a row that refers to
/// another takes the first of that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Archive, Serialize, Deserialize)]
pub enum LockStrength {
    /// `for key share`: that the row goes, or changes a key that others may refer to.
    KeyShare,
    /// `for share`: that the row changes.
    Share,
    /// `for no key update`: that others change it or read it with `for share`; they may begin to refer to it.
    NoKeyUpdate,
    /// `for update`: every other lock.
    Update,
}

/// What happens where another transaction has a lock that excludes the one asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum LockWait {
    /// It is waited for, as long as the session says.
    #[default]
    Session,
    /// `wait 500`: it is waited for, so many milliseconds at most.
    AtMost {
        /// How many.
        ms: u64,
    },
    /// `nowait`: the statement fails.
    Never,
    /// `skip locked`: the row is passed over, as if the filter refused it.
    SkipLocked,
}

impl LockStrength {
    /// All strengths, from the weakest on.
    pub const ALL: [LockStrength; 4] =
        [LockStrength::KeyShare, LockStrength::Share, LockStrength::NoKeyUpdate, LockStrength::Update];

    /// Its words in the text language, behind `for`.
    pub const fn words(self) -> &'static str {
        match self {
            LockStrength::KeyShare => "key share",
            LockStrength::Share => "share",
            LockStrength::NoKeyUpdate => "no key update",
            LockStrength::Update => "update",
        }
    }
}

impl std::fmt::Display for RowLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "for {}", self.strength.words())?;
        match self.wait {
            LockWait::Session => Ok(()),
            LockWait::AtMost { ms } => write!(f, " wait {ms}"),
            LockWait::Never => write!(f, " nowait"),
            LockWait::SkipLocked => write!(f, " skip locked"),
        }
    }
}
