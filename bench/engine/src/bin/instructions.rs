//! Counts the instructions of Ordinum's hot paths under callgrind, and compares them with the counts that are kept.
//!
//! A path is run twice, with a number of operations and with twice as many; the difference is what so many operations
//! cost, without what was prepared for them. Instructions of the kernel are not seen. The counts are those of
//! one processor and one compiler: another's differ by a few per cent, which is why nothing but this program judges by them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;
use ordinum::{Background, Batch, ColumnFamily, Db, Durability, FamilyOptions, KeyRange, Options, Reader};

type Error = Box<dyn std::error::Error>;
type Result<T> = std::result::Result<T, Error>;

/// Entries that are there before a path runs.
const ENTRIES: u64 = 20_000;
const OPERATIONS: u64 = 10_000;
const BATCH_ENTRIES: u64 = 100;
/// A count may differ from the kept one by so many in a hundred.
const TOLERANCE: f64 = 3.0;
/// The counts that are kept.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");

/// Counts the instructions of Ordinum's hot paths. Needs valgrind.
#[derive(Parser)]
#[command(name = "instructions")]
struct Arguments {
    /// Keeps the counts instead of comparing with those that are kept.
    #[arg(long)]
    accept: bool,
    /// One path only.
    #[arg(long)]
    path: Option<String>,
    /// Where databases are put, and removed from again.
    #[arg(long, default_value = "target/instructions")]
    dir: PathBuf,
    /// Runs the path so many times instead of counting; what the program starts under callgrind.
    #[arg(long, requires = "path")]
    run: Option<u64>,
}

/// A database, its family and values.
struct Subject {
    db: Db,
    family: ColumnFamily,
    value: [u8; 100],
}

/// What is counted.
struct HotPath {
    name: &'static str,
    /// Operations of the shorter run.
    operations: u64,
    prepare: fn(&Subject) -> Result<()>,
    run: fn(&Subject, u64) -> Result<()>,
}

const PATHS: &[HotPath] = &[
    HotPath { name: "put", operations: OPERATIONS, prepare: nothing, run: puts },
    HotPath { name: "batch of 100", operations: OPERATIONS / BATCH_ENTRIES, prepare: nothing, run: batches },
    HotPath { name: "get from the memtable", operations: OPERATIONS, prepare: fill, run: gets },
    HotPath { name: "get from the block cache", operations: OPERATIONS, prepare: fill_tables, run: gets },
    HotPath { name: "get of a missing key", operations: OPERATIONS, prepare: fill_tables, run: misses },
    HotPath { name: "seek", operations: OPERATIONS, prepare: fill_tables, run: seeks },
    HotPath { name: "next", operations: OPERATIONS, prepare: fill_tables, run: nexts },
    HotPath { name: "prev", operations: OPERATIONS, prepare: fill_tables, run: prevs },
];

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let paths: Vec<&HotPath> =
        PATHS.iter().filter(|path| arguments.path.as_deref().is_none_or(|name| name == path.name)).collect();
    if paths.is_empty() {
        return Err(format!("no path has this name; there are {}", names().join(", ")).into());
    }
    if let Some(operations) = arguments.run {
        for path in paths {
            run_here(path, operations, &arguments.dir)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let kept = read_kept()?;
    let mut counted = Vec::new();
    let mut differing = 0;
    for path in paths {
        let count = count(path, &arguments.dir)?;
        let before = kept.iter().find(|(name, _)| name == path.name).map(|(_, count)| *count);
        differing += u32::from(!show(path.name, count, before));
        counted.push((path.name.to_owned(), count));
    }
    if arguments.accept {
        keep(kept, counted)?;
        return Ok(ExitCode::SUCCESS);
    }
    if differing > 0 {
        println!("{differing} paths differ by more than {TOLERANCE} %; --accept keeps the new counts");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows a count beside the kept one; whether they agree.
fn show(name: &str, count: f64, before: Option<f64>) -> bool {
    let Some(before) = before else {
        println!("{name:<28}{count:>10.0}  not kept yet");
        return false;
    };
    let change = (count / before - 1.0) * 100.0;
    println!("{name:<28}{count:>10.0}  kept {before:>8.0}  {change:>+6.1} %");
    change.abs() <= TOLERANCE
}

fn names() -> Vec<&'static str> {
    PATHS.iter().map(|path| path.name).collect()
}

fn read_kept() -> Result<Vec<(String, f64)>> {
    let text = match std::fs::read_to_string(KEPT) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    let mut kept = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, count) = line.split_once(':').ok_or("a line of the kept counts has no colon")?;
        kept.push((name.to_owned(), count.trim().parse()?));
    }
    Ok(kept)
}

/// Writes the new counts, and the kept ones of paths that were not counted.
fn keep(mut kept: Vec<(String, f64)>, counted: Vec<(String, f64)>) -> Result<()> {
    kept.retain(|(name, _)| !counted.iter().any(|(other, _)| other == name));
    kept.extend(counted);
    let mut text =
        String::from("# Instructions an operation; `cargo xtask instructions` compares with them.\n");
    for name in names() {
        if let Some((_, count)) = kept.iter().find(|(other, _)| other == name) {
            writeln!(text, "{name}: {count:.0}")?;
        }
    }
    Ok(std::fs::write(KEPT, text)?)
}

