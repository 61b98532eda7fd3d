//! One sample of the rows of an entity: all of them where they are few, else some of each part of the key space.
//!
//! Invariants: (1) no more than [`ROWS_READ_MAX`] rows are read, and no more than [`ROWS_KEPT`] are held; (2) the same rows give the
//! same figures.

use ordinum::{ColumnFamily, KeyRange, Reader};
use ormdb_proto::schema::FieldId;
use ormdb_proto::{Error, ErrorCode, Result};

use super::figures::{COMMON_MAX, EntityFigures, FieldFigures, PARTS_MAX, cut};
use super::sketch::Sketch;
use crate::catalog::EntityInfo;
use crate::engine::EngineResult;
use crate::store::key::{self, Direction};
use crate::store::layout;

/// The most rows that a sample reads.
const ROWS_READ_MAX: u64 = 200_000;
/// Into how many parts the rows are cut where they are too many to read all.
const PARTS: u64 = 256;
/// How many of the rows that were read are held for histograms.
const ROWS_KEPT: usize = 8192;
/// How many rows go by between two looks at whether the sample should stop.
const CHECK_EVERY: u64 = 256;
/// How many steps lead to a key that has a share of the rows before it.
const BISECTIONS: u32 = 96;

/// What a sample found.
pub(super) struct Sampled {
    /// How many rows there are, where all were read.
    pub(super) rows: Option<i64>,
    /// What their fields hold.
    pub(super) figures: EntityFigures,
}

/// Samples the rows of an entity; none if `stop` said so.
pub(super) fn sample(
    reader: &dyn Reader,
    rows: &ColumnFamily,
    entity: &EntityInfo,
    stop: &dyn Fn() -> bool,
) -> Result<Option<Sampled>> {
    let all = KeyRange::prefix(&layout::rows_prefix(entity.id));
    let about = reader.approximate_entries(rows, &all).engine()?;
    let mut gathered = Gathered::new(entity);
    let mut cursor = reader.cursor(rows, all.clone()).engine()?;
    let whole = about <= ROWS_READ_MAX;
    let starts = if whole { Vec::new() } else { starts(reader, rows, entity, about)? };
    let each = if whole { u64::MAX } else { ROWS_READ_MAX / PARTS };
    let mut there = cursor.first().engine()?;
    let mut starts = starts.into_iter();
    loop {
        let mut left = each;
        while there && left > 0 {
            if gathered.read.is_multiple_of(CHECK_EVERY) && stop() {
                return Ok(None);
            }
            gathered.row(entity, cursor.value().engine()?)?;
            left -= 1;
            there = cursor.next().engine()?;
        }
        let Some(start) = starts.next() else { break };
        // Parts that run into each other are read once.
        if there && cursor.key() < start.as_slice() {
            there = cursor.seek(&start).engine()?;
        }
    }
    let read = gathered.read;
    let total = if whole { read } else { about.max(read) };
    let rows = if whole { i64::try_from(read).ok() } else { None };
    Ok(Some(Sampled { rows, figures: gathered.figures(total) }))
}

/// Keys that cut the rows into parts of about equal size, the first part left out.
fn starts(reader: &dyn Reader, rows: &ColumnFamily, entity: &EntityInfo, about: u64) -> Result<Vec<Vec<u8>>> {
    let prefix = layout::rows_prefix(entity.id);
    let mut starts = Vec::new();
    let mut low = 0u128;
    for part in 1..PARTS {
        let (mut from, mut to) = (low, u128::MAX);
        for _ in 0..BISECTIONS {
            let middle = from + (to - from) / 2;
            let before = KeyRange::half_open(&prefix, &key_at(&prefix, middle));
            if reader.approximate_entries(rows, &before).engine()? < about / PARTS * part {
                from = middle;
            } else {
                to = middle;
            }
            if to - from <= 1 {
                break;
            }
        }
        low = from;
        starts.push(key_at(&prefix, to));
    }
    Ok(starts)
}

fn key_at(prefix: &[u8], at: u128) -> Vec<u8> {
    [prefix, &at.to_be_bytes()].concat()
}

/// What was read so far.
struct Gathered {
    read: u64,
    random: u64,
    /// For each stored field, the values that are held, a null as nothing.
    held: Vec<Vec<Vec<u8>>>,
    sketches: Vec<Sketch>,
    fields: Vec<FieldId>,
    /// Several fields that are counted together, by their slots.
    combined: Vec<(Vec<usize>, Vec<FieldId>, Sketch)>,
}

impl Gathered {
    fn new(entity: &EntityInfo) -> Gathered {
        let format = &entity.store().rows;
        let fields: Vec<FieldId> = (0..format.slot_count()).filter_map(|slot| format.field(slot)).collect();
        let mut combined: Vec<(Vec<usize>, Vec<FieldId>, Sketch)> = Vec::new();
        let keys = entity.foreign_keys.iter().map(|key| key.fields.clone());
        let prefixes = entity.indexes.iter().flat_map(|index| {
            let columns: Vec<FieldId> = index.columns.iter().map(|column| column.field).collect();
            (2..=columns.len()).map(move |end| columns.iter().take(end).copied().collect::<Vec<_>>())
        });
        let primary = (2..entity.primary_key.len())
            .map(|end| entity.primary_key.iter().take(end).copied().collect::<Vec<_>>());
        for mut of in keys.chain(prefixes).chain(primary).filter(|of| of.len() > 1) {
            of.sort_unstable();
            let slots: Option<Vec<usize>> = of.iter().map(|field| format.slot(*field)).collect();
            if let Some(slots) = slots
                && combined.iter().all(|(_, known, _)| *known != of)
            {
                combined.push((slots, of, Sketch::new()));
            }
        }
        let sketches = fields.iter().map(|_| Sketch::new()).collect();
        let held = fields.iter().map(|_| Vec::new()).collect();
        Gathered { read: 0, random: 0x9e37_79b9_7f4a_7c15, held, sketches, fields, combined }
    }

