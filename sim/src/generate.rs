//! Scripts out of seeds.

use fastrand::Rng;

use crate::script::{
    Edge, Effect, End, Key, Kind, Lasting, Move, Op, Range, ReadTrouble, Script, Trouble, Value, Way, Write,
};
use crate::settings::Settings;

/// What kind of script is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many operations it has.
    pub ops: usize,
    /// Whether the process or the machine fails in it.
    pub faults: Faults,
}

/// Whether the process or the machine fails in a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// They do.
    Some,
    /// They do not, so that any options give the same answers.
    None,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { ops: 400, faults: Faults::Some }
    }
}

/// The script of a seed.
pub fn generate(seed: u64, plan: &Plan) -> Script {
    let mut rng = Rng::with_seed(seed);
    let open = Op::Open(Settings::random(&mut rng));
    // Few keys meet often; many make tables.
    let keys = [8, 60, 400][rng.usize(..3)];
    let mut source = Source { rng, keys, values: 0, faults: plan.faults };
    let ops = std::iter::once(open).chain((1..plan.ops).map(|_| source.op()));
    Script { ops: ops.collect() }
}

struct Source {
    rng: Rng,
    keys: u16,
    values: u32,
    faults: Faults,
}

impl Source {
    fn key(&mut self) -> Key {
        let number = Some(self.rng.u16(..self.keys));
        match self.rng.u8(..200) {
            0 => Key { number: None, padded: 0 },
            1..8 => Key { number, padded: self.rng.u16(10..300) },
            _ => Key { number, padded: 0 },
        }
    }

    fn keys(&mut self, most: usize) -> Vec<Key> {
        (0..self.rng.usize(1..=most)).map(|_| self.key()).collect()
    }

    fn value(&mut self) -> Value {
        self.values += 1;
        let len = if self.rng.u8(..40) == 0 { 3000 } else { self.rng.u32(..60) };
        Value { seed: self.values, len }
    }

    fn family(&mut self) -> u8 {
        // Most of it in one family, so that it has levels.
        [0, 0, 0, 1, 2][self.rng.usize(..5)]
    }

    fn write(&mut self) -> Write {
        let (family, mut key) = (self.family(), self.key());
        let effect = match self.rng.u8(..80) {
            0..3 => {
                let mut end = self.key();
                if end.bytes() < key.bytes() {
                    (key, end) = (end, key);
                }
                Effect::DeleteRange(end)
            }
            3..20 => Effect::Delete,
            20..36 => Effect::Merge(self.value()),
            _ => Effect::Put(self.value()),
        };
        Write { family, key, effect }
    }

    fn writes(&mut self, most: usize) -> Vec<Write> {
        (0..self.rng.usize(1..=most)).map(|_| self.write()).collect()
    }

    fn lasting(&mut self) -> Lasting {
        match self.rng.u8(..8) {
            0 | 1 => Lasting::Synced,
            2 => Lasting::Interval,
            _ => Lasting::Buffered,
        }
    }

    fn edge(&mut self) -> Edge {
        match self.rng.u8(..4) {
            0 => Edge::Open,
            1 => Edge::Beside(self.key()),
            _ => Edge::At(self.key()),
        }
    }

    fn range(&mut self) -> Range {
        Range { start: self.edge(), end: self.edge() }
    }

    fn a_move(&mut self) -> Move {
        match self.rng.u8(..16) {
            0 => Move::First,
            1 => Move::Last,
            2..4 => Move::Seek(self.key()),
            4..6 => Move::SeekBack(self.key()),
            6..11 => Move::Next,
            _ => Move::Prev,
        }
    }

    fn way(&mut self) -> Way {
        if self.rng.bool() { Way::Forward } else { Way::Back }
    }

    fn slot(&mut self) -> u8 {
        self.rng.u8(..4)
    }

    fn settings(&mut self) -> Settings {
        Settings::random(&mut self.rng)
    }

