//! Random schemas and rows, in both languages.

use fastrand::Rng;

use super::value::{self, Lit, Ty};

/// A schema with what was written of its rows.
#[derive(Clone, Default)]
pub struct Model {
    pub entities: Vec<Entity>,
    /// Whether foreign keys hinder deletes, and do not cascade: where one stands in the way of rows that another takes along,
    /// PostgreSQL answers as the names of its triggers say.
    pub restricts: bool,
}

#[derive(Clone, Default)]
pub struct Entity {
    pub name: String,
    pub columns: Vec<Column>,
    pub key: Vec<usize>,
    pub relations: Vec<Relation>,
    pub foreign: Vec<ForeignKey>,
    /// Attributes of the entity, as the schema language writes them.
    pub attributes: Vec<String>,
    /// The keys of rows that were written; some of them may be gone.
    pub keys: Vec<Vec<Lit>>,
    /// Whether deleted rows are kept and hidden.
    pub soft: bool,
    /// Its fields that are structs: the name, and whether it may be null. Members are columns `name__member`.
    pub structs: Vec<(String, bool)>,
}

#[derive(Clone)]
pub struct Column {
    pub name: String,
    pub ty: Ty,
    pub nullable: bool,
    pub unique: bool,
}

impl Column {
    /// Its name in ormDB: a member of a struct stands behind its struct.
    pub fn orm(&self) -> String {
        self.name.replacen("__", ".", 1)
    }

    /// The struct that it is a member of.
    pub fn of_struct(&self) -> Option<&str> {
        self.name.split_once("__").map(|(name, _)| name)
    }
}

#[derive(Clone)]
pub struct Relation {
    pub name: String,
    pub target: usize,
    pub to_one: bool,
    pub declaration: String,
    pub join: Join,
}

#[derive(Clone)]
pub enum Join {
    /// Own column and column of the target.
    Direct(Vec<(String, String)>),
    /// Own column and column of the edge, then column of the edge and column of the target.
    Through { edge: String, near: Vec<(String, String)>, far: Vec<(String, String)> },
}

#[derive(Clone)]
pub struct ForeignKey {
    pub columns: Vec<usize>,
    pub target: usize,
    pub on_delete: &'static str,
    pub on_update: &'static str,
}

impl Relation {
    /// The condition that a row under one alias leads to a row under another.
    pub fn condition(&self, from: &str, to: &str) -> String {
        let equal = |(own, other): &(String, String), a: &str, b: &str| format!("{a}.{own} = {b}.{other}");
        let all = |pairs: &[(String, String)], a: &str, b: &str| {
            pairs.iter().map(|pair| equal(pair, a, b)).collect::<Vec<_>>().join(" and ")
        };
        match &self.join {
            Join::Direct(pairs) => all(pairs, from, to),
            Join::Through { edge, near, far } => {
                let e = format!("e_{from}_{to}");
                let (near, far) = (all(near, from, &e), all(far, &e, to));
                format!("exists (select 1 from {edge} {e} where {near} and {far})")
            }
        }
    }
}

impl Entity {
    /// The table that has all of its rows; under its name stands a view of those that are not deleted, if there are such.
    pub fn table(&self) -> String {
        if self.soft { format!("{}_all", self.name) } else { self.name.clone() }
    }

    /// Whether a column is a member of a struct that may be null.
    pub fn is_optional_member(&self, column: &Column) -> bool {
        let of = column.of_struct();
        self.structs.iter().any(|(name, optional)| *optional && of == Some(name))
    }

    /// The columns of its key, of an alias.
    pub fn key_sql(&self, alias: &str) -> String {
        let names = self.key.iter().map(|at| format!("{alias}.{}", self.columns[*at].name));
        names.collect::<Vec<_>>().join(", ")
    }

    /// A key in brackets, as statements name it.
    pub fn key_text(&self, key: &[Lit]) -> String {
        let parts =
            self.key.iter().zip(key).map(|(at, lit)| format!("{}: {}", self.columns[*at].name, lit.orm));
        format!("[{}]", parts.collect::<Vec<_>>().join(", "))
    }

    /// The condition that a row has a key.
    pub fn key_condition(&self, alias: &str, key: &[Lit]) -> String {
        let parts = self
            .key
            .iter()
            .zip(key)
            .map(|(at, lit)| format!("{alias}.{} = {}", self.columns[*at].name, lit.sql));
        parts.collect::<Vec<_>>().join(" and ")
    }
}

