//! What tells the history of a database: logs and the batches in them, manifests and the edits in them.

use ordinum::fuzz_targets;

/// What the first byte of an input says about the others.
const LOG: u8 = 0;
const SEALED_LOG: u8 = 1;
const MANIFEST: u8 = 2;
const EDITS: u8 = 3;
const SEALED_MANIFEST: u8 = 4;
const CURRENT: u8 = 5;

pub(super) fn run(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    let answer = match choice % 6 {
        LOG => fuzz_targets::fuzz_log(bytes),
        SEALED_LOG => fuzz_targets::fuzz_sealed_log(bytes),
        MANIFEST => fuzz_targets::fuzz_manifest(bytes),
        SEALED_MANIFEST => fuzz_targets::fuzz_sealed_manifest(bytes),
        CURRENT => fuzz_targets::fuzz_current(bytes),
        _ => {
            fuzz_targets::fuzz_edits(bytes);
            Ok(())
        }
    };
    if let Err(error) = answer {
        assert!(!error.to_string().is_empty(), "an error says what is wrong");
    }
}

/// The files of a small database, and payloads of their kinds.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let tagged = |choice: u8, bytes: &[u8]| [&[choice], bytes].concat();
    // Header, two operations: put "k" = "v" in family 1, delete "k" in family 0.
    let batch = b"\x02hi\x02\x01\x01\x01k\x01v\x00\x00\x01k";
    let create = b"\x01\x04rows";
    let mut records = Vec::new();
    for (kind, payload) in [(1_u8, &create[..]), (0, batch), (2, b"\x01")] {
        records.push(kind);
        records.extend(u8::try_from(payload.len()));
        records.extend_from_slice(payload);
    }
    // A history, family 1 "rows", a log, its end, file numbers, sequence numbers, a table at level 2, flushed, removed.
    let edits = b"\x0e0123456789abcdef\x00\x01\x01\x04rows\x06\x03\x00\x07\x03\x50\x09\x07\x0a\x09\
        \x03\x01\x02\x05\x64\x02\x09a\x01\x01\0\0\0\0\0\0\x09b\x01\x02\0\0\0\0\0\0\x01\x02\x05\x01\x02\x04\x01\x02\x05\x08\x03";
    // The same edits in records with seals, the last one damaged; and a family dropped in one without.
    let mut manifest = vec![1, u8::try_from(edits.len()).unwrap_or(u8::MAX)];
    manifest.extend_from_slice(edits);
    manifest.extend_from_slice(b"\x00\x02\x02\x01\x03\x02\x09\x08");
    vec![
        tagged(SEALED_MANIFEST, &manifest),
        tagged(CURRENT, b"ordinum 1 MANIFEST-000003"),
        tagged(SEALED_LOG, &records),
        tagged(EDITS, edits),
        tagged(LOG, b"ORDLOG\r\n"),
        tagged(MANIFEST, b"ORDMAN\r\n"),
    ]
}

#[cfg(test)]
mod tests;
