//! How the rows of an include, or of a derivation, are found from those above: along which key.

use ormdb_proto::Result;
use ormdb_proto::schema::FieldId;

use super::access::{COVERED_COST, LOOKUP_COST, SORT_COST, Source, usable};
use super::cover::Needed;
use super::order::{self, KeyColumn, Served};
use super::{Order, RowSelection};
use crate::catalog::{Catalog, EntityInfo, Hop, KeyAccess, Navigation};

/// How the rows below are found from those above.
#[derive(Clone, Debug)]
pub(crate) struct FanAccess {
    /// To the rows, or to the edges of a relation through an edge entity.
    pub(crate) near: HopAccess,
    /// From the edges to the rows.
    pub(crate) far: Option<HopAccess>,
    /// How far the order of the near key serves the order asked for.
    pub(crate) served: Served,
    /// Whether the near key is read backward.
    pub(crate) reverse: bool,
}

/// How one hop finds its rows.
#[derive(Clone, Debug)]
pub(crate) struct HopAccess {
    /// The key; none for a scan of all rows.
    pub(crate) source: Option<Source>,
    /// The fields on this side and on the other, in the order of the key.
    pub(crate) pairs: Vec<(FieldId, FieldId)>,
    /// Whether the fields are a whole unique key, so that a row is got and not scanned for.
    pub(crate) whole: bool,
    /// Whether the entries of the index have all that is read of the rows.
    pub(crate) covered: bool,
}

impl HopAccess {
    /// The access that the catalog chose.
    fn of(target: &EntityInfo, hop: &Hop) -> HopAccess {
        let source = match hop.access {
            KeyAccess::PrimaryKey => Some(Source::Primary),
            KeyAccess::Index(id) => Some(Source::Index(id)),
            KeyAccess::Scan => None,
        };
        let pairs = hop.local.iter().copied().zip(hop.remote.iter().copied()).collect();
        HopAccess::with(target, source, pairs)
    }

    pub(super) fn with(
        target: &EntityInfo,
        source: Option<Source>,
        pairs: Vec<(FieldId, FieldId)>,
    ) -> HopAccess {
        let whole = match source {
            None => false,
            Some(Source::Primary) => pairs.len() == target.primary_key.len(),
            Some(Source::Index(id)) => target
                .index_by_id(id)
                .is_some_and(|index| index.unique.is_some() && index.columns.len() == pairs.len()),
        };
        HopAccess { source, pairs, whole, covered: false }
    }
}

impl HopAccess {
    /// Whether a key of it leads to one row at most: a unique index has an entry for each deleted row beside the live one.
    const fn is_one_row(&self, rows: &RowSelection<'_>) -> bool {
        self.whole && !(matches!(self.source, Some(Source::Index(_))) && rows.deleted.are_shown())
    }
}

impl FanAccess {
    /// An access for which order does not matter.
    pub(crate) fn unordered(catalog: &Catalog, navigation: &Navigation) -> Result<FanAccess> {
        let (near, far) = match navigation {
            Navigation::Direct(hop) => (HopAccess::of(catalog.entity_by_id(hop.target)?, hop), None),
            Navigation::Through { near, far, .. } => (
                HopAccess::of(catalog.entity_by_id(near.target)?, near),
                Some(HopAccess::of(catalog.entity_by_id(far.target)?, far)),
            ),
        };
        let mut access = FanAccess { near, far, served: Served::Exact, reverse: false };
        if let Navigation::Through { near, .. } = navigation {
            access.cover_edges(catalog.entity_by_id(near.target)?);
        }
        Ok(access)
    }

    /// Takes an index that has all that is read of the rows, if there is one: the rows need not be read then. Of an access for
    /// which order does not matter.
    pub(super) fn cover(&mut self, target: &EntityInfo, navigation: &Navigation, needed: &Needed) {
        let Navigation::Direct(hop) = navigation else { return };
        if self.near.whole || self.near.source == Some(Source::Primary) {
            return;
        }
        let covering = order::sources(target).find_map(|source| {
            let (pairs, _) =
                needed.covered_by(target, source).then(|| hop_columns(target, hop, source))??;
            Some(HopAccess { covered: true, ..HopAccess::with(target, Some(source), pairs) })
        });
        if let Some(near) = covering.filter(|near| !near.whole) {
            self.near = near;
        }
    }

    /// Of edges, nothing is read but what leads on.
    fn cover_edges(&mut self, edge: &EntityInfo) {
        if let (Some(far), Some(source)) = (&self.far, self.near.source) {
            self.near.covered = Needed::of_edge(edge, far).covered_by(edge, source);
        }
    }

