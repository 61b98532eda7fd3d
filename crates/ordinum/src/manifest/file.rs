//! The file of edits, written and read.

#![deny(clippy::indexing_slicing)]

use std::path::Path;

use super::edit::Edit;
use super::state::State;
use super::{FEATURES_ALWAYS, MANIFEST_FILE};
use crate::error::{Error, Result};
use crate::file_header::{FileHeader, HEADER_BYTES};
use crate::file_name::{self, FileKind, FileNumber};
use crate::fs::{Fs, WritableFile};
use crate::key::SeqNo;
use crate::planted::{Bug, planted};

/// Bytes before the payload of a record.
pub(super) const RECORD_HEADER_BYTES: usize = 8;

/// The payload of a seal: a use of no features, which changes nothing and which older versions read as well.
pub(crate) const SEAL: [u8; 2] = [18, 0];
/// A seal with its header.
pub(super) const SEAL_BYTES: usize = RECORD_HEADER_BYTES + SEAL.len();

/// The live manifest and the state that it stands for.
#[derive(Debug)]
pub(crate) struct Manifest {
    number: FileNumber,
    file: Box<dyn WritableFile>,
    end: u64,
    /// What the header says that readers must know of.
    features: u64,
    state: State,
}

impl Manifest {
    /// Creates a manifest that begins with `state`, and makes it durable. It is live once CURRENT names it.
    pub(crate) fn create(
        fs: &dyn Fs,
        directory: &Path,
        number: FileNumber,
        state: State,
    ) -> Result<Manifest> {
        Manifest::begin(fs, directory, number, state, FEATURES_ALWAYS)
    }

    /// Creates the manifest that goes on from here for edits that need readers to know of more features.
    pub(crate) fn successor(
        &self,
        fs: &dyn Fs,
        directory: &Path,
        number: FileNumber,
        features: u64,
    ) -> Result<Manifest> {
        Manifest::begin(fs, directory, number, self.state.clone(), self.features | features)
    }

    fn begin(
        fs: &dyn Fs,
        directory: &Path,
        number: FileNumber,
        state: State,
        features: u64,
    ) -> Result<Manifest> {
        let file = fs.create(&file_name::path(directory, FileKind::Manifest, number))?;
        let edits = state.as_edits();
        let features = edits.iter().fold(features, |features, edit| features | edit.features());
        file.append(&FileHeader { number, base: SeqNo::ZERO }.encode(MANIFEST_FILE, features))?;
        let mut manifest = Manifest { number, file, end: HEADER_BYTES as u64, features, state };
        // Nothing relies on a part of it: one sync does for both.
        manifest.append_edits(&edits)?;
        manifest.seal()?;
        manifest.sync()?;
        fs.sync_dir(directory)?;
        Ok(manifest)
    }