/// A random schema.
pub fn model(rng: &mut Rng) -> Model {
    let mut model = Model { restricts: rng.bool(), ..Model::default() };
    for at in 0..rng.usize(2..5) {
        let entity = entity(rng, at);
        model.entities.push(entity);
    }
    let plain = model.entities.len();
    for at in 0..rng.usize(2..6) {
        let (from, to) = (rng.usize(..plain), rng.usize(..plain));
        if rng.u8(..3) == 0 {
            edges(rng, &mut model, from, to, at)
        } else {
            foreign_key(rng, &mut model, from, to, at)
        }
    }
    for at in 0..model.entities.len() {
        let is_target = |entity: &Entity| entity.foreign.iter().any(|foreign| foreign.target == at);
        model.entities[at].soft = rng.u8(..4) == 0 && !model.entities.iter().any(is_target);
    }
    for entity in &mut model.entities {
        for _ in 0..rng.usize(..3) {
            let mut columns: Vec<&Column> = entity.columns.iter().filter(|c| c.ty.is_key()).collect();
            rng.shuffle(&mut columns);
            let columns: Vec<String> = columns
                .iter()
                .take(1 + rng.usize(..2))
                .map(|c| format!("{}{}", c.orm(), ["", " desc"][rng.usize(..2)]))
                .collect();
            let attribute = format!("@@index({})", columns.join(", "));
            if !entity.attributes.contains(&attribute) && !columns.is_empty() {
                entity.attributes.push(attribute);
            }
        }
    }
    model
}

fn column(name: String, ty: Ty) -> Column {
    Column { name, ty, nullable: false, unique: false }
}

fn entity(rng: &mut Rng, at: usize) -> Entity {
    let mut entity = Entity { name: format!("E{at}"), ..Entity::default() };
    let key: &[Ty] = match rng.u8(..7) {
        0 | 1 => &[Ty::I64],
        2 => &[Ty::Text],
        3 => &[Ty::I16, Ty::Text],
        4 => &[Ty::Uuid],
        5 => &[Ty::Date, Ty::I32],
        _ => &[Ty::I32],
    };
    for (part, ty) in key.iter().enumerate() {
        entity.key.push(part);
        entity.columns.push(column(format!("k{part}"), *ty));
    }
    for number in 0..rng.usize(2..8) {
        let ty = Ty::ALL[rng.usize(..Ty::ALL.len())];
        let nullable = rng.u8(..3) > 0;
        entity.columns.push(Column { nullable, ..column(format!("f{number}"), ty) });
    }
    for (name, optional) in [("s", false), ("o", true)] {
        if rng.u8(..4) > 0 {
            continue;
        }
        entity.structs.push((name.to_owned(), optional));
        for member in 0..rng.usize(1..4) {
            let ty = Ty::ALL[rng.usize(..Ty::ALL.len())];
            // The first member tells whether the struct is there.
            let nullable = optional || member > 0 && rng.bool();
            entity.columns.push(Column { nullable, ..column(format!("{name}__m{member}"), ty) });
        }
    }
    if rng.u8(..3) == 0 {
        entity.columns.push(Column {
            unique: true,
            nullable: rng.bool(),
            ..column("code".to_owned(), Ty::I32)
        });
    }
    entity
}

/// Adds the columns that hold the key of another entity; their numbers, and how they read in a declaration.
fn key_columns(model: &mut Model, holder: usize, to: usize, prefix: &str, nullable: bool) -> Vec<usize> {
    let types: Vec<Ty> = model.entities[to].key.iter().map(|at| model.entities[to].columns[*at].ty).collect();
    let columns = &mut model.entities[holder].columns;
    let start = columns.len();
    for (part, ty) in types.into_iter().enumerate() {
        columns.push(Column { nullable, ..column(format!("{prefix}_{part}"), ty) });
    }
    (start..columns.len()).collect()
}

fn names(entity: &Entity, columns: &[usize]) -> Vec<String> {
    columns.iter().map(|at| entity.columns[*at].name.clone()).collect()
}

fn list(names: &[String]) -> String {
    if names.len() == 1 { names[0].clone() } else { format!("({})", names.join(", ")) }
}

fn action(rng: &mut Rng, restricts: bool, nullable: bool) -> &'static str {
    match rng.u8(..5) {
        0 | 1 if nullable => "setNull",
        _ if !restricts => "cascade",
        2 | 3 => "restrict",
        _ => "noAction",
    }
}

