//! About how many rows a level gives: by the statistics of an entity that was sampled; of any other by what the engine tells of its
//! keys, less what fixed shares say of the conditions that no key serves.
//!
//! Invariants: (1) it is computed for whoever explains a plan, never for the plan itself; (2) "at most" is said only of
//! a true bound: a number of keys, a limit.

use ordinum::{KeyRange, Reader};
use ormdb_proto::Result;
use ormdb_proto::schema::FieldId;

use super::access::{EQUAL_SELECTIVITY, FILTER_SELECTIVITY, many};
use super::bounds::{self, Bounds, FieldBounds};
use super::known::Known;
use super::{Fan, HopAccess, Path, RootAccess, RowSelection, Served, Source, order, semi_join};
use crate::catalog::EntityInfo;
use crate::context::Ctx;
use crate::engine::EngineResult;
use crate::expr::{EvalEnv, Node};
use crate::store::{Families, layout};

/// The fewest rows of an entity of which a scan is worth a warning.
const SCAN_WORTH_A_WARNING: f64 = 1000.0;
/// The greatest share of rows for which an index is worth having.
const SHARE_WORTH_AN_INDEX: f64 = 0.1;

/// How many rows a level gives: of a root all together, of an include for each parent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Estimate {
    /// About so many; of an include, an average.
    About(f64),
    /// So many or fewer, for certain.
    AtMost(usize),
}

/// Estimates at one snapshot.
pub(crate) struct Estimator<'a> {
    known: Known<'a>,
    reader: &'a dyn Reader,
    families: &'a Families,
    now: i64,
}

