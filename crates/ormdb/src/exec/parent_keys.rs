//! The keys that lead from rows of one level to those of the next: sorted, each once.
//!
//! Invariant: rows of equal keys share one, and a row of which a part of the key is null has none.

use ormdb_proto::Result;
use ormdb_proto::schema::{FieldId, FieldType};
use smallvec::SmallVec;

use super::rows::{FetchedRow, Key};
use super::run::{Entry, Run};
use super::sort;
use crate::catalog::EntityInfo;
use crate::expr::RowSource;
use crate::plan::{HopAccess, Source};
use crate::store::key::{self, Direction, KeyReader};
use crate::store::layout;

/// The distinct keys of parents.
pub(super) struct ParentKeys {
    pub(super) distinct: Vec<Key>,
    /// For each parent, which of them is its key; none if a part of it is null.
    pub(super) of_parent: Vec<Option<usize>>,
}

/// The keys that lead from parents to what is below them: what the keys of their children begin with.
pub(super) fn parent_keys(
    run: &Run<'_>,
    from: &EntityInfo,
    target: &EntityInfo,
    access: &HopAccess,
    parents: &[FetchedRow],
) -> Result<ParentKeys> {
    // As a rule it is the primary key that leads on, which need not be decoded for that.
    let of_rows = parents.iter().map(|parent| &parent.key);
    if let Some(keys) = keys_of(run, from, Source::Primary, target, access, of_rows)? {
        return Ok(keys);
    }
    let local: Vec<FieldId> = access.pairs.iter().map(|(local, _)| *local).collect();
    let mut encoder = KeyEncoder::new(target, access.source)?;
    let mut keys: Vec<(Key, usize)> = Vec::with_capacity(parents.len());
    for (at, parent) in parents.iter().enumerate() {
        run.budget.tick()?;
        if let Some(key) = encoder.key(&parent.view(from)?, &local)? {
            keys.push((key, at));
        }
    }
    numbered(run, keys, parents.len())
}

/// As [`parent_keys`], from the keys of the parents' entries alone, without the rows; none where these keys do not have all of the
/// fields.
pub(super) fn keys_of_entries(
    run: &Run<'_>,
    from: &EntityInfo,
    by: Source,
    target: &EntityInfo,
    access: &HopAccess,
    entries: &[Entry],
) -> Result<Option<ParentKeys>> {
    keys_of(run, from, by, target, access, entries.iter().map(|entry| &entry.key))
}

/// As [`keys_of_entries`], of their keys.
fn keys_of<'k>(
    run: &Run<'_>,
    from: &EntityInfo,
    by: Source,
    target: &EntityInfo,
    access: &HopAccess,
    of_entries: impl ExactSizeIterator<Item = &'k Key>,
) -> Result<Option<ParentKeys>> {
    let Some(places) = Places::of(from, by, access)? else { return Ok(None) };
    let mut encoder = KeyEncoder::new(target, access.source)?;
    let parents = of_entries.len();
    let mut keys: Vec<(Key, usize)> = Vec::with_capacity(parents);
    for (at, entry) in of_entries.enumerate() {
        run.budget.tick()?;
        if let Some(key) = encoder.key_of_entry(&places, entry)? {
            keys.push((key, at));
        }
    }
    numbered(run, keys, parents).map(Some)
}

/// The keys sorted, each once; each comes with the number of its parent.
fn numbered(run: &Run<'_>, mut keys: Vec<(Key, usize)>, parents: usize) -> Result<ParentKeys> {
    if !keys.is_sorted() {
        keys = sort::ordered(run, keys, Ord::cmp)?;
    }
    let mut distinct: Vec<Key> = Vec::with_capacity(keys.len());
    let mut of_parent = vec![None; parents];
    for (key, at) in keys {
        if distinct.last() != Some(&key) {
            distinct.push(key);
        }
        if let Some(group) = of_parent.get_mut(at) {
            *group = Some(distinct.len() - 1);
        }
    }
    Ok(ParentKeys { distinct, of_parent })
}

/// Where fields stand in the keys of entries.
pub(super) struct Places {
    /// The parts of a key, as far as they are needed: a column of an index with its direction, or a field of a primary key.
    parts: SmallVec<[(FieldType, Option<Direction>); 4]>,
    /// The part of each field.
    of_fields: SmallVec<[usize; 4]>,
    /// Whether all that a key has is the one field that is asked for, as it stands in a primary key.
    is_whole: bool,
}

