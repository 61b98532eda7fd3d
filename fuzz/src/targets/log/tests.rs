use super::{LOG, SEALED_LOG, seeds};

/// Mutations of a seed that is refused at once reach nothing.
#[test]
fn the_seeds_are_sound() {
    let seeds = seeds();
    let of =
        |choice: u8| seeds.iter().find(|seed| seed.first() == Some(&choice)).expect("a seed of each kind");
    let sealed = ordinum::fuzz_targets::fuzz_sealed_log(&of(SEALED_LOG)[1..]);
    assert!(sealed.is_ok(), "{sealed:?}");
    assert!(ordinum::fuzz_targets::fuzz_log(&of(LOG)[1..]).is_err(), "a magic alone is no log");
}