/// Instructions of one operation.
#[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn count(path: &HotPath, directory: &Path) -> Result<f64> {
    let shorter = collected(path, path.operations, directory)?;
    let longer = collected(path, 2 * path.operations, directory)?;
    Ok(longer.saturating_sub(shorter) as f64 / path.operations as f64)
}

/// Runs this program again under callgrind; the instructions that it counted.
fn collected(path: &HotPath, operations: u64, directory: &Path) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--path", path.name, "--run", &operations.to_string(), "--dir"])
        .arg(directory)
        .output()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("`{}` failed under callgrind:\n{said}", path.name).into());
    }
    let line = said.lines().find_map(|line| line.split_once("Collected :"));
    let (_, collected) = line.ok_or("callgrind did not say what it collected")?;
    Ok(collected.trim().parse()?)
}

/// Runs the path on a new database, with no thread but this one.
fn run_here(path: &HotPath, operations: u64, directory: &Path) -> Result<()> {
    remove(directory)?;
    std::fs::create_dir_all(directory)?;
    let options = Options {
        background: Background::Manual,
        family_defaults: FamilyOptions { write_buffer_bytes: 256 << 20, ..FamilyOptions::default() },
        ..Options::default()
    };
    let db = Db::open(directory, options)?;
    let family = db.default_column_family();
    let subject = Subject { db, family, value: [7; 100] };
    (path.prepare)(&subject)?;
    (path.run)(&subject, operations)?;
    drop(subject);
    remove(directory)
}

fn remove(directory: &Path) -> Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Sixteen bytes that look random; a bijection of the number, in the order of nothing.
fn key(number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    key[..8].copy_from_slice(&mixed.to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

fn nothing(_: &Subject) -> Result<()> {
    Ok(())
}

fn fill(subject: &Subject) -> Result<()> {
    for first in (0..ENTRIES).step_by(1000) {
        let mut batch = Batch::new();
        for number in first..first + 1000 {
            batch.put(&subject.family, &key(number), &subject.value)?;
        }
        subject.db.write(batch, Durability::Buffered)?;
    }
    Ok(())
}

/// Entries in tables, whose blocks are all in the cache.
fn fill_tables(subject: &Subject) -> Result<()> {
    fill(subject)?;
    subject.db.flush(&subject.family)?;
    subject.db.compact_range(&subject.family, KeyRange::all())?;
    (0..ENTRIES).try_for_each(|number| get_one(subject, number).map(drop))
}

fn puts(subject: &Subject, operations: u64) -> Result<()> {
    for number in 0..operations {
        let mut batch = Batch::new();
        batch.put(&subject.family, &key(number), &subject.value)?;
        subject.db.write(batch, Durability::Buffered)?;
    }
    Ok(())
}

fn batches(subject: &Subject, operations: u64) -> Result<()> {
    for first in (0..operations * BATCH_ENTRIES).step_by(usize::try_from(BATCH_ENTRIES)?) {
        let mut batch = Batch::new();
        for number in first..first + BATCH_ENTRIES {
            batch.put(&subject.family, &key(number), &subject.value)?;
        }
        subject.db.write(batch, Durability::Buffered)?;
    }
    Ok(())
}

fn get_one(subject: &Subject, number: u64) -> Result<bool> {
    let value = subject.db.get(&subject.family, &key(number))?;
    Ok(std::hint::black_box(value).is_some())
}

fn gets(subject: &Subject, operations: u64) -> Result<()> {
    for number in 0..operations {
        // A multiplier without a factor of `ENTRIES` visits every entry.
        if !get_one(subject, number * 7919 % ENTRIES)? {
            return Err("an entry is missing".into());
        }
    }
    Ok(())
}

fn misses(subject: &Subject, operations: u64) -> Result<()> {
    for number in 0..operations {
        if get_one(subject, ENTRIES + number)? {
            return Err("an entry that was never written was found".into());
        }
    }
    Ok(())
}

fn seeks(subject: &Subject, operations: u64) -> Result<()> {
    for number in 0..operations {
        let mut cursor = subject.db.cursor(&subject.family, KeyRange::all())?;
        if !cursor.seek(&key(number * 7919 % ENTRIES))? {
            return Err("an entry is missing".into());
        }
        std::hint::black_box(cursor.value()?);
    }
    Ok(())
}

fn nexts(subject: &Subject, operations: u64) -> Result<()> {
    let mut cursor = subject.db.cursor(&subject.family, KeyRange::all())?;
    let mut found = cursor.first()?;
    for _ in 1..operations {
        if !found {
            return Err("an entry is missing".into());
        }
        std::hint::black_box(cursor.value()?);
        found = cursor.next()?;
    }
    Ok(())
}

fn prevs(subject: &Subject, operations: u64) -> Result<()> {
    let mut cursor = subject.db.cursor(&subject.family, KeyRange::all())?;
    let mut found = cursor.last()?;
    for _ in 1..operations {
        if !found {
            return Err("an entry is missing".into());
        }
        std::hint::black_box(cursor.value()?);
        found = cursor.prev()?;
    }
    Ok(())
}
