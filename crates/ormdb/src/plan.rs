//! Plans of graph fetches: one level for the root and for each include, each with its access path, and what is
//! derived of its rows from behind their relations.
//!
//! ```text
//! level:   access path -> policy -> filter -> order -> offset, limit -> columns -> includes, each a level
//! ```
//!
//! Invariants: (1) an access path yields every row that the filter accepts, and may yield more; (2) the policy's
//! predicate stands before every expression of the user; (3) rows of a level come in exactly the order asked for, with
//! ties broken by the primary key ascending, whatever the access path.

use std::sync::Arc;

use ormdb_proto::Result;
use ormdb_proto::ir::End;
use ormdb_proto::result::ResultShape;
use ormdb_proto::schema::FieldType;

use crate::catalog::{EntityInfo, Navigation};
use crate::expr::{Datum, EvalEnv, Node, RowExpr};

pub(crate) mod access;
mod bind;
mod bounds;
mod cache;
mod columns;
mod cover;
mod estimate;
mod exact;
mod explain;
pub(crate) mod fan;
mod implied;
mod intersect;
mod kept;
mod known;
mod level_scope;
mod order;
mod point;
mod policy;
mod semi_join;
mod spare;

pub(crate) use access::{Path, RootAccess, Source};
pub(crate) use bind::{Binder, RootInput};
pub(crate) use cache::{CachedPlan, PlanCache, Shaped, refusal};
pub use cache::{PlanStats, Prepared};
pub(crate) use estimate::Estimator;
pub(crate) use explain::{Measured, StepStats, explanation};
pub(crate) use fan::{FanAccess, HopAccess};
pub(crate) use intersect::IntersectionPart;
pub(crate) use kept::check as check_deleted;
pub(crate) use known::Known;
pub(crate) use order::Served;
pub(crate) use semi_join::RelatedPath;
use spare::SpareBuilder;

/// The plan of a fetch.
pub(crate) struct Plan<'c> {
    /// The root.
    pub(crate) root: Level<'c>,
    /// How the rows of the root are found, with the values that the plan was made with.
    pub(crate) access: RootAccess,
    /// The fields that are read of the rows of the root.
    needed: cover::Needed,
    /// The one row that the root is, where the condition says nothing but its key.
    point: Option<point::Point>,
    /// What is made of the groups of the rows, where groups are asked for: the columns of the root are what is read of
    /// each row for them.
    pub(crate) group: Option<GroupPlan>,
    /// The shape of the result.
    pub(crate) shape: Arc<ResultShape>,
    /// What the last small chunk of this shape was built with.
    pub(crate) spare: SpareBuilder,
    /// How many steps there are, levels and derivations together.
    pub(crate) steps: usize,
    /// Whether it serves other runs as well.
    pub(crate) is_reusable: bool,
}

/// What is made of groups of rows.
pub(crate) struct GroupPlan {
    /// How many of the columns that are read of each row have to be equal in a group; they are the first.
    pub(crate) keys: usize,
    /// The aggregates, whose values are among the columns behind the keys.
    pub(crate) aggregates: Vec<GroupAggregate>,
    /// The columns of the result, over the keys and the aggregates as externals.
    pub(crate) columns: Vec<RowExpr>,
    /// Which groups.
    pub(crate) having: Option<RowExpr>,
    /// Their order, before that of the keys.
    pub(crate) order: Vec<(RowExpr, KeyDirection)>,
    /// The most groups.
    pub(crate) limit: Option<usize>,
    /// How many groups are passed over.
    pub(crate) offset: usize,
    /// From which end of the order they count.
    pub(crate) end: End,
    /// What they are, for whoever explains the plan.
    pub(crate) text: GroupText,
}

/// An aggregate of the rows of a group.
pub(crate) struct GroupAggregate {
    /// The function.
    pub(crate) function: ormdb_proto::ir::AggregateFunction,
    /// Whether equal values count once.
    pub(crate) distinct: bool,
    /// The column of its values; none of a count of rows.
    pub(crate) value: Option<usize>,
    /// The type of the result.
    pub(crate) ty: FieldType,
}

/// What groups are, as the text language writes it.
pub(crate) struct GroupText {
    /// What their rows have in common.
    pub(crate) by: Vec<String>,
    /// Which groups.
    pub(crate) having: Option<String>,
    /// The keys of their order.
    pub(crate) order: Vec<String>,
}

/// What is read of the rows of one node of the result.
pub(crate) struct Level<'c> {
    /// The number of the step, for statistics.
    pub(crate) step: usize,
    /// The number of the node in the shape.
    pub(crate) node: usize,
    /// The entity.
    pub(crate) entity: &'c EntityInfo,
    /// Which rows of it, and in which order.
    pub(crate) rows: RowSelection<'c>,
    /// The columns of the result.
    pub(crate) columns: Projection<'c>,
    /// The levels below, in the order of the node's edges.
    pub(crate) includes: Vec<IncludeLevel<'c>>,
}

