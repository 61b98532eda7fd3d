//! Conditions on related rows: what it costs to test them for each row, and to begin at the related rows instead.
//!
//! ```text
//! from parents    rows by their own path -> for each, the first related row that is sought
//! from children   related rows by their best path, filtered -> their distinct keys -> (edges -> their distinct keys) -> rows
//! ```
//!
//! From the children can begin a condition that has to be true of each row: `some` or `is`, not under `or` or `not`. Any other one
//! can be *hashed*: the keys that all related rows which are sought lead to are gathered once, and each row is looked up among
//! them.

use ormdb_proto::Result;
use ormdb_proto::ir::Quantifier;
use ormdb_proto::schema::FieldId;

use super::access::{self, COVERED_COST, Choice, LOOKUP_COST, Tail};
use super::cover::Needed;
use super::known::Known;
use super::order::{self, Served};
use super::{Derivation, DerivationKind, HopAccess, Path, Projection, RootAccess, RowSelection, Source};
use crate::catalog::{EntityInfo, KeyAccess, Navigation};
use crate::expr::EvalEnv;
use crate::options::SemiJoins;

/// What it costs to place a cursor.
pub(super) const SEEK_COST: f64 = 5.0;
/// What it costs to keep the key of a related row.
const KEY_COST: f64 = 0.5;
/// What it costs to find a row's key among those of related rows.
const FIND_COST: f64 = 0.3;
/// Tests that cost less all together are not worth another way.
const WORTH_HASHING: f64 = 2000.0;
/// How many conditions on relations within each other are weighed from both sides; deeper ones are tested from the parents.
const DEPTH_MAX: usize = 4;

/// A path to rows that begins at related ones.
#[derive(Clone, Debug)]
pub(crate) struct RelatedPath {
    /// Which derivation of the condition it makes true of every row.
    pub(crate) derivation: usize,
    /// How the related rows are found.
    pub(crate) access: Box<RootAccess>,
    /// From the related rows to the edges, of a relation through an edge entity.
    pub(crate) edges: Option<HopAccess>,
    /// To the rows: from the related ones, or from the edges.
    pub(crate) rows: HopAccess,
    /// Whether the keys of rows come in order if what is read last before the rows is one range.
    pub(crate) in_order: bool,
    /// Whether keys come from the last to the first.
    pub(crate) reverse: bool,
}

/// What the conditions behind relations cost for a row, and which share of rows they leave.
pub(super) fn tail(
    known: &Known<'_>,
    entity: &EntityInfo,
    rows: &RowSelection<'_>,
    env: &EvalEnv<'_>,
    depth: usize,
) -> Result<Tail> {
    let passing = known.local_share(entity, rows, env)?;
    let mut tail = Tail { passing, kept: 1.0, test: 0.0 };
    let Some(outer) = &rows.outer_filter else { return Ok(tail) };
    let demanded = demanded(outer);
    for derivation in &outer.derivations {
        let (cost, share) = probe(known, derivation, env, depth)?;
        tail.test += cost;
        if let DerivationKind::Related { slot, quantifier } = &derivation.kind
            && demanded.contains(slot)
        {
            tail.kept *= match quantifier {
                Quantifier::Some | Quantifier::Is => share,
                Quantifier::None | Quantifier::IsNot | Quantifier::Every => 1.0 - share,
            }
            .max(0.0005);
        }
    }
    let asked: usize = outer.exprs.iter().map(|e| e.conjuncts()).sum();
    for _ in demanded.len()..asked {
        tail.kept *= access::FILTER_SELECTIVITY;
    }
    Ok(tail)
}

fn demanded(outer: &Projection<'_>) -> Vec<usize> {
    outer.exprs.iter().flat_map(|expr| expr.demanded()).collect()
}

/// What it costs to look for a related row of one row, and the share of rows that have one.
fn probe(
    known: &Known<'_>,
    derivation: &Derivation<'_>,
    env: &EvalEnv<'_>,
    depth: usize,
) -> Result<(f64, f64)> {
    let fan = &derivation.fan;
    let near = fan.edge.unwrap_or(fan.target);
    let inner = tail(known, fan.target, &derivation.rows, env, depth + 1)?;
    let sought = (inner.passing * inner.kept).clamp(0.0, 1.0);
    let remote: Vec<FieldId> = fan.access.near.pairs.iter().map(|(_, remote)| *remote).collect();
    let local: Vec<FieldId> = fan.access.near.pairs.iter().map(|(local, _)| *local).collect();
    let parents = known.rows(fan.from.id);
    let fan_out = if fan.access.near.whole {
        known.present(fan.from, &local)
    } else {
        known.rows(near.id) * known.present(near, &remote) / parents
    };
    let parents_hit = if fan.access.near.whole {
        fan_out
    } else {
        // Rows are not spread evenly: those that have any have more than the average.
        (known.distinct(near, &remote) / parents).min(1.0)
    };
    let each = if parents_hit > 0.0 { fan_out / parents_hit } else { 0.0 };
    let share = parents_hit * (1.0 - (1.0 - sought).powf(each.max(1.0)));
    let read = if sought > 0.0 { (1.0 / sought).min(each.max(0.5)) } else { each.max(0.5) };
    let row = if fan.edge.is_some() {
        COVERED_COST + LOOKUP_COST
    } else if fan.access.near.covered || fan.access.near.source == Some(Source::Primary) {
        COVERED_COST
    } else {
        LOOKUP_COST
    };
    let begin = match fan.access.near.source {
        None => known.rows(near.id),
        Some(_) if fan.access.near.whole => 0.0,
        Some(_) => SEEK_COST,
    };
    Ok((begin + read * (row + inner.passing * inner.test), share))
}

