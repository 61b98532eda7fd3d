//! Random graph fetches, each in both languages, and what is tried to make one smaller.

use super::expr::{Expr, Maker};
use super::schema::Model;
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
    pub limit: Option<u32>,
    pub offset: u32,
    pub items: Vec<Item>,
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
    Include { name: String, relation: usize, select: Select },
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
    let columns = &maker.model.entities[entity].columns;
    let items = columns.iter().map(|column| Item::Field(column.name.clone(), column.ty)).collect();
    let (filter, order) = (Vec::new(), Vec::new());
    Select { entity, alias: maker.alias(), key: None, filter, order, limit: None, offset: 0, items }
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
    for column in &this.columns {
        if maker.rng.bool() {
            items.push(Item::Field(column.name.clone(), column.ty));
        }
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
            let select = select(maker, this.relations[relation].target, levels - 1);
            items.push(Item::Include { name: format!("x{at}"), relation, select });
        }
    }
    if items.is_empty() {
        items.push(Item::Field(this.columns[0].name.clone(), this.columns[0].ty));
    }
    let limit = (maker.rng.u8(..3) == 0).then(|| maker.rng.u32(..5));
    let offset = if maker.rng.u8(..5) == 0 { maker.rng.u32(..4) } else { 0 };
    Select { entity, alias, key: None, filter, order, limit, offset, items }
}

fn order_key(maker: &mut Maker<'_>, entity: usize, alias: &str) -> Option<OrderKey> {
    let ty = maker.one(&Ty::ALL);
    let depth = maker.rng.usize(..3);
    let expr = maker.value(ty, entity, alias, depth).filter(|expr| expr.ty.is_key())?;
    // A constant in an order is the number of a column to PostgreSQL.
    Some(OrderKey { expr, how: maker.one(&HOW) })
}

impl Select {
    /// The query of ormDB.
    pub fn orm(&self, model: &Model) -> String {
        let key = self.key.as_ref().map_or("", |(orm, _)| orm);
        format!("{}{key}{}", model.entities[self.entity].name, self.selection(model))
    }

    fn selection(&self, model: &Model) -> String {
        let mut out = String::new();
        if !self.filter.is_empty() {
            let filter: Vec<&str> = self.filter.iter().map(|e| e.orm.as_str()).collect();
            out.push_str(&format!(" where {}", filter.join(" and ")));
        }
        if !self.order.is_empty() {
            let order: Vec<String> =
                self.order.iter().map(|key| format!("{}{}", key.expr.orm, key.how)).collect();
            out.push_str(&format!(" order by {}", order.join(", ")));
        }
        if let Some(limit) = self.limit {
            out.push_str(&format!(" limit {limit}"));
        }
        if self.offset > 0 {
            out.push_str(&format!(" offset {}", self.offset));
        }
        let items = self.items.iter().map(|item| match item {
            Item::Field(name, _) => name.clone(),
            Item::Computed(name, expr) => format!("{name}: {}", expr.orm),
            Item::Include { name, relation, select } => {
                let relation = &model.entities[self.entity].relations[*relation].name;
                format!("{name}: {relation}{}", select.selection(model))
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
        let (this, alias) = (&model.entities[self.entity], &self.alias);
        let items = self.items.iter().map(|item| match item {
            Item::Field(name, ty) => format!("'{name}', {}", ty.out(&format!("{alias}.{name}"))),
            Item::Computed(name, expr) => format!("'{name}', {}", expr.ty.out(&expr.sql)),
            Item::Include { name, relation, select } => {
                let relation = &this.relations[*relation];
                let rows = select.rows(model, &relation.condition(alias, &select.alias));
                let first = if relation.to_one { " -> 0" } else { "" };
                format!("'{name}', {rows}{first}")
            }
        });
        let items = items.collect::<Vec<_>>().join(", ");
        let conditions: Vec<&str> =
            std::iter::once(condition).chain(self.filter.iter().map(|e| e.sql.as_str())).collect();
        let mut order: Vec<String> =
            self.order.iter().map(|key| format!("({}){}", key.expr.sql, key.how)).collect();
        order.push(this.key_sql(alias));
        let limit = self.limit.map_or(String::new(), |limit| format!(" limit {limit}"));
        format!(
            "coalesce((select json_agg(o.j order by o.n) from (select json_build_object({items}) j, \
             row_number() over (order by {}) n from {} {alias} where {} order by n{limit} offset {}) o), '[]'::json)",
            order.join(", "),
            this.name,
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
                Item::Include { name, relation, select } => {
                    for select in select.smaller() {
                        let mut less = self.clone();
                        less.items[at] = Item::Include { name: name.clone(), relation: *relation, select };
                        all.push(less);
                    }
                }
                Item::Computed(name, expr) => {
                    for part in &expr.parts {
                        let mut less = self.clone();
                        less.items[at] = Item::Computed(name.clone(), part.clone());
                        all.push(less);
                    }
                }
                Item::Field(..) => {}
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
        if self.limit.is_some() {
            all.push(Select { limit: None, ..self.clone() });
        }
        if self.offset > 0 {
            all.push(Select { offset: 0, ..self.clone() });
        }
        all
    }
}