/// An include: how its rows are reached from those above, and what is read of them.
pub(crate) struct IncludeLevel<'c> {
    /// The name in the result.
    pub(crate) alias: String,
    /// The relation.
    pub(crate) fan: Fan<'c>,
    /// What is read.
    pub(crate) level: Level<'c>,
}

/// Which rows, in which order, how many.
pub(crate) struct RowSelection<'c> {
    /// What the session may see; none for all rows. Evaluated before anything else.
    pub(crate) policy: Option<RowExpr>,
    /// What becomes of rows that are deleted and kept; evaluated next.
    pub(crate) deleted: Deleted,
    /// The condition that needs the row alone.
    pub(crate) filter: Option<RowExpr>,
    /// The condition that needs more than the row; a projection of one expression.
    pub(crate) outer_filter: Option<Projection<'c>>,
    /// The order, up to the primary key.
    pub(crate) order: Order<'c>,
    /// Of rows that are equal in these, the first in the order alone is taken.
    pub(crate) distinct: Option<Projection<'c>>,
    /// From which end of the order offset and limit count.
    pub(crate) end: End,
    /// The most rows, per parent.
    pub(crate) limit: Option<usize>,
    /// How many rows are passed over, per parent.
    pub(crate) offset: usize,
    /// Condition and order as text, for whoever explains the plan.
    pub(crate) text: SelectionText,
}

/// What becomes of rows that are deleted and kept.
#[derive(Clone, Debug)]
pub(crate) enum Deleted {
    /// The entity keeps none.
    Never,
    /// They are passed over: only rows are seen of which the condition is true.
    Hidden(RowExpr),
    /// They are seen.
    Shown,
}

/// Condition and order, as the text language writes them.
#[derive(Clone, Debug, Default)]
pub(crate) struct SelectionText {
    /// The condition.
    pub(crate) filter: Option<String>,
    /// The keys of the order.
    pub(crate) order: Vec<String>,
}

/// An order: keys that are compared one after the other, then the primary key ascending.
pub(crate) struct Order<'c> {
    /// The keys.
    pub(crate) keys: Projection<'c>,
    /// Which way each sorts.
    pub(crate) directions: Vec<KeyDirection>,
}

/// Which way a key of an order sorts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyDirection {
    /// Whether the greatest comes first.
    pub(crate) descending: bool,
    /// Whether nulls come first.
    pub(crate) nulls_first: bool,
}

/// Expressions over rows of one entity, with what has to be fetched for them from behind relations.
#[derive(Default)]
pub(crate) struct Projection<'c> {
    /// The expressions.
    pub(crate) exprs: Vec<RowExpr>,
    /// What gives the externals of the expressions.
    pub(crate) derivations: Vec<Derivation<'c>>,
    /// How many externals there are.
    pub(crate) slots: usize,
}

/// Values of rows that come from behind a relation.
pub(crate) struct Derivation<'c> {
    /// The number of the step, for statistics.
    pub(crate) step: usize,
    /// The relation's name.
    pub(crate) name: String,
    /// How the related rows are reached.
    pub(crate) fan: Fan<'c>,
    /// The entity that the relation leads to.
    pub(crate) target: &'c EntityInfo,
    /// Which of its rows: those that the session may see; of an existence test, one of those that are sought.
    pub(crate) rows: RowSelection<'c>,
    /// What is made of the related rows.
    pub(crate) kind: DerivationKind<'c>,
}

/// What is made of related rows.
pub(crate) enum DerivationKind<'c> {
    /// Expressions of the one related row: for each, its external and its value where there is no row.
    Lookup { values: Projection<'c>, slots: Vec<(usize, Datum<'static>)> },
    /// Whether there is a row of the selection: one that satisfies the condition; of `every`, one that does not.
    Related { quantifier: ormdb_proto::ir::Quantifier, slot: usize },
    /// An aggregate over those that satisfy the condition.
    Aggregate(AggregateDerivation<'c>),
}

/// An aggregate over related rows.
pub(crate) struct AggregateDerivation<'c> {
    /// The function.
    pub(crate) function: ormdb_proto::ir::AggregateFunction,
    /// Whether equal values count once.
    pub(crate) distinct: bool,
    /// Which rows; a projection of one expression.
    pub(crate) filter: Option<Projection<'c>>,
    /// Of what; a projection of one expression. None for a count of rows.
    pub(crate) value: Option<Projection<'c>>,
    /// The type of the result.
    pub(crate) ty: FieldType,
    /// The external that gets the result.
    pub(crate) slot: usize,
    /// The number that a count is compared with, where that is all that becomes of it: one row more tells enough.
    pub(crate) compared_with: Option<Node>,
}

