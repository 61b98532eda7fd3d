//! Random graph fetches, each in both languages, and what is tried to make one smaller.

use super::expr::{Expr, Maker};
use super::schema::{Entity, Model};
use super::value::Ty;

/// A selection of rows under an alias.
#[derive(Clone, Debug)]
pub struct Select {
    pub entity: usize,
    pub alias: String,
    /// A key in brackets, and the condition that a row has it.
    pub key: Option<(String, String)>,
    pub filter: Vec<Expr>,
    pub order: Vec<OrderKey>,
    pub distinct: Vec<Expr>,
    /// The word of a cursor, the key in brackets, and the condition that a row has it.
    pub cursor: Option<(&'static str, String, String)>,
    pub limit: Option<u32>,
    /// Whether the limit is of the last rows.
    pub last: bool,
    pub offset: u32,
    pub items: Vec<Item>,
    /// Whether deleted rows are shown.
    pub with_deleted: bool,
}

#[derive(Clone, Debug)]
pub struct OrderKey {
    pub expr: Expr,
    /// As both languages write it.
    pub how: &'static str,
}

#[derive(Clone, Debug)]
pub enum Item {
    Field(String, Ty),
    Computed(String, Expr),
    /// A whole struct: its members, and whether it may be null.
    Struct(String, Vec<(String, Ty)>, bool),
    Include {
        name: String,
        relation: usize,
        levels: usize,
        select: Select,
    },
}

/// Where the condition of a join stands, until it is known.
const JOIN: &str = "@join@";

/// A text with one alias in place of another.
fn renamed(sql: &str, from: &str, to: &str) -> String {
    let mut out = String::new();
    let mut rest = sql;
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(at) = rest.find(from) {
        let (before, behind) = (&rest[..at], &rest[at + from.len()..]);
        let whole = !out.chars().chain(before.chars()).next_back().is_some_and(part_of_name)
            && !behind.chars().next().is_some_and(part_of_name);
        out.push_str(before);
        out.push_str(if whole { to } else { from });
        rest = behind;
    }
    out.push_str(rest);
    out
}

const HOW: [&str; 8] = [
    "",
    " asc",
    " desc",
    " nulls first",
    " desc nulls last",
    " desc nulls first",
    " asc nulls last",
    " desc",
];

/// All rows of an entity.
pub fn all(maker: &mut Maker<'_>, entity: usize) -> Select {
    let alias = maker.alias();
    let this = &maker.model.entities[entity];
    let plain = this.columns.iter().filter(|column| column.of_struct().is_none());
    let mut items: Vec<Item> = plain.map(|column| Item::Field(column.name.clone(), column.ty)).collect();
    items.extend(this.structs.iter().map(|(name, _)| structure(this, name)));
    if this.soft {
        items.push(deleted(&alias));
    }
    Select { items, with_deleted: this.soft, ..Select::of(entity, alias) }
}

/// A whole struct of an entity.
fn structure(entity: &Entity, name: &str) -> Item {
    let members = entity.columns.iter().filter(|column| column.of_struct() == Some(name));
    let members = members.map(|column| (column.name.clone(), column.ty)).collect();
    Item::Struct(name.to_owned(), members, entity.structs.iter().any(|(n, optional)| n == name && *optional))
}

/// Whether a row of an entity that keeps them is deleted.
fn deleted(alias: &str) -> Item {
    Item::Computed(
        "gone".to_owned(),
        Expr {
            orm: "(deletedAt is not null)".to_owned(),
            sql: format!("({alias}.deletedAt is not null)"),
            ty: Ty::Bool,
            parts: Vec::new(),
        },
    )
}

/// A random fetch.
pub fn fetch(maker: &mut Maker<'_>) -> Select {
    let entity = maker.rng.usize(..maker.model.entities.len());
    let mut select = select(maker, entity, 2);
    let this = &maker.model.entities[entity];
    if maker.rng.u8(..8) == 0 && !this.keys.is_empty() {
        let key = maker.one(&this.keys);
        select.key = Some((this.key_text(&key), this.key_condition(&select.alias, &key)));
    }
    select
}

/// A random selection with includes of at most so many levels below.
fn select(maker: &mut Maker<'_>, entity: usize, levels: usize) -> Select {
    let alias = maker.alias();
    let this = &maker.model.entities[entity];
    let filter = if maker.rng.u8(..3) == 0 { 0 } else { maker.rng.usize(1..3) };
    let filter = (0..filter).map(|_| maker.condition(entity, &alias, 3)).collect();
    let order = (0..maker.rng.usize(..3)).filter_map(|_| order_key(maker, entity, &alias)).collect();
    let mut items: Vec<Item> = Vec::new();
    for column in this.columns.iter().filter(|column| column.of_struct().is_none()) {
        if maker.rng.bool() {
            items.push(Item::Field(column.name.clone(), column.ty));
        }
    }
    for (name, _) in &this.structs {
        if maker.rng.bool() {
            items.push(structure(this, name));
        }
    }
    let with_deleted = this.soft && maker.rng.u8(..4) == 0;
    if with_deleted {
        items.push(deleted(&alias));
    }
    for at in 0..maker.rng.usize(..3) {
        let ty = maker.one(&Ty::ALL);
        if let Some(expr) = maker.value(ty, entity, &alias, 3) {
            items.push(Item::Computed(format!("c{at}"), expr));
        }
    }
    if levels > 0 && !this.relations.is_empty() {
        for at in 0..maker.rng.usize(..3) {
            let relation = maker.rng.usize(..this.relations.len());
            let target = this.relations[relation].target;
            let mut select = select(maker, target, levels - 1);
            // Of several rows that had its place, the one that was deleted last stands there.
            select.with_deleted &= !this.relations[relation].to_one;
            let below = levels;
            let levels = if target == entity && maker.rng.bool() { maker.rng.usize(2..4) } else { 1 };
            let name = if levels > 1 { format!("y{below}_{at}") } else { format!("x{at}") };
            items.push(Item::Include { name, relation, levels, select });
        }
    }
    if items.is_empty() {
        items.push(Item::Field(this.columns[0].name.clone(), this.columns[0].ty));
    }
    let mut distinct = Vec::new();
    if maker.rng.u8(..6) == 0 {
        let ty = maker.one(&Ty::ALL);
        distinct.extend(maker.value(ty, entity, &alias, 1).filter(|expr| expr.ty.is_key()));
    }
    let mut cursor = None;
    if maker.rng.u8(..6) == 0 && !this.keys.is_empty() {
        let word = maker.one(&["after", "from", "before", "until"]);
        let key = maker.one(&this.keys);
        cursor = Some((word, this.key_text(&key), this.key_condition("c", &key)));
    }
    let last = maker.rng.u8(..4) == 0;
    let limit = (last || maker.rng.u8(..3) == 0).then(|| maker.rng.u32(..5));
    let offset = if maker.rng.u8(..5) == 0 { maker.rng.u32(..4) } else { 0 };
    Select {
        filter,
        order,
        distinct,
        cursor,
        limit,
        last,
        offset,
        items,
        with_deleted,
        ..Select::of(entity, alias)
    }
}

fn order_key(maker: &mut Maker<'_>, entity: usize, alias: &str) -> Option<OrderKey> {
    let ty = maker.one(&Ty::ALL);
    let depth = maker.rng.usize(..3);
    let expr = maker.value(ty, entity, alias, depth).filter(|expr| expr.ty.is_key())?;
    // A constant in an order is the number of a column to PostgreSQL.
    Some(OrderKey { expr, how: maker.one(&HOW) })
}

impl Select {
    fn of(entity: usize, alias: String) -> Select {
        Select {
            entity,
            alias,
            key: None,
            filter: Vec::new(),
            order: Vec::new(),
            distinct: Vec::new(),
            cursor: None,
            limit: None,
            last: false,
            offset: 0,
            items: Vec::new(),
            with_deleted: false,
        }
    }

