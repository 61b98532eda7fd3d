//! ormDB in this process: statements prepared once, rows as structs.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ordinum::Durability;
use ormdb::{Database, Options, Params, Prepared, Session, Statement, Value};
use ormdb_proto::ir::{Assignment, Create, RecordInput};

use super::{parameters, remote};
use crate::Result;
use crate::answer::Answer;
use crate::arguments::Given;
use crate::data::Data;
use crate::driver::{Driver, Load, Run};
use crate::operation::Operation;
use crate::statements::ORMDB_SCHEMA;
use crate::times::Times;

/// Rows of a transaction of the load.
const BATCH: usize = 1000;

/// A driver with its database.
pub(crate) struct Embedded {
    session: Session,
    prepared: HashMap<String, Prepared>,
    given: Rc<Given>,
}

fn open_as(path: &Path, durability: Durability, cache_mib: u32) -> Result<Database> {
    let mut options = Options { durability, ..Options::default() };
    options.engine.block_cache_bytes = u64::from(cache_mib) << 20;
    Ok(Database::open_with(path, options)?)
}

impl Embedded {
    pub(crate) fn open(path: &Path, cache_mib: u32, given: &Rc<Given>) -> Result<Embedded> {
        let session = open_as(path, Durability::Synced, cache_mib)?.session();
        Ok(Embedded { session, prepared: HashMap::new(), given: Rc::clone(given) })
    }

    fn one(&mut self, operation: Operation, at: usize) -> Result<Answer> {
        let (name, params) = parameters::of(&self.given.arguments, operation, at)?;
        let prepared = match self.prepared.get(&name) {
            Some(prepared) => prepared,
            None => {
                let text = self.given.statements.ormdb.get(&name).ok_or("there is no such statement")?;
                self.prepared.entry(name).or_insert(self.session.prepare(text)?)
            }
        };
        remote::answer(operation, self.session.run_prepared(prepared, &params)?)
    }
}

impl Driver for Embedded {
    fn answers(&mut self, operation: Operation, count: usize) -> Result<Vec<serde_json::Value>> {
        (0..count).map(|at| Ok(serde_json::to_value(self.one(operation, at)?)?)).collect()
    }

    fn run(&mut self, load: Load) -> Result<Run> {
        one_by_one(load, |at| self.one(load.operation, at))
    }
}

/// Runs `one(argument)` for as long as a load says.
pub(super) fn one_by_one(load: Load, mut one: impl FnMut(usize) -> Result<Answer>) -> Result<Run> {
    let (times, mut micros, mut at) = (Times::begin(), Vec::new(), load.first);
    let mut now = Instant::now();
    let end = now + Duration::from_secs_f64(load.seconds);
    while now < end {
        drop(std::hint::black_box(one(at)?));
        let then = Instant::now();
        micros.push((then - now).as_secs_f64() * 1e6);
        now = then;
        at += 1;
    }
    Ok(times.end(micros))
}

/// Makes a database and fills it.
pub(crate) fn load(path: &Path, data: &Data, cache_mib: u32) -> Result<()> {
    let database = open_as(path, Durability::Buffered, cache_mib)?;
    database.apply_schema(ORMDB_SCHEMA).map_err(|errors| format!("{errors:?}"))?;
    let session = database.session();
    create_all(&session, "Person", &data.people, |row| {
        vec![
            ("id", Value::Int64(row.id)),
            ("name", Value::String(row.name.clone())),
            ("image", Value::String(row.image.clone())),
            ("bio", Value::String(row.bio.clone())),
        ]
    })?;
    create_all(&session, "Movie", &data.movies, |row| {
        vec![
            ("id", Value::Int64(row.id)),
            ("image", Value::String(row.movie.image.clone())),
            ("title", Value::String(row.movie.title.clone())),
            ("year", Value::Int32(row.movie.year)),
            ("description", Value::String(row.movie.description.clone())),
        ]
    })?;
    for (entity, is_cast) in [("Direction", false), ("Role", true)] {
        let credits: Vec<_> = data
            .movies
            .iter()
            .flat_map(|row| {
                let people = if is_cast { &row.movie.cast } else { &row.movie.directors };
                (0_i32..).zip(people).map(|(at, person)| (row.id, at, *person))
            })
            .collect();
        create_all(&session, entity, &credits, |(movie, at, person)| {
            vec![
                ("movieId", Value::Int64(*movie)),
                ("listOrder", Value::Int32(*at)),
                ("personId", Value::Int64(*person)),
            ]
        })?;
    }
    create_all(&session, "User", &data.users, |row| {
        vec![
            ("id", Value::Int64(row.id)),
            ("name", Value::String(row.user.name.clone())),
            ("image", Value::String(row.user.image.clone())),
        ]
    })?;
    create_all(&session, "Review", &data.reviews, |row| {
        vec![
            ("id", Value::Int64(row.id)),
            ("body", Value::String(row.body.clone())),
            ("rating", Value::Int32(row.rating)),
            ("createdAt", Value::DateTime(row.created_at)),
            ("authorId", Value::Int64(row.author_id)),
            ("movieId", Value::Int64(row.movie_id)),
        ]
    })?;
    Ok(database.refresh_statistics()?)
}

fn create_all<T>(
    session: &Session,
    entity: &str,
    rows: &[T],
    record: impl Fn(&T) -> Vec<(&'static str, Value)>,
) -> Result<()> {
    for rows in rows.chunks(BATCH) {
        let rows = rows.iter().map(|row| {
            let constant = |(name, value)| Assignment::constant(name, value);
            RecordInput { assignments: record(row).into_iter().map(constant).collect() }
        });
        let create = Create {
            entity: entity.to_owned(),
            span: None,
            rows: rows.collect(),
            skip_duplicates: false,
            returning: None,
        };
        session.execute(&Statement::Create(create), &Params::none())?;
    }
    Ok(())
}

/// How many rows the entities have.
pub(crate) fn counts(path: &Path, cache_mib: u32) -> Result<[i64; 2]> {
    let session = open_as(path, Durability::Synced, cache_mib)?.session();
    let count = |entity: &str| -> Result<i64> {
        let rows: Vec<(i64,)> =
            session.fetch(&format!("group {entity} {{ n: count() }}"), &Params::none())?.rows()?;
        rows.first().map(|(count,)| *count).ok_or_else(|| "no group".into())
    };
    Ok([count("Movie")?, count("User")?])
}