/// How rows of one entity lead to rows of another.
pub(crate) struct Fan<'c> {
    /// The relation.
    pub(crate) navigation: &'c Navigation,
    /// The entity that holds the rows above.
    pub(crate) from: &'c EntityInfo,
    /// The entity that it leads to.
    pub(crate) target: &'c EntityInfo,
    /// The edge entity, of a relation through one.
    pub(crate) edge: Option<&'c EntityInfo>,
    /// The condition that an edge is not deleted, of an edge entity that keeps deleted rows.
    pub(crate) live_edge: Option<RowExpr>,
    /// How the rows are found.
    pub(crate) access: FanAccess,
}

impl Plan<'_> {
    /// How the rows of the root are found in a run with these parameters, at this time.
    ///
    /// # Errors
    /// `Internal` if a key cannot have a value.
    pub(crate) fn access_of(&self, known: &Known<'_>, env: &EvalEnv<'_>) -> Result<RootAccess> {
        if let Some(point) = &self.point
            && let Some(access) = point.access(self.root.entity, env)?
        {
            return Ok(access);
        }
        let mut access =
            bind::root_access(known, self.root.entity, &self.root.rows, Some(&self.needed), env)?;
        if self.group.is_some() {
            // Groups are the same in whatever order their rows come.
            access.served = Served::Exact;
        }
        Ok(access)
    }
}

impl Deleted {
    /// The condition on each row, if there is one.
    pub(crate) const fn condition(&self) -> Option<&RowExpr> {
        match self {
            Deleted::Hidden(live) => Some(live),
            Deleted::Never | Deleted::Shown => None,
        }
    }

    /// Whether several rows may have a unique key, because all but one of them are deleted.
    pub(crate) const fn are_shown(&self) -> bool {
        matches!(self, Deleted::Shown)
    }
}

impl Projection<'_> {
    /// Whether nothing has to be fetched for it.
    pub(crate) fn is_local(&self) -> bool {
        self.derivations.is_empty()
    }
}

impl RowSelection<'_> {
    /// The rows that a policy leaves and that are not deleted, in any order, at most `limit` of them.
    pub(crate) fn visible(policy: Option<RowExpr>, deleted: Deleted, limit: Option<usize>) -> Self {
        let order = Order { keys: Projection::default(), directions: Vec::new() };
        let text = SelectionText::default();
        RowSelection {
            policy,
            deleted,
            filter: None,
            outer_filter: None,
            order,
            distinct: None,
            end: End::First,
            limit,
            offset: 0,
            text,
        }
    }

    /// How many rows have to be found at most, those that are passed over included; none if there is no bound.
    pub(crate) fn wanted(&self) -> Option<usize> {
        // Of rows that are equal it is not known how many there are.
        self.limit.filter(|_| self.distinct.is_none()).map(|limit| limit.saturating_add(self.offset))
    }

    /// Whether the order is turned round, so that the last rows come first, and those that are taken are turned back.
    /// Where equal rows are left out it is not, since their first is taken.
    pub(crate) const fn is_turned(&self) -> bool {
        matches!(self.end, End::Last) && self.distinct.is_none()
    }

    /// Cuts rows that stand in their order, or in the turned one if it is, and gives them in theirs.
    pub(crate) fn cut<T>(&self, rows: &mut Vec<T>) {
        let limit = self.limit.unwrap_or(usize::MAX);
        if matches!(self.end, End::Last) && !self.is_turned() {
            rows.truncate(rows.len().saturating_sub(self.offset));
            rows.drain(..rows.len().saturating_sub(limit));
            return;
        }
        rows.drain(..self.offset.min(rows.len()));
        rows.truncate(limit);
        if self.is_turned() {
            rows.reverse();
        }
    }

    /// Whether every row is accepted.
    pub(crate) const fn is_unfiltered(&self) -> bool {
        self.deleted.condition().is_none() && self.is_unconditional()
    }

    /// Whether every row is accepted, where the filter is known to hold or is not.
    pub(crate) const fn is_unfiltered_but(&self, filter_holds: bool) -> bool {
        self.deleted.condition().is_none()
            && self.policy.is_none()
            && self.outer_filter.is_none()
            && (filter_holds || self.filter.is_none())
    }

    /// Whether every row is accepted that is not deleted.
    pub(crate) const fn is_unconditional(&self) -> bool {
        self.policy.is_none() && self.filter.is_none() && self.outer_filter.is_none()
    }
}
