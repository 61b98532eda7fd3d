//! Real processes on the real file system: killed, refused, short of space, of descriptors and of rights.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test")]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ordinum::clock::Clock;
use ordinum::{Batch, Db, Durability, Error, KeyRange, Options, Reader, RetentionWindow, SeqNo};
use ormdb_sim::writer::check;

const SIM: &str = env!("CARGO_BIN_EXE_ormdb-sim");
/// How often a process is killed.
const ROUNDS: u64 = 200;
/// A user without rights to anything here.
const NOBODY: u32 = 65534;

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

fn writer(directory: &Path, durability: &str) -> Command {
    let mut command = Command::new(SIM);
    command.arg("write").arg(directory).arg(durability);
    command
}

/// A writer in a shell that does this first.
fn writer_behind(setup: &str, directory: &Path) -> Command {
    let mut command = Command::new("sh");
    let line = format!("{setup}; exec \"$0\" write \"$1\" buffered");
    command.arg("-c").arg(line).arg(SIM).arg(directory);
    command
}

/// The commits that a process told of, up to `most`, and its last line if it says anything else.
fn listen(child: &mut Child, most: u64) -> (u64, String) {
    let mut acknowledged = 0;
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for (count, line) in (1..).zip(lines.map_while(Result::ok)) {
        match line.parse() {
            Ok(number) => acknowledged = number,
            Err(_) => return (acknowledged, line),
        }
        if count >= most {
            // It is killed, and what it has told until then counts: the rest of the pipe is read behind that.
            return (acknowledged, String::new());
        }
    }
    (acknowledged, String::new())
}

/// What a child told of before it died: the whole pipe.
fn listen_and_kill(mut child: Child, after: u64) -> u64 {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = 0;
    let mut take = |line: Option<std::io::Result<String>>| match line {
        Some(Ok(line)) => {
            let number: u64 = line.parse().unwrap_or_else(|_| panic!("the writer says {line}"));
            acknowledged = number.max(acknowledged);
            true
        }
        Some(Err(_)) | None => false,
    };
    for _ in 0..after {
        assert!(take(lines.next()), "the writer ended by itself");
    }
    child.kill().unwrap();
    while take(lines.next()) {}
    child.wait().unwrap();
    acknowledged
}

#[test]
fn a_process_that_is_killed_loses_nothing_that_it_acknowledged() {
    let mut rng = fastrand::Rng::with_seed(7);
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let durability = if rng.u8(..4) == 0 { "synced" } else { "buffered" };
        let child = start(&mut writer(directory.path(), durability));
        acknowledged = listen_and_kill(child, rng.u64(1..150)).max(acknowledged);
        acknowledged =
            check(directory.path(), acknowledged).unwrap_or_else(|stop| panic!("round {round}: {stop}"));
    }
    println!("{ROUNDS} kills, {acknowledged} commits");
}

#[test]
fn a_second_opener_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = start(&mut writer(directory.path(), "buffered"));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    let refused = Db::open(directory.path(), Options::default()).unwrap_err();
    assert!(matches!(refused, Error::Locked { .. }), "{refused}");
    child.kill().unwrap();
    child.wait().unwrap();
    Db::open(directory.path(), Options::default()).unwrap();
}

#[test]
fn a_process_without_descriptors_says_so_and_loses_nothing() {
    for most in [8, 12, 16, 20] {
        let directory = tempfile::tempdir().unwrap();
        let mut child = start(&mut writer_behind(&format!("ulimit -n {most}"), directory.path()));
        let (acknowledged, told) = listen(&mut child, 2000);
        child.kill().unwrap();
        child.wait().unwrap();
        if !told.is_empty() {
            assert!(told.starts_with("error Unavailable") || told.starts_with("error Reopen"), "{told}");
            assert!(told.contains("Too many open files"), "{told}");
        }
        println!("{most} descriptors: {acknowledged} commits, {told}");
        check_if_any(directory.path(), acknowledged);
    }
}

