//! Random writes, each in both languages.

use super::expr::{Expr, Maker};
use super::nested;
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
    /// They are not compared: only what is there behind it is.
    Any,
}

fn counted(statement: &str) -> String {
    format!("with written as ({statement} returning 1) select count(*) from written")
}

/// A random write.
pub fn write(maker: &mut Maker<'_>) -> Write {
    let entity = maker.rng.usize(..maker.model.entities.len());
    match maker.rng.u8(..16) {
        0 | 1 => create(maker, entity),
        2 => create_many(maker, entity),
        3 | 4 => upsert(maker, entity),
        5 => delete(maker, entity),
        6 | 7 => update_key(maker, entity),
        8 if maker.model.entities[entity].soft => restore(maker, entity),
        8..=10 => update(maker, entity),
        _ => nested::nested(maker, entity).unwrap_or_else(|| update(maker, entity)),
    }
}

/// Several rows at once, of which each that is in the way of another may be passed over.
fn create_many(maker: &mut Maker<'_>, entity: usize) -> Write {
    let this = &maker.model.entities[entity];
    let rows: Vec<Vec<Option<Lit>>> =
        (0..maker.rng.usize(1..5)).map(|_| maker.model.row(maker.rng, entity)).collect();
    let orm: Vec<String> = rows
        .iter()
        .map(|row| {
            let given = this.columns.iter().zip(row).filter_map(|(c, v)| Some((c, v.as_ref()?)));
            let given: Vec<String> = given.map(|(c, v)| format!("{}: {}", c.orm(), v.orm)).collect();
            format!("{{ {} }}", given.join(", "))
        })
        .collect();
    let sql: Vec<String> = rows
        .iter()
        .map(|row| {
            let values: Vec<&str> = row.iter().map(|v| v.as_ref().map_or("null", |v| &v.sql)).collect();
            format!("({})", values.join(", "))
        })
        .collect();
    let skip = maker.rng.u8(..3) > 0;
    let (orm_skip, sql_skip) = if skip { (" skip duplicates", " on conflict do nothing") } else { ("", "") };
    let names: Vec<&str> = this.columns.iter().map(|column| column.name.as_str()).collect();
    let sql = format!("insert into {} ({}) values {}{sql_skip}", this.name, names.join(", "), sql.join(", "));
    let key = this.key.iter().map(|at| rows[0][*at].clone()).collect::<Option<Vec<Lit>>>();
    Write {
        orm: format!("create {} [{}]{orm_skip}", this.name, orm.join(", ")),
        sql: counted(&sql),
        by_key: false,
        counts: Counts::Created,
        creates: key.map(|key| (entity, key)),
    }
}

