use std::path::Path;

use super::*;
use crate::error::Error;
use crate::family::FamilyId;
use crate::file_name::FileNumber;
use crate::fs::{Fs, MemoryFs, read_whole};
use crate::key::SeqNo;
use crate::version::{FileMeta, Tally};

const NUMBER: FileNumber = FileNumber(3);

fn table(number: u64) -> FileMeta {
    FileMeta {
        number: FileNumber(number),
        bytes: 1000,
        entries: 10,
        smallest: b"a\x01\x01\0\0\0\0\0\0".to_vec(),
        largest: b"z\x01\x02\0\0\0\0\0\0".to_vec(),
        min_seqno: SeqNo::new(1).unwrap(),
        max_seqno: SeqNo::new(2).unwrap(),
        tally: Tally { deletions: 3, shadowed: 2, written_unix_ms: 1_700_000_000_000 },
        values: Vec::new(),
        range_tombstones: number % 2,
        origin: None,
    }
}

fn groups() -> Vec<Vec<Edit>> {
    let family = FamilyId(1);
    vec![
        vec![Edit::CreateFamily { id: FamilyId(0), name: "default".to_owned() }],
        vec![
            Edit::CreateFamily { id: family, name: "rows".to_owned() },
            Edit::AddLog { number: FileNumber(4), base: SeqNo::ZERO },
        ],
        vec![
            Edit::AddTable { family, level: 0, meta: table(9) },
            Edit::Flushed { family, through: SeqNo::new(2).unwrap() },
        ],
        vec![
            Edit::RemoveTable { family, level: 0, number: FileNumber(9) },
            Edit::AddTable { family, level: 6, meta: table(10) },
            Edit::CloseLog { number: FileNumber(4), end: 777 },
            Edit::AddLog { number: FileNumber(11), base: SeqNo::new(2).unwrap() },
        ],
        vec![
            Edit::DropFamily { id: family },
            Edit::RemoveLog { number: FileNumber(4) },
            Edit::NextFile { number: 40 },
            Edit::ReserveSeqNos { through: SeqNo::new(1000).unwrap() },
        ],
        vec![
            Edit::AddMark {
                seqno: SeqNo::new(3).unwrap(),
                mark: Mark { unix_millis: 1 << 40, log_bytes: 1 },
            },
            Edit::AddMark {
                seqno: SeqNo::new(5).unwrap(),
                mark: Mark { unix_millis: 1 << 41, log_bytes: 900 },
            },
            Edit::RaiseHorizon { oldest: SeqNo::new(4).unwrap() },
        ],
        vec![Edit::RaiseHorizon { oldest: SeqNo::new(2).unwrap() }],
    ]
}

/// The bytes of a manifest of all groups, and the state and offset behind each.
fn manifest() -> (Vec<u8>, Vec<(State, usize)>) {
    let fs = MemoryFs::new();
    let directory = Path::new("/d");
    let mut manifest = Manifest::create(&fs, directory, NUMBER, State::default()).unwrap();
    let path = directory.join("MANIFEST-000003");
    let mut states = vec![(manifest.state().clone(), read_whole(&fs, &path).unwrap().len())];
    for group in groups() {
        manifest.install(&group).unwrap();
        states.push((manifest.state().clone(), read_whole(&fs, &path).unwrap().len()));
    }
    (read_whole(&fs, &path).unwrap(), states)
}

#[test]
fn a_torn_manifest_stands_for_the_state_before() {
    let (bytes, states) = manifest();
    for len in states[0].1..=bytes.len() {
        // A record counts when it is whole; its seal of ten bytes may be missing.
        let expected = states.iter().rev().find(|(_, end)| end - 10 <= len).unwrap();
        assert_eq!(read_manifest(&bytes[..len], NUMBER, Path::new("m")).unwrap(), expected.0, "cut at {len}");
    }
}

#[test]
fn a_state_survives_as_the_first_record_of_the_next_manifest() {
    let (_, states) = manifest();
    for (state, _) in states {
        let fs = MemoryFs::new();
        Manifest::create(&fs, Path::new("/d"), NUMBER, state.clone()).unwrap();
        let bytes = read_whole(&fs, Path::new("/d/MANIFEST-000003")).unwrap();
        assert_eq!(read_manifest(&bytes, NUMBER, Path::new("m")).unwrap(), state);
    }
}

/// What a bit may be flipped in, and what may be read then.
#[test]
fn a_flipped_bit_is_damage_or_takes_nothing_back() {
    let (bytes, states) = manifest();
    let whole = &states[states.len() - 1].0;
    let mut harmless = 0;
    for at in 0..bytes.len() {
        for bit in [1, 4, 128] {
            let mut bad = bytes.clone();
            bad[at] ^= bit;
            match read_manifest(&bad, NUMBER, Path::new("m")) {
                Ok(state) => {
                    assert_eq!(state, *whole, "byte {at}");
                    harmless += 1;
                }
                Err(error) => assert!(matches!(error, Error::Corrupt { .. } | Error::UnknownFormat { .. })),
            }
        }
    }
    // Those of the seals, but for the first one, which says that there are seals.
    assert_eq!(harmless, (states.len() - 1) * 10 * 3);
}

