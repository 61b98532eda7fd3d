//! Makes a plan of a fetch: resolves names level by level, splits conditions, and chooses access paths.

use std::cell::Cell;
use std::sync::Arc;

use ormdb_proto::block::ColumnType;
use ormdb_proto::error::{Limit, Span};
use ormdb_proto::ir::{
    BinaryOp, DeletedRows, End, Expr, Fetch, Include, KeyPart, Nulls, OrderBy, SelectItem, Selection,
    SortDirection,
};
use ormdb_proto::result::{Cardinality, EnumLabels, ResultShape, ShapeColumn, ShapeEdge, ShapeNode};
use ormdb_proto::schema::{FieldId, FieldType, ScalarType};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result};

use super::access;
use super::columns::Columns;
use super::cover::Needed;
use super::known::Known;
use super::level_scope::{LevelScope, PlanScope, Steps, edge_of, flatten};
use super::order::Served;
use super::point::Point;
use super::{
    Fan, FanAccess, IncludeLevel, KeyDirection, Level, Order, Path, Plan, Projection, RootAccess,
    RowSelection, SelectionText, SpareBuilder, kept, policy,
};
use crate::catalog::{Catalog, EntityInfo, KeyAccess, Member, Navigation};
use crate::expr::{EvalEnv, LocalScope, NoRow, Node, Parameters, RowExpr};
use crate::text;

mod group;
mod recursion;

/// The most columns of one node and includes below one, so that a `*` of a query cannot multiply without bound.
const NODES_MAX: usize = 1024;

/// Which rows a plan begins with.
pub(crate) enum RootInput<'q> {
    /// Those of a fetch.
    Fetch(&'q Fetch),
    /// The rows of these keys, in this order; the selection's filter, order and limit are not looked at.
    Keys { entity: &'q str, row_keys: Vec<Vec<u8>>, selection: &'q Selection },
}

/// Makes plans.
pub(crate) struct Binder<'c, 'p> {
    catalog: &'c Catalog,
    known: &'p Known<'p>,
    params: &'p Parameters<'p>,
    now: i64,
    depth_max: usize,
    /// Whether what was computed of time holds for one run alone.
    is_of_now: Cell<bool>,
    steps: Steps,
    nodes: Vec<ShapeNode>,
}

impl<'c, 'p> Binder<'c, 'p> {
    /// A binder for a statement with these parameters, which began at `now`.
    pub(crate) fn new(
        catalog: &'c Catalog,
        known: &'p Known<'p>,
        params: &'p Parameters<'p>,
        now: i64,
        depth_max: u32,
    ) -> Binder<'c, 'p> {
        let depth_max = usize::try_from(depth_max).unwrap_or(usize::MAX);
        let (steps, nodes) = (Steps::default(), Vec::new());
        Binder { catalog, known, params, now, depth_max, is_of_now: Cell::new(false), steps, nodes }
    }

