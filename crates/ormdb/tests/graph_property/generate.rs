//! Random schemas of every kind of relation, with data.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::model::{Entity, Field, LABELS, Model, Reach, Relation, Struct, Ty, Val};
use super::query::Expr;

const TYPES: [Ty; 8] = [Ty::Bool, Ty::Int16, Ty::Int32, Ty::Int64, Ty::Dec, Ty::Text, Ty::Date, Ty::Color];
const WORDS: [&str; 7] = ["", "a", "ab", "abc", "b", "\u{e9}", "z%"];

/// A random value of a type, of few, so that rows meet.
pub fn value(rng: &mut Rng, ty: Ty) -> Val {
    match ty {
        Ty::Bool => Val::Bool(rng.bool()),
        Ty::Int16 | Ty::Int32 | Ty::Int64 => Val::Int(rng.i64(-3..6)),
        Ty::Dec => Val::Dec(rng.i64(-2..5) * 50),
        Ty::Text => Val::Text(WORDS[rng.usize(..WORDS.len())].to_owned()),
        Ty::Date => Val::Date(rng.i64(0..6)),
        Ty::Color => Val::Label(rng.usize(..LABELS.len())),
    }
}

/// A random schema with random data.
pub fn model(rng: &mut Rng) -> Model {
    let mut model = Model::default();
    for at in 0..rng.usize(2..5) {
        model.entities.push(entity(rng, at));
    }
    let plain = model.entities.len();
    for at in 0..rng.usize(2..7) {
        let (from, to) = (rng.usize(..plain), rng.usize(..plain));
        match rng.u8(..4) {
            0 | 1 => foreign_key(rng, &mut model, from, to, at),
            2 => explicit_edges(rng, &mut model, from, to, at),
            _ if from != to => implied_edges(&mut model, from, to, at),
            _ => foreign_key(rng, &mut model, from, to, at),
        }
    }
    for at in 0..model.entities.len() {
        indexes(rng, &mut model.entities[at]);
    }
    fill(rng, &mut model);
    model
}

fn field(name: String, ty: Ty) -> Field {
    Field { name, ty, optional: false, unique: false, made_of: None }
}

fn entity(rng: &mut Rng, at: usize) -> Entity {
    let space = ["", "", "one.", "two."][rng.usize(..4)];
    let mut entity = Entity { name: format!("{space}E{at}"), ..Entity::default() };
    let key: &[Ty] = match rng.u8(..4) {
        0 => &[Ty::Int64],
        1 => &[Ty::Text],
        2 => &[Ty::Int16, Ty::Text],
        _ => &[Ty::Int32],
    };
    for (part, ty) in key.iter().enumerate() {
        entity.key.push(part);
        entity.fields.push(field(format!("k{part}"), *ty));
    }
    for number in 0..rng.usize(1..5) {
        let ty = TYPES[rng.usize(..TYPES.len())];
        let optional = rng.bool();
        entity.fields.push(Field { optional, ..field(format!("f{number}"), ty) });
    }
    let numbers: Vec<usize> =
        (0..entity.fields.len()).filter(|f| entity.fields[*f].ty == Ty::Int64).collect();
    if !numbers.is_empty() && rng.bool() {
        let source = numbers[rng.usize(..numbers.len())];
        let optional = entity.fields[source].optional;
        let made_of = Some((source, rng.i64(0..3)));
        entity.fields.push(Field { optional, made_of, ..field("made".to_owned(), Ty::Int64) });
    }
    entity.keeps = rng.u8(..3) == 0;
    if rng.bool() {
        // Another key, which foreign keys may refer to.
        entity.fields.push(Field { unique: true, ..field("code".to_owned(), Ty::Int32) });
    }
    for number in 0..rng.usize(..3) {
        let name = format!("s{number}");
        let start = entity.fields.len();
        for member in 0..rng.usize(1..4) {
            let optional = member > 0 && rng.bool();
            let ty = TYPES[rng.usize(..TYPES.len())];
            entity.fields.push(Field { optional, ..field(format!("{name}.m{member}"), ty) });
        }
        let members = (start..entity.fields.len()).collect();
        entity.structs.push(Struct { name, optional: rng.bool(), members });
    }
    entity
}

