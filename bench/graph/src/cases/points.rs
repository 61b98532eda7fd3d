//! One row by a unique key.

use ormdb::{Params, Prepared};
use rusqlite::ToSql;

use super::{Case, ORMDB, Run, Sides};
use crate::answer::Answer;
use crate::arguments::pick;
use crate::lite::{USER, user};
use crate::{Result, orm};

pub(super) fn points(sides: Sides<'_>) -> Result<Vec<Case<'_>>> {
    let arguments = sides.arguments;
    Ok(vec![
        Case {
            name: "point-primary",
            bar: 1.0,
            operations: 20_000,
            forms: vec![
                (ORMDB, {
                    let statement = orm::statement(sides.session, "User[$id] { id, email, name, joinedAt }")?;
                    fetch(sides, statement, |at| Ok(Params::none().with("id", *pick(&arguments.users, at)?)))
                }),
                ("select", select(sides, "u.id = ?", &arguments.users)?),
            ],
        },
        Case {
            name: "point-unique",
            bar: 1.0,
            operations: 20_000,
            forms: vec![
                (ORMDB, {
                    let statement =
                        orm::statement(sides.session, "User[email: $email] { id, email, name, joinedAt }")?;
                    fetch(sides, statement, |at| {
                        Ok(Params::none().with("email", pick(&arguments.emails, at)?.as_str()))
                    })
                }),
                ("select", select(sides, "u.email = ?", &arguments.emails)?),
            ],
        },
    ])
}

fn fetch<'a>(
    sides: Sides<'a>,
    statement: Prepared,
    params: impl Fn(usize) -> Result<Params> + 'a,
) -> Run<'a> {
    Box::new(move |at| Ok(Answer::Users(orm::rows(sides.session, &statement, &params(at)?)?)))
}

fn select<'a, T: ToSql>(sides: Sides<'a>, condition: &str, arguments: &'a [T]) -> Result<Run<'a>> {
    let mut statement = sides.connection.prepare(&format!("select {USER} from user u where {condition}"))?;
    Ok(Box::new(move |at| {
        let rows = statement.query_map([pick(arguments, at)?], user)?;
        Ok(Answer::Users(rows.collect::<rusqlite::Result<_>>()?))
    }))
}