    /// The plan of a fetch.
    ///
    /// # Errors
    /// Unknown names, wrong types, missing parameters; `LimitExceeded` for includes that are too deep.
    pub(crate) fn plan(mut self, input: RootInput<'_>) -> Result<Plan<'c>> {
        let mut group = None;
        let (root, access) = match input {
            RootInput::Fetch(fetch) if let Some(grouping) = &fetch.group => {
                let planned = self.group(fetch, grouping).map_err(|error| at(error, fetch.span));
                let (root, access, groups) = planned?;
                group = Some(groups);
                (root, access)
            }
            RootInput::Fetch(fetch) => {
                // What has no place of its own stands where the entity is named.
                self.fetch(fetch).map_err(|error| at(error, fetch.span))?
            }
            RootInput::Keys { entity, row_keys, selection } => {
                let entity = self.catalog.entity(entity)?;
                // Rows that are named by key are read as they are, deleted or not.
                let all = Selection { deleted: DeletedRows::Shown, ..Selection::default() };
                let rows = self.row_selection(entity, None, &all)?;
                let access = RootAccess {
                    path: Path::Rows(row_keys),
                    served: Served::Exact,
                    equal_columns: entity.primary_key.len(),
                    ranged: false,
                    covered: false,
                    filters: false,
                    hashed: Vec::new(),
                };
                (self.level(entity, rows, &selection.items, 1)?, access)
            }
        };
        let shape = Arc::new(ResultShape { nodes: self.nodes });
        let needed = Needed::of_level(&root);
        let point = Point::of(&root, &needed, group.is_none());
        let (is_reusable, steps) = (!self.is_of_now.get(), self.steps.count());
        let spare = SpareBuilder::default();
        Ok(Plan { root, access, needed, point, group, shape, spare, steps, is_reusable })
    }

    fn fetch(&mut self, fetch: &Fetch) -> Result<(Level<'c>, RootAccess)> {
        let entity = self.catalog.entity(&fetch.entity)?;
        kept::check(entity, fetch.selection.deleted, fetch.span)?;
        let mut filter = match &fetch.key {
            Some(parts) => self.key_conditions(entity, parts)?,
            None => Vec::new(),
        };
        filter.extend(fetch.selection.filter.clone());
        let filter = if filter.len() == 1 { filter.pop() } else { Some(Expr::And(filter)) };
        let rows = self.row_selection(entity, filter.as_ref(), &fetch.selection)?;
        let level = self.level(entity, rows, &fetch.selection.items, 1)?;
        let needed = Needed::of_level(&level);
        let access = self.root_access(entity, &level.rows, Some(&needed))?;
        Ok((level, access))
    }

    /// The conditions of a key: its fields equal the given values, which read nothing of a row.
    fn key_conditions(&self, entity: &EntityInfo, parts: &[KeyPart]) -> Result<Vec<Expr>> {
        let key = entity.unique_key(parts)?;
        let condition = |(field, part): (&FieldId, &usize)| {
            let field = entity.field_of(*field)?;
            let part = parts
                .get(*part)
                .ok_or_else(|| Error::new(ErrorCode::Internal, "a part of a key was lost"))?;
            let condition =
                Expr::binary(BinaryOp::Equal, Expr::path([field.name.as_str()]), part.value.clone());
            // The condition is compiled once more with the others: here no value is taken note of.
            let params = self.params.once_more();
            let mut scope = LocalScope::new(self.catalog.schema(), entity.entity());
            let want = FieldType::Scalar(ScalarType::Bool);
            let compiled = RowExpr::compile_in(&mut scope, &condition, Some(want), &params)?;
            let mut fields_read = 0;
            compiled.root().visit(&mut |node| fields_read += usize::from(matches!(node, Node::Field(_))));
            if fields_read > 1 {
                let why = "the value of a key is a literal or a parameter, not a field of the row";
                let error =
                    Error::new(ErrorCode::InvalidQuery, format!("{}.{}: {why}", entity.name, field.name));
                let span = match &part.value {
                    Expr::Path { span, .. } => *span,
                    _ => None,
                };
                return Err(at(error.entity(&entity.name).field(&field.name), span));
            }
            Ok(condition)
        };
        key.fields.iter().zip(&key.parts).map(condition).collect()
    }

    /// Which rows of one entity, without what is read of them.
    ///
    /// # Errors
    /// As of [`Binder::plan`].
    pub(crate) fn rows(
        mut self,
        entity: &'c EntityInfo,
        filter: Option<&Expr>,
        order: &[OrderBy],
        limit: Option<usize>,
        deleted: DeletedRows,
    ) -> Result<(RowSelection<'c>, RootAccess)> {
        let selection = Selection { deleted, order: order.to_vec(), ..Selection::default() };
        let mut rows = self.row_selection(entity, filter, &selection)?;
        rows.limit = limit;
        let access = self.root_access(entity, &rows, None)?;
        Ok((rows, access))
    }

    fn scope(&self, entity: &'c EntityInfo) -> LevelScope<'c, '_> {
        let plan = PlanScope { catalog: self.catalog, params: self.params, steps: &self.steps };
        LevelScope::new(plan, entity)
    }

    fn row_selection(
        &mut self,
        entity: &'c EntityInfo,
        filter: Option<&Expr>,
        selection: &Selection,
    ) -> Result<RowSelection<'c>> {
        if selection.cursor.is_some() {
            return Err(Error::new(ErrorCode::Internal, "a cursor came to the planner, which would drop it"));
        }
        let mut conjuncts = Vec::new();
        if let Some(filter) = filter {
            flatten(filter, &mut conjuncts);
        }
        let mut scope = self.scope(entity);
        let compiled = conjuncts.into_iter().map(|c| scope.condition(c)).collect::<Result<Vec<_>>>()?;
        let (local, outer): (Vec<_>, Vec<_>) = compiled.into_iter().partition(RowExpr::is_local);
        let outer_filter = match RowExpr::all(outer) {
            Some(condition) => Some(scope.finish(vec![condition])?),
            None => None,
        };
        let order = if selection.order.is_empty() { &entity.default_order } else { &selection.order };
        let text_of_order = order.iter().map(text::print_order).collect();
        let turned = selection.end == End::Last && selection.distinct.is_empty();
        let order = if turned { turn(entity, order)? } else { order.clone() };
        let distinct = match selection.distinct.as_slice() {
            [] => None,
            exprs => Some(self.values(entity, exprs)?),
        };
        Ok(RowSelection {
            policy: policy::predicate(entity),
            deleted: kept::deleted(self.catalog, entity, selection.deleted)?,
            filter: RowExpr::all(local),
            outer_filter,
            order: self.order(entity, &order)?,
            distinct,
            end: selection.end,
            limit: self.count(entity, selection.limit.as_ref(), "limit")?,
            offset: self.count(entity, selection.offset.as_ref(), "offset")?.unwrap_or(0),
            text: SelectionText {
                filter: filter
                    .filter(|f| !matches!(f, Expr::And(all) if all.is_empty()))
                    .map(text::print_expr),
                order: text_of_order,
            },
        })
    }

