//! Plans that are kept: by the shape of a fetch, and by the text of a statement.
//!
//! ```text
//! text -> a prepared statement -> shape -> plans, each for types of values, for values that were compiled in, for a catalog
//! ```
//!
//! Invariants: (1) a plan is used with the catalog that it was made with, and with no other; (2) no value of one run is left
//! in the plan of another, unless both runs have it; (3) what is kept is bounded: what was not used since the last look goes
//! first.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ormdb_proto::ir::{Fetch, SelectItem, Selection};
use ormdb_proto::{Result, Value};
use parking_lot::RwLock;

use super::{Binder, Known, Plan, RootInput};
use crate::catalog::Catalog;
use crate::context::Ctx;
use crate::expr::{Datum, Parameters, Used, Values};
use shape::Shape;

mod prepared;
mod shape;

pub use prepared::Prepared;

#[cfg(test)]
mod tests;

/// The most shapes of fetches with plans.
const SHAPES_MAX: usize = 1024;
/// The most plans of one shape.
const PLANS_PER_SHAPE_MAX: usize = 8;
/// The most statements that are kept by their text.
const TEXTS_MAX: usize = 1024;
/// The longest shape that is kept; a fetch of a longer one is planned for itself.
const SHAPE_BYTES_MAX: usize = 16 << 10;
/// The most bytes of the values that a plan has which is kept.
const PIN_BYTES_MAX: usize = 4 << 10;
/// The longest text that is kept.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// How often statements found their plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanStats {
    /// Fetches that ran with a plan that was there.
    pub hits: u64,
    /// Fetches that were planned.
    pub misses: u64,
    /// Shapes that have plans now.
    pub shapes: usize,
    /// Statements that are kept by their text now.
    pub texts: usize,
}

/// By the bytes of the shape.
type Shapes = HashMap<Box<[u8]>, Kept<Arc<ShapePlans>>>;

/// Plans by shape, statements by text.
#[derive(Default)]
pub(crate) struct PlanCache {
    shapes: RwLock<Shapes>,
    texts: RwLock<HashMap<Box<str>, Kept<Prepared>>>,
    hits: AtomicU64,
    misses: AtomicU64,
    /// The newest version of the schema that a plan was made of: plans of an older one, of the past or of an old transaction,
    /// serve nobody else.
    newest: AtomicU64,
}

/// Something that is kept, and whether it was used since others had to go.
struct Kept<T> {
    item: T,
    used: AtomicBool,
}

/// The plans of one shape.
#[derive(Default)]
pub(crate) struct ShapePlans {
    plans: RwLock<Vec<Arc<CachedPlan>>>,
}

self_cell::self_cell!(
    /// A plan with the catalog that it refers to.
    struct PlanOfCatalog {
        owner: Arc<Catalog>,
        #[covariant]
        dependent: Plan,
    }
);

/// A plan that serves many runs.
pub(crate) struct CachedPlan {
    plan: PlanOfCatalog,
    used: Used,
    /// The depth of the levels that was allowed when it was made.
    depth_max: u32,
}

/// A fetch whose literals are lifted out, with the plans of its shape.
pub(crate) struct Shaped {
    pub(crate) fetch: Fetch,
    pub(crate) lifted: Vec<Value>,
    root: Root,
    plans: Arc<ShapePlans>,
}

/// What a plan begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    /// The rows that the fetch asks for.
    Asked,
    /// Rows of keys that each run gives.
    Keys,
}

impl CachedPlan {
    /// The plan.
    pub(crate) fn plan(&self) -> &Plan<'_> {
        self.plan.borrow_dependent()
    }

    /// The values of the plan's slots.
    ///
    /// # Errors
    /// Values that cannot be read as the type that they are compared with.
    pub(crate) fn bind<'v>(&self, values: Values<'v>) -> Result<Vec<Datum<'v>>> {
        self.used.bind(self.plan.borrow_owner().schema(), values)
    }

    fn serves(&self, ctx: &Ctx<'_>, values: Values<'_>) -> bool {
        Arc::ptr_eq(self.plan.borrow_owner(), ctx.catalog)
            && self.depth_max == ctx.session.limits.depth_max
            && self.used.accepts(values)
    }
}

