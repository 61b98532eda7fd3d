//! Bugs that the simulator plants, to see that it finds them. Without the feature `planted` there is none: [`planted`] is false then,
//! and the code behind it is not compiled in.

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The entry of an index stays when its row goes or changes.
    ForgetIndexDelete,
    /// A new index has no entries of the rows that were there.
    SkipBackfill,
    /// A unique key is taken without a look whether another row has it.
    SkipUniqueCheck,
    /// The database was opened before, and foreign keys are written without a look at what they refer to.
    SkipForeignKeyAfterRestart,
    /// A row goes without a look at those that refer to it.
    ForgetReferrers,
    /// What a serializable transaction read is not looked at when it commits.
    SkipReadValidation,
    /// A commit is acknowledged before it is durable.
    SkipCommitSync,
    /// The numbers of a sequence are given before they are reserved.
    ReissueNumbers,
    /// A rollback to a savepoint keeps what was written since.
    KeepBehindSavepoint,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 9] = [
        Bug::ForgetIndexDelete,
        Bug::SkipBackfill,
        Bug::SkipUniqueCheck,
        Bug::SkipForeignKeyAfterRestart,
        Bug::ForgetReferrers,
        Bug::SkipReadValidation,
        Bug::SkipCommitSync,
        Bug::ReissueNumbers,
        Bug::KeepBehindSavepoint,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
    static OPENINGS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// Plants the bug in all databases that this thread works on, or none any more. No database was opened before.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
    OPENINGS.set(0);
}

/// Whether the bug is planted.
#[cfg(feature = "planted")]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug) && (bug != Bug::SkipForeignKeyAfterRestart || OPENINGS.get() > 1)
}

/// Whether the bug is planted: no.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

/// A database is opened on this thread.
pub(crate) fn opened() {
    #[cfg(feature = "planted")]
    OPENINGS.set(OPENINGS.get() + 1);
}
