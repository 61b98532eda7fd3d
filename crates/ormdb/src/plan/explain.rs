//! Shows a plan, what is expected of it, and what happened when it ran: one document, as text for people and as JSON
//! for tools.

use std::time::Duration;

use ormdb_proto::Result;
use ormdb_proto::ir::{End, Quantifier};
use ormdb_proto::outcome::Explanation;
use ormdb_proto::schema::FieldId;
use serde_json::{Map, Value as Json};

use super::estimate::{Estimate, Estimator};
use super::level_scope::function_name;
use super::order::Served;
use super::{
    Deleted, Derivation, DerivationKind, Fan, GroupPlan, HopAccess, IncludeLevel, IntersectionPart, Level,
    Path, Plan, Projection, RelatedPath, RootAccess, RowSelection, Source,
};
use crate::catalog::EntityInfo;
use crate::text;

/// What is said of a level whose index has all that is read.
const COVERED: &str = "not read: the index has what is asked for";

/// What one step of a plan did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StepStats {
    /// Rows that it gave.
    pub(crate) rows: usize,
    /// Rows that the policy and the condition looked at.
    pub(crate) examined: usize,
    /// Entries of keys that were read: of rows by scan, of indexes.
    pub(crate) entries: usize,
    /// Rows that were got by key.
    pub(crate) lookups: usize,
    /// The time that it took, without the steps below it.
    pub(crate) time: Duration,
    /// Blocks that were read from files in that time, by everybody.
    pub(crate) blocks_read: u64,
    /// Blocks that were found in the cache in that time, by everybody.
    pub(crate) cache_hits: u64,
}

/// What a run of a plan did.
pub(crate) struct Measured {
    /// Each step.
    pub(crate) steps: Vec<StepStats>,
    /// What it used of each budget, and what it might have: the budget's name, both numbers.
    pub(crate) budgets: Vec<(&'static str, u64, u64)>,
    /// Blocks that were read from files meanwhile, by everybody.
    pub(crate) blocks_read: u64,
    /// Blocks that were found in the cache meanwhile, by everybody.
    pub(crate) cache_hits: u64,
}

/// One step, as it is shown.
struct Shown {
    title: String,
    facts: Vec<(&'static str, Json)>,
    /// The number of the estimate, which the text says in words.
    estimated_rows: Option<f64>,
    below: Vec<Shown>,
}

/// Shows a plan, with what happened if it ran.
///
/// # Errors
/// Those of the engine, when estimates read what it knows of its keys.
pub(crate) fn explanation(
    plan: &Plan<'_>,
    estimator: Estimator<'_>,
    measured: Option<&Measured>,
) -> Result<Explanation> {
    let stats = measured.map(|measured| measured.steps.as_slice());
    let mut shown = Explainer { estimator, stats }.root(plan)?;
    if let Some(measured) = measured {
        shown.fact("blocks read in all", measured.blocks_read);
        shown.fact("cache hits in all", measured.cache_hits);
        let used = measured.budgets.iter().map(|(name, used, allowed)| format!("{name} {used} of {allowed}"));
        shown.fact("budget use", used.collect::<Vec<_>>().join(", "));
    }
    let mut text = String::new();
    shown.print(0, &mut text);
    Ok(Explanation { text, json: shown.json().to_string() })
}

impl Shown {
    fn new(title: impl Into<String>) -> Shown {
        Shown { title: title.into(), facts: Vec::new(), estimated_rows: None, below: Vec::new() }
    }

    fn fact(&mut self, name: &'static str, value: impl Into<Json>) {
        self.facts.push((name, value.into()));
    }

    fn estimate(&mut self, estimate: Estimate, of: &str) {
        self.fact("estimate", format!("{}{of}", estimate.text()));
        self.estimated_rows = Some(estimate.rows());
    }

    fn print(&self, depth: usize, out: &mut String) {
        let pad = "  ".repeat(depth);
        out.push_str(&format!("{pad}{}\n", self.title));
        for (name, value) in &self.facts {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            out.push_str(&format!("{pad}    {name}: {value}\n"));
        }
        for below in &self.below {
            below.print(depth + 1, out);
        }
    }

    fn json(&self) -> Json {
        let mut object = Map::new();
        object.insert("step".to_owned(), Json::from(self.title.as_str()));
        for (name, value) in &self.facts {
            object.insert(name.replace(' ', "_"), value.clone());
        }
        if let Some(rows) = self.estimated_rows {
            object.insert("estimated_rows".to_owned(), Json::from(rows));
        }
        if !self.below.is_empty() {
            object.insert("below".to_owned(), self.below.iter().map(Shown::json).collect());
        }
        Json::Object(object)
    }

