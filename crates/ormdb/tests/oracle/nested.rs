//! Random nested writes: for PostgreSQL a block of statements, which happens as a whole or not at all.
//!
//! Invariants: (1) a block names rows by constants, or by what a row has at that moment, so that it does in its order what the
//! nested writes do in theirs; (2) what has to be there is asked for, and `P0002` is raised where it is not; (3) foreign keys that
//! may wait are looked at at the end, as those of one statement of ormDB are.

use super::expr::Maker;
use super::schema::{Entity, ForeignKey, Join, Relation};
use super::value::Lit;
use super::write::{Counts, Write, a_key, assignments};

/// What joins rows to the row at hand.
enum Link {
    /// Foreign keys of the row itself.
    Forward { foreign: ForeignKey },
    /// Foreign keys of the other rows.
    Back { columns: Vec<String>, to_one: bool },
    /// Rows of an edge entity: its columns of this side, and of the other.
    Edge { name: String, near: Vec<String>, far: Vec<String> },
}

/// A block in the making.
struct Block<'b, 'm> {
    maker: &'b mut Maker<'m>,
    /// The row at hand.
    entity: usize,
    key: Vec<Lit>,
    target: usize,
    statements: Vec<String>,
}

/// A write of a row and, along one of its relations, of others; none if no relation is fit for it.
pub fn nested(maker: &mut Maker<'_>, entity: usize) -> Option<Write> {
    let model = maker.model;
    let this = &model.entities[entity];
    let fits = |relation: &&Relation| {
        let target = &model.entities[relation.target];
        let edge_is_soft = match &relation.join {
            Join::Through { edge, .. } => model.entities.iter().any(|e| e.name == *edge && e.soft),
            Join::Direct(_) => false,
        };
        !this.soft && !target.soft && !edge_is_soft
    };
    let relations: Vec<&Relation> = this.relations.iter().filter(fits).collect();
    if relations.is_empty() {
        return None;
    }
    let relation = maker.one(&relations);
    let link = link_of(this, relation)?;
    let creates = maker.rng.u8(..4) == 0;
    let row = maker.model.row(maker.rng, entity);
    let key: Vec<Lit> = match creates {
        true => this.key.iter().map(|at| row[*at].clone()).collect::<Option<_>>()?,
        false => a_key(maker, entity)?,
    };
    let mut block =
        Block { maker, entity, key: key.clone(), target: relation.target, statements: Vec::new() };
    let mut parts = Vec::new();
    let mut own = Vec::new();
    if creates {
        // The foreign key is the relation's, or the row's.
        let own_columns: Vec<usize> = match &link {
            Link::Forward { foreign } => foreign.columns.clone(),
            Link::Back { .. } | Link::Edge { .. } => Vec::new(),
        };
        let mut columns = Vec::new();
        for (at, column) in this.columns.iter().enumerate().filter(|(at, _)| !own_columns.contains(at)) {
            if let Some(value) = &row[at] {
                own.push(format!("{}: {}", column.orm(), value.orm));
                columns.push((column.name.clone(), value.sql.clone()));
            }
        }
        let before = matches!(link, Link::Forward { .. });
        if before {
            let (part, values) = block.forward_new(&link)?;
            parts.push(part);
            columns.extend(values);
        }
        block.insert(entity, &columns);
        if !before {
            for _ in 0..block.maker.rng.usize(1..3) {
                parts.push(block.part(&link, true)?);
            }
        }
    } else {
        block.require(entity, &key);
        for _ in 0..if relation.to_one { 1 } else { block.maker.rng.usize(1..3) } {
            parts.push(block.part(&link, false)?);
        }
    }
    let nested = match parts.as_slice() {
        [part] => part.clone(),
        parts => format!("({})", parts.join(", ")),
    };
    own.push(format!("{}: {nested}", relation.name));
    let statements = block.statements.join(";\n");
    let orm = match creates {
        true => format!("create {} {{ {} }}", this.name, own.join(", ")),
        false => format!("update {}{} set {{ {} }}", this.name, this.key_text(&key), own.join(", ")),
    };
    let sql = format!(
        "do $nested$ declare r record; begin\nset constraints all deferred;\n{statements};\nset constraints all immediate;\n\
         end $nested$"
    );
    Some(Write { orm, sql, by_key: false, counts: Counts::Any, creates: creates.then_some((entity, key)) })
}

