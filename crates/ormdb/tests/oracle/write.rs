//! Random writes, each in both languages.

use super::expr::{Expr, Maker};
use super::schema::Column;
use super::value::{self, Lit, Ty};

/// A write.
pub struct Write {
    pub orm: String,
    /// Gives how many rows it wrote itself, those of referential actions not counted.
    pub sql: String,
    /// Whether ormDB refuses it where PostgreSQL writes nothing: it names a row.
    pub by_key: bool,
    /// Whether the rows that it wrote itself are all that it wrote.
    pub counts: Counts,
    /// The entity and key of a row that it creates.
    pub creates: Option<(usize, Vec<Lit>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Of created rows.
    Created,
    /// Of updated rows.
    Updated,
    /// Of deleted rows, or of more.
    Deleted,
    /// Of created and updated rows together.
    Either,
}

fn counted(statement: &str) -> String {
    format!("with written as ({statement} returning 1) select count(*) from written")
}

/// A random write.
pub fn write(maker: &mut Maker<'_>) -> Write {
    let entity = maker.rng.usize(..maker.model.entities.len());
    match maker.rng.u8(..9) {
        0 | 1 => create(maker, entity),
        2 => upsert(maker, entity),
        3 => delete(maker, entity),
        4 | 5 => update_key(maker, entity),
        _ => update(maker, entity),
    }
}

/// Columns and values of a random row, for both languages.
fn record(maker: &mut Maker<'_>, entity: usize) -> (String, String, String, Vec<Option<Lit>>) {
    let row = maker.model.row(maker.rng, entity);
    let given: Vec<(&Column, &Lit)> = maker.model.entities[entity]
        .columns
        .iter()
        .zip(&row)
        .filter_map(|(c, v)| Some((c, v.as_ref()?)))
        .collect();
    let items: Vec<String> = given.iter().map(|(c, v)| format!("{}: {}", c.name, v.orm)).collect();
    let names: Vec<&str> = given.iter().map(|(c, _)| c.name.as_str()).collect();
    let values: Vec<&str> = given.iter().map(|(_, v)| v.sql.as_str()).collect();
    (items.join(", "), names.join(", "), values.join(", "), row)
}

fn create(maker: &mut Maker<'_>, entity: usize) -> Write {
    let this = &maker.model.entities[entity];
    let (items, names, values, row) = record(maker, entity);
    let key: Option<Vec<Lit>> = this.key.iter().map(|at| row[*at].clone()).collect();
    let skip = maker.rng.u8(..3) == 0;
    let (orm_skip, sql_skip) = if skip { (" skip duplicates", " on conflict do nothing") } else { ("", "") };
    let sql = if names.is_empty() {
        format!("insert into {} default values{sql_skip}", this.name)
    } else {
        format!("insert into {} ({names}) values ({values}){sql_skip}", this.name)
    };
    Write {
        orm: format!("create {} {{ {items} }}{orm_skip}", this.name),
        sql: counted(&sql),
        by_key: false,
        counts: Counts::Created,
        creates: key.map(|key| (entity, key)),
    }
}

/// Assignments to some columns of rows under an alias, for both languages.
fn assignments(maker: &mut Maker<'_>, entity: usize, alias: &str, one_row: bool) -> (String, String) {
    let this = &maker.model.entities[entity];
    let references: Vec<usize> = this.foreign.iter().flat_map(|f| f.columns.clone()).collect();
    let (mut orm, mut sql) = (Vec::new(), Vec::new());
    let mut set = |column: &Column, expr: &Expr| {
        orm.push(format!("{}: {}", column.name, expr.orm));
        sql.push(format!("{} = {}", column.name, expr.sql));
    };
    let null = |ty: Ty| Expr { orm: "null".to_owned(), sql: "null".to_owned(), ty, parts: Vec::new() };
    let constant = |lit: Lit, ty: Ty| Expr { orm: lit.orm, sql: lit.sql, ty, parts: Vec::new() };
    let mut stepped = Vec::new();
    for (at, column) in this.columns.iter().enumerate() {
        // Several rows cannot have one key, and PostgreSQL looks at each row before it has written the next.
        let single = column.unique || this.key.contains(&at);
        if references.contains(&at) || (single && (!one_row || maker.rng.u8(..4) > 0)) || maker.rng.bool() {
            continue;
        }
        if single {
            let lit = value::wide(maker.rng, column.ty);
            set(column, &constant(lit, column.ty));
        } else if column.ty.is_number() && maker.rng.bool() {
            let (sign, by) = maker.one(&[("+", "1"), ("-", "2"), ("*", "2"), ("/", "2")]);
            stepped.push((column.name.clone(), sign, by));
        } else if maker.rng.u8(..5) == 0 {
            set(column, &null(column.ty));
        } else if maker.rng.bool() {
            let lit = value::literal(maker.rng, column.ty);
            set(column, &constant(lit, column.ty));
        } else {
            maker.local = true;
            if let Some(expr) = maker.value(column.ty, entity, alias, 2) {
                set(column, &expr);
            }
            maker.local = false;
        }
    }
    for foreign in &this.foreign {
        if maker.rng.u8(..3) > 0
            || foreign.columns.iter().any(|at| this.key.contains(at) || this.columns[*at].unique)
        {
            continue;
        }
        let target = &maker.model.entities[foreign.target];
        let nullable = this.columns[foreign.columns[0]].nullable;
        let key = (!target.keys.is_empty() && maker.rng.u8(..8) > 0).then(|| maker.one(&target.keys));
        for (part, at) in foreign.columns.iter().enumerate() {
            let column = &this.columns[*at];
            match &key {
                Some(key) => set(column, &constant(key[part].clone(), column.ty)),
                None if nullable => set(column, &null(column.ty)),
                None => {}
            }
        }
    }
    for (name, sign, by) in stepped {
        orm.push(format!("{name} {sign}= {by}"));
        sql.push(format!("{name} = {alias}.{name} {sign} {by}"));
    }
    if orm.is_empty() {
        let column = &this.columns[this.columns.len() - 1];
        let same = &column.name;
        return (format!("{same}: {same}"), format!("{same} = {alias}.{same}"));
    }
    (orm.join(", "), sql.join(", "))
}

fn update(maker: &mut Maker<'_>, entity: usize) -> Write {
    let this = &maker.model.entities[entity];
    let alias = maker.alias();
    let condition = maker.condition(entity, &alias, 2);
    let (orm, sql) = assignments(maker, entity, &alias, false);
    let (name, keys) = (&this.name, this.key_sql(&alias));
    let (limit, which) = if maker.rng.u8(..4) == 0 {
        let limit = maker.rng.u8(..4);
        let rows = format!(
            "select {keys} from {name} {alias} where {} order by {keys} limit {limit}",
            condition.sql
        );
        (format!(" limit {limit}"), format!("({keys}) in ({rows})"))
    } else {
        (String::new(), condition.sql)
    };
    Write {
        orm: format!("update {name} where {}{limit} set {{ {orm} }}", condition.orm),
        sql: counted(&format!("update {name} {alias} set {sql} where {which}")),
        by_key: false,
        counts: Counts::Updated,
        creates: None,
    }
}

/// A key, mostly of a row that is there.
fn a_key(maker: &mut Maker<'_>, entity: usize) -> Option<Vec<Lit>> {
    let keys = &maker.model.entities[entity].keys;
    (!keys.is_empty()).then(|| maker.one(keys))
}

fn update_key(maker: &mut Maker<'_>, entity: usize) -> Write {
    let this = &maker.model.entities[entity];
    let Some(key) = a_key(maker, entity) else { return create(maker, entity) };
    let alias = maker.alias();
    let (orm, sql) = assignments(maker, entity, &alias, true);
    Write {
        orm: format!("update {}{} set {{ {orm} }}", this.name, this.key_text(&key)),
        sql: counted(&format!(
            "update {} {alias} set {sql} where {}",
            this.name,
            this.key_condition(&alias, &key)
        )),
        by_key: true,
        counts: Counts::Updated,
        creates: None,
    }
}

fn delete(maker: &mut Maker<'_>, entity: usize) -> Write {
    let this = &maker.model.entities[entity];
    let alias = maker.alias();
    let key = if maker.rng.u8(..3) > 0 { a_key(maker, entity) } else { None };
    let (orm, sql, by_key) = match key {
        Some(key) => (this.key_text(&key), this.key_condition(&alias, &key), true),
        None => {
            let (a, b) = (maker.condition(entity, &alias, 1), maker.condition(entity, &alias, 1));
            (format!(" where {} and {}", a.orm, b.orm), format!("{} and {}", a.sql, b.sql), false)
        }
    };
    Write {
        orm: format!("delete {}{orm}", this.name),
        sql: counted(&format!("delete from {} {alias} where {sql}", this.name)),
        by_key,
        counts: Counts::Deleted,
        creates: None,
    }
}

fn upsert(maker: &mut Maker<'_>, entity: usize) -> Write {
    let this = &maker.model.entities[entity];
    let (_, names, values, row) = record(maker, entity);
    let Some(key) = this.key.iter().map(|at| row[*at].clone()).collect::<Option<Vec<Lit>>>() else {
        return create(maker, entity);
    };
    let alias = maker.alias();
    let (orm, sql) = assignments(maker, entity, &alias, false);
    let items: Vec<String> = (0..row.len())
        .filter(|at| !this.key.contains(at))
        .filter_map(|at| Some(format!("{}: {}", this.columns[at].name, row[at].as_ref()?.orm)))
        .collect();
    let keys: Vec<&str> = this.key.iter().map(|at| this.columns[*at].name.as_str()).collect();
    Write {
        orm: format!(
            "upsert {}{} create {{ {} }} update {{ {orm} }}",
            this.name,
            this.key_text(&key),
            items.join(", ")
        ),
        sql: counted(&format!(
            "insert into {} as {alias} ({names}) values ({values}) on conflict ({}) do update set {sql}",
            this.name,
            keys.join(", ")
        )),
        by_key: false,
        counts: Counts::Either,
        creates: Some((entity, key)),
    }
}