/// Adds the fields that hold the `remote` fields of `to`.
fn key_fields(
    rng: &mut Rng,
    model: &mut Model,
    holder: usize,
    to: usize,
    remote: &[usize],
    prefix: &str,
    optional: bool,
) -> Vec<usize> {
    let keys: Vec<Ty> = remote.iter().map(|f| model.entities[to].fields[*f].ty).collect();
    let unique = keys.len() == 1 && optional && rng.u8(..4) == 0;
    let fields = &mut model.entities[holder].fields;
    let start = fields.len();
    for (part, ty) in keys.into_iter().enumerate() {
        fields.push(Field { optional, unique, ..field(format!("{prefix}Id{part}"), ty) });
    }
    (start..fields.len()).collect()
}

fn names(model: &Model, entity: usize, fields: &[usize]) -> String {
    let names: Vec<&str> = fields.iter().map(|f| model.entities[entity].fields[*f].name.as_str()).collect();
    if names.len() == 1 { names[0].to_owned() } else { format!("({})", names.join(", ")) }
}

/// `from` holds a foreign key to `to`; both sides see the relation.
fn foreign_key(rng: &mut Rng, model: &mut Model, from: usize, to: usize, at: usize) {
    // A required key leads to an earlier entity only: there must be a first row.
    let optional = from <= to || rng.bool();
    let code = model.entities[to].fields.iter().position(|field| field.name == "code").filter(|_| rng.bool());
    // The unique keys of deleted rows are free, so that a foreign key refers to the primary key.
    let code = code.filter(|_| !model.entities[to].keeps);
    let remote = code.map_or_else(|| model.entities[to].key.clone(), |code| vec![code]);
    let local = key_fields(rng, model, from, to, &remote, &format!("r{at}"), optional);
    let to_one = local.len() == 1 && model.entities[from].fields[local[0]].unique;
    let (from_name, to_name) = (model.entities[from].name.clone(), model.entities[to].name.clone());
    let mark = if optional { "?" } else { "" };
    let (own, other) = (names(model, from, &local), names(model, to, &remote));
    let action = on_delete(model, to);
    model.entities[from].relations.push(Relation {
        name: format!("r{at}"),
        target: to,
        declaration: format!("{to_name}{mark} @relation(\"n{at}\", {own} -> {to_name}.{other}{action})"),
        reach: Reach::Forward { local: local.clone(), remote: remote.clone() },
    });
    let many = if to_one { "?" } else { "[]" };
    model.entities[to].relations.push(Relation {
        name: format!("b{at}"),
        target: from,
        declaration: format!("{from_name}{many} @relation(\"n{at}\")"),
        reach: Reach::Inverse { local: remote, remote: local, to_one },
    });
}

/// A deleted row takes along what can be kept; the rest stays and leads nowhere.
fn on_delete(model: &Model, target: usize) -> &'static str {
    if model.entities[target].keeps { ", onDelete: cascade" } else { "" }
}

/// A many-to-many relation through an edge entity of its own, keyed by both sides or by a number of its own.
fn explicit_edges(rng: &mut Rng, model: &mut Model, from: usize, to: usize, at: usize) {
    let edge = model.entities.len();
    let keeps = rng.u8(..3) == 0;
    model.entities.push(Entity { name: format!("Edge{at}"), keeps, ..Entity::default() });
    let own_key = rng.bool();
    if own_key {
        model.entities[edge].fields.push(field("k0".to_owned(), Ty::Int64));
        model.entities[edge].key.push(0);
    }
    let optional = own_key && rng.bool();
    let mut ends = Vec::new();
    for (side, target) in [("near", from), ("far", to)] {
        let start = model.entities[edge].fields.len();
        let target_key = model.entities[target].key.clone();
        for (part, key) in target_key.iter().enumerate() {
            let ty = model.entities[target].fields[*key].ty;
            model.entities[edge].fields.push(Field { optional, ..field(format!("{side}Id{part}"), ty) });
        }
        let local: Vec<usize> = (start..model.entities[edge].fields.len()).collect();
        let target_name = model.entities[target].name.clone();
        let (own, other) = (names(model, edge, &local), names(model, target, &target_key));
        let mark = if optional { "?" } else { "" };
        let action = on_delete(model, target);
        model.entities[edge].relations.push(Relation {
            name: side.to_owned(),
            target,
            declaration: format!(
                "{target_name}{mark} @relation(\"{side}{at}\", {own} -> {target_name}.{other}{action})"
            ),
            reach: Reach::Forward { local: local.clone(), remote: target_key.clone() },
        });
        ends.push((local, target_key));
    }
    if !own_key {
        model.entities[edge].key = (0..model.entities[edge].fields.len()).collect();
    }
    model.entities[edge].fields.push(Field { optional: true, ..field("weight".to_owned(), Ty::Int32) });
    let name = model.entities[edge].name.clone();
    let [(near, from_key), (far, to_key)] = [ends[0].clone(), ends[1].clone()];
    let (from_name, to_name) = (model.entities[from].name.clone(), model.entities[to].name.clone());
    model.entities[from].relations.push(Relation {
        name: format!("m{at}"),
        target: to,
        declaration: format!("{to_name}[] @through({name}, near -> far)"),
        reach: Reach::Through {
            edge,
            local: from_key.clone(),
            near: near.clone(),
            far: far.clone(),
            remote: to_key.clone(),
        },
    });
    model.entities[to].relations.push(Relation {
        name: format!("w{at}"),
        target: from,
        declaration: format!("{from_name}[] @through({name}, far -> near)"),
        reach: Reach::Through { edge, local: to_key, near: far, far: near, remote: from_key },
    });
}