/// A way from related rows to the rows that have them, weighed.
struct Way {
    cost: f64,
    path: RelatedPath,
    served: Served,
}

/// The cheapest way to begin at related rows, if there is one that costs less than `direct`.
pub(super) fn cheaper(
    known: &Known<'_>,
    entity: &EntityInfo,
    rows: &RowSelection<'_>,
    tail: &Tail,
    direct: f64,
    env: &EvalEnv<'_>,
    depth: usize,
) -> Result<Option<(f64, RootAccess)>> {
    let Some(outer) = &rows.outer_filter else { return Ok(None) };
    if known.semi_joins == SemiJoins::FromParents || depth >= DEPTH_MAX {
        return Ok(None);
    }
    let demanded = demanded(outer);
    let mut best: Option<Way> = None;
    for (at, derivation) in outer.derivations.iter().enumerate() {
        let DerivationKind::Related { quantifier: Quantifier::Some | Quantifier::Is, slot } =
            &derivation.kind
        else {
            continue;
        };
        if !demanded.contains(slot) {
            continue;
        }
        let Some(way) = way(known, entity, rows, tail, (at, derivation), env, depth)? else { continue };
        if best.as_ref().is_none_or(|best| way.cost < best.cost) {
            best = Some(way);
        }
    }
    let wins = |way: &Way| known.semi_joins == SemiJoins::FromChildren || way.cost < direct;
    Ok(best.filter(wins).map(|way| {
        let access = RootAccess {
            path: Path::Related(Box::new(way.path)),
            served: way.served,
            equal_columns: 0,
            ranged: false,
            covered: false,
            filters: false,
            hashed: Vec::new(),
        };
        (way.cost, access)
    }))
}

/// Related rows that are sought, with the way from them to the keys of the rows that have them, weighed.
struct Children {
    /// What it costs to have the keys.
    cost: f64,
    /// How many different ones there are.
    keys: f64,
    path: RelatedPath,
}

