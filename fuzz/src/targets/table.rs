//! Sorted tables: as files, as blocks behind their checksums, as whole tables whose checksums are right, and as footers.

use ordinum::fuzz_targets;

/// The first byte chooses; the answer does not matter, but it must come.
pub(super) fn run(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    let entry = match choice % 4 {
        0 => fuzz_targets::fuzz_table,
        1 => fuzz_targets::fuzz_block,
        3 => fuzz_targets::fuzz_footer,
        _ => fuzz_targets::fuzz_sealed_table,
    };
    if let Err(error) = entry(bytes) {
        assert!(!error.to_string().is_empty(), "an error says what is wrong");
    }
}

/// A footer of the present format whose handles point into what stands before it.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut footer = vec![3];
    for (offset, bytes) in [(0_u64, 20_u64), (25, 20), (50, 20)] {
        footer.extend_from_slice(&offset.to_le_bytes());
        footer.extend_from_slice(&bytes.to_le_bytes());
    }
    footer.extend_from_slice(&[0; 32]);
    footer.push(2);
    footer.resize(101 + 75, 0);
    vec![footer]
}