/// A many-to-many relation whose edge entity the schema text does not name.
fn implied_edges(model: &mut Model, from: usize, to: usize, at: usize) {
    let edge = model.entities.len();
    let mut entity = Entity { name: format!("implied {at}"), implied: true, ..Entity::default() };
    let mut ends = Vec::new();
    for target in [from, to] {
        let start = entity.fields.len();
        for key in &model.entities[target].key {
            entity.fields.push(field(String::new(), model.entities[target].fields[*key].ty));
        }
        ends.push((start..entity.fields.len()).collect::<Vec<usize>>());
    }
    entity.key = (0..entity.fields.len()).collect();
    model.entities.push(entity);
    let keys = [model.entities[from].key.clone(), model.entities[to].key.clone()];
    for (side, (holder, target)) in [(from, to), (to, from)].into_iter().enumerate() {
        let target_name = model.entities[target].name.clone();
        model.entities[holder].relations.push(Relation {
            name: format!("{}{at}", if side == 0 { "i" } else { "j" }),
            target,
            declaration: format!("{target_name}[] @relation(\"i{at}\")"),
            reach: Reach::Through {
                edge,
                local: keys[side].clone(),
                near: ends[side].clone(),
                far: ends[1 - side].clone(),
                remote: keys[1 - side].clone(),
            },
        });
    }
}

fn indexes(rng: &mut Rng, entity: &mut Entity) {
    if entity.implied {
        return;
    }
    let mut seen = BTreeSet::new();
    for _ in 0..rng.usize(..4) {
        let mut fields: Vec<usize> = (0..entity.fields.len()).collect();
        rng.shuffle(&mut fields);
        fields.truncate(rng.usize(1..4));
        // An index must not say what another one says.
        if seen.insert(fields.clone()) {
            entity.indexes.push(fields.into_iter().map(|f| (f, rng.bool())).collect());
            let covered = (0..entity.fields.len()).filter(|_| rng.u8(..3) == 0).collect();
            entity.covered.push(covered);
            let condition = (rng.u8(..3) == 0).then(|| condition(rng, entity));
            entity.conditions.push(condition);
        }
    }
}

/// The condition of a partial index: of few forms, so that fetches have conditions that it follows from.
fn condition(rng: &mut Rng, entity: &Entity) -> Expr {
    let field = rng.usize(..entity.fields.len());
    let path = || Box::new(Expr::Path(Vec::new(), field));
    let ty = entity.fields[field].ty;
    match rng.u8(..4) {
        0 if entity.struct_of(field).is_none() => Expr::IsNull(path(), rng.bool()),
        1 => Expr::In(path(), vec![value(rng, ty), value(rng, ty)], false),
        2 => {
            let op = ["<", "<=", ">", ">=", "!="][rng.usize(..5)];
            Expr::Compare(op, path(), Box::new(Expr::Lit(value(rng, ty))))
        }
        _ => Expr::Compare("=", path(), Box::new(Expr::Lit(value(rng, ty)))),
    }
}

