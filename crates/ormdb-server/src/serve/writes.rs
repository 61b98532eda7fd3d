//! Writes outside of transactions: where the request was decoded, if nobody else is there who would wait meanwhile; else in the lane.

use std::sync::Arc;

use ormdb::{Params, Prepared};
use ormdb_proto::frame::FrameHeader;
use tokio::sync::OwnedSemaphorePermit;

use super::connection::{Requests, caught};
use super::outgoing::Reply;
use super::reactors::HeldUp;
use super::window::Window;
use super::{lane, request};

/// What a response needs: its credit, and the place of its request among those in flight.
pub(super) type Held = (Arc<Window>, OwnedSemaphorePermit);

impl Requests {
    /// Starts a write, which is answered when it is durable.
    pub(super) fn write(
        &self,
        header: &FrameHeader,
        (prepared, params): (Prepared, Params),
        mut held: Held,
        is_alone: bool,
    ) {
        if is_alone && self.is_at_one() {
            held = match self.write_here(self.reply(header), (&prepared, &params), held) {
                None => return,
                Some(held) => held,
            };
        }
        self.write_in_lane(header, (prepared, params), held);
    }

    /// Writes and waits for the sync on this thread: to wake another one takes longer. Gives back what it holds if the write is to run
    /// elsewhere.
    fn write_here(&self, reply: Reply, (prepared, params): (&Prepared, &Params), held: Held) -> Option<Held> {
        let Some(_held_up) = HeldUp::begin() else { return Some(held) };
        let write = || caught(|| self.session.write_briefly(prepared, params, request::BRIEF));
        let response = match self.shared.lane.run_here(write) {
            None | Some(Ok(None)) => return Some(held),
            Some(Ok(Some(write))) => caught(|| request::written(write, reply)),
            Some(Err(error)) => Err(error),
        };
        self.answer_at_once(reply, held, response);
        None
    }

    fn write_in_lane(&self, header: &FrameHeader, (prepared, params): (Prepared, Params), held: Held) {
        let session = self.session.beside_telling(lane::pass_on);
        self.register(header.request, session.cancel_handle());
        let (requests, reply) = (self.clone(), self.reply(header));
        self.shared.lane.run(move || match caught(|| session.write_unsynced(&prepared, &params)) {
            Ok(write) => Some(Box::new(move || {
                let response = caught(|| request::written(write, reply));
                requests.answer_at_once(reply, held, response);
            })),
            Err(error) => {
                requests.answer_at_once(reply, held, Err(error));
                None
            }
        });
    }
}
