//! Damages the files of whole databases and opens them: what was wrong is an error that says where, and no answer is wrong.
//!
//! What is answered must be what one commit left. Which commit may depend on the damage: the end of a log that nothing attests
//! is cut, wherever it begins. A family that was dropped behind that may be there still, or not.
//! And what is intact is rescued (`rescued.rs`).

mod rescued;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use fastrand::Rng;
use ordinum::clock::ManualClock;
use ordinum::fs::{Fs, MemoryFs};
use ordinum::inspect::{FileContents, dump};
use ordinum::{ColumnFamily, Db, Error, ErrorKind, Options, Reader, RecoveryMode, SeqNo};

use crate::bed::{Bed, Row, Stop, names_a_place, rows_of};
use crate::ensure;
use crate::generate::{Faults, Plan, generate};
use crate::model::{FAMILIES, Model};
use crate::script::{End, Script, Way};
use crate::settings::Settings;

/// What a disk writes at once.
const SECTOR_BYTES: usize = 512;
/// What is damaged more often at the end of a manifest.
const MANIFEST_END_BYTES: usize = 60;
/// How often each database is damaged.
const DAMAGES: usize = 12;

/// How many databases were damaged, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Databases.
    pub databases: u64,
    /// Damages.
    pub damages: u64,
    /// Those that an opening refused.
    pub refused: u64,
    /// Those that were found by reads, or by verification.
    pub found: u64,
    /// Those after which everything could be read.
    pub harmless: u64,
    /// Those that a salvage opened although an opening refused.
    pub salvaged: u64,
    /// Those of which a rescue told what was lost.
    pub rescued: u64,
}

/// The files of a database that is not open, and what it holds.
struct Image {
    files: Vec<(PathBuf, Vec<u8>)>,
    model: Model,
    /// What the log attests whatever single record of it is damaged.
    attested: SeqNo,
    settings: Settings,
    known: Known,
}

/// What is known of a database when nothing is damaged.
#[derive(Default)]
struct Known {
    /// The last commit that is there.
    commit: SeqNo,
    /// The last sequence number that may have been given.
    given: SeqNo,
    /// The options of each family, in words.
    options: Vec<Option<String>>,
    /// The number of each family.
    ids: Vec<Option<u32>>,
}

impl Image {
    fn options(&self, disk: &MemoryFs, recovery: RecoveryMode) -> Options {
        let (fs, clock) = (Arc::new(disk.clone()), Arc::<ManualClock>::default());
        self.settings.options(Options { fs, clock, create_if_missing: false, recovery, ..Options::default() })
    }

    /// Every commit behind which the history may end. What is attested counts as one: a family that was dropped or created may have
    /// been the last that became durable, and then more must be there than behind the commit before.
    fn commits(&self) -> BTreeSet<SeqNo> {
        [SeqNo::ZERO, self.attested].into_iter().chain(self.model.commits.iter().copied()).collect()
    }

    /// Opens it as it is.
    fn learn(&mut self) -> Result<(), Stop> {
        let db = Db::open("/db", self.options(&disk_of(&self.files)?, RecoveryMode::Strict))?;
        let (commit, is_whole) = check_open(self, &db)?;
        ensure!(is_whole, "what nobody damaged is damaged");
        self.known = Known { commit, given: db.last_seqno(), options: options_of(&db), ids: ids_of(&db) };
        Ok(())
    }
}

fn options_of(db: &Db) -> Vec<Option<String>> {
    let families = FAMILIES.iter().map(|name| db.column_family(name));
    families.map(|family| family.map(|family| format!("{:?}", family.options()))).collect()
}

fn ids_of(db: &Db) -> Vec<Option<u32>> {
    FAMILIES.iter().map(|name| db.column_family(name).map(|family| family.id())).collect()
}

/// What a read found of a key: who wrote it, and the value.
type Found = Option<(SeqNo, Rc<[u8]>)>;

/// What is done to the files.
#[derive(Debug)]
pub(crate) struct Damage {
    pub(crate) what: String,
    how: How,
}

/// How much it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// A bit of a manifest.
    BitOfManifest,
    /// A bit of another file.
    Bit,
    /// More.
    More,
}

/// Makes a database of the seed and damages copies of it.
///
/// # Errors
/// What was wrong.
pub fn try_seed(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed ^ 0x6461_6d61_6765);
    let image = catch_unwind(AssertUnwindSafe(|| image(seed, &mut rng)));
    let image = image.map_err(|_| "a panic while the database was made".to_owned())?;
    let image = image.map_err(|stop| format!("while the database was made: {stop}"))?;
    tally.databases += 1;
    for _ in 0..DAMAGES {
        let mut files = image.files.clone();
        let Some(damage) = damage(&mut files, &mut rng) else { continue };
        tally.damages += 1;
        let checked = catch_unwind(AssertUnwindSafe(|| check(&image, &files, &damage, tally)));
        match checked {
            Ok(Ok(())) => {}
            Ok(Err(stop)) => {
                let held = held(&image.files).unwrap_or_default();
                return Err(format!("seed {seed}, {}: {stop}\n{held}", damage.what));
            }
            Err(_) => return Err(format!("seed {seed}, {}: a panic", damage.what)),
        }
    }
    Ok(())
}