    /// The access that serves an order best.
    pub(super) fn ordered(
        catalog: &Catalog,
        navigation: &Navigation,
        rows: &RowSelection<'_>,
        needed: &Needed,
    ) -> Result<FanAccess> {
        let plain = FanAccess::unordered(catalog, navigation)?;
        match navigation {
            Navigation::Direct(hop) if hop.to_one && plain.near.is_one_row(rows) => Ok(plain),
            Navigation::Direct(hop) => {
                let target = catalog.entity_by_id(hop.target)?;
                let best = order::sources(target)
                    .filter_map(|source| direct(target, hop, source, rows, needed))
                    .map(|access| (fan_cost(&access, rows.wanted().is_some()), access))
                    .min_by(|(a, _), (b, _)| a.total_cmp(b));
                Ok(best.map_or(FanAccess { served: Served::No, ..plain }, |(_, access)| access))
            }
            Navigation::Through { near, far, .. } => {
                let edge = catalog.entity_by_id(near.target)?;
                let target = catalog.entity_by_id(far.target)?;
                let unserved = || FanAccess { served: Served::No, ..plain.clone() };
                Ok(through(edge, target, &plain, &rows.order).unwrap_or_else(unserved))
            }
        }
    }
}

/// The access of a hop by a key whose first columns are the hop's fields.
fn direct(
    target: &EntityInfo,
    hop: &Hop,
    source: Source,
    rows: &RowSelection<'_>,
    needed: &Needed,
) -> Option<FanAccess> {
    let (pairs, columns) = hop_columns(target, hop, source)?;
    let (served, reverse) = order::serve(target, &columns, &rows.order);
    let served = usable(target, source, served, rows);
    let mut near = HopAccess::with(target, Some(source), pairs);
    near.whole = near.whole && near.is_one_row(rows);
    near.covered = needed.covered_by(target, source);
    Some(FanAccess { near, far: None, served, reverse: reverse && served != Served::No })
}

/// The fields of a hop on this side and on the other.
type Pairs = Vec<(FieldId, FieldId)>;

/// The pairs of a hop in the order of a key that they begin, and the key's columns; none if they do not.
fn hop_columns(target: &EntityInfo, hop: &Hop, source: Source) -> Option<(Pairs, Vec<KeyColumn>)> {
    let mut columns = order::key_columns(target, source);
    let mut pairs = Vec::with_capacity(hop.remote.len());
    for column in columns.iter_mut().take(hop.remote.len()) {
        let at = hop.remote.iter().position(|field| *field == column.field)?;
        pairs.push((*hop.local.get(at)?, column.field));
        column.single = true;
    }
    (pairs.len() == hop.remote.len()).then_some((pairs, columns))
}

/// The access through edges whose key has the target's primary key behind the near fields, so that they come in its
/// order; none if there is no such key or another order is wanted.
fn through(
    edge: &EntityInfo,
    target: &EntityInfo,
    plain: &FanAccess,
    order: &Order<'_>,
) -> Option<FanAccess> {
    let far = plain.far.as_ref()?;
    if !order.keys.exprs.is_empty() || far.source != Some(Source::Primary) || !far.whole {
        return None;
    }
    let near: Vec<FieldId> = plain.near.pairs.iter().map(|(_, remote)| *remote).collect();
    let local_of =
        |field: FieldId| plain.near.pairs.iter().find(|(_, remote)| *remote == field).map(|(l, _)| *l);
    let wanted: Vec<FieldId> = far.pairs.iter().map(|(local, _)| *local).collect();
    debug_assert_eq!(wanted.len(), target.primary_key.len());
    order::sources(edge).find_map(|source| {
        let columns = order::key_columns(edge, source);
        let mut pairs = Vec::with_capacity(near.len());
        for column in columns.iter().take(near.len()) {
            pairs.push((local_of(column.field)?, column.field));
        }
        let behind = columns.get(near.len()..near.len() + wanted.len())?;
        let fits =
            behind.iter().zip(&wanted).all(|(column, field)| column.field == *field && !column.descending);
        let near = HopAccess::with(edge, Some(source), pairs);
        let mut access = FanAccess { near, far: Some(far.clone()), served: Served::Exact, reverse: false };
        access.cover_edges(edge);
        fits.then_some(access)
    })
}

fn fan_cost(access: &FanAccess, limited: bool) -> f64 {
    let row = match access.near.source {
        Some(Source::Primary) => 1.0,
        Some(Source::Index(_)) if access.near.covered => COVERED_COST,
        Some(Source::Index(_)) => LOOKUP_COST,
        None => f64::INFINITY,
    };
    // Without the order, a limit cannot stop a scan: every row of the parent is read.
    let unserved = if limited { 10.0 } else { 1.0 + SORT_COST };
    match access.served {
        Served::Exact => row,
        Served::UpToTies { .. } => row * 1.1,
        Served::No => row * unserved,
    }
}