    fn row(&mut self, entity: &EntityInfo, bytes: &[u8]) -> Result<()> {
        let values = entity.store().rows.view(bytes)?.values()?;
        if values.len() != self.fields.len() {
            return Err(Error::new(ErrorCode::Internal, "a row has other slots than its format"));
        }
        let place = self.place();
        self.read += 1;
        let mut keys: Vec<Vec<u8>> = Vec::with_capacity(values.len());
        for ((value, sketch), held) in values.iter().zip(&mut self.sketches).zip(&mut self.held) {
            let mut bytes = Vec::new();
            if !value.is_null() {
                key::push_column(&mut bytes, value, Direction::Ascending);
                sketch.add(&bytes);
            }
            match place {
                Some(at) if at == held.len() => held.push(cut(&bytes).to_vec()),
                Some(at) => {
                    if let Some(slot) = held.get_mut(at) {
                        *slot = cut(&bytes).to_vec();
                    }
                }
                None => {}
            }
            keys.push(bytes);
        }
        for (slots, _, sketch) in &mut self.combined {
            let parts: Vec<&[u8]> =
                slots.iter().filter_map(|slot| keys.get(*slot)).map(Vec::as_slice).collect();
            if parts.iter().all(|part| !part.is_empty()) {
                sketch.add(&parts.concat());
            }
        }
        Ok(())
    }

    /// Where the row at hand is held, so that each row has the same chance; none if it is not.
    fn place(&mut self) -> Option<usize> {
        let held = self.held.first().map_or(0, Vec::len);
        if held < ROWS_KEPT {
            return Some(held);
        }
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % (self.read + 1)).ok().filter(|at| *at < ROWS_KEPT)
    }

    fn figures(self, total: u64) -> EntityFigures {
        let (read, whole) = (self.read, self.read == total);
        let fields = self.fields.iter().zip(self.held).zip(&self.sketches).map(|((field, held), sketch)| {
            let seen = sketch.count();
            let figures = of_field(held, &|runs, singles, n| {
                if whole { seen } else { seen.max(extrapolated(runs, singles, n, total)) }
            });
            (*field, figures)
        });
        let fields = fields.collect();
        let combined = self.combined.iter().map(|(_, of, sketch)| {
            let seen = sketch.count();
            // Where nearly every row had one of its own, the others have, too.
            let grows = !whole && seen > number(read) * 0.9;
            (of.clone(), if grows { seen * number(total) / number(read).max(1.0) } else { seen })
        });
        EntityFigures { fields, combined: combined.collect() }
    }
}

/// How many different values all rows have, by those of a sample: Duj1 of Haas and Stokes (1998).
fn extrapolated(runs: f64, singles: f64, n: f64, total: u64) -> f64 {
    let all = number(total).max(1.0);
    n * runs / (n - singles + singles * n / all).max(1.0)
}

/// The figures of the values that are held of a field; `distinct` tells how many there are in all, by how many there are
/// here, how many of them stand once, and how many values these are.
fn of_field(mut held: Vec<Vec<u8>>, distinct: &dyn Fn(f64, f64, f64) -> f64) -> FieldFigures {
    let n = held.len();
    held.retain(|value| !value.is_empty());
    let share = |count: usize| size(count) / size(n).max(1.0);
    let nulls = share(n - held.len());
    held.sort_unstable();
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, value) in held.iter().enumerate() {
        match runs.last_mut() {
            Some((start, count)) if held.get(*start) == Some(value) => *count += 1,
            _ => runs.push((at, 1)),
        }
    }
    let singles = runs.iter().filter(|(_, count)| *count == 1).count();
    let distinct = distinct(size(runs.len()), size(singles), size(held.len()));
    let average = size(held.len()) / size(runs.len()).max(1.0);
    let few = runs.len() <= COMMON_MAX;
    let mut common: Vec<(usize, usize)> = runs
        .iter()
        .copied()
        .filter(|(_, count)| few || (*count > 1 && size(*count) > 1.25 * average))
        .collect();
    common.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    common.truncate(COMMON_MAX);
    common.sort_unstable();
    let is_common = |start: usize| common.binary_search_by_key(&start, |(at, _)| *at).is_ok();
    let rest: Vec<&Vec<u8>> = runs
        .iter()
        .filter(|(start, _)| !is_common(*start))
        .flat_map(|(start, count)| held.iter().skip(*start).take(*count))
        .collect();
    let parts = PARTS_MAX.min(rest.len().saturating_sub(1));
    let bounds = (0..=parts).filter_map(|part| {
        let at = part * rest.len().saturating_sub(1) / parts.max(1);
        rest.get(at).map(|value| (*value).clone())
    });
    let bounds = bounds.collect();
    let common =
        common.iter().filter_map(|(at, count)| Some((held.get(*at)?.clone(), share(*count)))).collect();
    FieldFigures { nulls, distinct, common, bounds }
}

#[allow(clippy::cast_precision_loss, reason = "an estimate")]
const fn number(n: u64) -> f64 {
    n as f64
}

#[allow(clippy::cast_precision_loss, reason = "an estimate")]
const fn size(n: usize) -> f64 {
    n as f64
}