fn foreign_key(rng: &mut Rng, model: &mut Model, from: usize, to: usize, at: usize) {
    let nullable = from <= to || rng.bool();
    let columns = key_columns(model, from, to, &format!("r{at}"), nullable);
    let one = columns.len() == 1 && nullable && rng.u8(..5) == 0;
    if one {
        model.entities[from].columns[columns[0]].unique = true;
    }
    let (on_delete, on_update) =
        (action(rng, model.restricts, nullable), action(rng, model.restricts, nullable));
    let local = names(&model.entities[from], &columns);
    let remote = names(&model.entities[to], &model.entities[to].key);
    let (from_name, to_name) = (model.entities[from].name.clone(), model.entities[to].name.clone());
    let pairs: Vec<_> = local.iter().cloned().zip(remote.iter().cloned()).collect();
    let back = pairs.iter().map(|(a, b)| (b.clone(), a.clone())).collect();
    let mark = if nullable { "?" } else { "" };
    let actions = format!("onDelete: {on_delete}, onUpdate: {on_update}");
    model.entities[from].relations.push(Relation {
        name: format!("r{at}"),
        target: to,
        to_one: true,
        declaration: format!(
            "{to_name}{mark} @relation(\"n{at}\", {} -> {to_name}.{}, {actions})",
            list(&local),
            list(&remote)
        ),
        join: Join::Direct(pairs),
    });
    model.entities[to].relations.push(Relation {
        name: format!("b{at}"),
        target: from,
        to_one: one,
        declaration: format!("{from_name}{} @relation(\"n{at}\")", if one { "?" } else { "[]" }),
        join: Join::Direct(back),
    });
    model.entities[from].foreign.push(ForeignKey { columns, target: to, on_delete, on_update });
}

fn edges(rng: &mut Rng, model: &mut Model, from: usize, to: usize, at: usize) {
    let edge = model.entities.len();
    let edge_name = format!("J{at}");
    model.entities.push(Entity { name: edge_name.clone(), ..Entity::default() });
    let mut sides = Vec::new();
    for (side, target) in [("a", from), ("z", to)] {
        let columns = key_columns(model, edge, target, side, false);
        let local = names(&model.entities[edge], &columns);
        let remote = names(&model.entities[target], &model.entities[target].key);
        let target_name = model.entities[target].name.clone();
        let on_delete = if model.restricts { ["restrict", "noAction"][rng.usize(..2)] } else { "cascade" };
        model.entities[edge].relations.push(Relation {
            name: format!("{side}side"),
            target,
            to_one: true,
            declaration: format!(
                "{target_name} @relation({} -> {target_name}.{}, onDelete: {on_delete}, onUpdate: cascade)",
                list(&local),
                list(&remote)
            ),
            join: Join::Direct(local.iter().cloned().zip(remote.iter().cloned()).collect()),
        });
        model.entities[edge].foreign.push(ForeignKey {
            columns: columns.clone(),
            target,
            on_delete,
            on_update: "cascade",
        });
        sides.push((side, target, columns, local, remote));
    }
    let all: Vec<usize> = sides.iter().flat_map(|(_, _, columns, _, _)| columns.clone()).collect();
    model.entities[edge].key = all;
    let ty = Ty::ALL[rng.usize(..Ty::ALL.len())];
    model.entities[edge].columns.push(Column { nullable: true, ..column("w".to_owned(), ty) });
    for (near, far, name) in [(0, 1, format!("m{at}")), (1, 0, format!("w{at}"))] {
        let ((near_side, holder, _, near_local, near_remote), (far_side, target, _, far_local, far_remote)) =
            (sides[near].clone(), sides[far].clone());
        let target_name = model.entities[target].name.clone();
        model.entities[holder].relations.push(Relation {
            name,
            target,
            to_one: false,
            declaration: format!(
                "{}[] @through({edge_name}, {near_side}side -> {far_side}side)",
                target_name
            ),
            join: Join::Through {
                edge: edge_name.clone(),
                near: near_remote.iter().cloned().zip(near_local.iter().cloned()).collect(),
                far: far_local.iter().cloned().zip(far_remote.iter().cloned()).collect(),
            },
        });
    }
}

