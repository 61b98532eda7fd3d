//! PostgreSQL by `tokio-postgres`: one statement an operation, prepared on each connection; what is a graph comes as JSON.

use std::fmt::Write;
use std::net::SocketAddr;
use std::rc::Rc;

use serde::de::DeserializeOwned;
use tokio_postgres::types::{Json, ToSql};
use tokio_postgres::{Client, NoTls, Row, Statement};

use super::tasks::{self, Connected};
use crate::Result;
use crate::answer::{Answer, Brief, Retitled};
use crate::arguments::{Given, new_title, pick};
use crate::data::Data;
use crate::operation::Operation;
use crate::server::psql;
use crate::statements::{POSTGRES_FINISH, POSTGRES_SCHEMA};

/// A connection with its statements.
pub(crate) struct Connection {
    client: Client,
    statements: Vec<(Operation, Statement)>,
    given: Rc<Given>,
}

/// Connects to a server.
pub(crate) fn connect(
    address: SocketAddr,
    connections: usize,
    given: &Rc<Given>,
) -> Result<Connected<Connection>> {
    let config = format!("host=127.0.0.1 port={} user=imdb dbname=postgres", address.port());
    Connected::make(connections, || Connection::make(&config, given))
}

impl Connection {
    async fn make(config: &str, given: &Rc<Given>) -> Result<Connection> {
        let (client, connection) = tokio_postgres::connect(config, NoTls).await?;
        tokio::spawn(connection);
        let mut statements = Vec::new();
        for operation in Operation::ALL {
            let text = given.statements.postgres.get(operation.name()).ok_or("no such statement")?;
            statements.push((operation, client.prepare(text).await?));
        }
        Ok(Connection { client, statements, given: Rc::clone(given) })
    }

    async fn row(&self, operation: Operation, params: &[&(dyn ToSql + Sync)]) -> Result<Row> {
        let statement = self.statements.iter().find(|(of, _)| *of == operation);
        let (_, statement) = statement.ok_or("no such statement")?;
        Ok(self.client.query_one(statement, params).await?)
    }
}

impl tasks::Connection for Connection {
    async fn one(&self, operation: Operation, at: usize) -> Result<Answer> {
        let arguments = &self.given.arguments;
        Ok(match operation {
            Operation::GetMovie => {
                Answer::Movie(json(&self.row(operation, &[pick(&arguments.movies, at)?]).await?)?)
            }
            Operation::GetPerson => {
                Answer::Person(json(&self.row(operation, &[pick(&arguments.people, at)?]).await?)?)
            }
            Operation::GetUser => {
                Answer::User(json(&self.row(operation, &[pick(&arguments.users, at)?]).await?)?)
            }
            Operation::InsertUser => {
                let user = pick(&arguments.new_users, at)?;
                let row = self.row(operation, &[&user.name, &user.image]).await?;
                Answer::NewUser(Brief { id: row.try_get(0)?, name: row.try_get(1)?, image: row.try_get(2)? })
            }
            Operation::InsertMovie => {
                let movie = pick(&arguments.new_movies, at)?;
                let params: [&(dyn ToSql + Sync); 6] = [
                    &movie.image,
                    &movie.title,
                    &movie.year,
                    &movie.description,
                    &movie.directors,
                    &movie.cast,
                ];
                Answer::NewMovie(json(&self.row(operation, &params).await?)?)
            }
            Operation::UpdateMovie => {
                let title = new_title(arguments, at)?;
                let row = self.row(operation, &[pick(&arguments.movies, at)?, &title]).await?;
                Answer::Retitled(Retitled { id: row.try_get(0)?, title: row.try_get(1)? })
            }
        })
    }
}

fn json<T: DeserializeOwned>(row: &Row) -> Result<T> {
    let Json(object) = row.try_get(0)?;
    Ok(object)
}

/// Makes the tables and fills them.
pub(crate) fn load(address: SocketAddr, data: &Data) -> Result<()> {
    psql(address, POSTGRES_SCHEMA, &[])?;
    let mut rows = String::new();
    for row in &data.people {
        writeln!(rows, "{}\t{}\t{}\t{}", row.id, row.name, row.image, row.bio)?;
    }
    copy(address, "person", &mut rows)?;
    for row in &data.movies {
        let movie = &row.movie;
        writeln!(
            rows,
            "{}\t{}\t{}\t{}\t{}",
            row.id, movie.image, movie.title, movie.year, movie.description
        )?;
    }
    copy(address, "movie", &mut rows)?;
    for row in &data.movies {
        for (at, person) in row.movie.directors.iter().enumerate() {
            writeln!(rows, "{}\t{at}\t{person}", row.id)?;
        }
    }
    copy(address, "direction", &mut rows)?;
    for row in &data.movies {
        for (at, person) in row.movie.cast.iter().enumerate() {
            writeln!(rows, "{}\t{at}\t{person}", row.id)?;
        }
    }
    copy(address, "role", &mut rows)?;
    for row in &data.users {
        writeln!(rows, "{}\t{}\t{}", row.id, row.user.name, row.user.image)?;
    }
    copy(address, "users", &mut rows)?;
    psql(address, "alter table review alter created_at type bigint using 0;", &[])?;
    for row in &data.reviews {
        let (author, movie) = (row.author_id, row.movie_id);
        writeln!(rows, "{}\t{}\t{}\t{}\t{author}\t{movie}", row.id, row.body, row.rating, row.created_at)?;
    }
    copy(address, "review", &mut rows)?;
    psql(
        address,
        "alter table review alter created_at type timestamptz using to_timestamp(created_at / 1e6);",
        &[],
    )?;
    psql(address, POSTGRES_FINISH, &[])?;
    Ok(())
}

fn copy(address: SocketAddr, table: &str, rows: &mut String) -> Result<()> {
    psql(address, &format!("copy {table} from stdin"), rows.as_bytes())?;
    rows.clear();
    Ok(())
}

/// How many rows the tables have.
pub(crate) fn counts(address: SocketAddr) -> Result<[i64; 2]> {
    let count = |table: &str| -> Result<i64> {
        Ok(psql(address, &format!("select count(*) from {table};"), &[])?.trim().parse()?)
    };
    Ok([count("movie")?, count("users")?])
}