    fn order(&self, entity: &'c EntityInfo, order: &[OrderBy]) -> Result<Order<'c>> {
        let mut scope = self.scope(entity);
        let exprs = order.iter().map(|key| scope.compile(&key.expr, None)).collect::<Result<Vec<_>>>()?;
        Ok(Order { directions: order.iter().map(direction).collect(), keys: scope.finish(exprs)? })
    }

    fn values(&self, entity: &'c EntityInfo, exprs: &[Expr]) -> Result<Projection<'c>> {
        let mut scope = self.scope(entity);
        let exprs = exprs.iter().map(|expr| scope.compile(expr, None)).collect::<Result<Vec<_>>>()?;
        scope.finish(exprs)
    }

    /// The value of a limit or offset; null is none.
    fn count(&self, entity: &EntityInfo, expr: Option<&Expr>, name: &str) -> Result<Option<usize>> {
        let Some(expr) = expr else { return Ok(None) };
        let want = FieldType::Scalar(ScalarType::Int64);
        let mut scope = LocalScope::new(self.catalog.schema(), entity);
        let compile = |params: &Parameters<'_>| RowExpr::compile_in(&mut scope, expr, Some(want), params);
        let compiled = self.params.at_once(compile)?;
        if !compiled.root().is_constant() {
            return Err(Error::new(
                ErrorCode::InvalidQuery,
                format!("a {name} is a number, not a field of the row"),
            ));
        }
        self.is_of_now.set(self.is_of_now.get() || compiled.volatile().is_some());
        let value = compiled.eval(&NoRow, &EvalEnv::at(self.now))?;
        match value.view() {
            ValueRef::Int64(v) => usize::try_from(v)
                .map(Some)
                .map_err(|_| Error::new(ErrorCode::InvalidValue, format!("the {name} {v} is negative"))),
            _ => Ok(None),
        }
    }

    fn root_access(
        &self,
        entity: &EntityInfo,
        rows: &RowSelection<'_>,
        needed: Option<&Needed>,
    ) -> Result<RootAccess> {
        // The values of this run: others choose anew.
        let params = self.params.bound(self.catalog.schema())?;
        let env = EvalEnv { params: &params, ..EvalEnv::at(self.now) };
        root_access(self.known, entity, rows, needed, &env)
    }

    fn level(
        &mut self,
        entity: &'c EntityInfo,
        rows: RowSelection<'c>,
        items: &[SelectItem],
        depth: usize,
    ) -> Result<Level<'c>> {
        self.check_depth(depth)?;
        let node = self.nodes.len();
        let step = self.steps.next();
        self.nodes.push(ShapeNode { entity: entity.name.clone(), columns: Vec::new(), edges: Vec::new() });
        let all = [SelectItem::All { except: Vec::new() }];
        let items = if items.is_empty() { &all } else { items };
        // The columns share one scope, so that paths over one relation are looked up once; includes make their own.
        let mut selected = Columns::new(entity);
        let mut shape = NodeShape::default();
        let mut includes = Vec::new();
        let mut included: Vec<(usize, Include)> = Vec::new();
        for item in items {
            match item {
                SelectItem::All { except } => selected.all(except)?,
                SelectItem::Field { name, span } => match selected_member(entity, name, *span)? {
                    Member::Field(field) => selected.field(field, *span)?,
                    Member::Struct(of) => selected.structure(of, *span)?,
                    Member::Relation(relation) => {
                        let include = Include {
                            alias: None,
                            relation: relation.name.clone(),
                            span: *span,
                            recursive: None,
                            selection: Selection::default(),
                        };
                        selected.take(&relation.name, *span)?;
                        included.push((selected.exprs.len(), include));
                    }
                },
                SelectItem::Computed { alias, expr } => selected.computed(alias, expr)?,
                SelectItem::Include(include) => match entity.embedded_at(&include.relation) {
                    Some(of) => selected.members(of, include)?,
                    None => {
                        let name = include.alias.as_ref().unwrap_or(&include.relation);
                        selected.take(name, include.span)?;
                        let include = self.unrolled(entity, include)?;
                        included.push((selected.exprs.len(), include));
                    }
                },
            }
        }
        let exprs = selected.exprs;
        let mut scope = self.scope(entity);
        let mut columns = Vec::with_capacity(exprs.len());
        for (name, expr) in exprs {
            let compiled = scope.compile(&expr, None)?;
            shape.columns.push(self.column(name, compiled.ty())?);
            columns.push(compiled);
        }
        let columns = scope.finish(columns)?;
        for (columns_before, include) in included {
            let made = self.include(entity, &include, depth).map_err(|error| at(error, include.span))?;
            let one = match made.fan.navigation {
                Navigation::Direct(hop) => hop.to_one,
                Navigation::Through { .. } => false,
            };
            shape.edges.push(ShapeEdge {
                alias: made.alias.clone(),
                child: u32::try_from(made.level.node).unwrap_or(u32::MAX),
                cardinality: if one { Cardinality::One } else { Cardinality::Many },
                columns_before: u32::try_from(columns_before).unwrap_or(u32::MAX),
            });
            includes.push(made);
        }
        if let Some(slot) = self.nodes.get_mut(node) {
            slot.columns = shape.columns;
            slot.edges = shape.edges;
        }
        Ok(Level { step, node, entity, rows, columns, includes })
    }

    fn include(
        &mut self,
        entity: &'c EntityInfo,
        include: &Include,
        depth: usize,
    ) -> Result<IncludeLevel<'c>> {
        let relation = entity.relation_named(&include.relation)?;
        let navigation = entity.navigation(relation.id)?;
        let target = self.catalog.entity_by_id(relation.target)?;
        kept::check(target, include.selection.deleted, include.span)?;
        let one = one_of_many(target, navigation, &include.selection)?;
        let selection = one.as_ref().unwrap_or(&include.selection);
        let rows = self.row_selection(target, selection.filter.as_ref(), selection)?;
        let edge = edge_of(self.catalog, navigation)?;
        let live_edge = edge.map(|edge| kept::live(self.catalog, edge)).transpose()?.flatten();
        let level = self.level(target, rows, &include.selection.items, depth + 1)?;
        let needed = Needed::of_level(&level);
        let access = FanAccess::ordered(self.catalog, navigation, &level.rows, &needed)?;
        let fan = Fan { navigation, from: entity, target, edge, live_edge, access };
        let alias = include.alias.clone().unwrap_or_else(|| include.relation.clone());
        Ok(IncludeLevel { alias, fan, level })
    }

