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

/// The front of the manifest, or of the last log, or neither has the drop of a family; or one of them has.
#[test]
fn a_family_that_is_dropped_behind_the_cut_is_found_or_is_not() {
    let script = "open segment=4096 buffer=16384
        write synced put:1:k1:v1x50 put:2:k1:v2x50
        write synced put:0:k1:v3x4000
        write synced put:1:k2:v4x50
        replace 1
        write synced put:1:k3:v5x50
        replace 1
        write synced put:1:k1:v6x50 put:2:k2:v7x50";
    let image = image_of(&script.parse().unwrap(), End::Killed).map_err(|stop| stop.to_string()).unwrap();
    let mut tally = Tally::default();
    for at in 0..image.files.len() {
        for end in 0..image.files[at].1.len() {
            let mut files = image.files.clone();
            files[at].1.truncate(end);
            let damage = Damage { what: String::new(), is_bit: false };
            let checked = check(&image, &files, &damage, &mut tally);
            checked.unwrap_or_else(|stop| panic!("{} cut at {end}: {stop}", files[at].0.display()));
        }
    }
    println!("{tally:?}");
    assert!(tally.salvaged > 0, "{tally:?}");
    assert!(tally.harmless > 0, "{tally:?}");
}
