use super::*;

/// Damages the databases of these seeds.
fn check_seeds(seeds: impl IntoIterator<Item = u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        try_seed(seed, &mut tally).unwrap_or_else(|what| panic!("{what}"));
    }
    tally
}

#[test]
fn damaged_databases_are_found_out() {
    let tally = check_seeds(0..40);
    println!("{tally:?}");
    assert!(tally.refused > 20, "{tally:?}");
    assert!(tally.found > 20, "{tally:?}");
    assert!(tally.harmless > 20, "{tally:?}");
    assert!(tally.salvaged > 0, "{tally:?}");
    assert!(tally.rescued > 20, "{tally:?}");
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
            let damage = Damage { what: image.files[at].0.display().to_string(), how: How::More };
            let checked = check(&image, &files, &damage, &mut tally);
            checked.unwrap_or_else(|stop| panic!("{} cut at {end}: {stop}", files[at].0.display()));
        }
    }
    println!("{tally:?}");
    assert!(tally.salvaged > 0, "{tally:?}");
    assert!(tally.harmless > 0, "{tally:?}");
}

/// A bit of the last records of the manifest, behind each kind of edit: it is told, or nothing is taken back.
#[test]
fn no_bit_of_the_end_of_a_manifest_takes_anything_back() {
    let script = "open segment=4096 buffer=4096
        write synced put:0:k1:v1x50 put:1:k1:v2x50
        set 0 filter=3 block=500
        write buffered put:0:k2:v3x50 merge:1:k1:v4x50
        write buffered put:0:k3:v5x3000 range:0:k1:k2
        flush 0
        write synced put:0:k4:v6x3000 put:2:k1:v7x50
        flush 0
        compact 0 - -
        replace 2
        ingest 1 2 k5:v8x50 k6:v9x50 k7:v10x50
        set 1 buffer=9000
        write synced put:1:k8:v11x3000 del:0:k3
        flush-all
        work 5
        set 0 filter=9
        open segment=4096
        write buffered put:0:k9:v12x50";
    let script: Script = script.parse().unwrap();
    let mut tally = Tally::default();
    for (len, end) in (2..=script.ops.len()).flat_map(|len| [(len, End::Killed), (len, End::Lost)]) {
        let front = Script { ops: script.ops[..len].to_vec() };
        let image = image_of(&front, end).map_err(|stop| stop.to_string()).unwrap();
        let is_manifest = |path: &Path| path.to_string_lossy().contains("MANIFEST");
        let at = image.files.iter().position(|(path, _)| is_manifest(path)).unwrap();
        let bytes = image.files[at].1.len();
        for offset in bytes.saturating_sub(MANIFEST_END_BYTES)..bytes {
            let mut files = image.files.clone();
            files[at].1[offset] ^= 1 << (offset % 8);
            let damage = Damage { what: String::new(), how: How::BitOfManifest };
            let checked = check(&image, &files, &damage, &mut tally);
            checked
                .unwrap_or_else(|stop| panic!("{len} operations, {end:?}, byte {offset} of {bytes}: {stop}"));
        }
    }
    println!("{tally:?}");
    assert!(tally.refused > 100 && tally.harmless > 100 && tally.salvaged > 100, "{tally:?}");
}

