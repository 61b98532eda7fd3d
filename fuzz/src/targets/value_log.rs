//! Files of the value log, as they are and with checksums that are right.

use ordinum::fuzz_targets;

/// The first byte chooses; the answer does not matter, but it must come.
pub(super) fn run(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    let entry =
        if choice % 2 == 0 { fuzz_targets::fuzz_value_log } else { fuzz_targets::fuzz_sealed_value_log };
    if let Err(error) = entry(bytes) {
        assert!(!error.to_string().is_empty(), "an error says what is wrong");
    }
}

/// Records of each compression, a pointer, and shares of two files.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let lz4 = b"\x01\x01\x0a\x0b\0\0\0\x1fa\x01\0\x60aaaaaa";
    let zstd = b"\x01\x02\x0c\x04\0\0\0\x28\xb5\x2f\xfd\x00\x00\x00\x00";
    vec![
        b"\x01\x00\x05hello\x00\x00".to_vec(),
        lz4.to_vec(),
        zstd.to_vec(),
        b"\x00\x07\x44\x90\x20".to_vec(),
        b"\x00\x02\x04\x01\x1d\x09\x02\x3a".to_vec(),
    ]
}
