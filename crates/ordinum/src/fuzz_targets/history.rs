//! Entry points for what tells the history of a database: logs, batches, manifests.

#![deny(clippy::indexing_slicing)]

use std::path::Path;

use crate::batch::Operations;
use crate::error::Result;
use crate::event::{Change, Event};
use crate::file_header::FileHeader;
use crate::file_name::{self, FileKind, FileNumber};
use crate::fs::{self, Fs, MemoryFs};
use crate::ingestion::Ingestion;
use crate::key::SeqNo;
use crate::log::{Followed, LogEnd, LogFollower, LogWriter, Payload, RecordKind, read_log};
use crate::manifest;
use crate::manifest::{
    Edit, MANIFEST_FILE, ManifestScan, SEAL, State, read_current, read_manifest, scan_manifest, take_name,
};
use crate::merge_operator::{Merging, is_merge_entry};
use crate::options::{FamilyOptions, LogWriting};
use crate::varint;

const NUMBER: FileNumber = FileNumber(1);

/// Reads `bytes` as a log whose end a crash cut, as one that was closed at its end, and as one that is followed.
///
/// # Errors
/// What reading the log found.
pub fn fuzz_log(bytes: &[u8]) -> Result<()> {
    let path = Path::new("/log");
    let closed = read_log(bytes, NUMBER, path, LogEnd::At(bytes.len() as u64)).map(drop);
    let followed = follow(bytes).map(drop);
    read_log(bytes, NUMBER, path, LogEnd::Cut).map(drop).and(closed).and(followed)
}

/// Follows `bytes` as a log to its end, and returns the number of its records.
fn follow(bytes: &[u8]) -> Result<usize> {
    let (memory, path) = (MemoryFs::new(), Path::new("/log"));
    memory.create(path)?.append(bytes)?;
    let mut follower = LogFollower::open(memory.open(path)?, NUMBER, path.into())?;
    let mut records = 0;
    while follower.offset() < bytes.len() as u64 {
        let Followed { kind, seqno, .. } = follower.read(bytes.len() as u64)?;
        records += 1;
        if let Some(Event { change: Change::Batch(batch), .. }) =
            Event::decode(kind, seqno, follower.payload())
        {
            let operations = batch.operations().count();
            assert_eq!(batch.writes().count(), operations, "an event is decoded as a whole");
        }
    }
    Ok(records)
}

/// Writes a log of `bytes` and reads it back: what is read must be what was written.
///
/// ```text
/// bytes   | record … |
/// record  | kind u8 | length of the payload u8 | payload |
/// ```
///
/// # Errors
/// What the log found, or a payload got wrong.
pub fn fuzz_sealed_log(mut bytes: &[u8]) -> Result<()> {
    let memory = MemoryFs::new();
    let directory = Path::new("/database");
    memory.create_dir_all(directory)?;
    let mut writer = LogWriter::create(&memory, directory, NUMBER, SeqNo::ZERO, None, LogWriting::Calls)?;
    let mut written = Vec::new();
    while let Some((&[kind, length], rest)) = bytes.split_first_chunk::<2>() {
        let (payload, rest) = rest.split_at(usize::from(length).min(rest.len()));
        bytes = rest;
        let kind = match kind % 4 {
            0 => RecordKind::Batch,
            1 => RecordKind::CreateFamily,
            3 => RecordKind::Ingest,
            _ => RecordKind::DropFamily,
        };
        let Some(seqno) = SeqNo::new(written.len() as u64 + 1) else { break };
        writer.append(&Payload::new(kind, [payload, &[], &[], &[]])?, seqno)?;
        written.push((kind, payload));
    }
    writer.hand_over()?;
    let path = file_name::path(directory, FileKind::Log, NUMBER);
    let file = fs::read_whole(&memory, &path)?;
    let (records, end) = read_log(&file, NUMBER, &path, LogEnd::Cut)?;
    assert_eq!(end, file.len() as u64, "the log ends where its last record does");
    assert_eq!(records.len(), written.len(), "every record is read");
    assert_eq!(follow(&file)?, written.len(), "every record is followed");
    for (record, (kind, payload)) in records.iter().zip(written) {
        assert_eq!((record.kind, file.get(record.payload.clone())), (kind, Some(payload)), "{record:?}");
        read_payload(kind, payload);
    }
    Ok(())
}

fn fuzz_merges(payload: &[u8]) {
    is_merge_entry(payload);
    let Some(mut operations) = Operations::decode(payload) else { return };
    let Some(merging) = Merging::of(&operations) else { return };
    while let Some(Ok(operation)) = operations.next_operation() {
        let value = merging.value(operation.family, operation.key);
        assert!(value.is_none_or(|value| is_merge_entry(&value)), "{operation:?}");
    }
}