fn fill(rng: &mut Rng, model: &mut Model) {
    for entity in 0..model.entities.len() {
        let wanted = rng.usize(..40);
        for _ in 0..wanted {
            let row = row(rng, model, entity);
            let Some(row) = row else { continue };
            let Entity { rows, key, fields, .. } = &model.entities[entity];
            let same = |fields: &[usize]| {
                rows.iter().any(|other| fields.iter().all(|f| !row[*f].is_null() && other[*f] == row[*f]))
            };
            let taken = fields.iter().enumerate().any(|(f, field)| field.unique && same(&[f]));
            if !taken && !same(key) {
                model.entities[entity].rows.push(row);
            }
        }
    }
    // Foreign keys to entities that were filled later, and to the entity itself.
    for entity in 0..model.entities.len() {
        for row in 0..model.entities[entity].rows.len() {
            link_late(rng, model, entity, row);
        }
    }
}

/// A random row; none if a foreign key has nothing to refer to yet and may not be null.
fn row(rng: &mut Rng, model: &Model, entity: usize) -> Option<Vec<Val>> {
    let Entity { fields, relations, key, .. } = &model.entities[entity];
    let mut row: Vec<Val> = Vec::with_capacity(fields.len());
    for (at, field) in fields.iter().enumerate() {
        let null = field.optional && rng.u8(..3) == 0;
        let mut value = if null { Val::Null } else { value(rng, field.ty) };
        if (key == &[at] && matches!(field.ty, Ty::Int64 | Ty::Int32)) || field.name == "code" {
            value = Val::Int(rng.i64(-5..30));
        }
        row.push(value);
    }
    for (at, field) in fields.iter().enumerate() {
        let Some((source, by)) = field.made_of else { continue };
        row[at] = match &row[source] {
            Val::Int(value) => Val::Int(value + by),
            _ => Val::Null,
        };
    }
    for of in model.entities[entity].structs.iter().filter(|of| of.optional) {
        if rng.u8(..3) == 0 {
            of.members.iter().for_each(|f| row[*f] = Val::Null);
        }
    }
    let edges: Vec<(usize, Vec<usize>, Vec<usize>)> = if model.entities[entity].implied {
        implied_ends(model, entity)
    } else {
        relations
            .iter()
            .filter_map(|relation| match &relation.reach {
                Reach::Forward { local, remote } => Some((relation.target, local.clone(), remote.clone())),
                Reach::Inverse { .. } | Reach::Through { .. } => None,
            })
            .collect()
    };
    for (target, local, remote) in edges {
        let targets = &model.entities[target].rows;
        let optional = local.iter().all(|f| fields[*f].optional);
        if targets.is_empty() || (optional && rng.u8(..4) == 0) {
            local.iter().for_each(|f| row[*f] = Val::Null);
        } else {
            let to = &targets[rng.usize(..targets.len())];
            local.iter().zip(&remote).for_each(|(l, r)| row[*l] = to[*r].clone());
        }
        if !optional && local.iter().any(|f| row[*f].is_null()) && local.iter().any(|f| key.contains(f)) {
            return None;
        }
    }
    Some(row)
}

fn implied_ends(model: &Model, edge: usize) -> Vec<(usize, Vec<usize>, Vec<usize>)> {
    let through = model.entities.iter().flat_map(|e| &e.relations);
    through
        .filter_map(|relation| match &relation.reach {
            Reach::Through { edge: e, far, remote, .. } if *e == edge => {
                Some((relation.target, far.clone(), remote.clone()))
            }
            _ => None,
        })
        .collect()
}

/// Gives keys that are null for want of rows another chance.
fn link_late(rng: &mut Rng, model: &mut Model, entity: usize, row: usize) {
    for relation in model.entities[entity].relations.clone() {
        let Reach::Forward { local, remote } = &relation.reach else { continue };
        let fields = &model.entities[entity].fields;
        let is_key = local.iter().any(|f| model.entities[entity].key.contains(f));
        let null = local.iter().any(|f| model.entities[entity].rows[row][*f].is_null());
        let unique = local.iter().any(|f| fields[*f].unique);
        let required = local.iter().any(|f| !fields[*f].optional);
        let targets = &model.entities[relation.target].rows;
        if null && !is_key && !unique && !targets.is_empty() && (required || rng.bool()) {
            let to = targets[rng.usize(..targets.len())].clone();
            for (l, r) in local.iter().zip(remote) {
                model.entities[entity].rows[row][*l] = to[*r].clone();
            }
        }
    }
}