/// What the files held before they were damaged, for who looks into a finding.
fn held(files: &[(PathBuf, Vec<u8>)]) -> Result<String, Error> {
    let (disk, mut lines) = (disk_of(files)?, String::new());
    for (path, _) in files {
        let contents = match path.extension().and_then(|extension| extension.to_str()) {
            Some("sst") => FileContents::Table,
            Some("log") => FileContents::Log,
            None if path.to_string_lossy().contains("MANIFEST") => FileContents::Manifest,
            _ => continue,
        };
        lines.extend([&*path.to_string_lossy(), "\n"]);
        let told = dump(&disk, contents, path, |line| {
            lines.extend(["  ", line, "\n"]);
            ControlFlow::Continue(())
        });
        if let Err(error) = told {
            lines.extend(["  ", &error.to_string(), "\n"]);
        }
    }
    Ok(lines)
}

fn image(seed: u64, rng: &mut Rng) -> Result<Image, Stop> {
    let script = generate(seed, &Plan { ops: rng.usize(20..300), faults: Faults::None });
    image_of(&script, if rng.bool() { End::Killed } else { End::Lost })
}

/// What the script leaves when it ends so.
fn image_of(script: &Script, end: End) -> Result<Image, Stop> {
    let mut bed = Bed::new();
    script.ops.iter().try_for_each(|op| bed.step(op))?;
    let settings = bed.settings().clone();
    let attested = bed.attested(end);
    let (disk, model) = bed.stop(end)?;
    let files = files_of(&disk)?;
    let mut image = Image { files, attested, model, settings, known: Known::default() };
    image.learn()?;
    Ok(image)
}

/// The files of the database on the disk.
pub(crate) fn files_of(disk: &MemoryFs) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
    let mut files = Vec::new();
    for name in disk.list(Path::new("/db"))? {
        let path = Path::new("/db").join(name);
        let file = disk.open(&path)?;
        let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(0)];
        file.read_at(0, &mut bytes)?;
        files.push((path, bytes));
    }
    Ok(files)
}

/// Damages the files; none if there was nothing to damage where it fell.
pub(crate) fn damage(files: &mut Vec<(PathBuf, Vec<u8>)>, rng: &mut Rng) -> Option<Damage> {
    let at = rng.usize(..files.len());
    let name = files[at].0.display().to_string();
    let len = files[at].1.len();
    let sector = |rng: &mut Rng, len: usize| {
        let from = rng.usize(..len.div_ceil(SECTOR_BYTES)) * SECTOR_BYTES;
        from..(from + SECTOR_BYTES).min(len)
    };
    let of = |what: String, how| Some(Damage { what, how });
    match rng.u8(..12) {
        0..6 if len > 0 => {
            let is_manifest = name.contains("MANIFEST");
            // The last records of a manifest are those that may be taken for torn.
            let from = if is_manifest && rng.bool() { len.saturating_sub(MANIFEST_END_BYTES) } else { 0 };
            let offset = rng.usize(from..len);
            files[at].1[offset] ^= 1 << rng.u8(..8);
            of(
                format!("a bit of {name} at {offset}"),
                if is_manifest { How::BitOfManifest } else { How::Bit },
            )
        }
        6 | 7 if len > 0 => {
            let end = rng.usize(..len);
            files[at].1.truncate(end);
            of(format!("{name} cut at {end} of {len}"), How::More)
        }
        8 if len > 0 => {
            let zeros = sector(rng, len);
            files[at].1[zeros.clone()].fill(0);
            of(format!("zeros in {name} at {zeros:?}"), How::More)
        }
        9 if len > 0 => {
            // A write that went to another place.
            let other = rng.usize(..files.len());
            let from = (!files[other].1.is_empty()).then(|| sector(rng, files[other].1.len()))?;
            let bytes = files[other].1[from.clone()].to_vec();
            let to = sector(rng, len).start;
            let end = (to + bytes.len()).min(len);
            files[at].1[to..end].copy_from_slice(&bytes[..end - to]);
            of(format!("{from:?} of {} in {name} at {to}", files[other].0.display()), How::More)
        }
        10 => {
            let other = rng.usize(..files.len());
            let bytes = std::mem::take(&mut files[at].1);
            files[at].1 = std::mem::replace(&mut files[other].1, bytes);
            of(format!("{name} and {} swapped", files[other].0.display()), How::More)
        }
        11 => {
            files.remove(at);
            of(format!("{name} gone"), How::More)
        }
        _ => None,
    }
}