    /// The query of ormDB.
    pub fn orm(&self, model: &Model) -> String {
        let key = self.key.as_ref().map_or("", |(orm, _)| orm);
        format!("{}{key}{}", model.entities[self.entity].name, self.selection(model))
    }

    fn selection(&self, model: &Model) -> String {
        let mut out = String::new();
        if self.with_deleted {
            out.push_str(" with deleted");
        }
        if !self.filter.is_empty() {
            let filter: Vec<&str> = self.filter.iter().map(|e| e.orm.as_str()).collect();
            out.push_str(&format!(" where {}", filter.join(" and ")));
        }
        if !self.order.is_empty() {
            let order: Vec<String> =
                self.order.iter().map(|key| format!("{}{}", key.expr.orm, key.how)).collect();
            out.push_str(&format!(" order by {}", order.join(", ")));
        }
        if !self.distinct.is_empty() {
            let distinct: Vec<&str> = self.distinct.iter().map(|e| e.orm.as_str()).collect();
            out.push_str(&format!(" distinct by {}", distinct.join(", ")));
        }
        if let Some((word, key, _)) = &self.cursor {
            out.push_str(&format!(" {word} {key}"));
        }
        if let Some(limit) = self.limit {
            out.push_str(&format!(" {} {limit}", if self.last { "last" } else { "limit" }));
        }
        if self.offset > 0 {
            out.push_str(&format!(" offset {}", self.offset));
        }
        let items = self.items.iter().map(|item| match item {
            Item::Field(name, _) | Item::Struct(name, ..) => name.clone(),
            Item::Computed(name, expr) => format!("{name}: {}", expr.orm),
            Item::Include { name, relation, levels, select } => {
                let relation = &model.entities[self.entity].relations[*relation].name;
                let recursive = if *levels > 1 { format!(" recursive {levels}") } else { String::new() };
                format!("{name}: {relation}{recursive}{}", select.selection(model))
            }
        });
        format!("{out} {{ {} }}", items.collect::<Vec<_>>().join(", "))
    }