    fn stats(&mut self, stats: Option<&[StepStats]>, step: usize) {
        let Some(stats) = stats.and_then(|stats| stats.get(step)) else { return };
        self.fact("actual rows", stats.rows);
        if stats.examined != stats.rows {
            self.fact("rows examined", stats.examined);
        }
        self.fact("entries read", stats.entries);
        self.fact("row lookups", stats.lookups);
        self.fact("time us", u64::try_from(stats.time.as_micros()).unwrap_or(u64::MAX));
        self.fact("blocks read", stats.blocks_read);
        self.fact("cache hits", stats.cache_hits);
    }
}

/// What is known beside the plan.
struct Explainer<'a> {
    estimator: Estimator<'a>,
    stats: Option<&'a [StepStats]>,
}

impl Explainer<'_> {
    fn root(&self, plan: &Plan<'_>) -> Result<Shown> {
        let level = &plan.root;
        let what = if plan.group.is_some() { "group" } else { "fetch" };
        let mut shown = Shown::new(format!("{what} {}", level.entity.name));
        shown.fact("access", root_access(level.entity, &plan.access));
        if plan.access.covered {
            shown.fact("rows", COVERED);
        }
        shown.fact("policy", policy(&level.rows));
        deleted(&mut shown, &level.rows);
        match &plan.group {
            None => selection(&mut shown, level.entity, &level.rows, plan.access.served),
            Some(groups) => group(&mut shown, &level.rows, groups),
        }
        shown.estimate(self.estimator.root(level.entity, &plan.access, &level.rows)?, "");
        if let Some(missing) = self.estimator.missing_index(level.entity, &plan.access, &level.rows)? {
            shown.fact("warning", missing);
        }
        shown.stats(self.stats, level.step);
        let begins = match &plan.access.path {
            Path::Related(path) => Some(&**path),
            _ => None,
        };
        self.below(&mut shown, level, begins, &plan.access.hashed)?;
        Ok(shown)
    }

    fn include(&self, include: &IncludeLevel<'_>) -> Result<Shown> {
        let level = &include.level;
        let mut shown = Shown::new(format!("include {}: {}", include.alias, level.entity.name));
        shown.fact("access", fan_access(&include.fan));
        if include.fan.edge.is_none() && include.fan.access.near.covered {
            shown.fact("rows", COVERED);
        }
        shown.fact("policy", policy(&level.rows));
        deleted(&mut shown, &level.rows);
        selection(&mut shown, level.entity, &level.rows, include.fan.access.served);
        shown.estimate(self.estimator.include(&include.fan, &level.rows)?, " per parent");
        if include.fan.access.near.source.is_none() {
            let near = include.fan.edge.unwrap_or(include.fan.target);
            let fields: Vec<FieldId> =
                include.fan.access.near.pairs.iter().map(|(_, remote)| *remote).collect();
            let columns = near.names_of(&fields);
            let missing =
                format!("no index leads there: @@index({columns}) in {} would spare the scan", near.name);
            shown.fact("warning", missing);
        }
        shown.stats(self.stats, level.step);
        self.below(&mut shown, level, None, &[])?;
        Ok(shown)
    }

    fn below(
        &self,
        shown: &mut Shown,
        level: &Level<'_>,
        begins: Option<&RelatedPath>,
        hashed: &[RelatedPath],
    ) -> Result<()> {
        if let Some(filter) = &level.rows.outer_filter {
            filtering(shown, filter, self.stats, begins, hashed);
        }
        for (projection, what) in [(&level.rows.order.keys, "order"), (&level.columns, "columns")] {
            derivations(shown, projection, what, self.stats);
        }
        for include in &level.includes {
            shown.below.push(self.include(include)?);
        }
        Ok(())
    }
}

fn derivations(shown: &mut Shown, projection: &Projection<'_>, what: &str, stats: Option<&[StepStats]>) {
    shown.below.extend(projection.derivations.iter().map(|d| derivation(d, what, stats)));
}

/// What a condition needs from behind relations: at one of these the rows may begin, others may be looked up among gathered keys.
fn filtering(
    shown: &mut Shown,
    filter: &Projection<'_>,
    stats: Option<&[StepStats]>,
    begins: Option<&RelatedPath>,
    hashed: &[RelatedPath],
) {
    for (at, of) in filter.derivations.iter().enumerate() {
        let hashed = hashed.iter().find(|path| path.derivation == at);
        shown.below.push(match (begins.filter(|path| path.derivation == at), hashed) {
            (Some(path), _) => gathering(of, path, format!("begin at {}", of.name), stats),
            (None, Some(path)) => {
                let title = format!("hash {} for filter", related_title(of));
                gathering(of, path, title, stats)
            }
            (None, None) => derivation(of, "filter", stats),
        });
    }
}