impl ShapePlans {
    fn find(&self, ctx: &Ctx<'_>, values: Values<'_>) -> Option<Arc<CachedPlan>> {
        self.plans.read().iter().find(|plan| plan.serves(ctx, values)).cloned()
    }

    fn keep(&self, plan: Arc<CachedPlan>) {
        let mut plans = self.plans.write();
        // Plans of older catalogs serve nobody any more.
        plans.retain(|kept| Arc::ptr_eq(kept.plan.borrow_owner(), plan.plan.borrow_owner()));
        if plans.len() >= PLANS_PER_SHAPE_MAX {
            plans.remove(0);
        }
        plans.push(plan);
    }
}

impl PlanCache {
    /// How often statements found their plan.
    pub(crate) fn stats(&self) -> PlanStats {
        PlanStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            shapes: self.shapes.read().len(),
            texts: self.texts.read().len(),
        }
    }

    /// The plan of a fetch that is given as it stands, with the literals that were lifted out of it.
    ///
    /// # Errors
    /// Those of planning.
    pub(crate) fn plan(&self, ctx: &Ctx<'_>, fetch: &Fetch) -> Result<(Arc<CachedPlan>, Vec<Value>)> {
        self.plan_of(ctx, Shape::of(fetch), Root::Asked, || fetch.clone())
    }

    /// The plan of what is read of rows of this entity that are named by their keys: each run gives them as its path.
    ///
    /// # Errors
    /// Those of planning.
    pub(crate) fn plan_of_keys(
        &self,
        ctx: &Ctx<'_>,
        entity: &str,
        items: &[SelectItem],
    ) -> Result<(Arc<CachedPlan>, Vec<Value>)> {
        self.plan_of(ctx, Shape::of_keys(entity, items), Root::Keys, || {
            Fetch::of(entity, Selection { items: items.to_vec(), ..Selection::default() })
        })
    }

    fn plan_of(
        &self,
        ctx: &Ctx<'_>,
        shape: Shape,
        root: Root,
        fetch: impl FnOnce() -> Fetch,
    ) -> Result<(Arc<CachedPlan>, Vec<Value>)> {
        if shape.is_for_itself() {
            self.misses.fetch_add(1, Ordering::Relaxed);
            let plan = make(ctx, &fetch(), root, Values::new(ctx.params, &[]))?;
            return Ok((Arc::new(plan), Vec::new()));
        }
        let known = self.shapes.read().get(shape.bytes.as_slice()).map(Kept::using);
        if let Some(plan) = known.and_then(|plans| plans.find(ctx, Values::new(ctx.params, &shape.lifted))) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok((plan, shape.lifted));
        }
        let shaped = self.shaped_as(fetch(), root, shape);
        Ok((self.plan_shaped(ctx, &shaped)?, shaped.lifted))
    }

    /// The plan of a fetch whose shape is known.
    ///
    /// # Errors
    /// Those of planning.
    pub(crate) fn plan_shaped(&self, ctx: &Ctx<'_>, shaped: &Shaped) -> Result<Arc<CachedPlan>> {
        let values = Values::new(ctx.params, &shaped.lifted);
        if let Some(plan) = shaped.plans.find(ctx, values) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(plan);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let plan = Arc::new(make(ctx, &shaped.fetch, shaped.root, values)?);
        let version = ctx.catalog.version();
        let is_newest = version >= self.newest.fetch_max(version, Ordering::Relaxed);
        if is_newest && plan.plan().is_reusable && plan.used.pinned_bytes() <= PIN_BYTES_MAX {
            shaped.plans.keep(Arc::clone(&plan));
        }
        Ok(plan)
    }

    /// The shape of a fetch with its plans; none of one that is planned for itself.
    pub(crate) fn shaped(&self, fetch: &Fetch) -> Option<Shaped> {
        let shape = Shape::of(fetch);
        (!shape.is_for_itself()).then(|| self.shaped_as(fetch.clone(), Root::Asked, shape))
    }

    fn shaped_as(&self, mut fetch: Fetch, root: Root, shape: Shape) -> Shaped {
        shape::lift(&mut fetch);
        let known = self.shapes.read().get(shape.bytes.as_slice()).map(Kept::using);
        let plans = known.unwrap_or_else(|| {
            let mut shapes = self.shapes.write();
            if shapes.len() >= SHAPES_MAX {
                make_room(&mut shapes, SHAPES_MAX);
            }
            shapes.entry(shape.bytes.into_boxed_slice()).or_insert_with(Kept::new).using()
        });
        Shaped { fetch, lifted: shape.lifted, root, plans }
    }

    /// The statement of a text, parsed once.
    ///
    /// # Errors
    /// Those of parsing.
    pub(crate) fn text(&self, text: &str) -> Result<Prepared> {
        if let Some(kept) = self.texts.read().get(text) {
            return Ok(kept.using());
        }
        let prepared = Prepared::parse(self, text)?;
        if text.len() <= TEXT_BYTES_MAX {
            let mut texts = self.texts.write();
            if texts.len() >= TEXTS_MAX {
                make_room(&mut texts, TEXTS_MAX);
            }
            texts.insert(text.into(), Kept { item: prepared.clone(), used: AtomicBool::new(true) });
        }
        Ok(prepared)
    }
}