fn link_of(this: &Entity, relation: &Relation) -> Option<Link> {
    let own = |pairs: &[(String, String)]| pairs.iter().map(|(own, _)| own.clone()).collect::<Vec<_>>();
    Some(match &relation.join {
        Join::Through { edge, near, far } => Link::Edge {
            name: edge.clone(),
            near: near.iter().map(|(_, column)| column.clone()).collect(),
            far: own(far),
        },
        Join::Direct(pairs) => {
            let columns = own(pairs);
            let names = |f: &ForeignKey| {
                f.columns.iter().map(|at| this.columns[*at].name.clone()).collect::<Vec<_>>()
            };
            match this.foreign.iter().find(|f| names(f) == columns) {
                // A foreign key in the primary key moves the row.
                Some(foreign) if foreign.columns.iter().any(|at| this.key.contains(at)) => return None,
                Some(foreign) => Link::Forward { foreign: foreign.clone() },
                None => Link::Back {
                    columns: pairs.iter().map(|(_, column)| column.clone()).collect(),
                    to_one: relation.to_one,
                },
            }
        }
    })
}

/// `a = 1 and b = 2`.
fn equal(names: &[String], values: &[String]) -> String {
    let pairs = names.iter().zip(values).map(|(name, value)| format!("{name} = {value}"));
    pairs.collect::<Vec<_>>().join(" and ")
}

fn sql_of(key: &[Lit]) -> Vec<String> {
    key.iter().map(|lit| lit.sql.clone()).collect()
}

const NOT_FOUND: &str = "raise exception 'not there' using errcode = 'P0002'";

/// A row that is to be created: how ormDB writes it, and its columns and values.
struct Record {
    orm: String,
    columns: Vec<(String, String)>,
}

impl Block<'_, '_> {
    fn say(&mut self, statement: impl Into<String>) {
        self.statements.push(statement.into());
    }

    fn insert(&mut self, entity: usize, columns: &[(String, String)]) {
        let model = self.maker.model;
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let values: Vec<&str> = columns.iter().map(|(_, value)| value.as_str()).collect();
        let name = &model.entities[entity].name;
        self.say(format!("insert into {name} ({}) values ({})", names.join(", "), values.join(", ")));
    }

    /// Has a row be there.
    fn require(&mut self, entity: usize, key: &[Lit]) {
        let this = &self.maker.model.entities[entity];
        let condition = this.key_condition("x", key);
        self.say(format!(
            "if not exists (select 1 from {} x where {condition}) then {NOT_FOUND}; end if",
            this.name
        ));
    }

    /// Has the last statements happen under a condition only, and others where it does not hold.
    fn when(&mut self, condition: &str, then: Vec<String>, otherwise: Vec<String>) {
        let otherwise = match otherwise.is_empty() {
            true => String::new(),
            false => format!("else {}; ", otherwise.join("; ")),
        };
        let then = if then.is_empty() { "null".to_owned() } else { then.join("; ") };
        self.say(format!("if {condition} then {then}; {otherwise}end if"));
    }

    /// What is said by `body`, taken out of the block.
    fn aside(&mut self, body: impl FnOnce(&mut Self)) -> Vec<String> {
        let before = std::mem::take(&mut self.statements);
        body(self);
        std::mem::replace(&mut self.statements, before)
    }

    /// A random row of the target, without some columns; of a key, if one is given.
    fn record(&mut self, without: &[String], key: Option<&[Lit]>) -> Option<(Record, Vec<Lit>)> {
        let model = self.maker.model;
        let target = &model.entities[self.target];
        let mut row = model.row(self.maker.rng, self.target);
        if let Some(key) = key {
            target.key.iter().zip(key).for_each(|(at, lit)| row[*at] = Some(lit.clone()));
        }
        let made: Vec<Lit> = target.key.iter().map(|at| row[*at].clone()).collect::<Option<_>>()?;
        let (mut orm, mut columns) = (Vec::new(), Vec::new());
        for (at, column) in target.columns.iter().enumerate() {
            let Some(value) = row[at].as_ref().filter(|_| !without.contains(&column.name)) else { continue };
            if key.is_none() || !target.key.contains(&at) {
                orm.push(format!("{}: {}", column.orm(), value.orm));
            }
            columns.push((column.name.clone(), value.sql.clone()));
        }
        Some((Record { orm: format!("{{ {} }}", orm.join(", ")), columns }, made))
    }

