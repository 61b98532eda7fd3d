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
