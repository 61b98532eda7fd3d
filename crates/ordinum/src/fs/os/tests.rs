use super::*;

/// A program that was being started while a database was closed had its lock too, for a moment, and the next opening was refused. What
/// is inherited is a second handle of the same opened file, as here.
#[test]
fn a_lock_is_given_back_though_somebody_inherited_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("LOCK");
    let taken = || {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).unwrap();
        file.try_lock().unwrap();
        let inherited = file.try_clone().unwrap();
        (file, inherited)
    };
    let (file, inherited) = taken();
    drop(HeldLock { file, process: std::process::id() });
    drop(OsFs.lock(&path).unwrap());
    drop(inherited);
    // A forked child that lets go of everything leaves its parent the lock.
    let (file, parents) = taken();
    drop(HeldLock { file, process: std::process::id() + 1 });
    assert!(matches!(OsFs.lock(&path), Err(Error::Locked { .. })));
    drop(parents);
    drop(OsFs.lock(&path).unwrap());
}