/// Lets go of what was not used since this was last done, and of more if that is little.
fn make_room<K: std::hash::Hash + Eq, T>(kept: &mut HashMap<K, Kept<T>>, most: usize) {
    kept.retain(|_, kept| kept.used.swap(false, Ordering::Relaxed));
    let mut left = most / 2;
    kept.retain(|_, _| {
        let stays = left > 0;
        left = left.saturating_sub(1);
        stays
    });
}

impl<T: Clone> Kept<T> {
    fn using(&self) -> T {
        // A write to a line that others read costs them: once is enough.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        self.item.clone()
    }
}

impl<T: Default> Kept<T> {
    fn new() -> Kept<T> {
        Kept { item: T::default(), used: AtomicBool::new(true) }
    }
}

/// Plans a fetch for values of these types.
fn make(ctx: &Ctx<'_>, fetch: &Fetch, root: Root, values: Values<'_>) -> Result<CachedPlan> {
    let depth_max = ctx.session.limits.depth_max;
    let parameters = Parameters::open(values);
    let plan = PlanOfCatalog::try_new(Arc::clone(ctx.catalog), |catalog| {
        let known = Known::of(catalog, ctx.session);
        let input = match root {
            Root::Asked => RootInput::Fetch(fetch),
            Root::Keys => {
                RootInput::Keys { entity: &fetch.entity, row_keys: Vec::new(), selection: &fetch.selection }
            }
        };
        Binder::new(catalog, &known, &parameters, ctx.now, depth_max).plan(input)
    })?;
    Ok(CachedPlan { plan, used: parameters.used(), depth_max })
}

/// The error of values that a plan cannot be bound to, as planning for them alone tells it.
pub(crate) fn refusal(
    ctx: &Ctx<'_>,
    fetch: &Fetch,
    lifted: &[Value],
    error: ormdb_proto::Error,
) -> ormdb_proto::Error {
    let parameters = Parameters::fixed(Values::new(ctx.params, lifted));
    let known = Known::of(ctx.catalog, ctx.session);
    let binder = Binder::new(ctx.catalog, &known, &parameters, ctx.now, ctx.session.limits.depth_max);
    binder.plan(RootInput::Fetch(fetch)).err().unwrap_or(error)
}