/// Rows that were deleted are there again.
fn restore(maker: &mut Maker<'_>, entity: usize) -> Write {
    let this = &maker.model.entities[entity];
    let alias = maker.alias();
    let condition = maker.condition(entity, &alias, 1);
    Write {
        orm: format!("update {} with deleted where {} set {{ deletedAt: null }}", this.name, condition.orm),
        sql: counted(&format!(
            "update {} {alias} set deletedAt = null where {}",
            this.table(),
            condition.sql
        )),
        by_key: false,
        counts: Counts::Any,
        creates: None,
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
    let items: Vec<String> = given.iter().map(|(c, v)| format!("{}: {}", c.orm(), v.orm)).collect();
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
pub fn assignments(maker: &mut Maker<'_>, entity: usize, alias: &str, one_row: bool) -> (String, String) {
    let this = &maker.model.entities[entity];
    let references: Vec<usize> = this.foreign.iter().flat_map(|f| f.columns.clone()).collect();
    let (mut orm, mut sql) = (Vec::new(), Vec::new());
    let mut set = |column: &Column, expr: &Expr| {
        orm.push(format!("{}: {}", column.orm(), expr.orm));
        sql.push(format!("{} = {}", column.name, expr.sql));
    };
    let null = |ty: Ty| Expr { orm: "null".to_owned(), sql: "null".to_owned(), ty, parts: Vec::new() };
    let constant = |lit: Lit, ty: Ty| Expr { orm: lit.orm, sql: lit.sql, ty, parts: Vec::new() };
    let mut stepped = Vec::new();
    for (at, column) in this.columns.iter().enumerate() {
        // Several rows cannot have one key, and PostgreSQL looks at each row before it has written the next.
        let single = column.unique || this.key.contains(&at);
        if references.contains(&at)
            || this.is_optional_member(column)
            || (single && (!one_row || maker.rng.u8(..4) > 0))
            || maker.rng.bool()
        {
            continue;
        }
        if single {
            let lit = value::wide(maker.rng, column.ty);
            set(column, &constant(lit, column.ty));
        } else if column.ty.is_number() && maker.rng.bool() {
            let (sign, by) = maker.one(&[("+", "1"), ("-", "2"), ("*", "2"), ("/", "2")]);
            stepped.push((column.clone(), sign, by));
        } else if matches!(column.ty, Ty::Ints | Ty::Texts) && maker.rng.bool() {
            let lit = value::literal(maker.rng, column.ty);
            let pushed = Expr {
                orm: format!("{} || {}", column.orm(), lit.orm),
                sql: format!("{alias}.{} || {}", column.name, lit.sql),
                ty: column.ty,
                parts: Vec::new(),
            };
            set(column, &pushed);
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
    for (column, sign, by) in stepped {
        let name = &column.name;
        orm.push(format!("{} {sign}= {by}", column.orm()));
        sql.push(format!("{name} = {alias}.{name} {sign} {by}"));
    }
    for (name, _) in this.structs.iter().filter(|(_, optional)| *optional) {
        if maker.rng.u8(..3) > 0 {
            continue;
        }
        let members: Vec<&Column> = this.columns.iter().filter(|c| c.of_struct() == Some(name)).collect();
        let is_there = maker.rng.u8(..3) > 0;
        let mut given = Vec::new();
        for (at, column) in members.into_iter().enumerate() {
            if is_there && (at == 0 || maker.rng.bool()) {
                let lit = value::literal(maker.rng, column.ty);
                let (_, member) = column.name.split_once("__").unwrap();
                given.push(format!("{member}: {}", lit.orm));
                sql.push(format!("{} = {}", column.name, lit.sql));
            } else {
                sql.push(format!("{} = null", column.name));
            }
        }
        let given = if is_there { format!("{{ {} }}", given.join(", ")) } else { "null".to_owned() };
        orm.push(format!("{name}: {given}"));
    }
    if orm.is_empty() {
        let column = this.columns.iter().rev().find(|column| !this.is_optional_member(column)).unwrap();
        let (name, same) = (column.orm(), &column.name);
        return (format!("{name}: {name}"), format!("{same} = {alias}.{same}"));
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
pub fn a_key(maker: &mut Maker<'_>, entity: usize) -> Option<Vec<Lit>> {
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
    let limit = maker.rng.u32(..4);
    let (orm, sql, by_key) = match key {
        Some(key) => (this.key_text(&key), this.key_condition(&alias, &key), true),
        None if !this.soft && maker.rng.u8(..3) == 0 => {
            let condition = maker.condition(entity, &alias, 1);
            let (name, keys) = (&this.name, this.key_sql(&alias));
            let rows = format!(
                "select {keys} from {name} {alias} where {} order by {keys} limit {limit}",
                condition.sql
            );
            (format!(" where {} limit {limit}", condition.orm), format!("({keys}) in ({rows})"), false)
        }
        None => {
            let (a, b) = (maker.condition(entity, &alias, 1), maker.condition(entity, &alias, 1));
            (format!(" where {} and {}", a.orm, b.orm), format!("{} and {}", a.sql, b.sql), false)
        }
    };
    let (permanently, sql) = match (this.soft, maker.rng.u8(..3)) {
        (false, _) => ("", format!("delete from {} {alias} where {sql}", this.name)),
        (true, 0) => ("permanently ", format!("delete from {} {alias} where {sql}", this.table())),
        (true, _) => ("", format!("update {} {alias} set deletedAt = now() where {sql}", this.name)),
    };
    Write {
        orm: format!("delete {permanently}{}{orm}", this.name),
        sql: counted(&sql),
        by_key,
        counts: Counts::Deleted,
        creates: None,
    }
}

fn upsert(maker: &mut Maker<'_>, entity: usize) -> Write {
    let this = &maker.model.entities[entity];
    let (_, names, values, row) = record(maker, entity);
    let (Some(key), false) =
        (this.key.iter().map(|at| row[*at].clone()).collect::<Option<Vec<Lit>>>(), this.soft)
    else {
        return create(maker, entity);
    };
    // By its primary key, or by another unique one.
    let code = this.columns.iter().position(|column| column.name == "code");
    let by = match code.filter(|at| row[*at].is_some() && maker.rng.bool()) {
        Some(code) => vec![code],
        None => this.key.clone(),
    };
    let alias = maker.alias();
    let (orm, sql) = assignments(maker, entity, &alias, false);
    let given = |at: &usize| Some(format!("{}: {}", this.columns[*at].orm(), row[*at].as_ref()?.orm));
    let items: Vec<String> =
        (0..row.len()).filter(|at| !by.contains(at)).filter_map(|at| given(&at)).collect();
    let named: Vec<String> = by.iter().filter_map(given).collect();
    let keys: Vec<&str> = by.iter().map(|at| this.columns[*at].name.as_str()).collect();
    Write {
        orm: format!(
            "upsert {}[{}] create {{ {} }} update {{ {orm} }}",
            this.name,
            named.join(", "),
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