    /// Different keys of the target.
    fn keys(&mut self, most: usize) -> Vec<Vec<Lit>> {
        let mut keys: Vec<Vec<Lit>> = Vec::new();
        for _ in 0..self.maker.rng.usize(1..=most) {
            let Some(key) = a_key(self.maker, self.target) else { continue };
            if keys.iter().all(|other| sql_of(other) != sql_of(&key)) {
                keys.push(key);
            }
        }
        keys
    }

    fn keys_text(&self, keys: &[Vec<Lit>]) -> String {
        let target = &self.maker.model.entities[self.target];
        keys.iter().map(|key| target.key_text(key)).collect::<Vec<_>>().join(", ")
    }

    /// A write along a foreign key of a row that is not there yet, and the values of the foreign key.
    fn forward_new(&mut self, link: &Link) -> Option<(String, Vec<(String, String)>)> {
        let Link::Forward { foreign } = link else { return None };
        let model = self.maker.model;
        let (this, target) = (&model.entities[self.entity], self.target);
        let (part, key) = match self.maker.rng.u8(..3) {
            0 => {
                let (record, key) = self.record(&[], None)?;
                self.insert(target, &record.columns);
                (format!("create {}", record.orm), key)
            }
            1 => {
                let key = a_key(self.maker, target)?;
                self.require(target, &key);
                (format!("connect {}", self.keys_text(std::slice::from_ref(&key))), key)
            }
            _ => self.connect_or_create(&[])?,
        };
        let names = foreign.columns.iter().map(|at| this.columns[*at].name.clone());
        Some((part, names.zip(sql_of(&key)).collect()))
    }

    /// Has a row of a key be there, if need be after creating it with these values.
    fn connect_or_create(&mut self, with: &[(String, String)]) -> Option<(String, Vec<Lit>)> {
        let target = self.target;
        let key = if self.maker.rng.bool() { a_key(self.maker, target) } else { None };
        let key = match key {
            Some(key) => key,
            None => self.record(&[], None)?.1,
        };
        let without: Vec<String> = with.iter().map(|(name, _)| name.clone()).collect();
        let (record, key) = self.record(&without, Some(&key))?;
        let there = self.there(&key);
        let columns = [record.columns, with.to_vec()].concat();
        let create = self.aside(|block| block.insert(target, &columns));
        self.when(&there, Vec::new(), create);
        Some((format!("connectOrCreate {} {}", self.keys_text(std::slice::from_ref(&key)), record.orm), key))
    }

    fn there(&self, key: &[Lit]) -> String {
        let target = &self.maker.model.entities[self.target];
        format!("exists (select 1 from {} x where {})", target.name, target.key_condition("x", key))
    }

    /// A nested write.
    fn part(&mut self, link: &Link, is_new: bool) -> Option<String> {
        match link {
            Link::Forward { foreign } => self.forward(&foreign.clone()),
            Link::Back { columns, to_one } => self.behind(link, columns, *to_one, is_new),
            Link::Edge { .. } => self.behind(link, &[], false, is_new),
        }
    }

