//! A replica follows a database by its tail, through kills, power losses and openings of both. It has the same families, keys,
//! values and sequence numbers in the end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use ordinum::clock::ManualClock;
use ordinum::fs::{MemoryFs, PowerLoss};
use ordinum::{
    Background, Batch, Db, Durability, FamilyOptions, HistoryId, KeyRange, Options, Position, Reader,
    RetentionWindow, SeqNo,
};

/// Each family with its number, and each key with its value and sequence number.
type Contents = BTreeMap<(String, u32), BTreeMap<Vec<u8>, (Vec<u8>, SeqNo)>>;

struct Node {
    fs: MemoryFs,
    history: Option<HistoryId>,
    /// There but for moments.
    open: Option<Db>,
}

impl Node {
    fn new(rng: &mut Rng, history: Option<HistoryId>) -> Node {
        let mut node = Node { fs: MemoryFs::new(), history, open: None };
        node.open = Some(node.start(rng));
        node
    }

    fn db(&self) -> &Db {
        self.open.as_ref().unwrap()
    }

    fn start(&self, rng: &mut Rng) -> Db {
        let options = Options {
            fs: Arc::new(self.fs.clone()),
            clock: Arc::new(ManualClock::default()),
            background: Background::Manual,
            history: self.history,
            retention: Some(RetentionWindow::of_age(Duration::from_secs(3600))),
            log_segment_bytes: rng.u64(4 << 10..12 << 10),
            family_defaults: FamilyOptions {
                write_buffer_bytes: rng.u64(4 << 10..16 << 10),
                level_base_bytes: 8 << 10,
                table_bytes_target: 4 << 10,
                ..FamilyOptions::default()
            },
            ..Options::default()
        };
        Db::open("/db", options).unwrap()
    }

    /// Ends its life in one way or another, and begins the next.
    fn die(&mut self, rng: &mut Rng) {
        match rng.u8(..4) {
            0 => self.db().close().unwrap(),
            1 => self.fs.kill_process(),
            2 => self.fs.lose_power(PowerLoss::LoseUnsynced),
            _ => self.fs.lose_power(PowerLoss::Tear { seed: rng.u64(..) }),
        }
        self.open = None;
        self.open = Some(self.start(rng));
    }

    fn contents(&self) -> Contents {
        let db = self.db();
        let mut contents = Contents::new();
        for name in db.column_families() {
            let family = db.column_family(&name).unwrap();
            let mut rows = BTreeMap::new();
            let mut cursor = db.cursor(&family, KeyRange::all()).unwrap();
            let mut more = cursor.first().unwrap();
            while more {
                let (value, seqno) = db.get_versioned(&family, cursor.key()).unwrap().unwrap();
                rows.insert(cursor.key().to_vec(), (value.to_vec(), seqno));
                more = cursor.next().unwrap();
            }
            contents.insert((name, family.id()), rows);
        }
        contents
    }
}

fn durability(rng: &mut Rng) -> Durability {
    if rng.u8(..4) == 0 { Durability::Synced } else { Durability::Buffered }
}

/// One random commit.
fn write(db: &Db, rng: &mut Rng) {
    let name = format!("family{}", rng.u8(..4));
    match (rng.u8(..100), db.column_family(&name)) {
        (0..4, Some(family)) => db.drop_column_family(&family).unwrap(),
        (0..8, None) => drop(db.create_column_family(&name, FamilyOptions::default()).unwrap()),
        _ => {
            let families: Vec<_> =
                db.column_families().iter().filter_map(|name| db.column_family(name)).collect();
            let mut batch = Batch::new();
            if rng.u8(..5) == 0 {
                batch.set_header(vec![7; rng.usize(..20)]).unwrap();
            }
            for _ in 0..rng.usize(1..6) {
                let family = &families[rng.usize(..families.len())];
                let key = [rng.u8(..50)];
                if rng.u8(..3) == 0 {
                    batch.delete(family, &key).unwrap();
                } else {
                    batch.put(family, &key, &vec![rng.u8(..); rng.usize(..300)]).unwrap();
                }
            }
            db.write(batch, durability(rng)).unwrap();
        }
    }
}

/// Applies what is there, at most `most` events. They go on behind the newest one that the replica has.
fn follow(primary: &Node, replica: &Node, rng: &mut Rng, most: usize) {
    let (history, seqno) = (replica.db().history(), replica.db().last_seqno());
    let mut tail = primary.db().tail_from(Position { history, seqno }).unwrap();
    for _ in 0..most {
        let Some(event) = tail.try_next().unwrap() else { return };
        replica.db().apply(&event, durability(rng)).unwrap();
    }
}

#[test]
fn a_replica_follows_through_kills_of_both() {
    for seed in 0..12 {
        println!("seed {seed}");
        let rng = &mut Rng::with_seed(seed);
        let mut primary = Node::new(rng, None);
        let mut replica = Node::new(rng, Some(primary.db().history()));
        for _ in 0..300 {
            match rng.u8(..100) {
                0..70 => (0..rng.usize(1..6)).for_each(|_| write(primary.db(), rng)),
                70..86 => {
                    let most = rng.usize(1..60);
                    follow(&primary, &replica, rng, most);
                }
                86..94 => {
                    let node = if rng.bool() { &primary } else { &replica };
                    while node.db().run_background_step().unwrap() {}
                }
                94..97 => primary.die(rng),
                _ => replica.die(rng),
            }
        }
        let mut last = Batch::new();
        last.put(&primary.db().default_column_family(), b"last", b"").unwrap();
        primary.db().write(last, Durability::Synced).unwrap();
        follow(&primary, &replica, rng, usize::MAX);
        assert_eq!(replica.contents(), primary.contents(), "seed {seed}");
        assert_eq!(replica.db().last_seqno(), primary.db().last_seqno());
        // A replica of the replica gets the same.
        let second = Node::new(rng, Some(primary.db().history()));
        replica.die(rng);
        follow(&replica, &second, rng, usize::MAX);
        assert_eq!(second.contents(), replica.contents(), "seed {seed}");
    }
}
