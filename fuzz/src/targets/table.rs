//! Sorted tables: as files, as blocks behind their checksums, and as whole tables whose checksums are right.

use ordinum::fuzz_targets;

/// The first byte chooses; the answer does not matter, but it must come.
pub(super) fn run(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    let entry = match choice % 4 {
        0 => fuzz_targets::fuzz_table,
        1 => fuzz_targets::fuzz_block,
        _ => fuzz_targets::fuzz_sealed_table,
    };
    if let Err(error) = entry(bytes) {
        assert!(!error.to_string().is_empty(), "an error says what is wrong");
    }
}