    /// Along a foreign key of a row that is there.
    fn forward(&mut self, foreign: &ForeignKey) -> Option<String> {
        let model = self.maker.model;
        let (this, target) = (&model.entities[self.entity], &model.entities[self.target]);
        let columns: Vec<String> = foreign.columns.iter().map(|at| this.columns[*at].name.clone()).collect();
        let own = this.key_condition("e", &self.key);
        let refer = |values: &[String]| {
            format!(
                "update {} e set {} where {own}",
                this.name,
                equal(&columns, values).replace(" and ", ", ")
            )
        };
        let nulls = vec!["null".to_owned(); columns.len()];
        let keys: Vec<String> = target.key.iter().map(|at| target.columns[*at].name.clone()).collect();
        let join = columns.iter().zip(&keys).map(|(a, b)| format!("e.{a} = x.{b}"));
        let join = join.collect::<Vec<_>>().join(" and ");
        let find =
            format!("select x.* into r from {} x, {} e where {join} and {own}", target.name, this.name);
        let found: Vec<String> = keys.iter().map(|key| format!("r.{key}")).collect();
        let alias = self.maker.alias();
        let named: Vec<String> = keys.iter().map(|key| format!("{alias}.{key}")).collect();
        let it = equal(&named, &found);
        Some(match self.maker.rng.u8(..7) {
            0 => {
                let (record, key) = self.record(&[], None)?;
                self.insert(self.target, &record.columns);
                self.say(refer(&sql_of(&key)));
                format!("create {}", record.orm)
            }
            1 => {
                let key = a_key(self.maker, self.target)?;
                self.require(self.target, &key);
                self.say(refer(&sql_of(&key)));
                format!("connect {}", self.keys_text(&[key]))
            }
            2 => {
                let (part, key) = self.connect_or_create(&[])?;
                self.say(refer(&sql_of(&key)));
                part
            }
            3 => {
                self.say(refer(&nulls));
                "disconnect".to_owned()
            }
            4 => {
                let filter = self.maker.rng.bool().then(|| self.maker.condition(self.target, &alias, 1));
                let (orm, sql) = assignments(self.maker, self.target, &alias, false);
                self.say(find);
                self.say(format!("if not found then {NOT_FOUND}; end if"));
                let (only, and) = match &filter {
                    Some(filter) => (format!("where {} ", filter.orm), format!(" and {}", filter.sql)),
                    None => (String::new(), String::new()),
                };
                self.say(format!("update {} {alias} set {sql} where {it}{and}", target.name));
                format!("update {only}set {{ {orm} }}")
            }
            5 => {
                let (orm, sql) = assignments(self.maker, self.target, &alias, false);
                let (record, key) = self.record(&[], None)?;
                let create = self.aside(|block| {
                    block.insert(block.target, &record.columns);
                    block.say(refer(&sql_of(&key)));
                });
                self.say(find);
                self.when(
                    "found",
                    vec![format!("update {} {alias} set {sql} where {it}", target.name)],
                    create,
                );
                format!("upsert create {} update {{ {orm} }}", record.orm)
            }
            _ => {
                self.say(find);
                self.say(format!("if not found then {NOT_FOUND}; end if"));
                self.say(refer(&nulls));
                self.say(format!("delete from {} {alias} where {it}", target.name));
                "delete".to_owned()
            }
        })
    }

    /// Along foreign keys of other rows, or through an edge entity.
    fn behind(&mut self, link: &Link, columns: &[String], to_one: bool, is_new: bool) -> Option<String> {
        let most = if to_one { 1 } else { 2 };
        Some(match self.maker.rng.u8(..if is_new { 3 } else { 11 }) {
            0 => {
                let mut records = Vec::new();
                for _ in 0..self.maker.rng.usize(1..=most) {
                    let (record, key) = self.record(columns, None)?;
                    self.make_room(link, None);
                    self.create(link, &record, &key);
                    records.push(record.orm);
                }
                if records.len() == 1 && self.maker.rng.bool() {
                    format!("create {}", records[0])
                } else {
                    format!("create [{}]", records.join(", "))
                }
            }
            1 => {
                let keys = self.keys(most);
                for key in &keys {
                    self.require(self.target, key);
                    self.make_room(link, Some(key));
                    self.connect(link, key);
                }
                (!keys.is_empty()).then(|| format!("connect {}", self.keys_text(&keys)))?
            }
            2 => {
                let key = match a_key(self.maker, self.target).filter(|_| self.maker.rng.bool()) {
                    Some(key) => key,
                    None => self.record(columns, None)?.1,
                };
                let (record, _) = self.record(columns, Some(&key))?;
                let there = self.there(&key);
                let connect = self.aside(|block| {
                    block.make_room(link, Some(&key));
                    block.connect(link, &key);
                });
                let create = self.aside(|block| {
                    block.make_room(link, None);
                    block.create(link, &record, &key);
                });
                self.when(&there, connect, create);
                format!("connectOrCreate {} {}", self.keys_text(&[key]), record.orm)
            }
            3 if to_one => {
                let all = self.joined(link, "x");
                self.part_where(link, &all);
                "disconnect".to_owned()
            }
            3 => {
                let keys = self.keys(most);
                for key in &keys {
                    self.require_joined(link, key);
                }
                for key in &keys {
                    let it = self.maker.model.entities[self.target].key_condition("x", key);
                    self.part_where(link, &it);
                }
                (!keys.is_empty()).then(|| format!("disconnect {}", self.keys_text(&keys)))?
            }
            4 if !to_one => {
                let keys = if self.maker.rng.u8(..4) == 0 { Vec::new() } else { self.keys(3) };
                for key in &keys {
                    self.require(self.target, key);
                }
                let target = &self.maker.model.entities[self.target];
                let mut others = self.joined(link, "x");
                for key in &keys {
                    others.push_str(&format!(" and not ({})", target.key_condition("x", key)));
                }
                self.part_where(link, &others);
                for key in &keys {
                    self.connect(link, key);
                }
                if keys.is_empty() { "set []".to_owned() } else { format!("set {}", self.keys_text(&keys)) }
            }
            4..=6 => self.update(link, to_one),
            7 | 8 => self.upsert(link, columns, to_one)?,
            _ => self.delete(link, to_one),
        })
    }

