//! From the rows of one level to those of the next: one read for all parents.
//!
//! ```text
//! parents -> the key of each, null for none -> the distinct keys, sorted: a group each
//!   -> entries of each group, a piece at a time -> rows -> policy, filter -> order, offset, limit per group
//! ```
//!
//! Invariants: (1) parents of equal keys share a group; (2) a row stands once among the children, whatever number of
//! groups has it, and once in a group; (3) a row that no group keeps is not among the children.

use std::collections::{HashMap, HashSet};

use ordinum::KeyRange;
use ormdb_proto::schema::{ConstraintState, Deferrable, FieldId};
use ormdb_proto::{Error, ErrorCode, Result};

use super::derive::Given;
use super::parent_keys::{KeyEncoder, ParentKeys, keys_of_entries, parent_keys};
use super::rows::{FetchedRow, Key, copy_of};
use super::run::{Entry, Run};
use super::scan::{ANNOUNCED_AT_ONCE, Lane, Scanner};
use super::{distinct, root, sort};
use crate::catalog::EntityInfo;
use crate::plan::{Derivation, Fan, HopAccess, RowSelection, Served, Source};
use crate::store::layout;

/// How many entries of a group are read at first, where the filter may reject some of them.
const PIECE_MIN: usize = 16;

/// For so many entries of a group there is room at first.
const ENTRIES_EXPECTED: usize = 4;

/// How many entries are held at most before their rows are read.
const ENTRIES_MAX: usize = 8192;
/// What the number of a row holds in its group, and in the vectors that lead there.
const NUMBER_BYTES: usize = 2 * size_of::<u32>() + size_of::<usize>();
/// What a row of which several groups may have one holds beside itself: its key in a table, and who has it.
const SHARED_BYTES: usize =
    2 * size_of::<(Key, Option<u32>)>() + 2 * size_of::<(usize, u32)>() + NUMBER_BYTES;

/// The rows below some parents.
#[derive(Default)]
pub(super) struct Children {
    /// The rows, each once.
    pub(super) rows: Vec<FetchedRow>,
    /// For each group, its rows in order.
    groups: Vec<Vec<u32>>,
    /// For each parent, its group.
    of_parent: Vec<Option<usize>>,
}

impl Children {
    /// The rows of a parent, in order.
    pub(super) fn of(&self, parent: usize) -> &[u32] {
        let group = self.of_parent.get(parent).copied().flatten();
        group.and_then(|group| self.groups.get(group)).map_or(&[], Vec::as_slice)
    }
}

/// Reads the rows below some parents.
pub(super) fn fan_out(
    run: &Run<'_>,
    step: usize,
    fan: &Fan<'_>,
    selection: &RowSelection<'_>,
    parents: &[FetchedRow],
) -> Result<Children> {
    fan_out_until(run, step, fan, selection, parents, usize::MAX)
}

/// As [`fan_out`], for who wants to know no more than whether a parent has `enough` rows: of one that has, some are left out
/// where that spares reading them.
pub(super) fn fan_out_until(
    run: &Run<'_>,
    step: usize,
    fan: &Fan<'_>,
    selection: &RowSelection<'_>,
    parents: &[FetchedRow],
    enough: usize,
) -> Result<Children> {
    if selection.limit == Some(0) {
        return Ok(Children::default());
    }
    let near = fan.edge.unwrap_or(fan.target);
    let keys = parent_keys(run, fan.from, near, &fan.access.near, parents)?;
    if keys.distinct.is_empty() {
        return Ok(Children::default());
    }
    let mut gather = Gather {
        run,
        step,
        fan,
        selection,
        enough,
        found: Found::default(),
        groups: Vec::new(),
        members: HashSet::new(),
    };
    gather.groups.resize_with(keys.distinct.len(), Vec::new);
    match fan.access.near.source {
        None => gather.join(near, &keys.distinct)?,
        Some(_) if fan.access.near.whole => gather.get(near, keys.distinct)?,
        Some(source) => gather.scan(near, source, &keys.distinct)?,
    }
    gather.finish(keys.of_parent)
}