/// A check that also takes a directory in which nothing was begun; what was written and not read yet may be more.
fn check_if_any(directory: &Path, acknowledged: u64) {
    match check(directory, acknowledged) {
        Ok(_) => {}
        Err(stop) => {
            let stop = stop.to_string();
            assert!(stop.contains("was the last to be told"), "{stop}");
        }
    }
}

#[test]
fn a_file_that_may_not_grow_is_an_error() {
    for blocks in [64, 150, 200] {
        let directory = tempfile::tempdir().unwrap();
        let setup = format!("trap '' XFSZ; ulimit -f {blocks}");
        let mut child = start(&mut writer_behind(&setup, directory.path()));
        let (acknowledged, told) = listen(&mut child, 2000);
        child.kill().unwrap();
        child.wait().unwrap();
        println!("{blocks} blocks: {acknowledged} commits, {told}");
        if !told.is_empty() {
            assert!(told.starts_with("error Unavailable") || told.starts_with("error Reopen"), "{told}");
        }
        check_if_any(directory.path(), acknowledged);
    }
}

/// Where a file system of two megabytes can be mounted, that; what happens elsewhere is told by the tests of the seam.
#[test]
fn a_full_disk_is_an_error_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mount = |args: &[&str]| {
        let mut command = Command::new(args[0]);
        command.args(&args[1..]).arg(directory.path()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=2m", "none"]) {
        println!("nothing can be mounted here");
        return;
    }
    let database = directory.path().join("db");
    let mut child = start(&mut writer(&database, "synced"));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = 0;
    let mut told = String::new();
    let ballast = directory.path().join("ballast");
    for line in lines.by_ref().map_while(Result::ok) {
        match line.parse() {
            Ok(number) => acknowledged = number,
            Err(_) => {
                told = line;
                break;
            }
        }
        if acknowledged == 50 {
            let mut file = fs::File::create(&ballast).unwrap();
            while file.write_all(&[0; 4096]).is_ok() {}
        }
    }
    child.wait().unwrap();
    println!("{acknowledged} commits, {told}");
    fs::remove_file(&ballast).unwrap();
    let checked = check(&database, acknowledged);
    assert!(mount(&["umount", "-l"]));
    assert!(told.starts_with("error Unavailable") || told.starts_with("error Reopen"), "{told}");
    assert!(told.contains("No space left"), "{told}");
    checked.unwrap_or_else(|stop| panic!("{stop}"));
}

/// What a process of another user says about the directory, which is the owner's.
fn as_nobody(directory: &Path) -> String {
    // The program, where everybody may run it.
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let program = place.path().join("sim");
    fs::copy(SIM, &program).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(program);
    command.arg("write").arg(directory).arg("synced");
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_directory_that_may_not_be_written_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("db");
    Db::open(&inside, Options::default()).unwrap().close().unwrap();
    let rights = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    rights(directory.path(), 0o755);
    // To be read only.
    rights(&inside, 0o555);
    let told = as_nobody(&inside);
    assert!(told.starts_with("error Unavailable io") && told.contains("denied"), "{told}");
    // Not even that.
    rights(&inside, 0o000);
    let told = as_nobody(&inside);
    assert!(told.starts_with("error Unavailable io") && told.contains("denied"), "{told}");
    // A file that somebody else may not read.
    rights(&inside, 0o777);
    for entry in fs::read_dir(&inside).unwrap() {
        rights(&entry.unwrap().path(), 0o000);
    }
    let told = as_nobody(&inside);
    assert!(told.starts_with("error Unavailable io") && told.contains("denied"), "{told}");
    for entry in fs::read_dir(&inside).unwrap() {
        rights(&entry.unwrap().path(), 0o644);
    }
    Db::open(&inside, Options { create_if_missing: false, ..Options::default() }).unwrap();
}

/// A clock whose time of day is set again and again; what passes, passes.
#[derive(Debug)]
struct JumpingClock {
    calls: AtomicU64,
    /// What time of day it is at a call.
    day: fn(u64) -> u64,
}

impl JumpingClock {
    fn new(day: fn(u64) -> u64) -> Arc<JumpingClock> {
        Arc::new(JumpingClock { calls: AtomicU64::new(0), day })
    }
}

