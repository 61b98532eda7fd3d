use super::*;
use crate::batch::Batch;
use crate::db::Db;
use crate::fs::{Fault, FaultFs, Fs, MemoryFs};
use crate::options::{Background, Durability, FamilyOptions, Options};
use crate::reader::{KeyRange, Reader};

/// Keeps what it hears, and reads from the database while it hears it: no lock is held then.
#[derive(Debug, Default)]
struct Ear {
    heard: Mutex<Vec<Notice>>,
    db: Mutex<Option<Db>>,
}

impl Listener for Ear {
    fn notice(&self, notice: &Notice) {
        if let Some(db) = &*self.db.lock() {
            let family = db.default_column_family();
            let mut batch = Batch::new();
            batch.put(&family, b"heard", b"").unwrap();
            db.write(batch, Durability::Buffered).unwrap();
            assert!(db.get(&family, b"heard").unwrap().is_some());
            db.stats();
        }
        self.heard.lock().push(notice.clone());
    }
}

fn open(ear: &Arc<Ear>, background: Background) -> Db {
    open_on(Arc::new(MemoryFs::new()), ear, background)
}

fn open_on(fs: Arc<dyn Fs>, ear: &Arc<Ear>, background: Background) -> Db {
    let options = Options {
        fs,
        background,
        listener: Some(Arc::clone(ear) as Arc<dyn Listener>),
        log_segment_bytes: 4 << 10,
        family_defaults: FamilyOptions {
            write_buffer_bytes: 8 << 10,
            level0_tables_trigger: 2,
            ..FamilyOptions::default()
        },
        ..Options::default()
    };
    Db::open("/db", options).unwrap()
}

fn put(db: &Db, number: u32) {
    let mut batch = Batch::new();
    batch.put(&db.default_column_family(), &number.to_be_bytes(), &[7; 100]).unwrap();
    db.write(batch, Durability::Buffered).unwrap();
}

/// The names of what was heard, without what it says.
fn names(heard: &[Notice]) -> Vec<&'static str> {
    let name = |notice: &Notice| match notice {
        Notice::FlushBegun { .. } => "flush begun",
        Notice::FlushEnded { .. } => "flush ended",
        Notice::CompactionBegun { .. } => "compaction begun",
        Notice::CompactionEnded { .. } => "compaction ended",
        Notice::StallChanged { .. } => "stall",
        Notice::BackgroundFailed { .. } => "failed",
        Notice::Poisoned { .. } => "poisoned",
        Notice::FileCreated { .. } => "created",
        Notice::FileDeleted { .. } => "deleted",
        Notice::LogRotated { .. } => "log",
        Notice::Lost { .. } => "lost",
    };
    heard.iter().map(name).collect()
}

#[test]
fn flushes_and_compactions_are_told_with_their_files_and_numbers() {
    let ear = Arc::new(Ear::default());
    let db = open(&ear, Background::Manual);
    let family = db.default_column_family();
    for round in 0..2 {
        put(&db, round);
        put(&db, 9);
        db.flush(&family).unwrap();
    }
    // A flush leaves a long log behind it.
    let take = || {
        let heard = std::mem::take(&mut *ear.heard.lock());
        let is_log = |notice: &Notice| matches!(notice, Notice::LogRotated { .. });
        heard.into_iter().filter(|notice| !is_log(notice)).collect::<Vec<Notice>>()
    };
    let heard = take();
    assert_eq!(names(&heard), ["flush begun", "created", "flush ended"].repeat(2));
    assert_eq!(heard[0], Notice::FlushBegun { family: "default".to_owned(), entries: 2 });
    let Notice::FileCreated { file: created } = &heard[1] else { panic!("{heard:?}") };
    let Notice::FlushEnded { family: name, table, entries: 2, bytes, .. } = &heard[2] else {
        panic!("{heard:?}")
    };
    assert_eq!((name.as_str(), table), ("default", created));
    assert!(*bytes > 0);
    db.compact_range(&family, KeyRange::all()).unwrap();
    let heard = take();
    assert_eq!(names(&heard), ["compaction begun", "created", "compaction ended", "deleted", "deleted"]);
    let Notice::CompactionBegun { reason, tables: 2, .. } = &heard[0] else { panic!("{heard:?}") };
    assert!(
        matches!(&heard[2], Notice::CompactionEnded { reason: again, tables: 1, .. } if again == reason),
        "{heard:?}"
    );
    assert_eq!(db.stats().latencies.flush.count, 2);
    assert_eq!(db.stats().latencies.compaction.count, 1);
}

#[test]
fn a_listener_may_call_the_database() {
    let ear = Arc::new(Ear::default());
    let db = open(&ear, Background::Threads);
    *ear.db.lock() = Some(db.clone());
    for number in 0..200 {
        put(&db, number);
    }
    db.flush_all().unwrap();
    let rotated = |notice: &Notice| matches!(notice, Notice::LogRotated { .. });
    while !ear.heard.lock().iter().any(rotated) {
        std::thread::yield_now();
    }
    *ear.db.lock() = None;
    db.close().unwrap();
    let heard = ear.heard.lock();
    let count = |name| names(&heard).iter().filter(|found| **found == name).count();
    assert_eq!(
        count("flush begun"),
        count("flush ended"),
        "what waits is told before the database is closed"
    );
    assert!(count("created") > 0);
}

#[test]
fn what_is_heard_too_slowly_is_counted() {
    let ear = Arc::new(Ear::default());
    let notices = Notices::new(Some(Arc::clone(&ear) as Arc<dyn Listener>));
    for number in 0..NOTICES_MAX + 3 {
        notices.add(|| Notice::BackgroundFailed { cause: number.to_string() });
    }
    notices.tell();
    let heard = ear.heard.lock();
    assert_eq!(heard.len(), NOTICES_MAX + 1);
    assert_eq!(heard.last(), Some(&Notice::Lost { count: 3 }));
}

#[test]
fn failures_and_stalls_are_told() {
    let ear = Arc::new(Ear::default());
    let fs = FaultFs::new(Arc::new(MemoryFs::new()));
    let db = open_on(Arc::new(fs.clone()), &ear, Background::Manual);
    let family = db.default_column_family();
    fs.fill_for(".sst");
    let write = |number: u32| {
        let mut batch = Batch::new();
        batch.put(&family, &number.to_be_bytes(), &[7; 100]).unwrap();
        db.write(batch, Durability::Buffered)
    };
    assert!((0..1000).any(|number| write(number).is_err()));
    assert!(db.run_background_step().is_err());
    let heard = std::mem::take(&mut *ear.heard.lock());
    let stopped = Notice::StallChanged { family: "default".to_owned(), stall: Stall::Stopped };
    assert!(heard.contains(&stopped), "{heard:?}");
    let failed =
        |notice: &Notice| matches!(notice, Notice::BackgroundFailed { cause } if cause.contains(".sst"));
    assert!(heard.iter().any(failed), "{heard:?}");
    fs.clear();
    while db.run_background_step().unwrap() {}
    let heard = std::mem::take(&mut *ear.heard.lock());
    let free = Notice::StallChanged { family: "default".to_owned(), stall: Stall::None };
    assert!(heard.contains(&free), "{heard:?}");
    fs.fail_after(0, Fault::FailedSync);
    let mut batch = Batch::new();
    batch.put(&family, b"k", b"v").unwrap();
    assert!(db.write(batch, Durability::Synced).is_err());
    assert!(db.close().is_err());
    let heard = ear.heard.lock();
    assert_eq!(names(&heard).iter().filter(|name| **name == "poisoned").count(), 1, "{heard:?}");
}