    fn column(&self, name: String, ty: Option<FieldType>) -> Result<ShapeColumn> {
        // A column of nothing but nulls has to have some type.
        let ty = ty.unwrap_or(FieldType::Scalar(ScalarType::String { chars_max: None }));
        let labels = match ty.scalar() {
            ScalarType::Enum(id) => EnumLabels::from(self.catalog.enum_by_id(id)?),
            _ => EnumLabels::default(),
        };
        Ok(ShapeColumn { labels, ..ShapeColumn::new(name, ColumnType::from(ty)) })
    }

    fn check_depth(&self, depth: usize) -> Result<()> {
        let limit = |name: &str, allowed: usize, asked: usize| {
            let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
            let limit = Limit { name: name.to_owned(), allowed: number(allowed), asked: number(asked) };
            let mut error = Error::new(
                ErrorCode::LimitExceeded,
                format!("the fetch exceeds {name}: {asked} of {allowed}"),
            );
            error.detail.limit = Some(limit);
            error.hint(format!("ask for less, or raise {name} of the session"))
        };
        if depth > self.depth_max {
            return Err(limit("depth_max", self.depth_max, depth));
        }
        if self.nodes.len() >= NODES_MAX {
            return Err(limit("nodes_max", NODES_MAX, self.nodes.len() + 1));
        }
        Ok(())
    }
}

