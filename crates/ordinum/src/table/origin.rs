//! Where a table was written: in the database, or outside of it.
//!
//! What is written outside knows neither its file number nor its sequence number. Its checksums have a random number in place of
//! the one, and its trailers zero in place of the other; who opens it says what both are.

use crate::file_name::FileNumber;
use crate::key::SeqNo;

/// What a table was sealed with, and what is added to the sequence numbers in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The number that its checksums bind.
    pub(crate) sealed_as: FileNumber,
    /// The sequence number of all entries, of a table that was ingested; else zero.
    pub(crate) seqno: SeqNo,
}

impl Origin {
    /// That of a table that the database wrote under this number.
    pub(crate) const fn here(number: FileNumber) -> Origin {
        Origin { sealed_as: number, seqno: SeqNo::ZERO }
    }

    /// What is added to every trailer.
    pub(crate) const fn raise(self) -> u64 {
        self.seqno.get() << 8
    }
}
