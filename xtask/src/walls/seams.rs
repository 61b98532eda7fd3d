//! Rules on what code may touch: files, clock, threads and sockets through their seams only, `unsafe` in a few named
//! files, and decoders that cannot panic on an index.
//!
//! The tables here are the one list of exceptions. An entry whose file is gone, or no longer needs it, is a finding.

use super::lexer::has_word;
use super::{Finding, TextFile, Tree};

/// Something that code may reach in a few places only.
struct Seam {
    rule: &'static str,
    /// Any of these in code is a use of it.
    needles: &'static [&'static str],
    /// Members of `std` that a grouped import may name instead.
    std_members: &'static [&'static str],
    /// Where the rule holds.
    scopes: &'static [&'static str],
    /// Files, and directories that end in `/`, which are the seam.
    allowed: &'static [&'static str],
}

const ENGINE: &str = "crates/ordinum/src/";
const PROTO: &str = "crates/ormdb-proto/src/";
const DATABASE: &str = "crates/ormdb/src/";
const CLIENT: &str = "crates/ormdb-client/src/";
const SERVER: &str = "crates/ormdb-server/src/";

/// Every crate that users run.
const SHIPPED: &[&str] = &[ENGINE, PROTO, DATABASE, CLIENT, SERVER];

const SEAMS: &[Seam] = &[
    Seam {
        rule: "file seam",
        needles: &["std::fs"],
        std_members: &["fs"],
        scopes: &[ENGINE, PROTO, DATABASE, CLIENT],
        allowed: FILE_SEAM,
    },
    Seam {
        rule: "clock seam",
        needles: &["Instant::now", "SystemTime::now", "thread::sleep"],
        std_members: &[],
        scopes: &[ENGINE, PROTO, DATABASE, CLIENT],
        allowed: CLOCK_SEAM,
    },
    Seam {
        rule: "thread seam",
        needles: &["thread::spawn", "thread::Builder", "thread::scope"],
        std_members: &[],
        scopes: &[ENGINE, PROTO, DATABASE, CLIENT],
        allowed: THREAD_SEAM,
    },
    Seam {
        rule: "socket wall",
        needles: &[
            "std::net",
            "std::os::unix::net",
            "TcpStream",
            "TcpListener",
            "UnixStream",
            "UnixListener",
        ],
        std_members: &["net"],
        scopes: &[ENGINE, PROTO, DATABASE],
        allowed: &[],
    },
];

const FILE_SEAM: &[&str] = &["crates/ordinum/src/fs/os.rs"];
const CLOCK_SEAM: &[&str] = &["crates/ordinum/src/clock.rs"];
const THREAD_SEAM: &[&str] = &[
    "crates/ordinum/src/compaction/side_by_side.rs",
    "crates/ordinum/src/db/background.rs",
    "crates/ordinum/src/models/",
    "crates/ormdb/src/changes.rs",
    "crates/ormdb/src/statistics/sampler.rs",
];

/// The only files that may say `unsafe`.
const UNSAFE_FILES: &[&str] = &[
    "bench/engine/src/engines/lmdb.rs",
    "bench/engine/src/engines/rocksdb.rs",
    "bench/engine/src/engines/rocksdb_c.rs",
    "bench/engine/src/syncs.rs",
    "bindings/python/src/arrow/ffi.rs",
    "crates/ordinum/src/checksum.rs",
    "crates/ordinum/src/fs/window.rs",
    "crates/ordinum/src/memtable/arena.rs",
    "crates/ordinum/src/memtable/mod.rs",
    "crates/ordinum/src/prefetch.rs",
    "crates/ordinum/src/published/slot.rs",
    "fuzz/src/allocation.rs",
];

/// Modules that read bytes or text from disk, wire or users. Each denies indexing, for itself and what stands below it.
/// A file that makes integers of bytes must be one of them, or stand below one, listed here or not.
const DECODERS: &[&str] = &[
    "crates/ordinum/src/batch.rs",
    "crates/ordinum/src/manifest/current.rs",
    "crates/ordinum/src/manifest/edit.rs",
    "crates/ordinum/src/table/reader.rs",
    "crates/ordinum/src/varint.rs",
    "crates/ormdb-proto/src/block.rs",
    "crates/ormdb-proto/src/message.rs",
    "crates/ormdb-proto/src/result.rs",
    "crates/ormdb/src/catalog/record.rs",
    "crates/ormdb/src/changes/reader.rs",
    "crates/ormdb/src/statistics/record.rs",
    "crates/ormdb/src/store/index.rs",
    "crates/ormdb/src/store/key.rs",
    "crates/ormdb/src/store/row.rs",
    "crates/ormdb/src/store/tuple.rs",
    "crates/ormdb/src/store/user.rs",
    "crates/ormdb/src/store/varint.rs",
];

/// Files that make integers of bytes which the same process wrote or drew at random.
const OWN_BYTES: &[&str] = &["crates/ordinum/src/memtable/mod.rs", "crates/ormdb/src/store/generate.rs"];

/// What makes an integer of bytes.
const INTEGER_READS: &[&str] = &["from_le_bytes", "from_be_bytes"];

const DECODER_LINT: &str = "deny(clippy::indexing_slicing)";