    fn update(&mut self, link: &Link, to_one: bool) -> String {
        let alias = self.maker.alias();
        let target = &self.maker.model.entities[self.target];
        let (only, which) = self.chosen(link, &alias, to_one);
        let (orm, sql) = assignments(self.maker, self.target, &alias, false);
        self.say(format!("update {} {alias} set {sql} where {which}", target.name));
        format!("update {only}set {{ {orm} }}")
    }

    fn upsert(&mut self, link: &Link, columns: &[String], to_one: bool) -> Option<String> {
        let alias = self.maker.alias();
        let target = &self.maker.model.entities[self.target];
        let key = if to_one { None } else { Some(a_key(self.maker, self.target)?) };
        let (record, made) = self.record(columns, key.as_deref())?;
        let (orm, sql) = assignments(self.maker, self.target, &alias, false);
        let joined = self.joined(link, &alias);
        let it = key.as_ref().map_or_else(|| "true".to_owned(), |key| target.key_condition(&alias, key));
        let create = self.aside(|block| block.create(link, &record, &made));
        let update = format!("update {} {alias} set {sql} where {joined} and {it}", target.name);
        let there = format!("exists (select 1 from {} {alias} where {joined} and {it})", target.name);
        self.when(&there, vec![update], create);
        let named = key.map_or_else(String::new, |key| self.keys_text(&[key]) + " ");
        Some(format!("upsert {named}create {} update {{ {orm} }}", record.orm))
    }

    fn delete(&mut self, link: &Link, to_one: bool) -> String {
        let alias = self.maker.alias();
        let model = self.maker.model;
        let target = &model.entities[self.target];
        let (only, which) = self.chosen(link, &alias, to_one);
        let names: Vec<String> = target.key.iter().map(|at| target.columns[*at].name.clone()).collect();
        let values: Vec<String> = names.iter().map(|name| format!("r.{name}")).collect();
        let edges = match link {
            Link::Edge { name, near, far } => {
                let (near, far) = (equal(near, &sql_of(&self.key)), equal(far, &values));
                format!("delete from {name} where {near} and {far}; ")
            }
            Link::Forward { .. } | Link::Back { .. } => String::new(),
        };
        self.say(format!(
            "for r in select {alias}.* from {name} {alias} where {which} order by {order} loop {edges}delete from {name} \
             where {it}; end loop",
            name = target.name,
            order = target.key_sql(&alias),
            it = equal(&names, &values)
        ));
        format!("delete {only}").trim_end().to_owned()
    }

    /// Which of the joined rows: how ormDB says it, and the condition.
    fn chosen(&mut self, link: &Link, alias: &str, to_one: bool) -> (String, String) {
        let target = &self.maker.model.entities[self.target];
        let joined = self.joined(link, alias);
        if to_one {
            let joined = self.joined(link, "x");
            self.say(format!(
                "if not exists (select 1 from {} x where {joined}) then {NOT_FOUND}; end if",
                target.name
            ));
        }
        match self.maker.rng.u8(..3) {
            0 if !to_one => {
                if let Some(key) = a_key(self.maker, self.target) {
                    self.require_joined(link, &key);
                    let it = target.key_condition(alias, &key);
                    return (self.keys_text(&[key]) + " ", it);
                }
                (String::new(), joined)
            }
            1 => {
                let filter = self.maker.condition(self.target, alias, 1);
                (format!("where {} ", filter.orm), format!("{joined} and {}", filter.sql))
            }
            _ => (String::new(), joined),
        }
    }

