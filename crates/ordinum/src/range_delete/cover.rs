//! What a cursor is told: which versions tombstones hide from it, and how far it may jump.
//!
//! Invariant: what was told last holds for the keys from `start` on and before `end`; a cursor mostly asks about a key in
//! there, which costs a comparison or two.

use std::sync::Arc;

use super::{RangeTombstones, Span};
use crate::key::SeqNo;

/// The tombstones that a cursor sees.
#[derive(Debug, Default)]
pub(crate) struct Cover {
    /// With the sequence number at which each is seen.
    seen: Vec<(Arc<RangeTombstones>, SeqNo)>,
    /// Those of the own transaction: newer than everything but its writes.
    own: Option<Arc<RangeTombstones>>,
    is_known: bool,
    start: Vec<u8>,
    end: Option<Vec<u8>>,
    seqno: SeqNo,
}

impl Cover {
    /// These tombstones, as they are seen at `seqno`.
    pub(crate) fn new(tombstones: Vec<Arc<RangeTombstones>>, seqno: SeqNo) -> Cover {
        let seen = tombstones.into_iter().filter(|some| !some.is_empty()).map(|some| (some, seqno));
        Cover { seen: seen.collect(), ..Cover::default() }
    }

    /// With the range deletes of the own transaction, which hide all that was committed.
    pub(crate) fn with_own(mut self, own: &Arc<RangeTombstones>) -> Cover {
        self.own = (!own.is_empty()).then(|| Arc::clone(own));
        self
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.own.is_none()
    }

    /// The newest tombstone that covers the key, or zero.
    #[inline]
    pub(crate) fn newest(&mut self, key: &[u8]) -> SeqNo {
        if self.is_empty() {
            return SeqNo::ZERO;
        }
        let is_inside = self.is_known
            && self.start.as_slice() <= key
            && self.end.as_ref().is_none_or(|end| key < end.as_slice());
        if !is_inside {
            self.learn(key);
        }
        self.seqno
    }

    fn learn(&mut self, key: &[u8]) {
        let mut span = Span::NOTHING;
        for (tombstones, seqno) in &self.seen {
            span.narrow(&tombstones.span(key, *seqno));
        }
        if let Some(own) = &self.own {
            let mut own = own.span(key, SeqNo::MAX);
            if own.seqno != SeqNo::ZERO {
                own.seqno = SeqNo::MAX;
            }
            span.narrow(&own);
        }
        self.start.clear();
        self.start.extend_from_slice(span.start);
        self.end = span.end.map(|end| {
            let mut buffer = self.end.take().unwrap_or_default();
            buffer.clear();
            buffer.extend_from_slice(end);
            buffer
        });
        (self.seqno, self.is_known) = (span.seqno, true);
    }

    /// The tombstone that was told last.
    pub(crate) fn seqno(&self) -> SeqNo {
        self.seqno
    }

    /// Where the keys begin for which holds what was told last.
    pub(crate) fn start(&self) -> &[u8] {
        &self.start
    }

    /// Where they end; none if they have no end.
    pub(crate) fn end(&self) -> Option<&[u8]> {
        self.end.as_deref()
    }
}
