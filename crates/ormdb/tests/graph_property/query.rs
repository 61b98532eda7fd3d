//! Random fetches, as text for the database and as a naive evaluation over the model.

use std::cmp::Ordering;

use fastrand::Rng;
use serde_json::{Map, Value as Json};

use super::generate::value;
use super::model::{Model, Reach, Relation, Ty, Val};

/// An expression over a row of an entity.
#[derive(Clone, Debug)]
pub enum Expr {
    /// A field, behind relations.
    Path(Vec<Relation>, usize),
    Lit(Val),
    Compare(&'static str, Box<Expr>, Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    IsNull(Box<Expr>, bool),
    In(Box<Expr>, Vec<Val>, bool),
    Between(Box<Expr>, Val, Val),
    StartsWith(Box<Expr>, String),
    Add(Box<Expr>, i64),
    NoRow(Relation, bool),
    Related(Relation, &'static str, Option<Box<Expr>>),
    Count(Relation, Option<Box<Expr>>),
    Aggregate(&'static str, Relation, usize, Option<Box<Expr>>),
}

#[derive(Clone, Debug, Default)]
pub struct Select {
    /// Whether deleted rows are shown.
    pub deleted: bool,
    pub filter: Option<Expr>,
    /// Key, whether it descends, where nulls are said to come.
    pub order: Vec<(Expr, bool, Option<bool>)>,
    pub limit: Option<usize>,
    pub offset: usize,
    pub fields: Vec<usize>,
    pub computed: Vec<Expr>,
    pub includes: Vec<(Relation, Select)>,
}

/// A random selection from an entity.
pub fn select(rng: &mut Rng, model: &Model, entity: usize, depth: usize) -> Select {
    let this = &model.entities[entity];
    let deleted = this.keeps && rng.u8(..4) == 0;
    let mut select = Select { deleted, fields: this.key.clone(), ..Select::default() };
    if rng.bool() {
        select.filter = Some(condition(rng, model, entity, 2));
    }
    let partial: Vec<&Expr> = this.conditions.iter().flatten().collect();
    if !partial.is_empty() && rng.bool() {
        // A partial index serves it, alone or beside what else is asked for.
        let with = partial[rng.usize(..partial.len())].clone();
        let other = select.filter.take();
        select.filter = Some(Expr::And(std::iter::once(with).chain(other).collect()));
    }
    for _ in 0..rng.usize(..3) {
        let (key, _) = scalar(rng, model, entity);
        let nulls = (rng.u8(..4) == 0).then(|| rng.bool());
        select.order.push((key, rng.bool(), nulls));
    }
    if rng.u8(..3) == 0 {
        select.limit = Some(rng.usize(..8));
    }
    if rng.u8(..5) == 0 {
        select.offset = rng.usize(1..4);
    }
    for field in 0..this.fields.len() {
        if !this.key.contains(&field) && rng.bool() {
            select.fields.push(field);
        }
    }
    for _ in 0..rng.usize(..2) {
        select.computed.push(scalar(rng, model, entity).0);
    }
    if depth > 0 && !this.relations.is_empty() {
        for _ in 0..rng.usize(..3) {
            let relation = this.relations[rng.usize(..this.relations.len())].clone();
            let mut below = self::select(rng, model, relation.target, depth - 1);
            if matches!(relation.reach, Reach::Inverse { to_one: true, .. }) {
                // Of several deleted rows the last one is meant, which the model does not know.
                below.deleted = false;
            }
            select.includes.push((relation, below));
        }
    }
    select
}

/// A random expression that can be compared and ordered by.
fn scalar(rng: &mut Rng, model: &Model, entity: usize) -> (Expr, Ty) {
    let this = &model.entities[entity];
    let many: Vec<&Relation> = this.relations.iter().collect();
    match rng.u8(..8) {
        0 if !many.is_empty() => {
            let relation = many[rng.usize(..many.len())].clone();
            let filter = rng.bool().then(|| Box::new(condition(rng, model, relation.target, 0)));
            (Expr::Count(relation, filter), Ty::Int64)
        }
        1 if !many.is_empty() => {
            let relation = many[rng.usize(..many.len())].clone();
            let fields = &model.entities[relation.target].fields;
            let field = rng.usize(..fields.len());
            let ty = fields[field].ty;
            let function = match (ty.is_number(), ty == Ty::Bool, rng.u8(..3)) {
                (true, _, 0) => "sum",
                (_, true, _) => return path(rng, model, entity),
                (_, _, 1) => "min",
                _ => "max",
            };
            let filter = rng.bool().then(|| Box::new(condition(rng, model, relation.target, 0)));
            (Expr::Aggregate(function, relation, field, filter), ty)
        }
        2 => match path(rng, model, entity) {
            (path, ty) if ty.is_number() => (Expr::Add(Box::new(path), rng.i64(-2..3)), ty),
            other => other,
        },
        _ => path(rng, model, entity),
    }
}

/// A random field, perhaps behind to-one relations.
fn path(rng: &mut Rng, model: &Model, entity: usize) -> (Expr, Ty) {
    let mut at = entity;
    let mut hops = Vec::new();
    while hops.len() < 2 && rng.u8(..3) == 0 {
        let to_one: Vec<&Relation> = model.entities[at].relations.iter().filter(|r| r.to_one()).collect();
        if to_one.is_empty() {
            break;
        }
        let relation = to_one[rng.usize(..to_one.len())].clone();
        at = relation.target;
        hops.push(relation);
    }
    let fields = &model.entities[at].fields;
    let field = rng.usize(..fields.len());
    (Expr::Path(hops, field), fields[field].ty)
}

/// A random condition.
pub fn condition(rng: &mut Rng, model: &Model, entity: usize, depth: usize) -> Expr {
    let relations = &model.entities[entity].relations;
    match rng.u8(..if depth > 0 { 14 } else { 8 }) {
        8 | 9 => {
            let all = (0..rng.usize(1..4)).map(|_| condition(rng, model, entity, depth - 1)).collect();
            if rng.bool() { Expr::And(all) } else { Expr::Or(all) }
        }
        10 => Expr::Not(Box::new(condition(rng, model, entity, depth - 1))),
        11..=13 if !relations.is_empty() => {
            let relation = relations[rng.usize(..relations.len())].clone();
            let filter = Some(Box::new(condition(rng, model, relation.target, depth - 1)));
            let words: &[&str] =
                if relation.to_one() { &["is", "is not"] } else { &["some", "every", "none"] };
            let word = words[rng.usize(..words.len())];
            let filter = if relation.to_one() || rng.u8(..4) > 0 { filter } else { None };
            Expr::Related(relation, word, filter)
        }
        0 => Expr::IsNull(Box::new(path(rng, model, entity).0), rng.bool()),
        1 => {
            let (path, ty) = path(rng, model, entity);
            let list = (0..rng.usize(1..4)).map(|_| value(rng, ty)).collect();
            Expr::In(Box::new(path), list, rng.u8(..4) == 0)
        }
        2 => match path(rng, model, entity) {
            (path, Ty::Text) => {
                Expr::StartsWith(Box::new(path), ["a", "ab", "z%", "q"][rng.usize(..4)].to_owned())
            }
            (path, ty) => Expr::Between(Box::new(path), value(rng, ty), value(rng, ty)),
        },
        3 => {
            let to_one: Vec<&Relation> = relations.iter().filter(|r| r.to_one()).collect();
            match to_one.first() {
                Some(relation) => Expr::NoRow((*relation).clone(), rng.bool()),
                None => comparison(rng, model, entity),
            }
        }
        _ => comparison(rng, model, entity),
    }
}

fn comparison(rng: &mut Rng, model: &Model, entity: usize) -> Expr {
    const OPERATORS: [&str; 6] = ["=", "!=", "<", "<=", ">", ">="];
    let op = if rng.bool() { "=" } else { OPERATORS[rng.usize(..6)] };
    let (left, ty) = scalar(rng, model, entity);
    let (other, other_ty) = path(rng, model, entity);
    let right = if rng.u8(..4) == 0 && ty.compares(other_ty) { other } else { Expr::Lit(value(rng, ty)) };
    Expr::Compare(op, Box::new(left), Box::new(right))
}

impl Expr {
    /// The expression as the query language writes it.
    pub fn text(&self, model: &Model, entity: usize) -> String {
        let of = |expr: &Expr| expr.text(model, entity);
        let all = |word: &str, all: &[Expr]| {
            all.iter().map(|e| format!("({})", of(e))).collect::<Vec<_>>().join(word)
        };
        let filtered = |relation: &Relation, filter: &Option<Box<Expr>>| match filter {
            Some(filter) => format!(" where {}", filter.text(model, relation.target)),
            None => String::new(),
        };
        let not = |negated: &bool| if *negated { "not " } else { "" };
        match self {
            Expr::Path(hops, field) => {
                let holder = hops.last().map_or(entity, |hop| hop.target);
                let hops = hops.iter().map(|hop| format!("{}.", hop.name)).collect::<String>();
                format!("{hops}{}", model.entities[holder].fields[*field].name)
            }
            Expr::Lit(value) => value.text(),
            Expr::Compare(op, left, right) => format!("{} {op} {}", of(left), of(right)),
            Expr::And(terms) => all(" and ", terms),
            Expr::Or(terms) => all(" or ", terms),
            Expr::Not(operand) => format!("not ({})", of(operand)),
            Expr::IsNull(operand, negated) => {
                let mut text = of(operand);
                if let Expr::Path(hops, field) = operand.as_ref() {
                    let holder = &model.entities[hops.last().map_or(entity, |hop| hop.target)];
                    // Where the first member of an optional struct is null, the struct is.
                    let marked = |of: &&super::model::Struct| of.optional && of.members[0] == *field;
                    if let Some(of) = holder.struct_of(*field).filter(marked) {
                        let rest = holder.fields[*field].name.len() - of.name.len();
                        text.truncate(text.len() - rest);
                    }
                }
                format!("{text} is {}null", not(negated))
            }
            Expr::In(operand, list, negated) => {
                let list: Vec<String> = list.iter().map(Val::text).collect();
                format!("{} {}in ({})", of(operand), not(negated), list.join(", "))
            }
            Expr::Between(operand, low, high) => {
                format!("{} between {} and {}", of(operand), low.text(), high.text())
            }
            Expr::StartsWith(operand, prefix) => format!("{} startsWith {prefix:?}", of(operand)),
            Expr::Add(operand, by) => format!("({} + {by})", of(operand)),
            Expr::NoRow(relation, negated) => format!("{} is {}null", relation.name, not(negated)),
            Expr::Related(relation, word, None) => format!("{} {word}", relation.name),
            Expr::Related(relation, word, Some(filter)) => {
                format!("{} {word} ({})", relation.name, filter.text(model, relation.target))
            }
            Expr::Count(relation, filter) => {
                format!("count({}{})", relation.name, filtered(relation, filter))
            }
            Expr::Aggregate(function, relation, field, filter) => {
                let field = &model.entities[relation.target].fields[*field].name;
                format!("{function}({}.{field}{})", relation.name, filtered(relation, filter))
            }
        }
    }

    /// The value for a row, worked out from the definitions.
    pub fn eval(&self, model: &Model, entity: usize, row: usize) -> Val {
        let of = |expr: &Expr| expr.eval(model, entity, row);
        let truth = |value: &Val| match value {
            Val::Bool(truth) => Some(*truth),
            Val::Null => None,
            other => panic!("{other:?} is no truth"),
        };
        let from = |truth: Option<bool>| truth.map_or(Val::Null, Val::Bool);
        let not = |value: Option<bool>, negated: bool| value.map(|truth| truth != negated);
        let accepted = |relation: &Relation, filter: &Option<Box<Expr>>| -> Vec<usize> {
            let mut rows = model.related(entity, row, relation);
            if let Some(filter) = filter {
                rows.retain(|row| filter.eval(model, relation.target, *row) == Val::Bool(true));
            }
            rows
        };
        match self {
            Expr::Path(hops, field) => {
                let (mut at, mut here) = (entity, row);
                for hop in hops {
                    let Some(next) = model.related(at, here, hop).first().copied() else { return Val::Null };
                    (at, here) = (hop.target, next);
                }
                model.entities[at].rows[here][*field].clone()
            }
            Expr::Lit(value) => value.clone(),
            Expr::Compare(op, left, right) => from(compare(op, &of(left), &of(right))),
            Expr::And(all) => {
                let all: Vec<_> = all.iter().map(|e| truth(&of(e))).collect();
                from(if all.contains(&Some(false)) {
                    Some(false)
                } else if all.contains(&None) {
                    None
                } else {
                    Some(true)
                })
            }
            Expr::Or(all) => {
                let all: Vec<_> = all.iter().map(|e| truth(&of(e))).collect();
                from(if all.contains(&Some(true)) {
                    Some(true)
                } else if all.contains(&None) {
                    None
                } else {
                    Some(false)
                })
            }
            Expr::Not(operand) => from(not(truth(&of(operand)), true)),
            Expr::IsNull(operand, negated) => Val::Bool(of(operand).is_null() != *negated),
            Expr::In(operand, list, negated) => {
                let operand = of(operand);
                let same: Vec<_> = list.iter().map(|item| compare("=", &operand, item)).collect();
                let found = if same.contains(&Some(true)) {
                    Some(true)
                } else if same.contains(&None) {
                    None
                } else {
                    Some(false)
                };
                from(not(found, *negated))
            }
            Expr::Between(operand, low, high) => {
                let operand = of(operand);
                match (compare(">=", &operand, low), compare("<=", &operand, high)) {
                    (Some(false), _) | (_, Some(false)) => Val::Bool(false),
                    (Some(true), Some(true)) => Val::Bool(true),
                    _ => Val::Null,
                }
            }
            Expr::StartsWith(operand, prefix) => match of(operand) {
                Val::Text(text) => Val::Bool(text.as_bytes().iter().take(prefix.len()).eq(prefix.as_bytes())),
                _ => Val::Null,
            },
            Expr::Add(operand, by) => match of(operand) {
                Val::Int(v) => Val::Int(v + by),
                Val::Dec(v) => Val::Dec(v + by * 100),
                _ => Val::Null,
            },
            Expr::NoRow(relation, negated) => {
                Val::Bool(model.related(entity, row, relation).is_empty() != *negated)
            }
            Expr::Related(relation, word, filter) => {
                let all = model.related(entity, row, relation).len();
                let some = accepted(relation, filter).len();
                Val::Bool(match *word {
                    "some" | "is" => some > 0,
                    "every" => some == all,
                    _ => some == 0,
                })
            }
            Expr::Count(relation, filter) => {
                Val::Int(i64::try_from(accepted(relation, filter).len()).unwrap())
            }
            Expr::Aggregate(function, relation, field, filter) => {
                let rows = accepted(relation, filter);
                let values =
                    rows.iter().map(|row| model.entities[relation.target].rows[*row][*field].clone());
                let values = values.filter(|value| !value.is_null());
                let better = |a: Val, b: Val| {
                    let wanted = if *function == "min" { Ordering::Less } else { Ordering::Greater };
                    if b.compare(&a) == Some(wanted) { b } else { a }
                };
                let sum = |a: Val, b: Val| match (a, b) {
                    (Val::Int(a), Val::Int(b)) => Val::Int(a + b),
                    (Val::Dec(a), Val::Dec(b)) => Val::Dec(a + b),
                    other => panic!("{other:?}"),
                };
                let result = if *function == "sum" { values.reduce(sum) } else { values.reduce(better) };
                result.unwrap_or(Val::Null)
            }
        }
    }
}

fn compare(op: &str, left: &Val, right: &Val) -> Option<bool> {
    let order = left.compare(right)?;
    Some(match op {
        "=" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    })
}

impl Select {
    /// The selection as the query language writes it, behind the name of an entity or relation.
    pub fn text(&self, model: &Model, entity: usize) -> String {
        let this = &model.entities[entity];
        let mut out = if self.deleted { " with deleted".to_owned() } else { String::new() };
        if let Some(filter) = &self.filter {
            out.push_str(&format!(" where {}", filter.text(model, entity)));
        }
        let order: Vec<String> = self
            .order
            .iter()
            .map(|(key, descending, nulls)| {
                let nulls = match nulls {
                    None => "",
                    Some(true) => " nulls first",
                    Some(false) => " nulls last",
                };
                format!("{}{}{nulls}", key.text(model, entity), if *descending { " desc" } else { "" })
            })
            .collect();
        if !order.is_empty() {
            out.push_str(&format!(" order by {}", order.join(", ")));
        }
        if let Some(limit) = self.limit {
            out.push_str(&format!(" limit {limit}"));
        }
        if self.offset > 0 {
            out.push_str(&format!(" offset {}", self.offset));
        }
        let mut items: Vec<String> = self.fields.iter().map(|f| this.fields[*f].name.clone()).collect();
        for (at, expr) in self.computed.iter().enumerate() {
            items.push(format!("c{at}: {}", expr.text(model, entity)));
        }
        for (at, (relation, below)) in self.includes.iter().enumerate() {
            items.push(format!("x{at}: {}{}", relation.name, below.text(model, relation.target)));
        }
        format!("{out} {{ {} }}", items.join(", "))
    }

    /// The answer, worked out from the definitions: of these rows, those that are accepted, in order, cut.
    pub fn answer(&self, model: &Model, entity: usize, mut rows: Vec<usize>) -> Vec<Json> {
        rows.retain(|row| self.deleted || !model.entities[entity].dead.contains(row));
        if let Some(filter) = &self.filter {
            rows.retain(|row| filter.eval(model, entity, *row) == Val::Bool(true));
        }
        rows.sort_by(|a, b| self.compare(model, entity, *a, *b));
        let kept = rows.into_iter().skip(self.offset).take(self.limit.unwrap_or(usize::MAX));
        kept.map(|row| self.row(model, entity, row)).collect()
    }

    fn compare(&self, model: &Model, entity: usize, a: usize, b: usize) -> Ordering {
        for (key, descending, nulls_first) in &self.order {
            let (x, y) = (key.eval(model, entity, a), key.eval(model, entity, b));
            let nulls_first = nulls_first.unwrap_or(*descending);
            let order = match (x.is_null(), y.is_null()) {
                (true, true) => Ordering::Equal,
                (true, false) => {
                    if nulls_first {
                        Ordering::Less
                    } else {
                        Ordering::Greater
                    }
                }
                (false, true) => {
                    if nulls_first {
                        Ordering::Greater
                    } else {
                        Ordering::Less
                    }
                }
                (false, false) => {
                    let order = x.compare(&y).unwrap();
                    if *descending { order.reverse() } else { order }
                }
            };
            if order.is_ne() {
                return order;
            }
        }
        model.by_key(entity, a, b)
    }

    fn row(&self, model: &Model, entity: usize, row: usize) -> Json {
        let this = &model.entities[entity];
        let mut object = Map::new();
        for field in &self.fields {
            let (values, name) = (&this.rows[row], &this.fields[*field].name);
            let Some(of) = this.struct_of(*field) else {
                object.insert(name.clone(), values[*field].json());
                continue;
            };
            if of.optional && values[of.members[0]].is_null() {
                object.insert(of.name.clone(), Json::Null);
                continue;
            }
            let member = name[of.name.len() + 1..].to_owned();
            let inner = object.entry(of.name.clone()).or_insert_with(|| Json::Object(Map::new()));
            inner.as_object_mut().unwrap().insert(member, values[*field].json());
        }
        for (at, expr) in self.computed.iter().enumerate() {
            object.insert(format!("c{at}"), expr.eval(model, entity, row).json());
        }
        for (at, (relation, below)) in self.includes.iter().enumerate() {
            let mut rows = below.answer(model, relation.target, model.reached(entity, row, relation));
            let value = if relation.to_one() {
                if rows.is_empty() { Json::Null } else { rows.remove(0) }
            } else {
                Json::Array(rows)
            };
            object.insert(format!("x{at}"), value);
        }
        Json::Object(object)
    }
}
