//! SQLite in this process: a statement for each list of a graph, prepared once, rows as structs.

use std::path::Path;
use std::rc::Rc;

use rusqlite::{CachedStatement, Connection, Row};
use serde_json::Value;

use super::embedded::one_by_one;
use crate::Result;
use crate::answer::{
    Answer, Brief, Credit, Film, Movie, NewMovie, Opinion, Person, Rated, Retitled, Review, User,
};
use crate::arguments::{Given, new_title, pick};
use crate::data::{self, Data};
use crate::driver::{Driver, Load, Run};
use crate::operation::Operation;
use crate::statements::SQLITE_SCHEMA;

/// Rows of a transaction of the load.
const BATCH: usize = 1000;

/// A driver with its database.
pub(crate) struct Lite {
    connection: Connection,
    given: Rc<Given>,
}

/// Opens a file, with a write-ahead log that is synced at every commit or at checkpoints only.
fn open_as(path: &Path, synchronous: &str, cache_mib: u32) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -(i64::from(cache_mib) << 10))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

impl Lite {
    pub(crate) fn open(path: &Path, cache_mib: u32, given: &Rc<Given>) -> Result<Lite> {
        Ok(Lite { connection: open_as(path, "full", cache_mib)?, given: Rc::clone(given) })
    }

    fn statement(&self, name: &str) -> Result<CachedStatement<'_>> {
        let text = self.given.statements.sqlite.get(name).ok_or("there is no such statement")?;
        Ok(self.connection.prepare_cached(text)?)
    }

    fn list<T>(&self, name: &str, id: i64, of: impl Fn(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>> {
        let mut statement = self.statement(name)?;
        Ok(statement.query_map([id], of)?.collect::<rusqlite::Result<_>>()?)
    }

    fn one(&mut self, operation: Operation, at: usize) -> Result<Answer> {
        let given = Rc::clone(&self.given);
        let arguments = &given.arguments;
        Ok(match operation {
            Operation::GetMovie => Answer::Movie(self.movie(*pick(&arguments.movies, at)?)?),
            Operation::GetPerson => Answer::Person(self.person(*pick(&arguments.people, at)?)?),
            Operation::GetUser => Answer::User(self.user(*pick(&arguments.users, at)?)?),
            Operation::InsertUser => {
                let user = pick(&arguments.new_users, at)?;
                let mut insert = self.statement("insert_user")?;
                Answer::NewUser(insert.query_row((&user.name, &user.image), |row| brief(row, 0))?)
            }
            Operation::InsertMovie => Answer::NewMovie(self.insert_movie(pick(&arguments.new_movies, at)?)?),
            Operation::UpdateMovie => {
                let title = new_title(arguments, at)?;
                let mut update = self.statement("update_movie")?;
                Answer::Retitled(update.query_row((title, pick(&arguments.movies, at)?), |row| {
                    Ok(Retitled { id: row.get(0)?, title: row.get(1)? })
                })?)
            }
        })
    }

    fn movie(&self, id: i64) -> Result<Movie> {
        let mut movie = self.statement("movie")?.query_row([id], |row| {
            let (id, image, title, year, description) = movie_columns(row)?;
            let (directors, cast, reviews) = Default::default();
            Ok(Movie { id, image, title, year, description, directors, cast, reviews })
        })?;
        movie.directors = self.list("movie_directors", id, credit)?;
        movie.cast = self.list("movie_cast", id, credit)?;
        movie.reviews = self.list("movie_reviews", id, |row| {
            Ok(Review { id: row.get(0)?, body: row.get(1)?, rating: row.get(2)?, author: brief(row, 3)? })
        })?;
        Ok(movie)
    }

    fn person(&self, id: i64) -> Result<Person> {
        let film = |row: &Row<'_>| Ok(Film { movie: rated(row, 0)? });
        let mut person = self.statement("person")?.query_row([id], |row| {
            let (acted_in, directed) = Default::default();
            let (id, name, image, bio) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            Ok(Person { id, name, image, bio, acted_in, directed })
        })?;
        person.acted_in = self.list("person_roles", id, film)?;
        person.directed = self.list("person_directions", id, film)?;
        Ok(person)
    }

    fn user(&self, id: i64) -> Result<User> {
        let mut user = self.statement("user")?.query_row([id], |row| {
            Ok(User { id: row.get(0)?, name: row.get(1)?, image: row.get(2)?, reviews: Vec::new() })
        })?;
        user.reviews = self.list("user_reviews", id, |row| {
            Ok(Opinion { id: row.get(0)?, body: row.get(1)?, rating: row.get(2)?, movie: rated(row, 3)? })
        })?;
        Ok(user)
    }

    fn insert_movie(&mut self, movie: &data::NewMovie) -> Result<NewMovie> {
        let transaction = self.connection.unchecked_transaction()?;
        let given = (&movie.image, &movie.title, movie.year, &movie.description);
        let (id, image, title, year, description) =
            self.statement("insert_movie")?.query_row(given, movie_columns)?;
        for (table, people) in [("direction", &movie.directors), ("role", &movie.cast)] {
            let text = self.given.statements.sqlite.get("insert_credit").ok_or("no such statement")?;
            let mut insert = self.connection.prepare_cached(&text.replace("TABLE", table))?;
            for (at, person) in people.iter().enumerate() {
                insert.execute((id, i64::try_from(at)?, person))?;
            }
        }
        let directors = self.list("movie_directors", id, credit)?;
        let cast = self.list("movie_cast", id, credit)?;
        transaction.commit()?;
        Ok(NewMovie { id, image, title, year, description, directors, cast })
    }
}

fn movie_columns(row: &Row<'_>) -> rusqlite::Result<(i64, String, String, i32, String)> {
    row.try_into()
}

fn brief(row: &Row<'_>, at: usize) -> rusqlite::Result<Brief> {
    Ok(Brief { id: row.get(at)?, name: row.get(at + 1)?, image: row.get(at + 2)? })
}

fn credit(row: &Row<'_>) -> rusqlite::Result<Credit> {
    Ok(Credit { person: brief(row, 0)? })
}

fn rated(row: &Row<'_>, at: usize) -> rusqlite::Result<Rated> {
    Ok(Rated {
        id: row.get(at)?,
        image: row.get(at + 1)?,
        title: row.get(at + 2)?,
        year: row.get(at + 3)?,
        avg_rating: row.get(at + 4)?,
    })
}

impl Driver for Lite {
    fn answers(&mut self, operation: Operation, count: usize) -> Result<Vec<Value>> {
        (0..count).map(|at| Ok(serde_json::to_value(self.one(operation, at)?)?)).collect()
    }

    fn run(&mut self, load: Load) -> Result<Run> {
        one_by_one(load, |at| self.one(load.operation, at))
    }
}

/// Makes the tables and fills them; then gives the planner the statistics that it asks for.
pub(crate) fn load(path: &Path, data: &Data, cache_mib: u32) -> Result<()> {
    let connection = open_as(path, "normal", cache_mib)?;
    connection.execute_batch(SQLITE_SCHEMA)?;
    insert_all(&connection, "insert into person values (?,?,?,?)", &data.people, |insert, row| {
        insert.execute((row.id, &row.name, &row.image, &row.bio))
    })?;
    insert_all(&connection, "insert into movie values (?,?,?,?,?)", &data.movies, |insert, row| {
        let movie = &row.movie;
        insert.execute((row.id, &movie.image, &movie.title, movie.year, &movie.description))
    })?;
    for table in ["direction", "role"] {
        let text = format!("insert into {table} values (?,?,?)");
        insert_all(&connection, &text, &data.movies, |insert, row| {
            let people = if table == "role" { &row.movie.cast } else { &row.movie.directors };
            (0_i64..).zip(people).try_fold(0, |_, (at, person)| insert.execute((row.id, at, person)))
        })?;
    }
    insert_all(&connection, "insert into users values (?,?,?)", &data.users, |insert, row| {
        insert.execute((row.id, &row.user.name, &row.user.image))
    })?;
    insert_all(&connection, "insert into review values (?,?,?,?,?,?)", &data.reviews, |insert, row| {
        insert.execute((row.id, &row.body, row.rating, row.created_at, row.author_id, row.movie_id))
    })?;
    Ok(connection.execute_batch("analyze; pragma wal_checkpoint(truncate)")?)
}

fn insert_all<T>(
    connection: &Connection,
    sql: &str,
    rows: &[T],
    insert: impl Fn(&mut CachedStatement<'_>, &T) -> rusqlite::Result<usize>,
) -> Result<()> {
    for rows in rows.chunks(BATCH) {
        let transaction = connection.unchecked_transaction()?;
        let mut statement = transaction.prepare_cached(sql)?;
        for row in rows {
            insert(&mut statement, row)?;
        }
        drop(statement);
        transaction.commit()?;
    }
    Ok(())
}

/// How many rows the tables have.
pub(crate) fn counts(path: &Path, cache_mib: u32) -> Result<[i64; 2]> {
    let connection = open_as(path, "full", cache_mib)?;
    let count =
        |table: &str| connection.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0));
    Ok([count("movie")?, count("users")?])
}
