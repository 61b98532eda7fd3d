use super::*;
use crate::error::Error;

/// What every file system must do.
fn check(fs: &dyn Fs, directory: &Path) {
    fs.create_dir_all(directory).unwrap();
    let a = directory.join("a");
    let file = fs.create(&a).unwrap();
    file.append(b"hello ").unwrap();
    file.append(b"world").unwrap();
    file.sync().unwrap();
    fs.sync_dir(directory).unwrap();
    assert_eq!(read_whole(fs, &a).unwrap(), b"hello world");

    let reader = fs.open(&a).unwrap();
    let mut five = [0; 5];
    reader.read_at(6, &mut five).unwrap();
    assert_eq!(&five, b"world");
    assert!(matches!(reader.read_at(7, &mut five), Err(Error::Corrupt { offset: 7, .. })));

    let b = directory.join("b");
    fs.rename(&a, &b).unwrap();
    assert!(!fs.exists(&a).unwrap());
    assert_eq!(fs.list(directory).unwrap(), ["b"]);
    fs.open_append(&b).unwrap().append(b"!").unwrap();
    assert_eq!(reader.len().unwrap(), 12);
    fs.remove(&b).unwrap();
    reader.read_at(6, &mut five).unwrap();

    let file = fs.create(&a).unwrap();
    file.append(b"abc").unwrap();
    file.make_room(20).unwrap();
    file.fill(9).unwrap();
    file.append(b"de").unwrap();
    file.sync().unwrap();
    let filled = read_whole(fs, &a).unwrap();
    let (appended, behind) = filled.split_at(5);
    assert!(appended == b"abcde" && behind.len() >= 4 && behind.iter().all(|byte| *byte == 0), "{filled:?}");

    let lock = fs.lock(&directory.join("LOCK")).unwrap();
    assert!(matches!(fs.lock(&directory.join("LOCK")), Err(Error::Locked { .. })));
    drop(lock);
    drop(fs.lock(&directory.join("LOCK")).unwrap());
}

#[test]
fn all_file_systems_agree() {
    let directory = tempfile::tempdir().unwrap();
    check(&OsFs, &directory.path().join("x/y"));
    check(&MemoryFs::new(), Path::new("/x/y"));
    check(&FaultFs::new(Arc::new(MemoryFs::new())), Path::new("/x/y"));
}

#[test]
fn power_loss_keeps_what_was_synced_and_nothing_else() {
    let fs = MemoryFs::new();
    let (kept, lost, renamed) = (Path::new("/d/kept"), Path::new("/d/lost"), Path::new("/d/renamed"));
    let file = fs.create(kept).unwrap();
    file.append(b"abc").unwrap();
    file.sync().unwrap();
    file.append(b"def").unwrap();
    fs.sync_dir(Path::new("/d")).unwrap();
    fs.create(lost).unwrap().sync().unwrap();
    fs.rename(kept, renamed).unwrap();

    fs.lose_power(PowerLoss::LoseUnsynced);
    assert_eq!(fs.list(Path::new("/d")).unwrap(), ["kept"]);
    assert_eq!(read_whole(&fs, kept).unwrap(), b"abc");
    assert!(file.append(b"x").is_err());
    assert!(file.sync().is_err());
}

#[test]
fn faults_strike_the_operation_they_were_set_for() {
    let memory = MemoryFs::new();
    let fs = FaultFs::new(Arc::new(memory.clone()));
    let path = Path::new("/d/f");
    let file = fs.create(path).unwrap();
    fs.fail_after(2, Fault::DiskFull);
    file.append(b"1234").unwrap();
    assert!(file.append(b"5678").is_err());
    assert!(file.append(b"9").is_err());
    file.sync().unwrap();
    fs.clear();
    file.append(b"0").unwrap();
    assert_eq!(read_whole(&memory, path).unwrap(), b"1234560");
    fs.fail_after(1, Fault::FailedSync);
    file.append(b"a").unwrap();
    assert!(file.sync().is_err());
    fs.fail_after(1, Fault::PowerCut);
    assert!(file.append(b"bc").is_err());
    assert!(file.append(b"de").is_err());
    assert!(read_whole(&fs, path).is_err());
    fs.clear();
    assert_eq!(read_whole(&fs, path).unwrap(), b"1234560ab");
}

#[test]
fn a_log_is_mapped_where_blocks_stay_in_their_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let file = OsFs.create(&path).unwrap();
    file.append(b"before ").unwrap();
    assert!(!file.map(1 << 20), "the file ends before");
    file.make_room(1 << 20).unwrap();
    let magic = rustix::fs::statfs(directory.path()).unwrap().f_type;
    assert_eq!(file.map(100_000), window::IN_PLACE.contains(&magic));
    file.append(b"inside").unwrap();
    file.sync().unwrap();
    // Across the end of the window, and behind it.
    file.append(&[b'x'; 200_000]).unwrap();
    file.append(b"behind").unwrap();
    assert!(file.map(400_000) || !window::IN_PLACE.contains(&magic));
    file.append(b"again").unwrap();
    let found = read_whole(&OsFs, &path).unwrap();
    assert_eq!(found.len(), 1 << 20);
    assert_eq!(&found[..13], b"before inside");
    assert!(found[13..][..200_000].iter().all(|byte| *byte == b'x'));
    assert_eq!(&found[200_013..][..12], b"behindagain\0");
}