    pub(crate) fn number(&self) -> FileNumber {
        self.number
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// The features that the edits need and that readers of this manifest are not told of: if there are any, a manifest that
    /// tells of them has to be begun before the edits are installed.
    pub(crate) fn missing_features(&self, edits: &[Edit]) -> u64 {
        edits.iter().fold(0, |features, edit| features | edit.features()) & !self.features
    }

    /// Makes the edits durable, together, and applies them to the state.
    ///
    /// After an input/output error it is not known whether they took effect: nothing may be written any more.
    pub(crate) fn install(&mut self, edits: &[Edit]) -> Result<()> {
        let is_only_here = edits.iter().any(|edit| self.state.is_told_nowhere_else(edit));
        let mut undo = self.state.begin();
        let applied = edits.iter().try_for_each(|edit| {
            self.state.apply_undoably(edit, &mut undo).map_err(|expected| Error::Bug {
                message: format!("an edit of the manifest expects {expected}: {edit:?}"),
            })
        });
        let installed = applied.and_then(|()| self.append_durably(edits, is_only_here));
        if installed.is_err() {
            self.state.undo(undo);
        }
        installed
    }

    /// Appends a record that is durable, and seals it. Of an edit that nothing else tells of the seal is durable too.
    fn append_durably(&mut self, edits: &[Edit], seals_durably: bool) -> Result<()> {
        self.append_edits(edits)?;
        self.sync()?;
        self.seal()?;
        if seals_durably { self.sync() } else { Ok(()) }
    }

    fn append_edits(&mut self, edits: &[Edit]) -> Result<()> {
        let mut payload = Vec::new();
        for edit in edits {
            edit.encode(&mut payload);
        }
        self.append(&payload)
    }

    /// Says that what stands before is durable.
    fn seal(&mut self) -> Result<()> {
        if planted(Bug::SkipSeal) { Ok(()) } else { self.append(&SEAL) }
    }

    fn append(&mut self, payload: &[u8]) -> Result<()> {
        let record = record(self.number, self.end, payload)?;
        self.file.append(&record)?;
        self.end += record.len() as u64;
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        if planted(Bug::SkipManifestSync) { Ok(()) } else { self.file.sync() }
    }
}

/// The record of manifest `number` that has this payload and stands at `offset`.
pub(crate) fn record(number: FileNumber, offset: u64, payload: &[u8]) -> Result<Vec<u8>> {
    let (actual, limit) = (payload.len() as u64, u64::from(u32::MAX));
    let len = u32::try_from(actual);
    let len = len.map_err(|_| Error::LimitExceeded { what: "a record of the manifest", actual, limit })?;
    let mut record = Vec::with_capacity(payload.len() + RECORD_HEADER_BYTES);
    record.extend_from_slice(&checksum(number, offset, len, payload).to_le_bytes());
    record.extend_from_slice(&len.to_le_bytes());
    record.extend_from_slice(payload);
    Ok(record)
}

fn checksum(number: FileNumber, offset: u64, len: u32, payload: &[u8]) -> u32 {
    let place = crc32c::crc32c_append(crc32c::crc32c(&number.0.to_le_bytes()), &offset.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(place, &len.to_le_bytes()), payload)
}

/// What the bytes of a manifest stand for.
#[derive(Debug)]
pub(crate) struct ManifestScan {
    /// The state behind all records that are intact.
    pub(crate) state: State,
    /// Where the last record stands and what is wrong with it, if it was durable once and is not intact: its seal is.
    pub(crate) damage: Option<(usize, Error)>,
}

/// The state that the manifest with these bytes stands for. A torn last record has no seal, was never relied on, and is left out.
pub(crate) fn scan_manifest(bytes: &[u8], number: FileNumber, path: &Path) -> Result<ManifestScan> {
    let mut state = State::default();
    let damage = walk(bytes, number, path, |offset, edit| {
        state.apply(edit).map_err(|expected| Error::corrupt(path, offset, expected, &format!("{edit:?}")))
    })?;
    Ok(ManifestScan { state, damage })
}

/// The state that the manifest with these bytes stands for, if none of its records is damaged.
pub(crate) fn read_manifest(bytes: &[u8], number: FileNumber, path: &Path) -> Result<State> {
    let ManifestScan { state, damage } = scan_manifest(bytes, number, path)?;
    damage.map_or(Ok(state), |(_, damage)| Err(damage))
}

/// Tells `visit` each edit of the manifest with these bytes, and where its record begins; seals are none.
pub(crate) fn read_edits(
    bytes: &[u8],
    number: FileNumber,
    path: &Path,
    visit: impl FnMut(u64, &Edit) -> Result<()>,
) -> Result<()> {
    walk(bytes, number, path, visit)?.map_or(Ok(()), |(_, damage)| Err(damage))
}

/// Tells `visit` each edit; returns the damage of the last record, if it is damaged. Any other damage is an error.
fn walk(
    bytes: &[u8],
    number: FileNumber,
    path: &Path,
    mut visit: impl FnMut(u64, &Edit) -> Result<()>,
) -> Result<Option<(usize, Error)>> {
    let damaged = |offset: usize, expected: &str, found: &str| Error::Corrupt {
        file: path.to_path_buf(),
        offset: offset as u64,
        expected: expected.to_owned(),
        found: found.to_owned(),
    };
    FileHeader::decode(bytes, MANIFEST_FILE, number, path)?;
    let mut at = HEADER_BYTES;
    // Whether each record is sealed, as the first one says; and whether a seal is what stands here.
    let (mut is_sealed, mut at_seal) = (false, false);
    loop {
        match record_at(bytes, number, at) {
            Some(payload) if payload == SEAL => {
                (is_sealed, at_seal) = (true, false);
                at += SEAL_BYTES;
            }
            Some(payload) => {
                let mut rest = payload;
                while !rest.is_empty() {
                    let edit = Edit::decode(&mut rest);
                    let edit =
                        edit.ok_or_else(|| damaged(at, "an edit that this version knows", "other bytes"))?;
                    visit(at as u64, &edit)?;
                }
                at += RECORD_HEADER_BYTES + payload.len();
                at_seal = is_sealed;
            }
            // A seal that was damaged, or never whole, says nothing.
            None if at_seal && record_at(bytes, number, at + SEAL_BYTES).is_some() => {
                at += SEAL_BYTES;
                at_seal = false;
            }
            None => break,
        }
    }
    if at == HEADER_BYTES {
        return Err(damaged(at, "the record that begins a manifest", "none that is intact"));
    }
    let mut behind = (at + 1..bytes.len()).filter_map(|offset| record_at(bytes, number, offset));
    let damage = damaged(at, "a record: an intact one stands behind it", "none that is intact");
    match (behind.next(), behind.next()) {
        (None, _) => Ok(None),
        (Some(seal), None) if seal == SEAL => Ok(Some((at, damage))),
        (Some(_), _) => Err(damage),
    }
}

pub(super) fn record_at(bytes: &[u8], number: FileNumber, at: usize) -> Option<&[u8]> {
    let (sum, rest) = bytes.get(at..)?.split_first_chunk::<4>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = u32::from_le_bytes(*len);
    let payload = rest.get(..usize::try_from(len).ok()?)?;
    let intact = len > 0 && checksum(number, at as u64, len, payload) == u32::from_le_bytes(*sum);
    intact.then_some(payload)
}
