//! Root rows become chunks: as many at a time as their related rows leave room for.
//!
//! Invariant: what a chunk and its making hold is at most [`PORTION_BYTES`], or the least part of the statement's memory that it may
//! be divided into; a root row with all its related ones makes a chunk, however large they are, unless the receiver takes them in parts.

use ormdb_proto::Result;
use ormdb_proto::result::Chunk;

use super::assemble;
use super::rows::FetchedRow;
use super::run::Run;
use super::split;
use super::{CHUNK_BYTES, CHUNK_ROWS};
use crate::plan::Plan;

/// How many root rows with related ones make a chunk, as long as it is not known how large they are.
const ROOTS_AT_FIRST: usize = 1024;
/// How much may be held for a chunk of several root rows.
const PORTION_BYTES: usize = 64 << 20;
/// A portion takes at most this part of the statement's memory.
const MEMORY_PARTS: u64 = 4;
/// By which factor a portion shrinks that was too large.
const SHRINKS_BY: usize = 8;

/// Whether the related rows of one root row stand in one chunk, however many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FanOuts {
    /// They do.
    Whole,
    /// They may be divided over several, each of which goes on in the next.
    Divided,
}

/// How many root rows make a chunk: learned from those before.
pub(super) struct Portions {
    fan_outs: FanOuts,
    roots: usize,
    bytes: usize,
}

impl Portions {
    /// The first portion of a run.
    pub(super) fn of(run: &Run<'_>, fan_outs: FanOuts) -> Portions {
        let part = run.ctx.session.limits.memory_bytes_max / MEMORY_PARTS;
        let bytes = usize::try_from(part).unwrap_or(usize::MAX).min(PORTION_BYTES);
        Portions { fan_outs, roots: ROOTS_AT_FIRST, bytes }
    }

    /// Makes chunks of root rows, which are at most a chunk of their own, and of all that is below them.
    pub(super) fn each(
        &mut self,
        run: &Run<'_>,
        plan: &Plan<'_>,
        rows: &[FetchedRow],
        sink: &mut dyn FnMut(Chunk) -> Result<()>,
    ) -> Result<()> {
        if plan.root.includes.is_empty() {
            return sink(assemble::chunk(run, plan, rows)?);
        }
        let mut rest = rows;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.roots.min(rest.len()));
            if let ([one], FanOuts::Whole) = (now, self.fan_outs) {
                // There is nothing left to divide.
                let chunk = assemble::chunk(run, plan, std::slice::from_ref(one))?;
                self.learn(1, chunk.byte_len());
                sink(chunk)?;
                rest = later;
                continue;
            }
            match run.budget.within(self.bytes, || assemble::chunk(run, plan, now))? {
                Some(chunk) => {
                    self.learn(now.len(), chunk.byte_len());
                    sink(chunk)?;
                    rest = later;
                }
                None if let [one] = now => {
                    split::each_part(run, plan, one, self.bytes, sink)?;
                    rest = later;
                }
                None => self.roots = (now.len() / SHRINKS_BY).max(1),
            }
        }
        Ok(())
    }

    /// The next portion, after one of so many root rows made a chunk of so many bytes: twice as many at most.
    fn learn(&mut self, roots: usize, bytes: usize) {
        let fitting = roots.saturating_mul(CHUNK_BYTES) / bytes.max(1);
        self.roots = fitting.clamp(1, self.roots.saturating_mul(2)).min(CHUNK_ROWS);
    }
}