/// A file of three sectors, of which two were synced, and all that a power loss may make of it.
#[test]
fn a_torn_file_is_what_a_disk_may_leave() {
    let path = Path::new("/d/file");
    let mut found = std::collections::BTreeSet::new();
    for seed in 0..400 {
        let fs = MemoryFs::new();
        let file = fs.create(path).unwrap();
        file.append(&[b'a'; 1024]).unwrap();
        file.sync().unwrap();
        fs.sync_dir(Path::new("/d")).unwrap();
        file.append(&[b'b'; 1024]).unwrap();
        let torn = fs.after_power_loss(PowerLoss::Tear { seed });
        assert_eq!(read_whole(&fs, path).unwrap().len(), 2048, "this one goes on");
        fs.lose_power(PowerLoss::Tear { seed });
        let bytes = read_whole(&fs, path).unwrap();
        assert_eq!(read_whole(&torn, path).unwrap(), bytes, "the same seed does the same");
        assert_eq!(&bytes[..1024], &[b'a'; 1024], "what was synced stays");
        let sector = |at: usize| match bytes.get(at).copied() {
            None => "none",
            Some(b'b') => "new",
            Some(0) => "zeros",
            Some(_) => "damaged",
        };
        found.insert((sector(1024), sector(1536)));
    }
    for state in [
        ("none", "none"),
        ("new", "none"),
        ("new", "new"),
        ("zeros", "new"),
        ("new", "zeros"),
        ("zeros", "zeros"),
    ] {
        assert!(found.contains(&state), "{state:?} is missing in {found:?}");
    }
}

/// A directory is a name in the one above it, and takes along what is in it.
#[test]
fn a_directory_that_was_not_synced_may_be_gone() {
    let [above, inside, file] = ["/above", "/above/inside", "/above/inside/file"].map(Path::new);
    let left_by = |synced: &[&str], how| {
        let fs = MemoryFs::new();
        assert!(!fs.exists(above).unwrap());
        fs.create_dir_all(inside).unwrap();
        fs.create(file).unwrap().sync().unwrap();
        synced.iter().for_each(|directory| fs.sync_dir(Path::new(directory)).unwrap());
        assert!(fs.exists(inside).unwrap());
        fs.lose_power(how);
        [above, inside, file].map(|path| fs.exists(path).unwrap())
    };
    let lost = |synced: &[&str]| left_by(synced, PowerLoss::LoseUnsynced);
    assert_eq!(lost(&["/", "/above", "/above/inside"]), [true; 3]);
    assert_eq!(lost(&["/", "/above"]), [true, true, false]);
    assert_eq!(lost(&["/", "/above/inside"]), [true, false, false]);
    assert_eq!(lost(&["/above", "/above/inside"]), [false; 3]);
    let torn = (0..100).map(|seed| left_by(&[], PowerLoss::Tear { seed }));
    let torn: std::collections::BTreeSet<[bool; 3]> = torn.collect();
    let legal = [[false; 3], [true, false, false], [true, true, false], [true; 3]];
    assert_eq!(torn, legal.into());
}

#[test]
fn names_that_were_not_synced_may_come_or_not() {
    let [old, new, gone, linked] = ["/d/old", "/d/new", "/d/gone", "/d/linked"].map(Path::new);
    let mut found = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let fs = MemoryFs::new();
        for path in [old, gone] {
            let file = fs.create(path).unwrap();
            file.append(b"x").unwrap();
            file.sync().unwrap();
        }
        fs.sync_dir(Path::new("/d")).unwrap();
        fs.rename(old, new).unwrap();
        fs.remove(gone).unwrap();
        assert!(fs.link(new, linked).unwrap());
        fs.lose_power(PowerLoss::Tear { seed });
        let names = fs.list(Path::new("/d")).unwrap();
        assert!(names.contains(&"old".to_owned()) != names.contains(&"new".to_owned()), "{names:?}");
        if names.contains(&"linked".to_owned()) {
            let other = if names.contains(&"new".to_owned()) { new } else { old };
            fs.open_append(other).unwrap().append(b"y").unwrap();
            assert_eq!(read_whole(&fs, linked).unwrap(), b"xy", "two names of one file");
        }
        found.insert(names);
    }
    assert_eq!(found.len(), 8, "{found:?}");
}

#[test]
fn a_read_fails_once_and_as_it_was_told() {
    let memory = MemoryFs::new();
    let path = Path::new("/d/f");
    memory.create(path).unwrap().append(b"12345678").unwrap();
    let fs = FaultFs::new(Arc::new(memory));
    let file = fs.open(path).unwrap();
    let mut bytes = [0; 8];
    fs.fail_read_after(2, ReadFault::FlippedBit(64 + 9));
    file.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"12345678");
    file.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"10345678");
    fs.fail_read_after(1, ReadFault::Short);
    assert!(matches!(file.read_at(0, &mut bytes), Err(Error::Corrupt { offset: 0, .. })));
    fs.fail_read_after(1, ReadFault::IoError);
    assert!(matches!(file.read_at(0, &mut bytes), Err(Error::Io { .. })));
    file.read_at(0, &mut bytes).unwrap();
    fs.fail_read_after(1, ReadFault::IoError);
    assert!(matches!(fs.open(path), Err(Error::Io { operation: "open", .. })));
    assert_eq!((&bytes, fs.reads()), (b"12345678", 7));
}