/// Related rows that are found by a path of their own, and the keys of rows by them.
fn gathering(
    derivation: &Derivation<'_>,
    path: &RelatedPath,
    title: String,
    stats: Option<&[StepStats]>,
) -> Shown {
    let mut shown = Shown::new(format!("{title}: {}", derivation.target.name));
    shown.fact("access", root_access(derivation.target, &path.access));
    if path.access.covered {
        shown.fact("rows", COVERED);
    }
    if let (Some(edge), Some(to_edges)) = (derivation.fan.edge, &path.edges) {
        let order = if path.in_order { ", as far as rows are asked for" } else { "" };
        shown.fact("edges", format!("{} by {}{order}", edge.name, hop(edge, to_edges)));
    }
    deleted(&mut shown, &derivation.rows);
    if let Some(filter) = &derivation.rows.text.filter {
        shown.fact("filter", filter.as_str());
    }
    shown.stats(stats, derivation.step);
    let inner = match &path.access.path {
        Path::Related(inner) => Some(&**inner),
        _ => None,
    };
    if let Some(filter) = &derivation.rows.outer_filter {
        filtering(&mut shown, filter, stats, inner, &path.access.hashed);
    }
    shown
}

/// A condition on related rows, in words.
fn related_title(derivation: &Derivation<'_>) -> String {
    let DerivationKind::Related { quantifier, .. } = &derivation.kind else { return derivation.name.clone() };
    let word = match quantifier {
        Quantifier::Some => "some",
        Quantifier::Every => "every",
        Quantifier::None => "none",
        Quantifier::Is => "is",
        Quantifier::IsNot => "is not",
    };
    format!("semi-join {} {word}", derivation.name)
}

fn derivation(derivation: &Derivation<'_>, what: &str, stats: Option<&[StepStats]>) -> Shown {
    let (title, inner): (String, Vec<&Projection<'_>>) = match &derivation.kind {
        DerivationKind::Lookup { values, .. } => (format!("look up {}", derivation.name), vec![values]),
        DerivationKind::Related { .. } => (related_title(derivation), Vec::new()),
        DerivationKind::Aggregate(aggregate) => {
            let title = format!("aggregate {}({})", function_name(aggregate.function), derivation.name);
            (title, aggregate.filter.iter().chain(&aggregate.value).collect())
        }
    };
    let mut shown = Shown::new(format!("{title} for {what}: {}", derivation.target.name));
    shown.fact("access", fan_access(&derivation.fan));
    deleted(&mut shown, &derivation.rows);
    if let Some(filter) = &derivation.rows.text.filter {
        shown.fact("filter", filter.as_str());
    }
    if let DerivationKind::Aggregate(aggregate) = &derivation.kind
        && aggregate.compared_with.is_some()
    {
        shown.fact("counts", "no more rows than tell how the count compares");
    }
    shown.stats(stats, derivation.step);
    for projection in derivation.rows.outer_filter.iter().chain(inner) {
        derivations(&mut shown, projection, what, stats);
    }
    shown
}