    fn op(&mut self) -> Op {
        match self.rng.u16(..1000) {
            0..400 => {
                let most = if self.rng.u8(..3) == 0 { 20 } else { 3 };
                let gap = if self.rng.u8(..30) == 0 { self.rng.u16(1..3000) } else { 0 };
                Op::Write { lasting: self.lasting(), gap, writes: self.writes(most) }
            }
            400..475 => self.transaction(),
            475..485 => self.ingestion(),
            485..505 => Op::Snapshot { slot: self.slot() },
            505..520 => Op::Release { slot: self.slot() },
            520..610 => Op::Get { slot: self.slot(), family: self.family(), keys: self.keys(12) },
            610..640 => Op::Scan { slot: self.slot(), family: self.family(), way: self.way() },
            640..680 => Op::Cursor {
                cursor: self.slot(),
                slot: self.slot(),
                family: self.family(),
                range: self.range(),
            },
            680..770 => {
                let moves = (0..self.rng.usize(1..10)).map(|_| self.a_move()).collect();
                Op::Move { cursor: self.slot(), moves }
            }
            770..800 => Op::Flush { family: self.family() },
            800..803 => Op::FlushAll,
            803..818 => Op::Compact { family: self.family(), range: self.range() },
            818..900 => Op::Work { steps: self.rng.u8(1..4) },
            900..908 => Op::Set { family: self.family(), settings: self.settings() },
            908..911 => Op::Replace { family: 2 },
            911..914 => Op::Checkpoint(self.settings()),
            914..922 => Op::Past { back: self.rng.u16(..40), family: self.family() },
            922..940 => Op::Follow,
            940..942 => Op::Verify,
            942..950 => Op::Wait { ms: self.rng.u32(..3000) },
            950..956 => Op::Open(self.settings()),
            _ => match self.faults {
                Faults::Some => self.fault(),
                Faults::None => Op::Work { steps: 1 },
            },
        }
    }

    fn transaction(&mut self) -> Op {
        let slot = self.rng.u8(..2);
        match self.rng.u8(..14) {
            0..3 => {
                let kind = [Kind::Serializable, Kind::Snapshot, Kind::Locking][self.rng.usize(..3)];
                Op::Begin { slot, kind }
            }
            3..7 => Op::Tx { slot, writes: self.writes(5) },
            7 => Op::Undo { slot, writes: self.writes(5) },
            8 | 9 => Op::Look { slot, family: self.family(), keys: self.keys(5) },
            10 => Op::Walk { slot, family: self.family(), way: self.way() },
            11 | 12 => Op::Commit { slot, lasting: self.lasting() },
            _ => Op::Rollback { slot },
        }
    }

    fn ingestion(&mut self) -> Op {
        let mut rows: Vec<(Key, Value)> =
            (0..self.rng.usize(1..40)).map(|_| (self.key(), self.value())).collect();
        if self.rng.bool() {
            // A narrow one finds its place deep in the levels.
            let from = self.rng.u16(..self.keys);
            rows = (from..from + self.rng.u16(1..6))
                .map(|number| (Key { number: Some(number), padded: 0 }, self.value()))
                .collect();
        }
        Op::Ingest { family: self.family(), cut: self.rng.u8(..40), rows }
    }

    fn end(&mut self) -> End {
        match self.rng.u8(..6) {
            0 => End::Killed,
            1 => End::Lost,
            _ => End::Torn(self.rng.u32(..)),
        }
    }

    fn fault(&mut self) -> Op {
        match self.rng.u8(..44) {
            0..18 => {
                let end = self.end();
                // A power loss may leave more than one state, the end of a process only one.
                let states = if matches!(end, End::Torn(_)) { self.rng.u8(1..4) } else { 0 };
                let again = if self.rng.u8(..4) == 0 { self.rng.u16(1..20) } else { 0 };
                Op::Crash { end, states, again, settings: self.settings() }
            }
            18..36 => {
                let trouble = match self.rng.u8(..6) {
                    0..3 => Trouble::Power,
                    3 => Trouble::Io,
                    4 => Trouble::Full,
                    _ => Trouble::Sync,
                };
                Op::Arm { after: self.rng.u16(1..60), trouble, end: self.end() }
            }
            _ => {
                let trouble = match self.rng.u8(..4) {
                    0 => ReadTrouble::Io,
                    1 => ReadTrouble::Short,
                    _ => ReadTrouble::Flip(self.rng.u16(..)),
                };
                Op::ArmRead { after: self.rng.u16(1..20), trouble }
            }
        }
    }
}
