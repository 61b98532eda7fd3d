//! Rescues what is left of a damaged database, and holds it against the model.
//!
//! What the report does not tell as lost is what one commit left: the last one, unless the end of a log is gone that nothing attests.
//! A key of which something was lost is absent, or has a value that it had once. So has a key that was deleted, if the manifest has lost
//! which files it dropped.
//!
//! A family is found by its number: its name may have stood nowhere but in the manifest, and the report says then which one was made up.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ordinum::fs::MemoryFs;
use ordinum::inspect::{FileContents, dump};
use ordinum::rescue::{Loss, Lost, Report, RescuedFamily, rescue};
use ordinum::{Db, Options, RecoveryMode, SeqNo};

use super::{Damage, Image, disk_of};
use crate::bed::{Stop, rows_of};
use crate::ensure;
use crate::model::FAMILIES;
use crate::script::Way;

/// A family of the new database.
struct Found {
    /// Which family of the model it is.
    place: usize,
    name: String,
    /// The rows by their keys.
    rows: Vec<(Vec<u8>, Rc<[u8]>)>,
}

/// What came over of the damaged files.
pub(super) fn check(image: &Image, files: &[(PathBuf, Vec<u8>)], damage: &Damage) -> Result<Report, Stop> {
    let disk = disk_of(files)?;
    let options = image.options(&disk, RecoveryMode::Strict);
    // Of such files alone no directory is known for a database.
    if files.iter().all(|(path, _)| path.ends_with("LOCK") || path.ends_with("CURRENT")) {
        return Ok(Report::default());
    }
    let report = rescue("/db", "/rescued", &options)?;
    let db = Db::open("/rescued", Options { create_if_missing: false, ..options })?;
    let verified = db.verify()?;
    ensure!(verified.damages.is_empty(), "the rescued database is damaged: {:?}", verified.damages);
    check_names(image, files, &report)?;
    ensure!(!report.is_whole() || !report.may_have_dropped, "nothing is lost, and it may be: {report:#?}");
    let mut found: Vec<Found> = Vec::new();
    for told in &report.families {
        let Some(place) = place_of(image, told) else { continue };
        let family = db.column_family(&told.name);
        let family = family.ok_or_else(|| Stop::Wrong(format!("{:?} is told and not there", told.name)))?;
        let rows = rows_of(&db, &family, Way::Forward)?;
        let rows = rows.into_iter().map(|(key, _, value)| (key, value)).collect();
        found.push(Found { place, name: told.name.clone(), rows });
    }
    check_nothing_invented(image, &found, &report)?;
    let is_log = damage.what.contains(".log");
    let floor = if is_log { SeqNo::ZERO } else { image.known.commit };
    check_all_there(image, &found, &report, floor)?;
    Ok(report)
}

/// Which family of the model it is, if it is one.
fn place_of(image: &Image, told: &RescuedFamily) -> Option<usize> {
    let by_id = image.known.ids.iter().position(|id| *id == Some(told.id));
    by_id.or_else(|| FAMILIES.iter().position(|name| *name == told.name))
}

/// A name is lost only with the manifest, and where no other file that was read tells it.
fn check_names(image: &Image, files: &[(PathBuf, Vec<u8>)], report: &Report) -> Result<(), Stop> {
    let disk = disk_of(files)?;
    let nameless = report.families.iter().filter(|family| family.is_name_lost);
    for (family, place) in nameless.filter_map(|family| Some((family, place_of(image, family)?))) {
        let is_manifest_lost = report.losses.iter().any(|loss| loss.lost == Lost::Manifest);
        ensure!(is_manifest_lost, "the manifest is there, and {family:?} has no name: {report:#?}");
        // One that was dropped had the name too.
        let is_first = usize::try_from(family.id) == Ok(place);
        let tells = |(path, bytes): &&(PathBuf, Vec<u8>)| {
            let is_read = !report.left_out.contains(path)
                && image.files.iter().any(|intact| intact.0 == *path && intact.1 == *bytes);
            let name = FAMILIES[place];
            is_read
                && match path.extension().and_then(OsStr::to_str) {
                    Some("sst") => bytes.windows(name.len()).any(|window| window == name.as_bytes()),
                    Some("log") => creates(&disk, path, name),
                    _ => false,
                }
        };
        let told = files.iter().find(tells).filter(|_| is_first).map(|(path, _)| path);
        ensure!(told.is_none(), "{told:?} tells the name of {family:?}: {report:#?}");
    }
    Ok(())
}

/// Whether a record of the log creates the family. Behind the last one may stand what the file had before it was written over.
fn creates(disk: &MemoryFs, log: &Path, name: &str) -> bool {
    let (end, mut is_there) = (format!("{name:?} created"), false);
    let read = dump(disk, FileContents::Log, log, |line| {
        is_there |= line.ends_with(&end);
        ControlFlow::Continue(())
    });
    is_there && read.is_ok()
}

fn check_nothing_invented(image: &Image, found: &[Found], report: &Report) -> Result<(), Stop> {
    for Found { place, name, rows } in found {
        for (key, value) in rows {
            let had = image.model.ever(*place, key).any(|had| had == value);
            let key = key.escape_ascii();
            ensure!(
                had,
                "{key} of {name} never had {} bytes {}: {report:#?}",
                value.len(),
                value.escape_ascii()
            );
        }
    }
    Ok(())
}

fn check_all_there(image: &Image, found: &[Found], report: &Report, floor: SeqNo) -> Result<(), Stop> {
    let model = &image.model;
    let last = image.known.commit;
    let commits: Vec<SeqNo> = image.commits().into_iter().filter(|at| (floor..=last).contains(at)).collect();
    let is_right = |at: SeqNo, place: usize| {
        let missing = Found { place, name: FAMILIES[place].to_owned(), rows: Vec::new() };
        // Behind a family that was dropped comes the one that has its name now.
        let found = found.iter().rfind(|found| found.place == place).unwrap_or(&missing);
        let value = |key: &[u8]| {
            let at = found.rows.binary_search_by(|(found, _)| found.as_slice().cmp(key)).ok()?;
            Some(Rc::clone(&found.rows[at].1))
        };
        model.pasts(place, at).any(|past| {
            model.keys(place).into_iter().all(|key| {
                let (expected, value) = (past.get(key).map(|(_, value)| value), value(key));
                let is_back = report.may_have_dropped && expected.is_none();
                value == expected || is_back || is_lost(report, &found.name, key)
            })
        })
    };
    let fits = |at: &SeqNo| (0..FAMILIES.len()).all(|place| is_right(*at, place));
    let wrong: Vec<&str> =
        (0..FAMILIES.len()).filter(|place| !is_right(last, *place)).map(|place| FAMILIES[place]).collect();
    ensure!(commits.iter().rev().any(fits), "not all of {wrong:?} came over from {last}: {report:#?}");
    Ok(())
}

/// Whether the report says that something of the key may be lost.
fn is_lost(report: &Report, family: &str, key: &[u8]) -> bool {
    let takes = |loss: &Loss| {
        let is_of = loss.family.as_ref().is_none_or(|of| of == family);
        let has =
            loss.keys.as_ref().is_none_or(|(first, last)| first.as_slice() <= key && key <= last.as_slice());
        !matches!(loss.lost, Lost::Current | Lost::Manifest) && is_of && has
    };
    report.losses.iter().any(takes)
}
