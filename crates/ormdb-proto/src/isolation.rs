//! What transactions see of each other.

use std::fmt;
use std::str::FromStr;

use rkyv::{Archive, Deserialize, Serialize};

use crate::error::{Error, ErrorCode};

/// What a transaction sees of others. Constraints hold at every level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Archive, Serialize, Deserialize)]
pub enum Isolation {
    /// Each statement sees what was committed before it. One that waited for another's write runs again over what that
    /// one left.
    ReadCommitted,
    /// Every statement sees what was committed before the transaction. Of two that write a row, the second is told to run again.
    Snapshot,
    /// As if the transactions ran one after the other: what was read is validated at the commit as well.
    #[default]
    Serializable,
}

/// Whether a transaction may write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Archive, Serialize, Deserialize)]
pub enum Access {
    /// It may.
    #[default]
    ReadWrite,
    /// Writes and locks of rows are refused.
    ReadOnly,
}

impl Isolation {
    /// All levels, from the weakest on.
    pub const ALL: [Isolation; 3] = [Isolation::ReadCommitted, Isolation::Snapshot, Isolation::Serializable];

    /// Its name, as texts have it.
    pub const fn name(self) -> &'static str {
        match self {
            Isolation::ReadCommitted => "read_committed",
            Isolation::Snapshot => "snapshot",
            Isolation::Serializable => "serializable",
        }
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isolation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Isolation, Error> {
        Isolation::ALL.into_iter().find(|level| level.name() == name).ok_or_else(|| {
            let names = Isolation::ALL.map(Isolation::name).join("`, `");
            Error::new(ErrorCode::UnknownName, format!("there is no isolation level `{name}`"))
                .hint(format!("the levels are `{names}`"))
        })
    }
}
