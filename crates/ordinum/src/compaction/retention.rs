//! Which versions somebody can still see.

use crate::key::SeqNo;
use crate::planted::{Bug, planted};

/// What may be read: the pinned sequence numbers, and every one from the horizon on.
#[derive(Clone, Debug)]
pub(crate) struct Retention {
    /// Ascending.
    pins: Vec<SeqNo>,
    horizon: SeqNo,
}

impl Retention {
    /// Reads happen at one of `pins`, in any order, or at or above `horizon`.
    pub(crate) fn new(mut pins: Vec<SeqNo>, horizon: SeqNo) -> Retention {
        if planted(Bug::IgnorePins) {
            pins.clear();
        }
        pins.sort_unstable();
        pins.dedup();
        Retention { pins, horizon }
    }

    /// From here on every sequence number can be read.
    pub(crate) fn horizon(&self) -> SeqNo {
        self.horizon
    }

    /// Whether a version written at `seqno` can be seen, if the next newer version of its key was written at `newer`.
    pub(crate) fn keeps(&self, seqno: SeqNo, newer: Option<SeqNo>) -> bool {
        let Some(newer) = newer else { return true };
        if newer > self.horizon {
            return true;
        }
        let first_pin = self.pins.partition_point(|pin| *pin < seqno);
        self.pins.get(first_pin).is_some_and(|pin| *pin < newer)
    }

    /// The first sequence number at or above this one that somebody reads at.
    pub(crate) fn first_reader(&self, seqno: SeqNo) -> SeqNo {
        let first_pin = self.pins.partition_point(|pin| *pin < seqno);
        let from_horizon = seqno.max(self.horizon);
        self.pins.get(first_pin).map_or(from_horizon, |pin| (*pin).min(from_horizon))
    }

    /// Whether every reader sees what was written at `seqno`, or something newer: nobody reads at a point before it.
    pub(crate) fn is_settled(&self, seqno: SeqNo) -> bool {
        seqno <= self.oldest()
    }

    /// The oldest sequence number that somebody reads at.
    pub(crate) fn oldest(&self) -> SeqNo {
        self.pins.first().map_or(self.horizon, |pin| (*pin).min(self.horizon))
    }

    /// Whether a version that is the newest of its key may be taken away from those who read at the horizon: it is not
    /// above the horizon, and no pin sees it.
    pub(crate) fn may_expire(&self, seqno: SeqNo) -> bool {
        seqno <= self.horizon && !self.is_pinned_since(seqno)
    }

    /// Whether a pin is at or above the sequence number.
    pub(crate) fn is_pinned_since(&self, seqno: SeqNo) -> bool {
        self.pins.last().is_some_and(|pin| *pin >= seqno)
    }
}