fn policy(rows: &RowSelection<'_>) -> &'static str {
    if rows.policy.is_some() { "a condition on each row" } else { "every row is visible" }
}

/// What becomes of deleted rows, of an entity that keeps them.
fn deleted(shown: &mut Shown, rows: &RowSelection<'_>) {
    match &rows.deleted {
        Deleted::Never => {}
        Deleted::Hidden(_) => shown.fact("deleted rows", "hidden"),
        Deleted::Shown => shown.fact("deleted rows", "shown"),
    }
}

fn group(shown: &mut Shown, rows: &RowSelection<'_>, group: &GroupPlan) {
    if let Some(filter) = &rows.text.filter {
        shown.fact("filter", filter.as_str());
    }
    let by = if group.text.by.is_empty() { "all rows together".to_owned() } else { group.text.by.join(", ") };
    shown.fact("groups by", by);
    if let Some(having) = &group.text.having {
        shown.fact("having", having.as_str());
    }
    if !group.text.order.is_empty() {
        shown.fact("order of groups", group.text.order.join(", "));
    }
    if let Some(limit) = group.limit {
        shown.fact("limit of groups", limit);
    }
    if group.offset > 0 {
        shown.fact("offset of groups", group.offset);
    }
}

fn selection(shown: &mut Shown, entity: &EntityInfo, rows: &RowSelection<'_>, served: Served) {
    if let Some(filter) = &rows.text.filter {
        shown.fact("filter", filter.as_str());
    }
    let keys = if rows.text.order.is_empty() {
        entity.names_of(&entity.primary_key)
    } else {
        rows.text.order.join(", ")
    };
    let source = match served {
        Served::Exact => "as read",
        Served::UpToTies { .. } => "as read, ties sorted",
        Served::No => "sorted",
    };
    shown.fact("order", format!("{keys} ({source})"));
    if rows.distinct.is_some() {
        shown.fact("distinct", "the first of equal rows");
    }
    if let Some(limit) = rows.limit {
        shown.fact(if rows.end == End::Last { "last" } else { "limit" }, limit);
    }
    if rows.offset > 0 {
        shown.fact("offset", rows.offset);
    }
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn key_name(entity: &EntityInfo, source: Source) -> String {
    match source {
        Source::Primary => format!("primary key ({})", entity.names_of(&entity.primary_key)),
        Source::Index(id) => {
            let index = entity.index_by_id(id);
            let columns = index.map_or(&[][..], |index| &index.columns);
            let column = |c: &ormdb_proto::schema::IndexColumn| {
                let name = entity.names_of(&[c.field]);
                if c.descending { format!("{name} desc") } else { name }
            };
            let columns: Vec<String> = columns.iter().map(column).collect();
            let filter = index.and_then(|index| index.filter.as_ref());
            let condition = filter.map(|filter| format!(" where {}", text::print_expr(filter)));
            let name = index.map_or("?", |i| i.name.as_str());
            format!("index {name} ({}){}", columns.join(", "), condition.unwrap_or_default())
        }
    }
}

fn root_access(entity: &EntityInfo, access: &RootAccess) -> String {
    match &access.path {
        Path::Nothing => "none: the condition is never true".to_owned(),
        Path::Related(path) => {
            let way = if path.reverse { "backward" } else { "forward" };
            format!("from related rows, {}, {way}", hop(entity, &path.rows))
        }
        Path::Rows(keys) => {
            format!("get by {}, {}", key_name(entity, Source::Primary), count(keys.len(), "key"))
        }
        Path::Unique { index, keys } => {
            format!("get by {}, {}", key_name(entity, Source::Index(*index)), count(keys.len(), "key"))
        }
        Path::Ranges { source, ranges, reverse } => {
            let way = if *reverse { "backward" } else { "forward" };
            match (access.equal_columns, access.ranged) {
                (0, false) => format!("{}, {way}", all_of(entity, *source)),
                (equal, ranged) => {
                    format!("{}, {way}", ranges_of(entity, *source, ranges.len(), equal, ranged))
                }
            }
        }
        Path::Intersection { parts, reverse } => {
            let part = |part: &IntersectionPart| {
                let (source, ranges) = (Source::Index(part.index), part.ranges.len());
                ranges_of(entity, source, ranges, part.equal_columns, part.ranged)
            };
            let parts: Vec<String> = parts.iter().map(part).collect();
            let way = if *reverse { ", backward" } else { "" };
            format!("rows that stand in each of: {}{way}", parts.join("; "))
        }
    }
}

/// All entries of a key: of a partial index, not all rows.
fn all_of(entity: &EntityInfo, source: Source) -> String {
    let is_partial = match source {
        Source::Primary => false,
        Source::Index(id) => entity.index_by_id(id).is_some_and(|index| index.filter.is_some()),
    };
    format!("all {} {}", if is_partial { "entries of" } else { "rows by" }, key_name(entity, source))
}

/// Ranges of a key, and what bounds them.
fn ranges_of(entity: &EntityInfo, source: Source, ranges: usize, equal: usize, ranged: bool) -> String {
    let bound = match (equal, ranged) {
        (0, _) => String::new(),
        (equal, false) => format!(", {} equal", count(equal, "column")),
        (equal, true) => format!(", {} equal and a range", count(equal, "column")),
    };
    format!("{} of {}{bound}", count(ranges, "range"), key_name(entity, source))
}

fn fan_access(fan: &Fan<'_>) -> String {
    let near = fan.edge.unwrap_or(fan.target);
    let way = if fan.access.reverse { ", backward" } else { "" };
    let first = format!("{}{way}", hop(near, &fan.access.near));
    match (&fan.access.far, fan.edge) {
        (Some(far), Some(edge)) => format!("edges {} by {first}, then {}", edge.name, hop(fan.target, far)),
        _ => first,
    }
}

fn hop(target: &EntityInfo, access: &HopAccess) -> String {
    let fields: Vec<FieldId> = access.pairs.iter().map(|(_, remote)| *remote).collect();
    match access.source {
        None => format!("scan of all rows, joined on ({})", target.names_of(&fields)),
        Some(source) if access.whole => format!("multi-get by {}", key_name(target, source)),
        Some(source) => format!("multi-range scan of {}", key_name(target, source)),
    }
}