/// How many rows each parent has, where entries tell it without their rows; none where they do not. Who wants to know only
/// whether there are `most` is told of no more, where that spares reading them.
pub(super) fn counts(
    run: &Run<'_>,
    derivation: &Derivation<'_>,
    parents: &[FetchedRow],
    most: usize,
) -> Result<Option<Vec<usize>>> {
    let (fan, step) = (&derivation.fan, derivation.step);
    let access = &fan.access.near;
    let Some(source) = access.source.filter(|_| entries_tell(derivation)) else { return Ok(None) };
    let near = fan.edge.unwrap_or(fan.target);
    let keys = parent_keys(run, fan.from, near, access, parents)?;
    let mut scanner = Scanner::new(run, near, source, access.covered, Served::Exact, false)?;
    let mut counts = Vec::with_capacity(keys.distinct.len());
    for (group, key) in keys.distinct.iter().enumerate() {
        counts.push(match (fan.edge, &fan.access.far) {
            (Some(edge), Some(far)) => {
                // Several edges may lead to one row, which counts once.
                let mut lane = Lane::prefix(key);
                let mut rows: HashSet<Key> = HashSet::new();
                let piece = (most < usize::MAX).then(|| most.max(PIECE_MIN));
                loop {
                    let mut edges = Vec::new();
                    scanner.read(run, step, group, &mut lane, piece, &mut edges)?;
                    let held = run.budget.held();
                    let edges = run.rows_of(step, edge, source, access.covered, edges)?;
                    let found = parent_keys(run, edge, fan.target, far, &edges)?.distinct;
                    run.budget.release_to(held);
                    if rows.is_empty() && lane.is_done() {
                        break found.len();
                    }
                    run.budget.hold(2 * found.len() * size_of::<Key>())?;
                    rows.extend(found);
                    if lane.is_done() || rows.len() >= most {
                        break rows.len();
                    }
                }
            }
            _ => scanner.count(run, step, key, most)?,
        });
    }
    let of = |group: Option<usize>| group.and_then(|group| counts.get(group)).copied().unwrap_or(0);
    Ok(Some(keys.of_parent.into_iter().map(of).collect()))
}

/// Whether each entry on the near side stands for a related row that is sought.
pub(super) fn entries_tell(derivation: &Derivation<'_>) -> bool {
    let fan = &derivation.fan;
    derivation.rows.is_unfiltered() && edges_lead_to_rows(fan) && fan.live_edge.is_none()
}

/// Whether each edge of a relation through edges is known to lead to a row: the foreign key holds for all of them.
fn edges_lead_to_rows(fan: &Fan<'_>) -> bool {
    let (Some(edge), Some(far)) = (fan.edge, &fan.access.far) else { return true };
    edge.foreign_keys.iter().any(|key| {
        // A deferrable one may be broken while its transaction lasts.
        key.state == ConstraintState::Public
            && key.deferrable == Deferrable::No
            && key.target == fan.target.id
            && key.fields.len() == far.pairs.len()
            && key
                .fields
                .iter()
                .zip(&key.references)
                .all(|(field, remote)| far.pairs.contains(&(*field, *remote)))
    })
}

/// Rows that were found so far, by primary key.
#[derive(Default)]
struct Found {
    rows: Vec<FetchedRow>,
    /// The row's number; none if it was rejected. Kept of relations through edges only, where several edges may lead to
    /// one row.
    by_key: HashMap<Key, Option<u32>>,
}

impl Found {
    /// Adds a row; gives its number.
    fn push(&mut self, row: FetchedRow) -> Result<u32> {
        let number = u32::try_from(self.rows.len()).map_err(|_| {
            Error::new(ErrorCode::LimitExceeded, "a level of the result has more than 2^32 rows")
        })?;
        self.rows.push(row);
        Ok(number)
    }
}

/// Gathers the children of groups.
struct Gather<'g, 'r, 'c> {
    run: &'g Run<'r>,
    step: usize,
    fan: &'g Fan<'c>,
    selection: &'g RowSelection<'c>,
    /// So many rows of a group are enough, whatever the selection says.
    enough: usize,
    found: Found,
    groups: Vec<Vec<u32>>,
    /// Which group has which row; kept of relations through edges only, where several edges may lead to one row.
    members: HashSet<(usize, u32)>,
}