/// How the rows of a root are found, by what a condition says of the fields of keys.
pub(super) fn root_access(
    known: &Known<'_>,
    entity: &EntityInfo,
    rows: &RowSelection<'_>,
    needed: Option<&Needed>,
    env: &EvalEnv<'_>,
) -> Result<RootAccess> {
    access::choose(known, entity, rows, needed, (env, 0, rows.wanted())).map(|choice| choice.access)
}

/// Which way a key of an order sorts; nulls are greater than every value where nothing else is said.
fn direction(key: &OrderBy) -> KeyDirection {
    let descending = key.direction == SortDirection::Descending;
    let nulls_first = key.nulls.map_or(descending, |nulls| nulls == Nulls::First);
    KeyDirection { descending, nulls_first }
}

/// An order turned round, with that of the primary key, which breaks its ties.
fn turn(entity: &EntityInfo, order: &[OrderBy]) -> Result<Vec<OrderBy>> {
    let key = order.iter().map(|key| {
        let KeyDirection { descending, nulls_first } = direction(key);
        let direction = if descending { SortDirection::Ascending } else { SortDirection::Descending };
        let nulls = Some(if nulls_first { Nulls::Last } else { Nulls::First });
        Ok(OrderBy { expr: key.expr.clone(), direction, nulls })
    });
    let ties = entity.primary_key.iter().map(|field| {
        let expr = Expr::path([entity.field_of(*field)?.name.as_str()]);
        Ok(OrderBy { expr, direction: SortDirection::Descending, nulls: None })
    });
    key.chain(ties).collect()
}

#[derive(Default)]
struct NodeShape {
    columns: Vec<ShapeColumn>,
    edges: Vec<ShapeEdge>,
}

/// What a name of a selection means.
fn selected_member<'c>(entity: &'c EntityInfo, name: &str, span: Option<Span>) -> Result<Member<'c>> {
    if let Some((first, rest)) = name.split_once('.')
        && entity.relation(first).is_some()
    {
        let last = rest.rsplit('.').next().unwrap_or(rest);
        let error = Error::new(ErrorCode::SyntaxError, "a value over a relation needs a name in a selection")
            .hint(format!("write `{last}: {name}`, or `{first} {{ … }}`"));
        return Err(at(error, span));
    }
    entity.member(name).map_err(|error| at(error, span))
}

/// A relation to one row leads to several where it shows deleted rows that held its foreign key before: the live one
/// is meant, or else the one that was deleted last.
fn one_of_many(
    target: &EntityInfo,
    navigation: &Navigation,
    selection: &Selection,
) -> Result<Option<Selection>> {
    let Navigation::Direct(hop) = navigation else { return Ok(None) };
    let (Some(soft), KeyAccess::Index(_), true) = (target.soft_delete, hop.access, hop.to_one) else {
        return Ok(None);
    };
    if selection.deleted == DeletedRows::Hidden {
        return Ok(None);
    }
    let mut one = selection.clone();
    if one.order.is_empty() {
        let name = &target.field_of(soft.field)?.name;
        let (direction, nulls) = (SortDirection::Descending, Some(Nulls::First));
        one.order.push(OrderBy { expr: Expr::path([name.as_str()]), direction, nulls });
    }
    if one.limit.is_none() {
        one.limit = Some(Expr::literal(1i64));
    }
    Ok(Some(one))
}

fn at(mut error: Error, span: Option<Span>) -> Error {
    error.detail.span = error.detail.span.or(span);
    error
}