impl Model {
    /// The schema as ormDB reads it.
    pub fn text(&self) -> String {
        let mut out = format!("enum Color {{ {} }}\n", value::LABELS.join(", "));
        for entity in &self.entities {
            for (name, _) in &entity.structs {
                out.push_str(&format!("struct {}{name} {{\n", entity.name));
                for column in entity.columns.iter().filter(|column| column.of_struct() == Some(name)) {
                    let (_, member) = column.name.split_once("__").unwrap();
                    let mark = if column.nullable && member != "m0" { "?" } else { "" };
                    out.push_str(&format!("  {member} {}{mark}\n", column.ty.orm()));
                }
                out.push_str("}\n");
            }
            out.push_str(&format!("entity {} {{\n", entity.name));
            for (name, optional) in &entity.structs {
                let mark = if *optional { "?" } else { "" };
                out.push_str(&format!("  {name} {}{name}{mark}\n", entity.name));
            }
            if entity.soft {
                out.push_str("  deletedAt datetime?\n  @@softDelete(deletedAt)\n");
            }
            for column in entity.columns.iter().filter(|column| column.of_struct().is_none()) {
                let mark = if column.nullable { "?" } else { "" };
                let unique = if column.unique { " @unique" } else { "" };
                out.push_str(&format!("  {} {}{mark}{unique}\n", column.name, column.ty.orm()));
            }
            for relation in &entity.relations {
                out.push_str(&format!("  {} {}\n", relation.name, relation.declaration));
            }
            out.push_str(&format!("  @@id({})\n", names(entity, &entity.key).join(", ")));
            for attribute in &entity.attributes {
                out.push_str(&format!("  {attribute}\n"));
            }
            out.push_str("}\n");
        }
        out
    }

    /// The schema as PostgreSQL reads it; what was there before goes.
    pub fn ddl(&self) -> String {
        let mut out = String::from("drop schema public cascade; create schema public;\n");
        out.push_str(&format!("create type color as enum ('{}');\n", value::LABELS.join("', '")));
        for entity in &self.entities {
            let mut lines: Vec<String> = entity
                .columns
                .iter()
                .map(|column| {
                    let null = if column.nullable { "" } else { " not null" };
                    let unique = if column.unique && !entity.soft { " unique" } else { "" };
                    format!("{} {}{null}{unique}", column.name, column.ty.sql())
                })
                .collect();
            lines.push(format!("primary key ({})", names(entity, &entity.key).join(", ")));
            if entity.soft {
                lines.push("deletedAt timestamptz".to_owned());
            }
            let table = entity.table();
            out.push_str(&format!("create table {table} ({});\n", lines.join(", ")));
            if !entity.soft {
                continue;
            }
            for column in entity.columns.iter().filter(|column| column.unique) {
                let name = &column.name;
                out.push_str(&format!("create unique index on {table} ({name}) where deletedAt is null;\n"));
            }
            out.push_str(&format!(
                "create view {} as select * from {table} where deletedAt is null;\n",
                entity.name
            ));
        }
        for entity in &self.entities {
            for foreign in &entity.foreign {
                let target = &self.entities[foreign.target];
                out.push_str(&format!(
                    "alter table {} add foreign key ({}) references {} ({}) on delete {} on update {} \
                     deferrable initially immediate;\n",
                    entity.table(),
                    names(entity, &foreign.columns).join(", "),
                    target.name,
                    names(target, &target.key).join(", "),
                    action_sql(foreign.on_delete),
                    action_sql(foreign.on_update)
                ));
            }
        }
        out
    }

    /// A random row of an entity: for each column a value, or none for null. Foreign keys lead to rows that are
    /// there, mostly.
    pub fn row(&self, rng: &mut Rng, entity: usize) -> Vec<Option<Lit>> {
        let this = &self.entities[entity];
        let mut row: Vec<Option<Lit>> = this
            .columns
            .iter()
            .map(|column| {
                if column.nullable && rng.u8(..4) == 0 {
                    return None;
                }
                let wide = this.key.len() == 1 && column.name == "k0";
                Some(if wide || column.unique {
                    value::wide(rng, column.ty)
                } else {
                    value::literal(rng, column.ty)
                })
            })
            .collect();
        for (name, _) in this.structs.iter().filter(|(_, optional)| *optional) {
            let members: Vec<usize> =
                (0..row.len()).filter(|at| this.columns[*at].of_struct() == Some(name)).collect();
            if row[members[0]].is_none() {
                members.iter().for_each(|at| row[*at] = None);
            }
        }
        for foreign in &this.foreign {
            let target = &self.entities[foreign.target];
            let nullable = this.columns[foreign.columns[0]].nullable;
            // Few parents have most of the children.
            let at = rng.usize(..=target.keys.len().max(1)).min(rng.usize(..=target.keys.len().max(1)));
            let key = target.keys.get(at).filter(|_| !nullable || rng.u8(..6) > 0);
            let key = if nullable { key } else { key.or_else(|| target.keys.last()) };
            for (part, column) in foreign.columns.iter().enumerate() {
                row[*column] = key.map(|key| key[part].clone());
            }
        }
        row
    }
}

fn action_sql(action: &str) -> &'static str {
    match action {
        "restrict" => "restrict",
        "cascade" => "cascade",
        "setNull" => "set null",
        _ => "no action",
    }
}
