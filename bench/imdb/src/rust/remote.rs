//! ormDB behind a server, by `ormdb-client`: statements prepared on each connection, rows as structs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ormdb_client::{Client, Prepared};
use ormdb_proto::typed::FromRow;
use ormdb_proto::{GraphResult, MutationResult, Outcome};

use super::parameters;
use super::tasks::{self, Connected};
use crate::Result;
use crate::answer::Answer;
use crate::arguments::Given;
use crate::operation::Operation;

/// A connection with its statements.
pub(crate) struct Connection {
    client: Client,
    prepared: RefCell<HashMap<String, Prepared>>,
    given: Rc<Given>,
}

/// Connects to a server.
pub(crate) fn connect(url: &str, connections: usize, given: &Rc<Given>) -> Result<Connected<Connection>> {
    Connected::make(connections, async || {
        let (client, given) = (Client::connect(url).await?, Rc::clone(given));
        Ok(Connection { client, prepared: RefCell::default(), given })
    })
}

impl tasks::Connection for Connection {
    async fn one(&self, operation: Operation, at: usize) -> Result<Answer> {
        let (name, params) = parameters::of(&self.given.arguments, operation, at)?;
        let known = self.prepared.borrow().get(&name).cloned();
        let prepared = match known {
            Some(prepared) => prepared,
            None => {
                let text = self.given.statements.ormdb.get(&name).ok_or("there is no such statement")?;
                let prepared = self.client.prepare(text).await?;
                self.prepared.borrow_mut().insert(name, prepared.clone());
                prepared
            }
        };
        answer(operation, self.client.run_prepared(&prepared, &params).await?)
    }
}

/// The object of an outcome.
pub(super) fn answer(operation: Operation, outcome: Outcome) -> Result<Answer> {
    let result = match outcome {
        Outcome::Fetched(result) | Outcome::Written(MutationResult { returned: Some(result), .. }) => result,
        Outcome::Written(_) | Outcome::Explained(_) | Outcome::Done { .. } => {
            return Err("the statement gives no rows".into());
        }
    };
    Ok(match operation {
        Operation::GetMovie => Answer::Movie(row(&result)?),
        Operation::GetPerson => Answer::Person(row(&result)?),
        Operation::GetUser => Answer::User(row(&result)?),
        Operation::InsertUser => Answer::NewUser(row(&result)?),
        Operation::InsertMovie => Answer::NewMovie(row(&result)?),
        Operation::UpdateMovie => Answer::Retitled(row(&result)?),
    })
}

fn row<T: FromRow>(result: &GraphResult) -> Result<T> {
    result.typed_rows()?.pop().ok_or_else(|| "there is no row".into())
}