fn read_payload(kind: RecordKind, mut payload: &[u8]) {
    match kind {
        RecordKind::Batch => {
            // What operands of a batch come to, and any bytes, read back as a merge entry or are none.
            fuzz_merges(payload);
            let mut operations = Operations::decode(payload);
            // A malformed operation is an answer, and the last one.
            while operations.as_mut().and_then(Operations::next_operation).is_some() {}
        }
        RecordKind::CreateFamily => {
            let name = varint::take_u32(&mut payload).and_then(|_| take_name(&mut payload));
            assert!(
                name.is_none_or(|name| name.len() <= crate::FAMILY_NAME_BYTES_MAX),
                "a name within its limit"
            );
        }
        RecordKind::DropFamily => drop(varint::take_u32(&mut payload)),
        RecordKind::Ingest => {
            if let Some(ingestion) = Ingestion::decode(payload) {
                let again = Ingestion::decode(&ingestion.encode());
                assert_eq!(again, Some(ingestion), "it reads back");
            }
        }
    }
}

/// Reads `bytes` as a manifest.
///
/// # Errors
/// What reading the manifest found.
pub fn fuzz_manifest(bytes: &[u8]) -> Result<()> {
    read_manifest(bytes, NUMBER, Path::new("/manifest")).map(drop)
}

/// Makes a manifest of `bytes` whose checksums are right, so that what stands behind them is reached, and reads it.
///
/// ```text
/// bytes   | record … |
/// record  | how u8 | length of the payload u8 | payload |     how: bit 0, a seal stands behind it; bit 1, it is damaged;
///                                                             bit 2, its seal is
/// ```
///
/// # Errors
/// What reading the manifest found.
pub fn fuzz_sealed_manifest(mut bytes: &[u8]) -> Result<()> {
    let path = Path::new("/manifest");
    let mut file =
        FileHeader { number: NUMBER, base: SeqNo::ZERO }.encode(MANIFEST_FILE, MANIFEST_FILE.features);
    let mut append = |payload: &[u8], is_damaged: bool| -> Result<()> {
        let mut record = manifest::record(NUMBER, file.len() as u64, payload)?;
        if let Some(byte) = record.last_mut().filter(|_| is_damaged) {
            *byte ^= 1;
        }
        file.extend(record);
        Ok(())
    };
    while let Some((&[how, length], rest)) = bytes.split_first_chunk::<2>() {
        let (payload, rest) = rest.split_at(usize::from(length).min(rest.len()));
        bytes = rest;
        append(payload, how & 2 != 0)?;
        if how & 1 != 0 {
            append(&SEAL, how & 4 != 0)?;
        }
    }
    let ManifestScan { state, damage } = scan_manifest(&file, NUMBER, path)?;
    match (read_manifest(&file, NUMBER, path), damage) {
        (Ok(read), None) => assert_eq!(read, state, "what nothing is wrong with is read"),
        (Err(_), Some((at, _))) => assert!(at < file.len(), "damage is in the file"),
        (read, damage) => unreachable!("read as {read:?} with {damage:?}"),
    }
    Ok(())
}

/// Reads `bytes` as `CURRENT`, as they are and with a checksum that is right.
///
/// # Errors
/// What reading it found.
pub fn fuzz_current(bytes: &[u8]) -> Result<()> {
    let directory = Path::new("/database");
    let read = |bytes: &[u8]| {
        let memory = MemoryFs::new();
        memory.create(&directory.join(file_name::CURRENT))?.append(bytes)?;
        read_current(&memory, directory).map(drop)
    };
    let sealed = [bytes, format!(" {:08x}\n", crc32c::crc32c(bytes)).as_bytes()].concat();
    read(&sealed).and(read(bytes))
}

/// Reads `bytes` as edits of a manifest and applies them, as far as they are some: each must read back as itself, and so
/// must the state that they make.
pub fn fuzz_edits(mut bytes: &[u8]) {
    let mut state = State::default();
    while let Some(edit) = Edit::decode(&mut bytes) {
        assert_eq!(read_back(&edit), Some(edit.clone()), "an edit reads back");
        if let Edit::SetOptions { options, .. } = &edit
            && let Some(options) = FamilyOptions::default().with_stored(options)
        {
            let again = FamilyOptions::default().with_stored(&options.encode());
            assert_eq!(again.map(|again| again.encode()), Some(options.encode()), "options read back");
        }
        // An edit that does not fit is damage, and ends a manifest.
        if state.apply(&edit).is_err() {
            return;
        }
    }
    let mut again = State::default();
    for edit in state.as_edits() {
        let applied = again.apply(&edit);
        assert_eq!(applied, Ok(()), "{edit:?}");
    }
    assert_eq!(again, state, "a manifest that begins with a state means that state");
}

fn read_back(edit: &Edit) -> Option<Edit> {
    let mut encoded = Vec::new();
    edit.encode(&mut encoded);
    let mut rest = encoded.as_slice();
    let again = Edit::decode(&mut rest)?;
    rest.is_empty().then_some(again)
}