pub(crate) fn check(file: &TextFile, findings: &mut Vec<Finding>) {
    if !file.is_shipped_rust() {
        return;
    }
    for seam in SEAMS {
        check_seam(seam, file, findings);
    }
    if !UNSAFE_FILES.contains(&file.path.as_str()) {
        for (index, line) in file.shipped_code.lines().enumerate() {
            if has_word(line, "unsafe") {
                let message = "`unsafe` outside the files that are listed for it";
                findings.push(Finding::at("unsafe", &file.path, index + 1, message));
            }
        }
    }
}

fn check_seam(seam: &Seam, file: &TextFile, findings: &mut Vec<Finding>) {
    let in_scope = seam.scopes.iter().any(|scope| file.path.starts_with(scope));
    if !in_scope || seam.allowed.iter().any(|entry| covers(entry, &file.path)) {
        return;
    }
    for (index, needle) in uses(seam, &file.shipped_code) {
        let message = format!("`{needle}` outside its seam");
        findings.push(Finding::at(seam.rule, &file.path, index + 1, message));
    }
}

/// Lines, counted from 0, that use what the seam guards, with the words that do.
fn uses(seam: &Seam, code: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        found.extend(
            seam.needles.iter().filter(|needle| has_word(line, needle)).map(|needle| (index, *needle)),
        );
    }
    for (at, group) in std_groups(code) {
        let line = code.get(..at).unwrap_or("").lines().count().saturating_sub(1);
        let members = group.split([',', '{', '}']).map(str::trim);
        for member in members {
            let first = member.split("::").next().unwrap_or(member);
            found.extend(seam.std_members.iter().filter(|name| **name == first).map(|name| (line, *name)));
        }
    }
    found
}

/// The insides of `std::{…}` imports, with where they stand.
fn std_groups(code: &str) -> impl Iterator<Item = (usize, &str)> {
    const OPEN: &str = "std::{";
    code.match_indices(OPEN).filter_map(|(at, _)| {
        let group = code.get(at + OPEN.len()..)?;
        Some((at + OPEN.len(), group.get(..group.find(';')?)?))
    })
}

fn covers(entry: &str, path: &str) -> bool {
    if entry.ends_with('/') { path.starts_with(entry) } else { path == entry }
}

/// A file that makes integers of bytes denies indexing, itself or through a module above it.
pub(crate) fn check_decoder(tree: &Tree, file: &TextFile, findings: &mut Vec<Finding>) {
    if !file.is_shipped_rust() || !SHIPPED.iter().any(|scope| file.path.starts_with(scope)) {
        return;
    }
    let reads = INTEGER_READS.iter().any(|read| has_word(&file.shipped_code, read));
    if !reads || OWN_BYTES.contains(&file.path.as_str()) {
        return;
    }
    let denied = modules_above(&file.path)
        .iter()
        .filter_map(|path| tree.file(path))
        .chain([file])
        .any(|module| denies_indexing(&module.shipped_code));
    if !denied {
        let message = format!("makes integers of bytes and lacks `#![{DECODER_LINT}]`");
        findings.push(Finding::whole("decoder", &file.path, message));
    }
}

/// The files in which the modules above `path` may stand: `a/b/c.rs` is below `a/b.rs`, `a/b/mod.rs`, `a.rs`, …
fn modules_above(path: &str) -> Vec<String> {
    let mut above = Vec::new();
    let mut directory = path;
    while let Some((parent, _)) = directory.rsplit_once('/') {
        above.push(format!("{parent}.rs"));
        above.push(format!("{parent}/mod.rs"));
        above.push(format!("{parent}/lib.rs"));
        directory = parent;
    }
    above
}

/// Checks the tables themselves: no entry without its file, no decoder without its lint.
pub(crate) fn check_tables(tree: &Tree, findings: &mut Vec<Finding>) {
    check_lists(tree, UNSAFE_FILES, DECODERS, findings);
    for path in OWN_BYTES {
        let reads = |file: &TextFile| INTEGER_READS.iter().any(|read| has_word(&file.shipped_code, read));
        if !tree.file(path).is_some_and(reads) {
            findings.push(Finding::whole(
                "decoder",
                path,
                "is listed for reading its own bytes and reads none",
            ));
        }
    }
    for seam in SEAMS {
        for entry in seam.allowed {
            let needed = tree
                .files()
                .iter()
                .any(|file| covers(entry, &file.path) && !uses(seam, &file.shipped_code).is_empty());
            if !needed {
                findings.push(Finding::whole(seam.rule, entry, "is listed as a seam and does not use it"));
            }
        }
    }
}

fn check_lists(tree: &Tree, unsafe_files: &[&str], decoders: &[&str], findings: &mut Vec<Finding>) {
    for path in unsafe_files {
        let uses = tree.file(path).is_some_and(|file| has_word(&file.shipped_code, "unsafe"));
        if !uses {
            findings.push(Finding::whole("unsafe", path, "is listed for `unsafe` and has none"));
        }
    }
    for path in decoders {
        if !tree.file(path).is_some_and(|file| denies_indexing(&file.shipped_code)) {
            let message = format!("is listed as a decoder and lacks `#![{DECODER_LINT}]`");
            findings.push(Finding::whole("decoder", path, message));
        }
    }
}

/// The lint may stand alone or among others in one attribute.
fn denies_indexing(code: &str) -> bool {
    code.split("#![deny(")
        .skip(1)
        .any(|rest| rest.split(")]").next().is_some_and(|lints| has_word(lints, "clippy::indexing_slicing")))
}

#[cfg(test)]
mod tests;
