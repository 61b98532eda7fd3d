use super::{CURRENT, LOG, SEALED_LOG, SEALED_MANIFEST, seeds};

/// Mutations of a seed that is refused at once reach nothing.
#[test]
fn the_seeds_are_sound() {
    let seeds = seeds();
    let of =
        |choice: u8| seeds.iter().find(|seed| seed.first() == Some(&choice)).expect("a seed of each kind");
    let sealed = ordinum::fuzz_targets::fuzz_sealed_log(&of(SEALED_LOG)[1..]);
    assert!(sealed.is_ok(), "{sealed:?}");
    let manifest = ordinum::fuzz_targets::fuzz_sealed_manifest(&of(SEALED_MANIFEST)[1..]);
    assert!(manifest.is_ok(), "{manifest:?}");
    // Only one of the two ways to read it can be sound.
    let current = ordinum::fuzz_targets::fuzz_current(&of(CURRENT)[1..]).map_err(|error| error.to_string());
    assert!(current.is_err_and(|error| error.contains("one line of text")));
    assert!(ordinum::fuzz_targets::fuzz_log(&of(LOG)[1..]).is_err(), "a magic alone is no log");
}
