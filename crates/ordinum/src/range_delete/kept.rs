//! What flush and compaction keep of range tombstones, and of the versions under them.

use std::cmp::Reverse;
use std::sync::Arc;

use super::skyline::Skyline;
use super::{Cover, RangeTombstone, RangeTombstones};
use crate::compaction::Retention;
use crate::key::SeqNo;

/// The tombstones of what is merged.
#[derive(Debug)]
pub(crate) struct KeptTombstones {
    all: Arc<RangeTombstones>,
    /// What the tombstones are to those who read at `reader`.
    cover: Cover,
    reader: SeqNo,
}

impl KeptTombstones {
    pub(crate) fn new(all: Arc<RangeTombstones>) -> KeptTombstones {
        KeptTombstones { all, cover: Cover::default(), reader: SeqNo::ZERO }
    }

    /// Whether the tombstones hide the version from everybody. Keys that ascend from call to call cost least.
    pub(crate) fn hides(&mut self, key: &[u8], seqno: SeqNo, retention: &Retention) -> bool {
        if self.all.is_empty() {
            return false;
        }
        // Whom it hides the version from, it hides it from those behind too.
        let reader = retention.first_reader(seqno);
        if reader == seqno {
            return false;
        }
        if reader != self.reader {
            (self.cover, self.reader) = (Cover::new(vec![Arc::clone(&self.all)], reader), reader);
        }
        self.cover.newest(key) > seqno
    }

    /// The newest tombstone at or below `seqno` that covers the key, or zero.
    pub(crate) fn newest(&self, key: &[u8], seqno: SeqNo) -> SeqNo {
        if self.all.is_empty() { SeqNo::ZERO } else { self.all.newest(key, seqno) }
    }

    /// The tombstones to write, ascending by start, and newest first. Of those that everybody sees, only the newest of each
    /// key is left.
    pub(crate) fn written(&self, retention: &Retention) -> Vec<RangeTombstone> {
        let settled = retention.oldest();
        let (mut skyline, mut written) = (Skyline::default(), Vec::new());
        self.all.for_each(|tombstone| {
            if tombstone.seqno <= settled {
                skyline.assign(&tombstone.start, &tombstone.end, tombstone.seqno);
            } else {
                written.push(tombstone.clone());
            }
        });
        let mut last: Option<RangeTombstone> = None;
        skyline.for_each(|start, end, seqno| match &mut last {
            Some(last) if last.seqno == seqno && *last.end == *start => last.end = end.into(),
            last => written.extend(last.replace(RangeTombstone::new(start, end, seqno))),
        });
        written.extend(last);
        written.sort_by(|a, b| (&a.start, Reverse(a.seqno)).cmp(&(&b.start, Reverse(b.seqno))));
        written
    }
}