impl Model {
    /// Deletes some rows of entities that keep them; those that it is said of, in order.
    pub fn delete_some(&mut self, rng: &mut Rng) -> Vec<(usize, usize)> {
        let mut said = Vec::new();
        for entity in self.keepers() {
            for row in 0..self.entities[entity].rows.len() {
                if rng.u8(..4) == 0 && !self.entities[entity].dead.contains(&row) {
                    said.push((entity, row));
                    self.delete(entity, row);
                }
            }
        }
        said
    }

    /// The entities that keep deleted rows.
    fn keepers(&self) -> Vec<usize> {
        (0..self.entities.len()).filter(|e| self.entities[*e].keeps).collect()
    }

    /// Deletes a row, with the rows of entities that keep theirs which refer to it.
    fn delete(&mut self, entity: usize, row: usize) {
        if !self.entities[entity].dead.insert(row) {
            return;
        }
        for holder in self.keepers() {
            for (target, local, remote) in self.foreign_keys(holder) {
                if target != entity {
                    continue;
                }
                let gone = self.entities[entity].rows[row].clone();
                for child in 0..self.entities[holder].rows.len() {
                    let values = &self.entities[holder].rows[child];
                    let refers = local.iter().zip(&remote).all(|(l, r)| values[*l] == gone[*r]);
                    if refers {
                        self.delete(holder, child);
                    }
                }
            }
        }
    }

    /// The foreign keys of an entity: target, fields here, fields there.
    fn foreign_keys(&self, entity: usize) -> Vec<(usize, Vec<usize>, Vec<usize>)> {
        if self.entities[entity].implied {
            return implied_ends(self, entity);
        }
        let relations = self.entities[entity].relations.iter();
        relations
            .filter_map(|relation| match &relation.reach {
                Reach::Forward { local, remote } => Some((relation.target, local.clone(), remote.clone())),
                Reach::Inverse { .. } | Reach::Through { .. } => None,
            })
            .collect()
    }

    /// An order in which each row refers to earlier ones only. Rows that refer to each other in a circle lose an
    /// optional key, or are dropped.
    pub fn order_of_creation(&mut self) -> Vec<(usize, usize)> {
        let mut waiting: Vec<(usize, Vec<Val>)> = Vec::new();
        for (entity, this) in self.entities.iter_mut().enumerate() {
            waiting.extend(std::mem::take(&mut this.rows).into_iter().map(|row| (entity, row)));
        }
        let mut order = Vec::new();
        loop {
            let before = order.len();
            let mut still = Vec::new();
            for (entity, row) in waiting {
                if self.missing(entity, &row).is_empty() {
                    order.push((entity, self.entities[entity].rows.len()));
                    self.entities[entity].rows.push(row);
                } else {
                    still.push((entity, row));
                }
            }
            waiting = still;
            if order.len() > before {
                continue;
            }
            let optional = |fields: &[usize], entity: usize| {
                fields.iter().all(|f| self.entities[entity].fields[*f].optional)
            };
            let freed = waiting.iter_mut().find_map(|(entity, row)| {
                let missing = self.missing(*entity, row);
                let free = missing.iter().find(|fields| optional(fields, *entity))?.clone();
                free.iter().for_each(|f| row[*f] = Val::Null);
                Some(())
            });
            if freed.is_none() {
                return order;
            }
        }
    }

    /// The foreign keys of a row that lack a value, or a row to refer to.
    fn missing(&self, entity: usize, row: &[Val]) -> Vec<Vec<usize>> {
        let fields = &self.entities[entity].fields;
        let lacks = |(target, local, remote): &(usize, Vec<usize>, Vec<usize>)| {
            if local.iter().any(|f| row[*f].is_null()) {
                return local.iter().any(|f| !fields[*f].optional);
            }
            let targets = &self.entities[*target].rows;
            !targets.iter().any(|to| local.iter().zip(remote).all(|(l, r)| row[*l] == to[*r]))
        };
        self.foreign_keys(entity).into_iter().filter(lacks).map(|(_, local, _)| local).collect()
    }
}