impl Places {
    /// Those of the fields that lead on, in the keys of a source; none where these keys do not have all of them.
    pub(super) fn of(entity: &EntityInfo, by: Source, access: &HopAccess) -> Result<Option<Places>> {
        let store = entity.store();
        let (mut parts, mut slots) = (SmallVec::new(), SmallVec::<[usize; 4]>::new());
        let mut has_primary_key = true;
        if let Source::Index(id) = by {
            let format = store.index(id)?;
            parts.extend(format.columns().iter().map(|column| (column.ty, Some(column.direction))));
            slots.extend(format.columns().iter().map(|column| column.slot));
            // Of a unique index it stands in the value.
            has_primary_key = !format.is_unique();
        }
        if has_primary_key {
            parts.extend(store.primary_key.fields().iter().map(|(_, ty)| (*ty, None)));
            slots.extend(store.primary_key.slots());
        }
        let place = |(local, _): &(FieldId, FieldId)| {
            let slot = store.rows.slot(*local)?;
            slots.iter().position(|known| *known == slot)
        };
        let of_fields: Option<SmallVec<[usize; 4]>> = access.pairs.iter().map(place).collect();
        Ok(of_fields.map(|of_fields| {
            let is_whole = by == Source::Primary && parts.len() == 1 && of_fields.as_slice() == [0];
            parts.truncate(of_fields.iter().max().map_or(0, |last| last + 1));
            Places { parts, of_fields, is_whole }
        }))
    }
}

/// Encodes values as the first columns of a key.
pub(super) struct KeyEncoder {
    source: Option<Source>,
    /// The key at hand, behind what all keys begin with.
    key: Vec<u8>,
    prefix_len: usize,
    directions: Vec<Direction>,
}

impl KeyEncoder {
    pub(super) fn new(target: &EntityInfo, source: Option<Source>) -> Result<KeyEncoder> {
        let (key, directions) = match source {
            None => (Vec::new(), Vec::new()),
            Some(Source::Primary) => (layout::rows_prefix(target.id).to_vec(), Vec::new()),
            Some(Source::Index(id)) => {
                let columns = target.store().index(id)?.columns();
                (layout::index_prefix(id).to_vec(), columns.iter().map(|c| c.direction).collect())
            }
        };
        Ok(KeyEncoder { source, prefix_len: key.len(), key, directions })
    }

    /// The key of fields that stand in the key of an entry; none if one of them is null.
    fn key_of_entry(&mut self, places: &Places, entry: &[u8]) -> Result<Option<Key>> {
        Ok(self.encode_entry(places, entry)?.map(Key::from_slice))
    }

    /// As [`KeyEncoder::key_of_entry`], for who looks at it before the next one is encoded.
    #[inline]
    pub(super) fn encode_entry(&mut self, places: &Places, entry: &[u8]) -> Result<Option<&[u8]>> {
        self.key.truncate(self.prefix_len);
        let fields = entry.get(layout::ID_BYTES..).unwrap_or_default();
        if places.is_whole {
            self.push(0, fields, Direction::Ascending);
            return Ok(Some(&self.key));
        }
        let mut reader = KeyReader::new(fields);
        let mut parts: SmallVec<[(&[u8], Direction); 4]> = SmallVec::new();
        for (ty, direction) in &places.parts {
            let before = reader.rest();
            let is_null = match direction {
                Some(direction) => reader.skip_column(*ty, *direction)?,
                None => reader.skip_key_field(*ty).map(|()| false)?,
            };
            let bytes = before.get(..before.len() - reader.rest().len()).unwrap_or_default();
            // A column has a flag before its value.
            let value = if direction.is_some() { bytes.get(1..).unwrap_or_default() } else { bytes };
            parts.push((if is_null { &[] } else { value }, direction.unwrap_or(Direction::Ascending)));
            if is_null && places.of_fields.contains(&(parts.len() - 1)) {
                return Ok(None);
            }
        }
        for (column, part) in places.of_fields.iter().enumerate() {
            let Some((value, from)) = parts.get(*part) else { return Ok(None) };
            self.push(column, value, *from);
        }
        Ok(Some(&self.key))
    }

    /// Whether the keys of entries in order are in order.
    pub(super) fn keeps_order(&self, places: &Places) -> bool {
        let ascends = |direction: &Direction| *direction == Direction::Ascending;
        let of_entry = places.parts.iter().all(|(_, direction)| direction.as_ref().is_none_or(ascends));
        let columns = places.of_fields.len();
        of_entry
            && places.of_fields.iter().enumerate().all(|(column, part)| column == *part)
            && self.directions.iter().take(columns).all(ascends)
    }

    /// Appends a value from its bytes in another key, which sorts in `from`.
    #[inline]
    fn push(&mut self, column: usize, value: &[u8], from: Direction) {
        match self.source {
            Some(Source::Primary) => key::push_encoded_key_field(&mut self.key, value, from),
            None | Some(Source::Index(_)) => {
                let to = self.directions.get(column).copied().unwrap_or(Direction::Ascending);
                key::push_encoded_column(&mut self.key, value, from, to);
            }
        }
    }

    /// The key of a row's fields; none if one of them is null, which equals nothing.
    pub(super) fn key(&mut self, row: &dyn RowSource, fields: &[FieldId]) -> Result<Option<Key>> {
        self.key.truncate(self.prefix_len);
        for (column, field) in fields.iter().enumerate() {
            let value = row.field(*field)?;
            if value.is_null() {
                return Ok(None);
            }
            match self.source {
                Some(Source::Primary) => key::push_key_field(&mut self.key, &value)?,
                None | Some(Source::Index(_)) => {
                    let direction = self.directions.get(column).copied().unwrap_or(Direction::Ascending);
                    key::push_column(&mut self.key, &value, direction);
                }
            }
        }
        Ok(Some(Key::from_slice(&self.key)))
    }
}