impl Gather<'_, '_, '_> {
    /// Each group has at most one row, which is got by its whole key.
    fn get(&mut self, near: &EntityInfo, keys: Vec<Key>) -> Result<()> {
        let rows = get_whole(self.run, self.step, near, &self.fan.access.near, keys)?;
        let there = rows.into_iter().enumerate().filter_map(|(group, row)| Some((group, row?)));
        let (groups, rows) = there.unzip();
        self.add(groups, rows)
    }

    /// Each group is a range of a key. Groups are read a piece at a time until each has as many rows as are wanted.
    fn scan(&mut self, near: &EntityInfo, source: Source, keys: &[Key]) -> Result<()> {
        let access = &self.fan.access;
        let mut scanner =
            Scanner::new(self.run, near, source, access.near.covered, access.served, access.reverse)?;
        let mut lanes: Vec<Lane<'_>> = keys.iter().map(|key| Lane::prefix(key)).collect();
        let limit = self.selection.wanted().filter(|_| access.served != Served::No).unwrap_or(usize::MAX);
        let wanted = Some(limit.min(self.enough)).filter(|wanted| *wanted < usize::MAX);
        let rejects = !self.selection.is_unfiltered();
        let mut piece = wanted.map(|wanted| if rejects { wanted.max(PIECE_MIN) } else { wanted });
        loop {
            let lanes_open = lanes.iter().filter(|lane| !lane.is_done()).count();
            let room = lanes_open.saturating_mul(ENTRIES_EXPECTED).min(ENTRIES_MAX);
            let mut entries: Vec<Entry> = Vec::with_capacity(room);
            let mut of_entry: Vec<usize> = Vec::with_capacity(room);
            let (mut open, mut announced) = (false, 0);
            for (group, lane) in lanes.iter_mut().enumerate() {
                let has = self.groups.get(group).map_or(0, Vec::len);
                if lane.is_done() || wanted.is_some_and(|wanted| has >= wanted) {
                    continue;
                }
                open = true;
                if group >= announced {
                    announced = (group + ANNOUNCED_AT_ONCE).min(keys.len());
                    scanner.announce(keys.get(group..announced).unwrap_or_default());
                }
                let room = ENTRIES_MAX.saturating_sub(entries.len());
                let now = piece.map_or(room, |piece| piece.min(room));
                scanner.read(self.run, self.step, group, lane, Some(now), &mut entries)?;
                of_entry.resize(entries.len(), group);
                if entries.len() >= ENTRIES_MAX {
                    break;
                }
            }
            if !open {
                return Ok(());
            }
            if let (Some(edge), Some(far), None) = (self.fan.edge, &access.far, &self.fan.live_edge)
                && let Some(keys) = keys_of_entries(self.run, edge, source, self.fan.target, far, &entries)?
            {
                let of_group = self.behind(far, of_entry, keys)?;
                self.add_shared(of_group)?;
            } else {
                let rows = self.run.rows_of(self.step, near, source, access.near.covered, entries)?;
                self.add(of_entry, rows)?;
            }
            piece = piece.map(|piece| piece.saturating_mul(2));
        }
    }

    /// No key serves: all rows are read, and joined by their values.
    fn join(&mut self, near: &EntityInfo, keys: &[Key]) -> Result<()> {
        let remote: Vec<FieldId> = self.fan.access.near.pairs.iter().map(|(_, remote)| *remote).collect();
        let (mut groups, mut rows) = (Vec::new(), Vec::new());
        scan_all(self.run, self.step, near, &remote, &mut |key, row| {
            if let Ok(group) = keys.binary_search(&key) {
                groups.push(group);
                rows.push(row);
            }
        })?;
        self.add(groups, rows)
    }

    /// Adds rows to groups: those of the near side, which lead on to the far side of a relation through edges.
    fn add(&mut self, groups: Vec<usize>, rows: Vec<FetchedRow>) -> Result<()> {
        if let (Some(edge), Some(far)) = (self.fan.edge, &self.fan.access.far) {
            let of_group = self.follow(edge, far, groups.into_iter().zip(rows).collect())?;
            return self.add_shared(of_group);
        }
        // Each row is of one group, and was not seen before.
        if self.selection.is_unfiltered() {
            self.run.count(self.step, |stats| stats.examined += rows.len());
            self.found.rows.reserve(rows.len());
            for (group, row) in groups.into_iter().zip(rows) {
                self.put(group, row)?;
            }
            return Ok(());
        }
        self.run.count(self.step, |stats| stats.examined += rows.len());
        let accepted = self.run.accepted(self.fan.target, self.selection, Given::default(), &rows)?;
        for ((group, row), accepted) in groups.into_iter().zip(rows).zip(accepted) {
            if accepted {
                self.put(group, row)?;
            } else {
                self.run.budget.release(row.held_bytes());
            }
        }
        Ok(())
    }

    /// Puts a row that was not seen before into a group.
    fn put(&mut self, group: usize, row: FetchedRow) -> Result<()> {
        let number = self.found.push(row)?;
        if let Some(rows) = self.groups.get_mut(group) {
            rows.push(number);
        }
        self.run.budget.hold(NUMBER_BYTES)
    }

    /// Adds rows of which several groups may have one.
    fn add_shared(&mut self, of_group: Vec<(usize, FetchedRow)>) -> Result<()> {
        // Rows that were not seen before are filtered, all at once.
        let mut fresh: Vec<FetchedRow> = Vec::new();
        let mut keys: Vec<(usize, Key)> = Vec::with_capacity(of_group.len());
        for (group, row) in of_group {
            keys.push((group, copy_of(&row.key)));
            self.run.budget.hold(size_of::<(usize, Key)>() + SHARED_BYTES)?;
            if !self.found.by_key.contains_key(&row.key) {
                self.found.by_key.insert(copy_of(&row.key), None);
                fresh.push(row);
            }
        }
        for row in self.run.accept_all(self.step, self.fan.target, self.selection, fresh)? {
            let key = copy_of(&row.key);
            let number = self.found.push(row)?;
            self.found.by_key.insert(key, Some(number));
        }
        for (group, key) in keys {
            let Some(Some(row)) = self.found.by_key.get(&key) else { continue };
            if let Some(rows) = self.groups.get_mut(group)
                && self.members.insert((group, *row))
            {
                rows.push(*row);
            }
        }
        Ok(())
    }

    /// From edges to the rows that they lead to.
    fn follow(
        &self,
        edge: &EntityInfo,
        far: &HopAccess,
        edges: Vec<(usize, FetchedRow)>,
    ) -> Result<Vec<(usize, FetchedRow)>> {
        let edges = self.live_edges(edge, edges)?;
        let (groups, edges): (Vec<usize>, Vec<FetchedRow>) = edges.into_iter().unzip();
        let keys = parent_keys(self.run, edge, self.fan.target, far, &edges)?;
        self.behind(far, groups, keys)
    }

    /// The rows that the keys of edges of these groups lead to.
    fn behind(
        &self,
        far: &HopAccess,
        groups: Vec<usize>,
        keys: ParentKeys,
    ) -> Result<Vec<(usize, FetchedRow)>> {
        let rows = match far.source {
            Some(_) => get_whole(self.run, self.step, self.fan.target, far, keys.distinct)?,
            None => {
                let remote: Vec<FieldId> = far.pairs.iter().map(|(_, remote)| *remote).collect();
                let mut rows = vec![None; keys.distinct.len()];
                scan_all(self.run, self.step, self.fan.target, &remote, &mut |key, row| {
                    if let Some(slot) = keys.distinct.binary_search(&key).ok().and_then(|at| rows.get_mut(at))
                    {
                        *slot = Some(row);
                    }
                })?;
                rows
            }
        };
        let row = |(group, at): (usize, Option<usize>)| Some((group, rows.get(at?)?.clone()?));
        Ok(groups.into_iter().zip(keys.of_parent).filter_map(row).collect())
    }

    /// Those edges that are not deleted: the others join nothing, whatever deleted rows the level shows.
    fn live_edges(
        &self,
        edge: &EntityInfo,
        edges: Vec<(usize, FetchedRow)>,
    ) -> Result<Vec<(usize, FetchedRow)>> {
        let Some(live) = &self.fan.live_edge else { return Ok(edges) };
        let env = self.run.env();
        let mut kept = Vec::with_capacity(edges.len());
        for (group, row) in edges {
            self.run.budget.tick()?;
            if live.test(&row.view(edge)?, &env)? == Some(true) {
                kept.push((group, row));
            }
        }
        Ok(kept)
    }

    /// Orders and cuts each group, and drops rows that none keeps.
    fn finish(mut self, of_parent: Vec<Option<usize>>) -> Result<Children> {
        if self.fan.access.served != Served::Exact && self.groups.iter().any(|group| group.len() > 1) {
            let keys = sort::keys(self.run, self.fan.target, &self.selection.order, &self.found.rows)?;
            let key = |row: &u32| usize::try_from(*row).ok().and_then(|row| keys.get(row));
            for group in &mut self.groups {
                let rows = std::mem::take(group);
                *group = sort::ordered(self.run, rows, |a, b| key(a).cmp(&key(b)))?;
            }
        }
        if let Some(distinct) = &self.selection.distinct {
            let keys = distinct::keys(self.run, self.fan.target, distinct, &self.found.rows)?;
            self.run.budget.hold(keys.iter().map(|key| sort::key_bytes(key)).sum())?;
            for group in &mut self.groups {
                let mut seen = HashSet::new();
                group.retain(|row| usize::try_from(*row).is_ok_and(|row| seen.insert(keys.get(row))));
            }
        }
        let cuts = self.selection.offset > 0 || self.selection.limit.is_some();
        if cuts || self.selection.is_turned() {
            self.groups.iter_mut().for_each(|group| self.selection.cut(group));
        }
        let rows = compact(self.found.rows, &mut self.groups);
        Ok(Children { rows, groups: self.groups, of_parent })
    }
}