fn children(
    known: &Known<'_>,
    entity: &EntityInfo,
    rows: &RowSelection<'_>,
    (at, derivation): (usize, &Derivation<'_>),
    env: &EvalEnv<'_>,
    depth: usize,
) -> Result<Option<Children>> {
    let target = derivation.target;
    let (edges, to_rows) = match derivation.fan.navigation {
        Navigation::Direct(hop) => (None, back(entity, &hop.local, &hop.remote)),
        Navigation::Through { edge, near, far } => {
            let edge = known.catalog.entity_by_id(*edge)?;
            (Some((edge, back(edge, &far.local, &far.remote))), back(entity, &near.local, &near.remote))
        }
    };
    let Some(mut to_rows) = to_rows else { return Ok(None) };
    to_rows.whole = to_rows.whole && !rows.deleted.are_shown();
    let edges = match edges {
        None => None,
        Some((edge, Some(mut hop))) => {
            let needed = Needed::of_edge(edge, &to_rows);
            hop.covered = hop.source.is_some_and(|source| needed.covered_by(edge, source));
            Some((edge, hop))
        }
        Some((_, None)) => return Ok(None),
    };
    let first = edges.as_ref().map_or(&to_rows, |(_, hop)| hop);
    let needed = Needed::of_related(&derivation.rows, first);
    let children = access::choose(known, target, &derivation.rows, Some(&needed), (env, depth + 1, None))?;
    let Choice { cost, found: sought, mut access } = children;
    // Any order will do.
    access.served = Served::Exact;
    let mut cost = cost;
    let mut last = (target, sought);
    if let Some((edge, hop)) = &edges {
        let fields = remote(hop);
        let of_each = known.rows(edge.id) * known.present(edge, &fields) / known.distinct(edge, &fields);
        let entries = sought * of_each;
        cost += sought * SEEK_COST + entries * if hop.covered { COVERED_COST } else { LOOKUP_COST };
        last = (*edge, entries);
    }
    let from: Vec<FieldId> = to_rows.pairs.iter().map(|(local, _)| *local).collect();
    let different = known.distinct(last.0, &from);
    // So many of the different keys are met where so many of the entries are taken.
    let keys = (different * (1.0 - (-(last.1 / different)).exp())).min(last.1);
    let in_order = match &edges {
        Some((edge, hop)) => follows(edge, hop, &from),
        None => false,
    };
    let path = RelatedPath {
        derivation: at,
        access: Box::new(access),
        edges: edges.map(|(_, hop)| hop),
        rows: to_rows,
        in_order,
        reverse: false,
    };
    Ok(Some(Children { cost, keys, path }))
}

fn way(
    known: &Known<'_>,
    entity: &EntityInfo,
    rows: &RowSelection<'_>,
    tail: &Tail,
    (at, derivation): (usize, &Derivation<'_>),
    env: &EvalEnv<'_>,
    depth: usize,
) -> Result<Option<Way>> {
    let Some(children) = children(known, entity, rows, (at, derivation), env, depth)? else {
        return Ok(None);
    };
    let Children { mut cost, keys, mut path } = children;
    let found = if path.rows.whole {
        keys.min(known.rows(entity.id))
    } else {
        let fields = remote(&path.rows);
        keys * known.rows(entity.id) * known.present(entity, &fields) / known.distinct(entity, &fields)
    };
    let mut served = Served::No;
    if path.rows.whole && path.rows.source == Some(Source::Primary) {
        let key = order::key_columns(entity, Source::Primary);
        if let (Served::Exact, reverse) = order::serve(entity, &key, &rows.order) {
            (served, path.reverse) = (Served::Exact, reverse);
        }
    }
    path.in_order = path.in_order && served == Served::Exact;
    let mut read = found;
    if let (Served::Exact, Some(wanted)) = (served, rows.wanted()) {
        let (_, share) = probe(known, derivation, env, depth)?;
        read = read.min(access::many(wanted) / (tail.passing * tail.kept_but(share)).max(0.001));
    }
    let seeks = if path.rows.whole { 0.0 } else { keys * SEEK_COST };
    cost += seeks + read * (LOOKUP_COST + tail.passing * (tail.test * 0.5));
    Ok(Some(Way { cost, path, served }))
}

/// The conditions on related rows that cost less if the keys of all related rows that satisfy them are gathered first, where so
/// many rows are tested; and what the selection costs then.
pub(super) fn hashed(
    known: &Known<'_>,
    entity: &EntityInfo,
    rows: &RowSelection<'_>,
    tail: &Tail,
    (mut cost, tested): (f64, f64),
    env: &EvalEnv<'_>,
    depth: usize,
) -> Result<(Vec<RelatedPath>, f64)> {
    let mut hashed = Vec::new();
    let Some(outer) = &rows.outer_filter else { return Ok((hashed, cost)) };
    let is_forced = known.semi_joins == SemiJoins::FromChildren;
    let is_worth = is_forced || tested * tail.test >= WORTH_HASHING;
    if !is_worth || known.semi_joins == SemiJoins::FromParents || depth >= DEPTH_MAX {
        return Ok((hashed, cost));
    }
    for (at, derivation) in outer.derivations.iter().enumerate() {
        let DerivationKind::Related { .. } = &derivation.kind else { continue };
        let (each, _) = probe(known, derivation, env, depth)?;
        let direct = tested * each;
        if direct < WORTH_HASHING && !is_forced {
            continue;
        }
        let children = children(known, entity, rows, (at, derivation), env, depth)?;
        let Some(children) = children.filter(|children| children.keys <= known.keys_max) else { continue };
        let gathered = children.cost + children.keys * KEY_COST + tested * FIND_COST;
        if gathered < direct || is_forced {
            cost += gathered - direct;
            // All of them are gathered, in whatever order.
            hashed.push(RelatedPath { in_order: false, ..children.path });
        }
    }
    Ok((hashed, cost))
}

fn remote(hop: &HopAccess) -> Vec<FieldId> {
    hop.pairs.iter().map(|(_, remote)| *remote).collect()
}

/// The step back along a hop: to rows of `to` by their `fields`, which equal fields `from` on the other side. None if no key
/// serves it.
fn back(to: &EntityInfo, fields: &[FieldId], from: &[FieldId]) -> Option<HopAccess> {
    let (access, places) = to.access_by(fields);
    let source = match access {
        KeyAccess::PrimaryKey => Source::Primary,
        KeyAccess::Index(id) => Source::Index(id),
        KeyAccess::Scan => return None,
    };
    let pairs = places.iter().map(|at| Some((*from.get(*at)?, *fields.get(*at)?)));
    Some(HopAccess::with(to, Some(source), pairs.collect::<Option<Vec<_>>>()?))
}

/// Whether entries of one key of a hop come in the order of `fields`.
fn follows(edge: &EntityInfo, hop: &HopAccess, fields: &[FieldId]) -> bool {
    let Some(source) = hop.source else { return false };
    let columns = order::key_columns(edge, source);
    let behind = columns.get(hop.pairs.len()..hop.pairs.len() + fields.len()).unwrap_or_default();
    behind.len() == fields.len()
        && behind.iter().zip(fields).all(|(column, field)| column.field == *field && !column.descending)
}
