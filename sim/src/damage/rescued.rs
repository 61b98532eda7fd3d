//! Rescues what is left of a damaged database, and holds it against the model.
//!
//! What the report does not tell as lost is what one commit left: the last one, unless the end of a log is gone that nothing attests.
//! A key of which something was lost is absent, or has a value that it had once. So has a key that was deleted, if the manifest has lost
//! which files it dropped.

use std::path::PathBuf;
use std::rc::Rc;

use ordinum::rescue::{Loss, Lost, Report, rescue};
use ordinum::{Db, Options, RecoveryMode, SeqNo};

use super::{Damage, Image, disk_of};
use crate::bed::{Stop, rows_of};
use crate::ensure;
use crate::model::FAMILIES;
use crate::script::Way;

/// The rows of a family by their keys; none if there is no such family.
type Rows = Option<Vec<(Vec<u8>, Rc<[u8]>)>>;

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
    let mut found: Vec<Rows> = Vec::new();
    for name in FAMILIES {
        let Some(family) = db.column_family(name) else {
            found.push(None);
            continue;
        };
        let rows = rows_of(&db, &family, Way::Forward)?;
        found.push(Some(rows.into_iter().map(|(key, _, value)| (key, value)).collect()));
    }
    check_nothing_invented(image, &found, &report)?;
    let is_log = damage.what.contains(".log");
    let floor = if is_log { SeqNo::ZERO } else { image.known.commit };
    check_all_there(image, &found, &report, floor)?;
    Ok(report)
}

fn check_nothing_invented(image: &Image, found: &[Rows], report: &Report) -> Result<(), Stop> {
    for (place, rows) in found.iter().enumerate() {
        for (key, value) in rows.iter().flatten() {
            let had = image.model.ever(place, key).any(|had| had == value);
            let (name, key) = (FAMILIES[place], key.escape_ascii());
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

fn check_all_there(image: &Image, found: &[Rows], report: &Report, floor: SeqNo) -> Result<(), Stop> {
    let model = &image.model;
    let last = image.known.commit;
    let commits: Vec<SeqNo> = image.commits().into_iter().filter(|at| (floor..=last).contains(at)).collect();
    let is_right = |at: SeqNo, place: usize| {
        let empty = Vec::new();
        let rows = found[place].as_ref().unwrap_or(&empty);
        let value = |key: &[u8]| {
            let at = rows.binary_search_by(|(found, _)| found.as_slice().cmp(key)).ok()?;
            Some(Rc::clone(&rows[at].1))
        };
        model.pasts(place, at).any(|past| {
            model.keys(place).into_iter().all(|key| {
                let (expected, found) = (past.get(key).map(|(_, value)| value), value(key));
                let is_back = report.may_have_dropped && expected.is_none();
                found == expected || is_back || is_lost(report, FAMILIES[place], key)
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