impl Clock for JumpingClock {
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.calls.fetch_add(1, Ordering::Relaxed))
    }

    fn unix(&self) -> Duration {
        Duration::from_secs((self.day)(self.calls.fetch_add(1, Ordering::Relaxed)))
    }

    fn wait(&self, _: Duration) {}
}

/// How far back can be read.
const RETENTION: Duration = Duration::from_secs(1 << 20);
const OPENINGS: usize = 4;
const COMMITS: usize = 50;

/// Commits and opens, over and over, under this time of day; each commit of the past is asked for behind each. Says how many could not be
/// had any more. One that is pinned always can.
fn live_under(day: fn(u64) -> u64) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let mut commits: Vec<SeqNo> = Vec::new();
    let mut too_old = 0;
    for _ in 0..OPENINGS {
        let options = Options {
            clock: JumpingClock::new(day),
            retention: Some(RetentionWindow::of_age(RETENTION)),
            ..Options::default()
        };
        let db = Db::open(directory.path(), options).unwrap();
        let family = db.default_column_family();
        let (pinned, pinned_at) = (db.snapshot(), commits.len());
        for _ in 0..COMMITS {
            let mut batch = Batch::new();
            batch.put(&family, b"key", commits.len().to_string().as_bytes()).unwrap();
            commits.push(db.write(batch, Durability::Buffered).unwrap());
            if commits.len().is_multiple_of(10) {
                db.flush(&family).unwrap();
                db.compact_range(&family, KeyRange::all()).unwrap();
            }
            for (number, at) in commits.iter().enumerate() {
                match db.snapshot_at(*at) {
                    Ok(snapshot) => {
                        let found = snapshot.get(&family, b"key").unwrap().unwrap();
                        assert_eq!(&*found, number.to_string().as_bytes());
                    }
                    Err(error) => {
                        assert!(matches!(error, Error::TooOld { .. }), "{error}");
                        too_old += 1;
                    }
                }
            }
            let found = pinned.get(&family, b"key").unwrap();
            let expected = pinned_at.checked_sub(1).map(|before| before.to_string().into_bytes());
            assert_eq!(found.as_deref(), expected.as_deref(), "what is pinned stays");
        }
        drop(pinned);
        db.close().unwrap();
    }
    too_old
}

#[test]
fn a_clock_that_jumps_takes_nothing_away_that_is_promised() {
    // Back and forth over centuries: time that is said to have passed has passed.
    let too_old = live_under(|call| call * 7919 * 7919 % (1 << 33));
    assert!(too_old > 0, "nothing ever became too old");
    // Back and forth within the window, to the beginning of time, and back a bit at each look: nothing may go.
    let within: [fn(u64) -> u64; 3] = [
        |call| (1 << 31) + call * 7919 * 7919 % ((1 << 20) - 1),
        |call| if call < 100 { 1 << 31 } else { 0 },
        |call| (1 << 31) - call,
    ];
    for day in within {
        assert_eq!(live_under(day), 0, "what is in the window can be read");
    }
}

#[test]
fn a_directory_of_a_newer_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    Db::open(directory.path(), Options::default()).unwrap().close().unwrap();
    let is_manifest =
        |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("MANIFEST"));
    let files = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let manifest = files.filter(|path| is_manifest(path)).last().unwrap();
    let old = fs::read(&manifest).unwrap();
    let mut new = old.clone();
    // The format version stands behind the magic, and the checksum at the end of the header.
    new[8] = 99;
    let sum = crc32c::crc32c(&new[..60]).to_le_bytes();
    new[60..64].copy_from_slice(&sum);
    fs::write(&manifest, &new).unwrap();
    let refused = Db::open(directory.path(), Options::default()).unwrap_err();
    assert!(matches!(refused, Error::UnknownFormat { .. }), "{refused}");
    assert!(refused.to_string().contains("MANIFEST"), "{refused}");
    fs::write(&manifest, &old).unwrap();
    Db::open(directory.path(), Options::default()).unwrap();
}