#[test]
fn only_the_last_record_can_be_cut() {
    let (bytes, states) = manifest();
    for (number, (_, end)) in states.iter().enumerate().rev().skip(1) {
        let mut bad = bytes.clone();
        bad[end + 8] ^= 4;
        let scan = scan_manifest(&bad, NUMBER, Path::new("m"));
        if number == states.len() - 2 {
            let ManifestScan { state, damage } = scan.unwrap();
            assert_eq!(state, states[number].0);
            assert_eq!(damage.unwrap().0, *end);
        } else {
            assert!(matches!(scan, Err(Error::Corrupt { .. })), "{scan:?}");
        }
    }
}

/// The seal may be lost although the record behind it, which was not synced either, is not.
#[test]
fn a_seal_that_was_never_whole_is_none() {
    let (bytes, states) = manifest();
    for (number, (_, end)) in states.iter().enumerate().skip(1) {
        let mut torn = bytes.clone();
        torn[end - 10..*end].fill(0);
        assert_eq!(read_manifest(&torn, NUMBER, Path::new("m")).unwrap(), states[states.len() - 1].0);
        // Nor is one that is the last.
        assert_eq!(read_manifest(&torn[..*end], NUMBER, Path::new("m")).unwrap(), states[number].0);
    }
}

#[test]
fn a_manifest_without_seals_is_read_and_its_damage_seen() {
    let (bytes, states) = manifest();
    let mut unsealed = bytes[..crate::file_header::HEADER_BYTES].to_vec();
    let mut ends = Vec::new();
    // As an older version wrote it: the same records at other places.
    let mut at = crate::file_header::HEADER_BYTES;
    for (_, end) in &states {
        let payload = &bytes[at + 8..end - 10];
        unsealed.extend(record(NUMBER, unsealed.len() as u64, payload).unwrap());
        ends.push(unsealed.len());
        at = *end;
    }
    assert_eq!(read_manifest(&unsealed, NUMBER, Path::new("m")).unwrap(), states[states.len() - 1].0);
    for at in 0..ends[ends.len() - 2] {
        let mut bad = unsealed.clone();
        bad[at] ^= 4;
        let read = read_manifest(&bad, NUMBER, Path::new("m"));
        assert!(
            matches!(read, Err(Error::Corrupt { .. } | Error::UnknownFormat { .. })),
            "byte {at}: {read:?}"
        );
    }
}

#[test]
fn current_names_a_manifest_and_notices_damage() {
    let fs = MemoryFs::new();
    let directory = Path::new("/d");
    assert_eq!(read_current(&fs, directory).unwrap(), None);
    write_current(&fs, directory, NUMBER).unwrap();
    assert_eq!(read_current(&fs, directory).unwrap(), Some(NUMBER));
    assert_eq!(fs.list(directory).unwrap(), ["CURRENT"]);
    fs.flip_byte(&directory.join("CURRENT"), 12).unwrap();
    assert!(matches!(read_current(&fs, directory), Err(Error::Corrupt { .. })));
}

#[test]
fn edits_that_are_not_installed_leave_the_state_as_it_was() {
    let fs = MemoryFs::new();
    let mut manifest = Manifest::create(&fs, Path::new("/d"), NUMBER, State::default()).unwrap();
    let impossible = Edit::RemoveLog { number: FileNumber(999) };
    for group in groups() {
        let before = manifest.state().clone();
        for len in 0..=group.len() {
            let edits: Vec<Edit> = group.iter().take(len).cloned().chain([impossible.clone()]).collect();
            assert!(matches!(manifest.install(&edits), Err(Error::Bug { .. })));
            assert_eq!(*manifest.state(), before);
        }
        manifest.install(&group).unwrap();
    }
}

#[test]
fn a_table_that_an_older_version_added_has_an_empty_tally() {
    let mut bytes = vec![3, 1, 0, 9, 100, 7];
    for key in [b"a\x01\x01\0\0\0\0\0\0", b"z\x01\x02\0\0\0\0\0\0"] {
        bytes.push(9);
        bytes.extend_from_slice(key);
    }
    bytes.extend_from_slice(&[1, 2]);
    let Some(Edit::AddTable { meta, .. }) = Edit::decode(&mut bytes.as_slice()) else { panic!("no edit") };
    assert_eq!((meta.number, meta.entries, meta.tally), (FileNumber(9), 7, Tally::default()));
}
