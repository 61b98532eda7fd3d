//! Random groups, each in both languages.

use super::expr::{Expr, Maker};
use super::schema::Model;
use super::value::Ty;

/// Groups of the rows of an entity.
#[derive(Clone, Debug)]
pub struct Groups {
    pub entity: usize,
    pub alias: String,
    pub filter: Vec<Expr>,
    pub by: Vec<Expr>,
    pub items: Vec<Aggregate>,
    pub having: Option<(Aggregate, &'static str, i32)>,
    pub order: Option<(Aggregate, &'static str)>,
    pub limit: Option<(&'static str, u32)>,
    pub offset: u32,
}

/// An aggregate of the rows of a group.
#[derive(Clone, Debug)]
pub struct Aggregate {
    orm: String,
    sql: String,
    ty: Ty,
}

/// A random query of groups.
pub fn groups(maker: &mut Maker<'_>) -> Groups {
    let entity = maker.rng.usize(..maker.model.entities.len());
    let alias = maker.alias();
    let filter = (0..maker.rng.usize(..2)).map(|_| maker.condition(entity, &alias, 2)).collect();
    let mut by: Vec<Expr> = Vec::new();
    for _ in 0..maker.rng.usize(..3) {
        let ty = maker.one(&Ty::ALL);
        // Decimals and floats of one value have several texts, and which of them stands for a group is chance.
        let depth =
            if matches!(ty, Ty::Dec | Ty::F32 | Ty::F64 | Ty::Interval) { 0 } else { maker.rng.usize(..3) };
        by.extend(
            maker
                .value(ty, entity, &alias, depth)
                .filter(|expr| expr.ty.is_key() && !is_constant(expr, &alias)),
        );
    }
    if by.len() == 2 && by[0].orm == by[1].orm {
        by.pop();
    }
    let items = (0..maker.rng.usize(1..4)).map(|_| aggregate(maker, entity, &alias)).collect();
    let count = |maker: &mut Maker<'_>| loop {
        let made = aggregate(maker, entity, &alias);
        if made.ty == Ty::I64 {
            return made;
        }
    };
    let having = (maker.rng.u8(..3) == 0).then(|| {
        let sign = maker.one(&[">", "<=", "=", "!="]);
        (count(maker), sign, maker.rng.i32(..4))
    });
    let order = (maker.rng.u8(..3) == 0).then(|| (count(maker), maker.one(&["", " desc", " nulls first"])));
    let limit = (maker.rng.u8(..3) == 0).then(|| (maker.one(&["limit", "last"]), maker.rng.u32(..4)));
    let offset = if maker.rng.u8(..5) == 0 { maker.rng.u32(..3) } else { 0 };
    Groups { entity, alias, filter, by, items, having, order, limit, offset }
}

/// PostgreSQL takes a constant behind `group by` for the number of a column.
fn is_constant(expr: &Expr, alias: &str) -> bool {
    !expr.sql.contains(&format!("{alias}."))
}

fn aggregate(maker: &mut Maker<'_>, entity: usize, alias: &str) -> Aggregate {
    let filter = (maker.rng.u8(..3) == 0).then(|| maker.condition(entity, alias, 1));
    let (also, filtered) = match &filter {
        Some(filter) => (format!(" where {}", filter.orm), format!(" filter (where {})", filter.sql)),
        None => (String::new(), String::new()),
    };
    let distinct = maker.one(&["", "", "distinct "]);
    let (function, of, ty) = maker.one(&[
        ("count", Ty::Bool, Ty::I64),
        ("count", Ty::Text, Ty::I64),
        ("count", Ty::Date, Ty::I64),
        ("count", Ty::Uuid, Ty::I64),
        ("count", Ty::F32, Ty::I64),
        ("sum", Ty::I16, Ty::I64),
        ("sum", Ty::I32, Ty::I64),
        ("sum", Ty::I64, Ty::Dec),
        ("sum", Ty::Dec, Ty::Dec),
        ("sum", Ty::F32, Ty::F32),
        ("sum", Ty::F64, Ty::F64),
        ("avg", Ty::I16, Ty::Dec),
        ("avg", Ty::I32, Ty::Dec),
        ("avg", Ty::I64, Ty::Dec),
        ("avg", Ty::Dec, Ty::Dec),
        ("avg", Ty::F32, Ty::F64),
        ("avg", Ty::F64, Ty::F64),
        ("max", Ty::Text, Ty::Text),
        ("min", Ty::Date, Ty::Date),
        ("max", Ty::I16, Ty::I16),
        ("max", Ty::I64, Ty::I64),
        ("min", Ty::F32, Ty::F32),
        ("max", Ty::F64, Ty::F64),
        ("min", Ty::Color, Ty::Color),
        ("max", Ty::Instant, Ty::Instant),
        ("min", Ty::Local, Ty::Local),
        ("max", Ty::Time, Ty::Time),
    ]);
    let depth = if matches!(of, Ty::F32 | Ty::F64 | Ty::Color) { 0 } else { 1 };
    match maker.value(of, entity, alias, depth) {
        Some(value) if maker.rng.u8(..4) > 0 => {
            // A name alone would be that of a relation.
            let named =
                if value.orm.contains(['(', ' ', '"']) { value.orm } else { format!("({})", value.orm) };
            Aggregate {
                orm: format!("{function}({distinct}{named}{also})"),
                sql: format!("{function}({distinct}{}){filtered}", value.sql),
                ty,
            }
        }
        _ => Aggregate {
            orm: format!("count({})", also.trim()),
            sql: format!("count(*){filtered}"),
            ty: Ty::I64,
        },
    }
}

impl Groups {
    pub fn orm(&self, model: &Model) -> String {
        let mut out = format!("group {}", model.entities[self.entity].name);
        if !self.filter.is_empty() {
            let filter: Vec<&str> = self.filter.iter().map(|e| e.orm.as_str()).collect();
            out.push_str(&format!(" where {}", filter.join(" and ")));
        }
        if !self.by.is_empty() {
            let by: Vec<&str> = self.by.iter().map(|e| e.orm.as_str()).collect();
            out.push_str(&format!(" by {}", by.join(", ")));
        }
        if let Some((count, sign, than)) = &self.having {
            out.push_str(&format!(" having {} {sign} {than}", count.orm));
        }
        if let Some((count, how)) = &self.order {
            out.push_str(&format!(" order by {}{how}", count.orm));
        }
        if let Some((word, limit)) = self.limit {
            out.push_str(&format!(" {word} {limit}"));
        }
        if self.offset > 0 {
            out.push_str(&format!(" offset {}", self.offset));
        }
        let by = self.by.iter().enumerate().map(|(at, e)| format!("g{at}: {}", e.orm));
        let items = self.items.iter().enumerate().map(|(at, a)| format!("a{at}: {}", a.orm));
        format!("{out} {{ {} }}", by.chain(items).collect::<Vec<_>>().join(", "))
    }

    pub fn sql(&self, model: &Model) -> String {
        let (name, alias) = (&model.entities[self.entity].name, &self.alias);
        let by = self.by.iter().enumerate().map(|(at, e)| format!("'g{at}', {}", e.ty.out(&e.sql)));
        let items = self.items.iter().enumerate().map(|(at, a)| format!("'a{at}', {}", a.ty.out(&a.sql)));
        let items = by.chain(items).collect::<Vec<_>>().join(", ");
        let mut order: Vec<String> =
            self.order.iter().map(|(count, how)| format!("({}){how}", count.sql)).collect();
        order.extend(self.by.iter().map(|e| format!("({})", e.sql)));
        if order.is_empty() {
            order.push("count(*)".to_owned());
        }
        let filter: Vec<&str> = self.filter.iter().map(|e| e.sql.as_str()).chain(["true"]).collect();
        let by: Vec<&str> = self.by.iter().map(|e| e.sql.as_str()).collect();
        let by = if by.is_empty() { String::new() } else { format!(" group by {}", by.join(", ")) };
        let having =
            self.having.as_ref().map(|(count, sign, than)| format!(" having {} {sign} {than}", count.sql));
        let (way, limit) = match self.limit {
            None => ("", String::new()),
            Some(("last", limit)) => (" desc", format!(" limit {limit}")),
            Some((_, limit)) => ("", format!(" limit {limit}")),
        };
        format!(
            "select coalesce((select json_agg(o.j order by o.n) from (select json_build_object({items}) j, \
             row_number() over (order by {}) n from {name} {alias} where {}{by}{} \
             order by n{way}{limit} offset {}) o), '[]'::json)",
            order.join(", "),
            filter.join(" and "),
            having.unwrap_or_default(),
            self.offset
        )
    }

    pub fn smaller(&self) -> Vec<Groups> {
        let mut all = Vec::new();
        let mut less = |change: &dyn Fn(&mut Groups)| {
            let mut groups = self.clone();
            change(&mut groups);
            all.push(groups);
        };
        for at in 0..self.items.len() {
            if self.items.len() + self.by.len() > 1 {
                less(&|groups| drop(groups.items.remove(at)));
            }
        }
        for at in 0..self.by.len() {
            if self.items.len() + self.by.len() > 1 {
                less(&|groups| drop(groups.by.remove(at)));
            }
            for part in &self.by[at].parts {
                less(&|groups| groups.by[at] = part.clone());
            }
        }
        for at in 0..self.filter.len() {
            less(&|groups| drop(groups.filter.remove(at)));
        }
        if self.having.is_some() {
            less(&|groups| groups.having = None);
        }
        if self.order.is_some() {
            less(&|groups| groups.order = None);
        }
        if self.limit.is_some() {
            less(&|groups| groups.limit = None);
        }
        if self.offset > 0 {
            less(&|groups| groups.offset = 0);
        }
        all
    }
}