    /// The query of PostgreSQL: one document of all rows.
    pub fn sql(&self, model: &Model) -> String {
        let key = self.key.as_ref().map_or("true", |(_, sql)| sql);
        format!("select {}", self.rows(model, key))
    }

    /// The rows that satisfy a condition as well, as an array in the order asked for.
    fn rows(&self, model: &Model, condition: &str) -> String {
        let items = self.items.iter().map(|item| self.item(model, item)).collect();
        self.rows_of(model, condition, items)
    }

    fn item(&self, model: &Model, item: &Item) -> String {
        let alias = &self.alias;
        match item {
            Item::Field(name, ty) => format!("'{name}', {}", ty.out(&format!("{alias}.{name}"))),
            Item::Computed(name, expr) => format!("'{name}', {}", expr.ty.out(&expr.sql)),
            Item::Struct(name, members, optional) => {
                let parts = members.iter().map(|(column, ty)| {
                    let (_, member) = column.split_once("__").unwrap();
                    format!("'{member}', {}", ty.out(&format!("{alias}.{column}")))
                });
                let built = format!("json_build_object({})", parts.collect::<Vec<_>>().join(", "));
                let there = format!("{alias}.{name}__m0 is not null");
                match optional {
                    true => format!("'{name}', case when {there} then {built} end"),
                    false => format!("'{name}', {built}"),
                }
            }
            Item::Include { name, relation, levels, select } => {
                let relation = &model.entities[self.entity].relations[*relation];
                let first = if relation.to_one { " -> 0" } else { "" };
                let below = &select.alias;
                let mut rows = select.rows(model, JOIN);
                for level in 1..*levels {
                    // The level below, under an alias of its own.
                    let inner = format!("{below}x{level}");
                    let rows_below =
                        renamed(&rows, below, &inner).replace(JOIN, &relation.condition(below, &inner));
                    let mut items: Vec<String> =
                        select.items.iter().map(|item| select.item(model, item)).collect();
                    items.push(format!("'{name}', {rows_below}{first}"));
                    rows = select.rows_of(model, JOIN, items);
                }
                let rows = rows.replace(JOIN, &relation.condition(alias, below));
                format!("'{name}', {rows}{first}")
            }
        }
    }