/// A bit of a log, in each byte: it is told, or nothing is taken back that was durable when the last record was written. What
/// was durable last may be no commit but a family that was dropped and created: its records are attested like others.
#[test]
fn no_bit_of_a_log_takes_back_what_it_attests() {
    let script = "open
        write synced put:0:k1:v1x50 put:2:k1:v2x50
        write buffered put:2:k2:v3x50
        replace 2
        write buffered put:0:k1:v4x50
        write buffered put:1:k2:v5x50
        write buffered put:2:k3:v6x50";
    let script: Script = script.parse().unwrap();
    let mut tally = Tally::default();
    for (len, end) in (2..=script.ops.len()).flat_map(|len| [(len, End::Killed), (len, End::Lost)]) {
        let front = Script { ops: script.ops[..len].to_vec() };
        let image = image_of(&front, end).map_err(|stop| stop.to_string()).unwrap();
        // Behind the first two commits the family was dropped, and then created.
        let behind_first = |numbers| SeqNo::new(image.model.commits[0].get() + numbers).unwrap();
        let attested = match (len, end) {
            (5.., End::Killed) => behind_first(3),
            (4.., _) => behind_first(2),
            _ => image.attested,
        };
        assert_eq!(image.attested, attested, "{len} operations, {end:?}");
        for (at, (path, bytes)) in image.files.iter().enumerate() {
            if path.extension().is_none_or(|extension| extension != "log") {
                continue;
            }
            // Room that was made behind the records is nobody's.
            let records = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            for offset in 0..records {
                let mut files = image.files.clone();
                files[at].1[offset] ^= 1 << (offset % 8);
                let what = format!("a bit of {} at {offset}", path.display());
                let damage = Damage { what, how: How::Bit };
                let checked = check(&image, &files, &damage, &mut tally);
                checked.unwrap_or_else(|stop| panic!("{len} operations, {end:?}, {}: {stop}", damage.what));
            }
        }
    }
    println!("{tally:?}");
    assert!(tally.refused > 100 && tally.harmless > 100 && tally.salvaged > 100, "{tally:?}");
}

/// The end of the log is cut behind a family that was created, which no commit of the model is.
#[test]
fn a_family_that_was_created_is_no_commit_that_is_lost() {
    check_seeds([5_003_887]);
}

/// A rescue that read an older manifest first took the families of the next one for dropped, and forgot their names.
#[test]
fn families_of_the_newest_manifest_keep_their_names() {
    check_seeds([5_003_825]);
}

/// Where the manifest was lost, or the tables with what was before, a rescue left out the operands of a commit and took over the put
/// that they stood behind: a value that no commit left.
#[test]
fn a_put_comes_over_with_the_operands_of_its_commit() {
    check_seeds([5_003_822, 5_003_908]);
}

/// Where the record that begins the manifest is damaged, a table that was to be removed and is there still brought back what was
/// deleted, and the report did not say that it may. Where only the header is, every record tells which tables there are.
#[test]
fn files_that_the_beginning_of_a_manifest_left_out_are_in_doubt() {
    check_seeds([5_004_907, 5_004_433]);
}

/// The name of a family stood nowhere but in the manifest, which is gone: all that it has comes over under a name that was made up.
#[test]
fn a_family_without_its_name_is_all_there() {
    check_seeds([5_003_869, 5_004_584]);
}

/// A log told of the ingestion of a table that a compaction had dropped: it was taken although the manifest was whole.
#[test]
fn an_ingested_table_that_was_dropped_stays_dropped() {
    check_seeds([6_001_544]);
}

/// A record in the middle of the manifest was lost, which had dropped a table that an earlier one names: as no file was without a name,
/// the table was taken for live, and its operands came over.
#[test]
fn a_table_that_a_lost_record_dropped_is_in_doubt() {
    check_seeds([10_000_038]);
}

/// The manifest was cut off between two records, in front of the one that names a family.
#[test]
fn a_family_whose_name_was_cut_off_is_all_there() {
    check_seeds([9_000_248]);
}

/// The block that had a put was damaged, the range delete in front of it in the same commit was not: operands came over on nothing.
#[test]
fn a_range_delete_is_not_all_that_its_commit_did() {
    check_seeds([13_003_523]);
}

/// A log had the record that named a family only behind its end, from the time before it was written over: the check took it for told.
#[test]
fn the_rest_of_a_reused_log_tells_nothing() {
    check_seeds([20_002_743]);
}

/// All that was left of a family was an ingestion, and the manifest that named it was gone: the log told of the family, and a rescue
/// listened to its batches only.
#[test]
fn a_family_that_was_only_ingested_is_all_there() {
    check_seeds([23_003_587]);
}

/// A table was lost whose range delete had let an older one go unread: of the operands between the two came over what was on nothing.
#[test]
fn what_a_lost_range_delete_let_go_is_missing() {
    check_seeds([24_004_231, 25_002_856]);
}
