//! PostgreSQL as the oracle: the same random schemas, rows, fetches and writes on both, and the same answers.
//!
//! `ORMDB_ORACLE_QUERIES` says how many queries run, `ORMDB_ORACLE_SEED` from which seed on; `cargo xtask oracle` sets
//! both. A difference prints its seed and both queries, made as small as dropping parts of them makes it. What differs
//! on purpose is in docs/postgres-differences.md, and the generators keep out of it.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "a test fails by panicking")]

use std::sync::Arc;

use fastrand::Rng;
use ormdb::{Database, Options, Outcome, Params, Sampling, SemiJoins, Session};

#[path = "oracle/expr.rs"]
mod expr;
#[path = "oracle/group.rs"]
mod group;
#[path = "oracle/json.rs"]
mod json;
#[path = "oracle/nested.rs"]
mod nested;
#[path = "oracle/postgres.rs"]
mod postgres;
#[path = "oracle/query.rs"]
mod query;
#[path = "oracle/schema.rs"]
mod schema;
#[path = "oracle/value.rs"]
mod value;
#[path = "oracle/write.rs"]
mod write;

use expr::Maker;
use group::Groups;
use json::Json;
use postgres::{Psql, Server};
use query::Select;
use schema::Model;
use write::{Counts, Write};

const QUERIES: u64 = 10_000;
const QUERIES_PER_SCHEMA: u64 = 100;
/// Every so manieth query is a write.
const WRITE_EVERY: u64 = 6;
/// How many differences are told before the test ends.
const DIFFERENCES_MAX: usize = 8;
/// How many smaller queries are tried on a difference.
const SMALLER_MAX: usize = 400;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn postgres_gives_the_same_answers() {
    let (queries, first) = (number("ORMDB_ORACLE_QUERIES", QUERIES), number("ORMDB_ORACLE_SEED", 1));
    println!("{queries} queries from ORMDB_ORACLE_SEED={first}");
    let server = Server::start();
    let mut both = Both { psql: server.client(), refused: 0 };
    let mut differences = Vec::new();
    for seed in first..first + queries.div_ceil(QUERIES_PER_SCHEMA) {
        differences.extend(both.case(seed));
        if differences.len() >= DIFFERENCES_MAX {
            break;
        }
    }
    println!("{} of {queries} were refused by both", both.refused);
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

struct Both {
    psql: Psql,
    refused: u64,
}

/// A query of either kind.
#[derive(Clone, Debug)]
enum Query {
    Rows(Select),
    Groups(Groups),
}

impl Query {
    fn orm(&self, model: &Model) -> String {
        match self {
            Query::Rows(select) => select.orm(model),
            Query::Groups(groups) => groups.orm(model),
        }
    }

    fn sql(&self, model: &Model) -> String {
        match self {
            Query::Rows(select) => select.sql(model),
            Query::Groups(groups) => groups.sql(model),
        }
    }

    /// Queries that each lack one thing of this.
    fn smaller(&self) -> Vec<Query> {
        match self {
            Query::Rows(select) => select.smaller().into_iter().map(Query::Rows).collect(),
            Query::Groups(groups) => groups.smaller().into_iter().map(Query::Groups).collect(),
        }
    }
}

/// An answer, or the SQLSTATE and text of a refusal.
type Answer = Result<Json, (String, String)>;

impl Both {
    /// The first difference of a seed.
    fn case(&mut self, seed: u64) -> Option<String> {
        let mut rng = Rng::with_seed(seed);
        let mut model = schema::model(&mut rng);
        let session = database(&model, seed);
        self.psql
            .run(&model.ddl())
            .unwrap_or_else(|error| panic!("seed {seed}\n{}\n{}", model.ddl(), error.text));
        self.fill(&mut rng, &mut model, &session, seed);
        for case in 0..QUERIES_PER_SCHEMA {
            let mut maker = Maker { rng: &mut rng, model: &model, aliases: 0, local: false };
            if case % WRITE_EVERY == 0 {
                let write = write::write(&mut maker);
                let all: Vec<Query> = (0..model.entities.len())
                    .map(|entity| Query::Rows(query::all(&mut maker, entity)))
                    .collect();
                if let Err(difference) = self.write(&session, &model, &write, &all) {
                    let (schema, Write { orm, sql, .. }) = (model.text(), &write);
                    return Some(format!(
                        "\nORMDB_ORACLE_SEED={seed} case {case}\n{schema}\n{orm}\n\n{sql}\n\n{difference}"
                    ));
                }
                if let Some((entity, key)) = write.creates {
                    model.entities[entity].keys.push(key);
                }
                continue;
            }
            let query = match maker.rng.u8(..5) {
                0 => Query::Groups(group::groups(&mut maker)),
                _ => Query::Rows(query::fetch(&mut maker)),
            };
            if self.differs(&session, &model, &query).is_some() {
                let query = self.smallest(&session, &model, query);
                let (found, wanted) = self.differs(&session, &model, &query).unwrap();
                return Some(format!(
                    "\nORMDB_ORACLE_SEED={seed} case {case}\n{}\n{}\n\n{}\n\nfound  {}\nwanted {}",
                    model.text(),
                    query.orm(&model),
                    query.sql(&model),
                    shown(&found),
                    shown(&wanted)
                ));
            }
        }
        None
    }

    /// Writes rows of every entity to both.
    fn fill(&mut self, rng: &mut Rng, model: &mut Model, session: &Session, seed: u64) {
        for entity in 0..model.entities.len() {
            for _ in 0..rng.usize(..25) {
                let row = model.row(rng, entity);
                let this = &model.entities[entity];
                let given: Vec<_> =
                    this.columns.iter().zip(&row).filter_map(|(c, v)| Some((c, v.as_ref()?))).collect();
                let items: Vec<String> =
                    given.iter().map(|(c, v)| format!("{}: {}", c.orm(), v.orm)).collect();
                let names: Vec<&str> = given.iter().map(|(c, _)| c.name.as_str()).collect();
                let values: Vec<&str> = given.iter().map(|(_, v)| v.sql.as_str()).collect();
                let orm = format!("create {} {{ {} }}", this.name, items.join(", "));
                let sql = if given.is_empty() {
                    format!("insert into {} default values", this.name)
                } else {
                    format!("insert into {} ({}) values ({})", this.name, names.join(", "), values.join(", "))
                };
                let found = session.query(&orm, &Params::none());
                let wanted = self.psql.run(&sql);
                match (found, wanted) {
                    (Ok(_), Ok(_)) => {
                        let key = this.key.iter().map(|at| row[*at].clone().unwrap()).collect();
                        model.entities[entity].keys.push(key);
                    }
                    (Err(found), Err(wanted)) if found.code.sqlstate() == wanted.state => {}
                    (found, wanted) => panic!(
                        "ORMDB_ORACLE_SEED={seed}\n{}\n{orm}\n{sql}\nfound  {:?}\nwanted {wanted:?}",
                        model.text(),
                        found.map_err(|e| e.render(Some(&orm)))
                    ),
                }
            }
        }
    }

    /// Writes to both, and looks at all rows afterwards.
    fn write(
        &mut self,
        session: &Session,
        model: &Model,
        write: &Write,
        all: &[Query],
    ) -> Result<(), String> {
        let found = session.query(&write.orm, &Params::none());
        let wanted = self.psql.run(&write.sql);
        match (&found, &wanted) {
            (Ok(Outcome::Written(found)), Ok(wanted)) => {
                let wanted: u64 =
                    if write.counts == Counts::Any { 0 } else { wanted.trim().parse().unwrap() };
                let same = match write.counts {
                    Counts::Created => found.created == wanted,
                    Counts::Either => found.created + found.updated >= wanted,
                    Counts::Updated => found.updated >= wanted,
                    Counts::Deleted => found.deleted >= wanted,
                    Counts::Any => true,
                };
                if !same {
                    return Err(format!("found {found:?}\nwanted {wanted} rows"));
                }
            }
            (Err(_), Ok(wanted)) if write.by_key && wanted.trim() == "0" => {}
            (Err(found), Err(wanted)) if found.code.sqlstate()[..2] == wanted.state[..2] => self.refused += 1,
            // Of several reasons to refuse it, either may be told.
            (Err(found), Err(wanted))
                if write.counts == Counts::Any
                    && ["23", "P0"].contains(&&found.code.sqlstate()[..2])
                    && ["23", "P0"].contains(&&wanted.state[..2]) =>
            {
                self.refused += 1;
            }
            // As above, each for another row: they are updated in the order of their keys, or in that of the table's file.
            (Err(found), Err(wanted))
                if write.counts == Counts::Updated
                    && !write.by_key
                    && ["22", "23"].contains(&&found.code.sqlstate()[..2])
                    && ["22", "23"].contains(&&wanted.state[..2]) =>
            {
                self.refused += 1;
            }
            _ => {
                let found = found.map_err(|error| error.render(Some(&write.orm)));
                return Err(format!("found  {found:?}\nwanted {wanted:?}"));
            }
        }
        for select in all {
            if let Some((found, wanted)) = self.differs(session, model, select) {
                return Err(format!(
                    "{}\nfound  {}\nwanted {}",
                    select.orm(model),
                    shown(&found),
                    shown(&wanted)
                ));
            }
        }
        Ok(())
    }

    /// Both answers, if they are not the same.
    fn differs(&mut self, session: &Session, model: &Model, select: &Query) -> Option<(Answer, Answer)> {
        let (orm, sql) = (select.orm(model), select.sql(model));
        let found = match session.query(&orm, &Params::none()) {
            Ok(Outcome::Fetched(result)) => Ok(Json::parse(&result.to_json().unwrap())),
            Ok(other) => panic!("{other:?} is no graph"),
            Err(error) => Err((error.code.sqlstate().to_owned(), error.render(Some(&orm)))),
        };
        let wanted = match self.psql.run(&sql) {
            Ok(text) => Ok(Json::parse(&text)),
            Err(error) => Err((error.state, error.text)),
        };
        match (&found, &wanted) {
            (Ok(found), Ok(wanted)) if found.is(wanted) => None,
            (Err(found), Err(wanted)) if found.0 == wanted.0 => {
                self.refused += 1;
                None
            }
            _ => Some((found, wanted)),
        }
    }

    /// A selection that differs still, and no part of which can go.
    fn smallest(&mut self, session: &Session, model: &Model, mut select: Query) -> Query {
        let mut left = SMALLER_MAX;
        'again: loop {
            for less in select.smaller() {
                if left == 0 {
                    return select;
                }
                left -= 1;
                if self.differs(session, model, &less).is_some() {
                    select = less;
                    continue 'again;
                }
            }
            return select;
        }
    }
}

fn shown(answer: &Answer) -> String {
    match answer {
        Ok(json) => json.to_string(),
        Err((state, text)) => format!("{state} {text}"),
    }
}

/// A database in memory with the schema.
fn database(model: &Model, seed: u64) -> Session {
    let mut options = Options::default();
    options.engine.fs = Arc::new(ordinum::fs::MemoryFs::new());
    options.engine.background = ordinum::Background::Manual;
    options.sampling = Sampling::OnRequest;
    let sides = [SemiJoins::ByCost, SemiJoins::FromParents, SemiJoins::FromChildren];
    options.semi_joins = sides[usize::try_from(seed % 3).unwrap()];
    let ways = [ormdb::Intersections::ByCost, ormdb::Intersections::Always];
    options.intersections = ways[usize::try_from(seed / 3 % 2).unwrap()];
    let database = Database::open_with("/db", options).unwrap();
    let schema = model.text();
    if let Err(errors) = database.apply_schema(&schema) {
        let errors: Vec<String> = errors.iter().map(|error| error.render(Some(&schema))).collect();
        panic!("ORMDB_ORACLE_SEED={seed}\n{schema}\n{}", errors.join("\n"));
    }
    database.session()
}
