//! Bugs that the tests of the engine plant, to see that they find them. Without the feature `planted` there is none: [`planted`] is
//! false then, and the code behind it is not compiled in.

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A flush does not sync the directory that has its table.
    SkipDirectorySync,
    /// The directory above a new database is not synced.
    SkipParentSync,
    /// A table is not synced before the manifest names it.
    SkipTableSync,
    /// The log is not synced, and said to be.
    SkipLogSync,
    /// A sync of the log that failed is taken for one that did not.
    IgnoreFailedSync,
    /// The log is said to be durable before it is synced.
    PublishBeforeSync,
    /// An edit of the manifest is not synced.
    SkipManifestSync,
    /// A record of the manifest has no seal behind it.
    SkipSeal,
    /// A table is installed ahead of the log.
    InstallAheadOfLog,
    /// A log goes while a memtable needs it.
    RemoveLogTooEarly,
    /// A buffered write is acknowledged before the file system has it.
    AcknowledgeBeforeHandOver,
    /// Replay leaves out what a batch wrote behind its third operation.
    SplitBatch,
    /// Sequence numbers that a crash has lost are given again.
    ReissueSeqNos,
    /// Now and then a file has the number of the one before.
    ReuseFileNumber,
    /// A log that is damaged where it was durable is cut there.
    CutAttested,
    /// The checksum of a record of the log is not looked at.
    IgnoreLogChecksum,
    /// The checksum of a block is not looked at.
    IgnoreBlockChecksum,
    /// A compaction drops deletions although older versions lie deeper.
    DropDeletionTooEarly,
    /// A compaction drops range deletes although older versions lie deeper.
    DropRangeDeleteTooEarly,
    /// Flushes and compactions do not ask which snapshots are open.
    IgnorePins,
    /// Versions below the horizon are read, although they may be gone.
    ReadBelowHorizon,
    /// A cursor that goes back shows what a range delete hides under many newer versions.
    ShowHidden,
    /// A filter forgets a key.
    ForgetInFilter,
    /// A value-log file goes while tables point into it.
    DropValuesTooEarly,
    /// Ingested tables come below what memory has of their keys.
    IngestUnderMemory,
    /// Transactions are not validated.
    SkipValidation,
    /// A checkpoint has no sync behind the files that it links.
    SkipCheckpointLog,
    /// A commit is visible before it is applied.
    PublishBeforeApply,
    /// A reader puts its reference back although the value was replaced meanwhile.
    PutBackStale,
    /// Who waits for a lock looks first whether it is free, and then says that it waits.
    WaitUnannounced,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 30] = [
        Bug::SkipDirectorySync,
        Bug::SkipParentSync,
        Bug::SkipTableSync,
        Bug::SkipLogSync,
        Bug::IgnoreFailedSync,
        Bug::PublishBeforeSync,
        Bug::SkipManifestSync,
        Bug::SkipSeal,
        Bug::InstallAheadOfLog,
        Bug::RemoveLogTooEarly,
        Bug::AcknowledgeBeforeHandOver,
        Bug::SplitBatch,
        Bug::ReissueSeqNos,
        Bug::ReuseFileNumber,
        Bug::CutAttested,
        Bug::IgnoreLogChecksum,
        Bug::IgnoreBlockChecksum,
        Bug::DropDeletionTooEarly,
        Bug::DropRangeDeleteTooEarly,
        Bug::IgnorePins,
        Bug::ReadBelowHorizon,
        Bug::ShowHidden,
        Bug::ForgetInFilter,
        Bug::DropValuesTooEarly,
        Bug::IngestUnderMemory,
        Bug::SkipValidation,
        Bug::SkipCheckpointLog,
        Bug::PublishBeforeApply,
        Bug::PutBackStale,
        Bug::WaitUnannounced,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants the bug in all databases that this thread works on, or none any more.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether the bug is planted.
#[cfg(feature = "planted")]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether the bug is planted: no.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}
