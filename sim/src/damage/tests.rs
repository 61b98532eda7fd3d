use super::*;

#[test]
fn damaged_databases_are_found_out() {
    let mut tally = Tally::default();
    for seed in 0..40 {
        try_seed(seed, &mut tally).unwrap_or_else(|what| panic!("{what}"));
    }
    println!("{tally:?}");
    assert!(tally.refused > 20, "{tally:?}");
    assert!(tally.found > 20, "{tally:?}");
    assert!(tally.harmless > 20, "{tally:?}");
    assert!(tally.salvaged > 0, "{tally:?}");
}