/// The rows that some group has; groups are numbered anew.
fn compact(rows: Vec<FetchedRow>, groups: &mut [Vec<u32>]) -> Vec<FetchedRow> {
    let place = |row: u32| usize::try_from(row).unwrap_or(usize::MAX);
    let mut kept = vec![false; rows.len()];
    for row in groups.iter().flatten() {
        if let Some(kept) = kept.get_mut(place(*row)) {
            *kept = true;
        }
    }
    if kept.iter().all(|kept| *kept) {
        return rows;
    }
    let mut numbers = Vec::with_capacity(rows.len());
    let mut next = 0u32;
    for kept in &kept {
        numbers.push(next);
        next += u32::from(*kept);
    }
    for row in groups.iter_mut().flatten() {
        *row = numbers.get(place(*row)).copied().unwrap_or(*row);
    }
    rows.into_iter().zip(kept).filter_map(|(row, kept)| kept.then_some(row)).collect()
}

/// The rows of whole keys, in their order: of the rows themselves, or of a unique index.
pub(super) fn get_whole(
    run: &Run<'_>,
    step: usize,
    entity: &EntityInfo,
    access: &HopAccess,
    keys: Vec<Key>,
) -> Result<Vec<Option<FetchedRow>>> {
    let source = access.source.unwrap_or(Source::Primary);
    if source == Source::Primary {
        return run.get_related(step, entity, keys);
    }
    let entries = root::entries_of(run, step, keys.iter().map(copy_of).collect())?;
    let of_entry: Vec<Key> = entries.iter().map(|entry| copy_of(&entry.key)).collect();
    let mut rows =
        run.rows_of(step, entity, source, access.covered, entries)?.into_iter().zip(of_entry).peekable();
    let row = |key: &Key| rows.next_if(|(_, found)| found == key).map(|(row, _)| row);
    Ok(keys.iter().map(row).collect())
}

/// Reads all rows of an entity, with the key that their fields make; rows with a null in them are passed over.
fn scan_all(
    run: &Run<'_>,
    step: usize,
    entity: &EntityInfo,
    fields: &[FieldId],
    see: &mut dyn FnMut(Key, FetchedRow),
) -> Result<()> {
    const PIECE: usize = 1024;
    let mut encoder = KeyEncoder::new(entity, None)?;
    let mut scanner = Scanner::new(run, entity, Source::Primary, false, Served::Exact, false)?;
    let mut lane = Lane::new(vec![KeyRange::prefix(&layout::rows_prefix(entity.id))]);
    while !lane.is_done() {
        let mut entries = Vec::with_capacity(PIECE);
        scanner.read(run, step, 0, &mut lane, Some(PIECE), &mut entries)?;
        for row in run.rows_of(step, entity, Source::Primary, false, entries)? {
            if let Some(key) = encoder.key(&row.view(entity)?, fields)? {
                see(key, row);
            }
        }
    }
    Ok(())
}