pub(crate) fn disk_of(files: &[(PathBuf, Vec<u8>)]) -> Result<MemoryFs, Error> {
    let disk = MemoryFs::new();
    for (path, bytes) in files {
        let file = disk.create(path)?;
        file.append(bytes)?;
        file.sync()?;
    }
    disk.sync_dir(Path::new("/db"))?;
    Ok(disk)
}

fn check(
    image: &Image,
    files: &[(PathBuf, Vec<u8>)],
    damage: &Damage,
    tally: &mut Tally,
) -> Result<(), Stop> {
    let rescued = rescued::check(image, files, damage)?;
    tally.rescued += u64::from(!rescued.is_whole());
    let disk = disk_of(files)?;
    match Db::open("/db", image.options(&disk, RecoveryMode::Strict)) {
        Ok(db) => {
            let (at, is_whole) = check_open(image, &db)?;
            check_reach(image, &db, damage.how, at)?;
            (tally.found, tally.harmless) =
                (tally.found + u64::from(!is_whole), tally.harmless + u64::from(is_whole));
        }
        Err(error) => {
            check_error(&error)?;
            tally.refused += 1;
            let disk = disk_of(files)?;
            match Db::open("/db", image.options(&disk, RecoveryMode::Salvage)) {
                Ok(db) => {
                    tally.salvaged += 1;
                    ensure!(db.salvage().is_some(), "opened to salvage, it does not say what it cut");
                    check_open(image, &db)?;
                }
                Err(error) => check_error(&error)?,
            }
        }
    }
    Ok(())
}

/// How far back an opening that notices nothing may go: a bit of a manifest takes nothing back, and one of a log its end.
fn check_reach(image: &Image, db: &Db, how: How, at: SeqNo) -> Result<(), Stop> {
    let (Known { commit, given, options, .. }, last) = (&image.known, image.model.last());
    let floor = match how {
        How::BitOfManifest => *commit,
        How::Bit => image.attested,
        How::More => SeqNo::ZERO,
    };
    ensure!(at >= floor, "it goes back to {at} of {last}, and {floor} was attested");
    if how == How::BitOfManifest {
        ensure!(db.last_seqno() >= *given, "{given} was given, and will be again behind {}", db.last_seqno());
    }
    if how != How::More {
        // The manifest has them, and the families, wherever the log is cut.
        ensure!(options_of(db) == *options, "options have changed: {options:?}");
    }
    Ok(())
}

/// An error says where, and that the data is damaged, or written by somebody else.
fn check_error(error: &Error) -> Result<(), Stop> {
    let kind = error.kind();
    let fits = matches!(kind, ErrorKind::Restore | ErrorKind::FixTheRequest) && names_a_place(error);
    ensure!(fits, "a damaged database says {error}, {kind:?}");
    Ok(())
}

/// Reads everything; which commit left it, and whether nothing is wrong with it.
fn check_open(image: &Image, db: &Db) -> Result<(SeqNo, bool), Stop> {
    let families: Vec<Option<ColumnFamily>> = FAMILIES.iter().map(|name| db.column_family(name)).collect();
    let mut answers: [Vec<(Vec<u8>, Found)>; FAMILIES.len()] = Default::default();
    let mut whole: Vec<Option<Vec<Row>>> = Vec::new();
    for (place, family) in families.iter().enumerate() {
        // Creating it may be what was cut.
        let Some(family) = family else {
            whole.push(Some(Vec::new()));
            continue;
        };
        for key in image.model.keys(place) {
            match db.get_versioned(family, key) {
                Ok(found) => {
                    let found = found.map(|(value, written)| (written, Rc::from(&*value)));
                    answers[place].push((key.to_vec(), found));
                }
                Err(error) => check_error(&error)?,
            }
        }
        whole.push(match (rows_of(db, family, Way::Forward), rows_of(db, family, Way::Back)) {
            (Ok(rows), Ok(back)) => {
                ensure!(rows == back, "the way back shows other rows");
                Some(rows)
            }
            (forward, back) => {
                [forward.err(), back.err()].iter().flatten().try_for_each(check_error)?;
                None
            }
        });
    }
    let damages = db.verify()?.damages;
    damages.iter().try_for_each(check_error)?;
    let model = &image.model;
    let fits = |at: SeqNo| {
        answers.iter().zip(&whole).enumerate().all(|(place, (answers, rows))| {
            model.pasts(place, at).any(|past| {
                answers.iter().all(|(key, found)| past.get(key) == *found)
                    && rows.as_ref().is_none_or(|rows| past.is(rows))
            })
        })
    };
    // From the newest back: most often it is that.
    let at = image.commits().into_iter().rev().find(|at| fits(*at));
    let Some(at) = at else { return Err(Stop::Wrong("it answers what no commit left".to_owned())) };
    let is_whole = damages.is_empty() && whole.iter().all(Option::is_some);
    let is_read = whole.iter().all(Option::is_some) || !damages.is_empty();
    ensure!(is_read, "a row cannot be read, and verification finds nothing");
    Ok((at, is_whole))
}

#[cfg(test)]
mod tests;