impl<'a> Estimator<'a> {
    /// What a statement's reads are estimated by.
    pub(crate) fn new(ctx: &Ctx<'a>) -> Estimator<'a> {
        let known = Known::of(ctx.catalog, ctx.session);
        Estimator { known, reader: ctx.reader, families: ctx.families, now: ctx.now }
    }

    /// The rows of a root.
    pub(super) fn root(
        &self,
        entity: &EntityInfo,
        access: &RootAccess,
        rows: &RowSelection<'_>,
    ) -> Result<Estimate> {
        let (source, ranges) = match &access.path {
            Path::Nothing => return Ok(at_most(0, rows)),
            Path::Related(_) | Path::Intersection { .. } => {
                return Ok(limited(self.sampled(entity, rows)?.round(), rows));
            }
            Path::Rows(keys) | Path::Unique { keys, .. } => return Ok(at_most(keys.len(), rows)),
            Path::Ranges { source, ranges, .. } => (*source, ranges),
        };
        if self.known.figures(entity.id).is_some() {
            let all = self.known.rows(entity.id);
            return Ok(limited(self.sampled(entity, rows)?.max(all.min(1.0)).round(), rows));
        }
        let mut entries = 0.0;
        for range in ranges {
            entries += self.entries(source, range)?;
        }
        let served = access.equal_columns + usize::from(access.ranged);
        let served: Vec<FieldId> =
            order::key_columns(entity, source).iter().take(served).map(|column| column.field).collect();
        let left = entries * self.selectivity(entity, rows, &served)?;
        // Where there are entries, a row is never out of the question.
        Ok(limited(left.max(entries.min(1.0)).round(), rows))
    }

    /// The rows that a selection leaves without its limit, by statistics.
    fn sampled(&self, entity: &EntityInfo, rows: &RowSelection<'_>) -> Result<f64> {
        let tail = semi_join::tail(&self.known, entity, rows, &EvalEnv::at(self.now), 0)?;
        Ok(self.known.rows(entity.id) * tail.passing * tail.kept)
    }

    /// The index that would spare reading most rows of a root, where none is used and one would.
    pub(super) fn missing_index(
        &self,
        entity: &EntityInfo,
        access: &RootAccess,
        rows: &RowSelection<'_>,
    ) -> Result<Option<String>> {
        let Path::Ranges { source, .. } = &access.path else { return Ok(None) };
        if let Source::Index(id) = source
            && entity.index_by_id(*id).is_some_and(|index| index.filter.is_some())
        {
            // Its condition serves that of the rows.
            return Ok(None);
        }
        let stops = access.served != Served::No && rows.wanted().is_some();
        let all = self.known.counted(entity.id);
        let Some(filter) =
            rows.filter.as_ref().filter(|_| access.equal_columns == 0 && !access.ranged && !stops)
        else {
            return Ok(None);
        };
        if all < SCAN_WORTH_A_WARNING {
            return Ok(None);
        }
        let mut bounds = Bounds::new();
        bounds::collect(entity, filter.root(), &EvalEnv::at(self.now), &mut bounds)?;
        let mut fields: Vec<(bool, f64, FieldId)> = Vec::new();
        for (field, of) in bounds.iter().filter(|(_, of)| !of.is_unknown()) {
            fields.push((of.equal.is_none(), self.known.share(entity, *field, of), *field));
        }
        // Equal values first; behind the first range, a key serves nothing.
        fields.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        let equal = fields.iter().filter(|(range, ..)| !range).count();
        fields.truncate(equal + 1);
        let share: f64 = fields.iter().map(|(_, share, _)| share).product();
        if fields.is_empty() || share > SHARE_WORTH_AN_INDEX {
            return Ok(None);
        }
        let columns: Vec<FieldId> = fields.iter().map(|(.., field)| *field).collect();
        let (columns, found) = (entity.names_of(&columns), (all * share).max(1.0));
        Ok(Some(format!(
            "no index serves the condition: @@index({columns}) in {} would read about {found:.0} of {all:.0} rows",
            entity.name
        )))
    }

    /// The rows of an include, for each parent.
    pub(super) fn include(&self, fan: &Fan<'_>, rows: &RowSelection<'_>) -> Result<Estimate> {
        let access = &fan.access;
        if fan.edge.is_none() && access.near.whole {
            return Ok(at_most(1, rows));
        }
        let near = fan.edge.unwrap_or(fan.target);
        let mut found = self.per_row(fan.from, near, &access.near)?;
        if let (Some(far), Some(edge)) = (&access.far, fan.edge)
            && !far.whole
        {
            found *= self.per_row(edge, fan.target, far)?;
        }
        let share = match self.known.figures(fan.target.id) {
            Some(_) => {
                let tail = semi_join::tail(&self.known, fan.target, rows, &EvalEnv::at(self.now), 0)?;
                tail.passing * tail.kept
            }
            None => self.selectivity(fan.target, rows, &[])?,
        };
        Ok(limited(found * share, rows))
    }

    /// How many entries of a hop's key there are for each row that it starts from.
    fn per_row(&self, from: &EntityInfo, target: &EntityInfo, hop: &HopAccess) -> Result<f64> {
        if self.known.figures(from.id).is_some() && self.known.figures(target.id).is_some() {
            let fields: Vec<FieldId> = hop.pairs.iter().map(|(_, remote)| *remote).collect();
            let related = self.known.rows(target.id) * self.known.present(target, &fields);
            return Ok(related / self.known.rows(from.id));
        }
        let entries = self.all(target, hop.source.unwrap_or(Source::Primary))?;
        Ok(entries / self.all(from, Source::Primary)?.max(1.0))
    }

    /// The entries of a key.
    fn all(&self, entity: &EntityInfo, source: Source) -> Result<f64> {
        let prefix = match source {
            Source::Primary => layout::rows_prefix(entity.id),
            Source::Index(id) => layout::index_prefix(id),
        };
        self.entries(source, &KeyRange::prefix(&prefix))
    }

    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    fn entries(&self, source: Source, range: &KeyRange) -> Result<f64> {
        let family = match source {
            Source::Primary => &self.families.rows,
            Source::Index(_) => &self.families.indexes,
        };
        Ok(self.reader.approximate_entries(family, range).engine()? as f64)
    }

    /// The share of rows that policy and conditions are taken to leave, beyond what the fields of a key serve.
    fn selectivity(&self, entity: &EntityInfo, rows: &RowSelection<'_>, served: &[FieldId]) -> Result<f64> {
        let unknown = usize::from(rows.policy.is_some()) + usize::from(rows.outer_filter.is_some());
        let mut share = 1.0;
        for _ in 0..unknown {
            share *= FILTER_SELECTIVITY;
        }
        let Some(filter) = &rows.filter else { return Ok(share) };
        let conjuncts = match filter.root() {
            Node::And(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        let env = EvalEnv::at(self.now);
        let mut known = Bounds::new();
        for conjunct in conjuncts {
            let mut of_one = Bounds::new();
            bounds::collect(entity, conjunct, &env, &mut of_one)?;
            if of_one.values().all(FieldBounds::is_unknown) {
                share *= FILTER_SELECTIVITY;
            } else {
                bounds::collect(entity, conjunct, &env, &mut known)?;
            }
        }
        for (_, bounds) in known.iter().filter(|(field, _)| !served.contains(field)) {
            share *= match &bounds.equal {
                Some(values) => (EQUAL_SELECTIVITY * many(values.len())).min(1.0),
                None => bounds.selectivity(),
            };
        }
        Ok(share)
    }
}

/// No more than the keys, nor than the limit.
fn at_most(keys: usize, rows: &RowSelection<'_>) -> Estimate {
    Estimate::AtMost(keys.min(rows.limit.unwrap_or(keys)))
}

/// What offset and limit leave.
fn limited(found: f64, rows: &RowSelection<'_>) -> Estimate {
    let found = (found - many(rows.offset)).max(0.0);
    match rows.limit {
        Some(limit) if many(limit) <= found => Estimate::AtMost(limit),
        _ => Estimate::About(found),
    }
}

impl Estimate {
    /// The estimate in words.
    pub(super) fn text(self) -> String {
        let (word, rows, number) = match self {
            Estimate::AtMost(rows) => ("at most", rows.to_string(), many(rows)),
            // Of few rows, the tenths of an average tell much.
            Estimate::About(rows) if rows < 10.0 && (rows * 10.0).round() % 10.0 != 0.0 => {
                ("about", format!("{rows:.1}"), rows)
            }
            Estimate::About(rows) => ("about", format!("{rows:.0}"), rows.round()),
        };
        format!("{word} {rows} {}", if number == 1.0 { "row" } else { "rows" })
    }

    /// The number, to a tenth.
    pub(super) fn rows(self) -> f64 {
        match self {
            Estimate::AtMost(rows) => many(rows),
            Estimate::About(rows) => (rows * 10.0).round() / 10.0,
        }
    }
}