    /// The condition that a row of the target is joined to the row at hand.
    fn joined(&self, link: &Link, alias: &str) -> String {
        let target = &self.maker.model.entities[self.target];
        let own = sql_of(&self.key);
        match link {
            Link::Back { columns, .. } => {
                let columns: Vec<String> = columns.iter().map(|name| format!("{alias}.{name}")).collect();
                equal(&columns, &own)
            }
            Link::Edge { name, near, far } => {
                let keys: Vec<String> =
                    target.key.iter().map(|at| format!("{alias}.{}", target.columns[*at].name)).collect();
                format!("exists (select 1 from {name} where {} and {})", equal(near, &own), equal(far, &keys))
            }
            Link::Forward { .. } => "false".to_owned(),
        }
    }

    fn require_joined(&mut self, link: &Link, key: &[Lit]) {
        let target = &self.maker.model.entities[self.target];
        let (it, joined) = (target.key_condition("x", key), self.joined(link, "x"));
        self.say(format!(
            "if not exists (select 1 from {} x where {it} and {joined}) then {NOT_FOUND}; end if",
            target.name
        ));
    }

    /// The row that has the place of a to-one relation leaves it.
    fn make_room(&mut self, link: &Link, next: Option<&[Lit]>) {
        if let Link::Back { to_one: true, .. } = link {
            let target = &self.maker.model.entities[self.target];
            let but =
                next.map_or(String::new(), |key| format!(" and not ({})", target.key_condition("x", key)));
            let others = self.joined(link, "x") + &but;
            self.part_where(link, &others);
        }
    }

    /// Joined rows of the target, under the alias `x`, are joined no longer.
    fn part_where(&mut self, link: &Link, condition: &str) {
        let target = &self.maker.model.entities[self.target];
        match link {
            Link::Back { columns, .. } => {
                let nulls: Vec<String> = columns.iter().map(|name| format!("{name} = null")).collect();
                self.say(format!("update {} x set {} where {condition}", target.name, nulls.join(", ")));
            }
            Link::Edge { name, near, far } => {
                let keys: Vec<String> =
                    target.key.iter().map(|at| format!("x.{}", target.columns[*at].name)).collect();
                self.say(format!(
                    "delete from {name} where {} and exists (select 1 from {} x where {} and {condition})",
                    equal(near, &sql_of(&self.key)),
                    target.name,
                    equal(far, &keys)
                ));
            }
            Link::Forward { .. } => {}
        }
    }

    fn connect(&mut self, link: &Link, key: &[Lit]) {
        let target = &self.maker.model.entities[self.target];
        let own = sql_of(&self.key);
        match link {
            Link::Back { columns, .. } => {
                let set = equal(columns, &own).replace(" and ", ", ");
                let it = target.key_condition("x", key);
                self.say(format!("update {} x set {set} where {it}", target.name));
            }
            Link::Edge { .. } => self.edge(link, key, " on conflict do nothing"),
            Link::Forward { .. } => {}
        }
    }

    fn create(&mut self, link: &Link, record: &Record, key: &[Lit]) {
        let mut columns = record.columns.clone();
        if let Link::Back { columns: foreign, .. } = link {
            columns.extend(foreign.iter().cloned().zip(sql_of(&self.key)));
        }
        self.insert(self.target, &columns);
        self.edge(link, key, "");
    }

    fn edge(&mut self, link: &Link, key: &[Lit], otherwise: &str) {
        if let Link::Edge { name, near, far } = link {
            let columns = [near.as_slice(), far].concat();
            let values = [sql_of(&self.key), sql_of(key)].concat();
            self.say(format!(
                "insert into {name} ({}) values ({}){otherwise}",
                columns.join(", "),
                values.join(", ")
            ));
        }
    }
}
