//! Makes a script that finds something shorter, while it finds something.

use crate::script::{Op, Script};

/// The most runs that it takes.
const RUNS_MAX: usize = 1500;

/// A shorter script that fails too; `fails` says so.
pub fn shrink(script: &Script, fails: impl Fn(&Script) -> bool) -> Script {
    let mut shrinking = Shrinking { best: script.clone(), fails, runs: 0 };
    loop {
        let before = shrinking.best.to_string().len();
        shrinking.remove_ops();
        shrinking.simplify_ops();
        if shrinking.runs >= RUNS_MAX || shrinking.best.to_string().len() == before {
            return shrinking.best;
        }
    }
}

struct Shrinking<F> {
    best: Script,
    fails: F,
    runs: usize,
}

impl<F: Fn(&Script) -> bool> Shrinking<F> {
    /// Takes the script if it fails; whether it does.
    fn try_one(&mut self, ops: Vec<Op>) -> bool {
        if self.runs >= RUNS_MAX {
            return false;
        }
        self.runs += 1;
        let script = Script { ops };
        let fails = (self.fails)(&script);
        if fails {
            self.best = script;
        }
        fails
    }

    /// Leaves out operations, many at a time and then single ones.
    fn remove_ops(&mut self) {
        let mut size = self.best.ops.len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < self.best.ops.len() {
                let mut ops = self.best.ops.clone();
                ops.drain(at..(at + size).min(ops.len()));
                if !self.try_one(ops) {
                    at += size;
                }
            }
            size /= 2;
        }
    }

    /// Makes single operations simpler.
    fn simplify_ops(&mut self) {
        for at in 0..self.best.ops.len() {
            let mut part = 0;
            while let Some(simpler) = self.best.ops.get(at).and_then(|op| without(op, part)) {
                let mut ops = self.best.ops.clone();
                if let Some(op) = ops.get_mut(at) {
                    *op = simpler;
                }
                if !self.try_one(ops) {
                    part += 1;
                }
            }
        }
    }
}

/// The operation without one of its parts, if it has so many.
fn without(op: &Op, part: usize) -> Option<Op> {
    fn less<T: Clone>(all: &[T], part: usize) -> Option<Vec<T>> {
        let mut all = all.to_vec();
        (part < all.len()).then(|| all.remove(part))?;
        Some(all)
    }
    Some(match op.clone() {
        Op::Open(settings) => Op::Open(settings.without(part)?),
        Op::Write { lasting, gap, writes } => Op::Write { lasting, gap, writes: less(&writes, part)? },
        Op::Tx { slot, writes } => Op::Tx { slot, writes: less(&writes, part)? },
        Op::Undo { slot, writes } => Op::Undo { slot, writes: less(&writes, part)? },
        Op::Look { slot, family, keys } => Op::Look { slot, family, keys: less(&keys, part)? },
        Op::Get { slot, family, keys } => Op::Get { slot, family, keys: less(&keys, part)? },
        Op::Move { cursor, moves } => Op::Move { cursor, moves: less(&moves, part)? },
        Op::Ingest { family, cut, rows } => Op::Ingest { family, cut, rows: less(&rows, part)? },
        Op::Set { family, settings } => Op::Set { family, settings: settings.without(part)? },
        Op::Checkpoint(settings) => Op::Checkpoint(settings.without(part)?),
        Op::Crash { end, states, again, settings } => {
            Op::Crash { end, states, again, settings: settings.without(part)? }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