    fn rows_of(&self, model: &Model, condition: &str, items: Vec<String>) -> String {
        let (this, alias) = (&model.entities[self.entity], &self.alias);
        let table = if self.with_deleted { this.table() } else { this.name.clone() };
        let items = items.join(", ");
        let mut conditions: Vec<&str> = vec![condition];
        conditions.extend(self.filter.iter().map(|e| e.sql.as_str()));
        let mut order: Vec<String> =
            self.order.iter().map(|key| format!("({}){}", key.expr.sql, key.how)).collect();
        order.push(this.key_sql(alias));
        let order = order.join(", ");
        let placed = self.cursor.as_ref().map(|(word, _, key)| {
            let of = |condition: &str| {
                format!(
                    "(select c.p from (select {alias}.*, row_number() over (order by {order}) p from {} {alias}) c \
                     where {condition})",
                    table
                )
            };
            let same = this.key.iter().map(|at| {
                let name = &this.columns[*at].name;
                format!("c.{name} = {alias}.{name}")
            });
            let sign = match *word {
                "after" => ">",
                "from" => ">=",
                "before" => "<",
                _ => "<=",
            };
            format!("{} {sign} {}", of(&same.collect::<Vec<_>>().join(" and ")), of(key))
        });
        conditions.extend(placed.as_deref());
        let limit = self.limit.map_or(String::new(), |limit| format!(" limit {limit}"));
        let way = if self.last { " desc" } else { "" };
        let distinct: Vec<&str> = self.distinct.iter().map(|e| e.sql.as_str()).collect();
        let first = match distinct.as_slice() {
            [] => "1".to_owned(),
            exprs => format!("row_number() over (partition by {} order by {})", exprs.join(", "), order),
        };
        format!(
            "coalesce((select json_agg(o.j order by o.n) from (select i.j, i.n from (select json_build_object({items}) j, \
             row_number() over (order by {order}) n, {first} d from {} {alias} where {}) i \
             where i.d = 1 order by i.n{way}{limit} offset {}) o), '[]'::json)",
            table,
            conditions.join(" and "),
            self.offset
        )
    }

    /// Smaller selections: each lacks one thing of this.
    pub fn smaller(&self) -> Vec<Select> {
        let mut all = Vec::new();
        for at in 0..self.items.len() {
            if self.items.len() > 1 {
                let mut less = self.clone();
                less.items.remove(at);
                all.push(less);
            }
            match &self.items[at] {
                Item::Include { name, relation, levels, select } => {
                    let mut with = |levels: usize, select: Select| {
                        let mut less = self.clone();
                        less.items[at] =
                            Item::Include { name: name.clone(), relation: *relation, levels, select };
                        all.push(less);
                    };
                    if *levels > 1 {
                        with(levels - 1, select.clone());
                    }
                    select.smaller().into_iter().for_each(|select| with(*levels, select));
                }
                Item::Computed(name, expr) => {
                    for part in &expr.parts {
                        let mut less = self.clone();
                        less.items[at] = Item::Computed(name.clone(), part.clone());
                        all.push(less);
                    }
                }
                Item::Field(..) | Item::Struct(..) => {}
            }
        }
        for at in 0..self.filter.len() {
            let mut less = self.clone();
            less.filter.remove(at);
            all.push(less);
            for part in &self.filter[at].parts {
                let mut less = self.clone();
                less.filter[at] = part.clone();
                all.push(less);
            }
        }
        for at in 0..self.order.len() {
            let mut less = self.clone();
            less.order.remove(at);
            all.push(less);
            for part in &self.order[at].expr.parts {
                let mut less = self.clone();
                less.order[at].expr = part.clone();
                all.push(less);
            }
        }
        if !self.distinct.is_empty() {
            all.push(Select { distinct: Vec::new(), ..self.clone() });
        }
        if self.cursor.is_some() {
            all.push(Select { cursor: None, ..self.clone() });
        }
        if self.limit.is_some() {
            all.push(Select { limit: None, last: false, ..self.clone() });
        }
        if self.offset > 0 {
            all.push(Select { offset: 0, ..self.clone() });
        }
        all
    }
}
