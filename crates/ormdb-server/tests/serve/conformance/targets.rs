//! A database that is open in this process, or behind a server.

use std::collections::HashMap;
use std::path::Path;

use ormdb::text::parse_statement;
use ormdb::{Database, Params, Session};
use ormdb_client::Client;
use ormdb_proto::{Access, Error, ErrorCode, Isolation, Outcome, Result, Token};
use serde_json::{Value as Json, json};

use super::notation::{write_error, write_rows};
use super::suite::{Step, text_of};
use crate::process::{Server, database};

/// How statements are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Text,
    Ir,
}

/// What a step gave.
pub(super) enum Answer {
    Outcome(Result<Outcome>),
    Schema(Result<String>),
    Applied(std::result::Result<Vec<String>, Vec<Error>>),
}

pub(super) enum Target {
    Embedded(Embedded),
    Remote(Remote),
}

pub(super) struct Embedded {
    database: Database,
    session: Session,
    transactions: HashMap<String, ormdb::Transaction>,
    way: Way,
}

pub(super) struct Remote {
    _server: Server,
    client: Client,
    transactions: HashMap<String, ormdb_client::Transaction>,
    way: Way,
}

const NO_TRANSACTION: &str = "the suite names a transaction that is not open";

impl Target {
    pub(super) fn embedded(dir: &Path, way: Way) -> Target {
        let database = Database::open(database(dir)).unwrap();
        let session = database.session();
        Target::Embedded(Embedded { database, session, transactions: HashMap::new(), way })
    }

    pub(super) async fn remote(dir: &Path, way: Way) -> Target {
        let server = Server::start(dir, &[]);
        let url = if way == Way::Text { &server.tcp } else { &server.unix };
        let client = Client::connect(url).await.unwrap();
        Target::Remote(Remote { _server: server, client, transactions: HashMap::new(), way })
    }

    pub(super) async fn apply(&self, lines: &[String]) -> Answer {
        let text = text_of(lines);
        Answer::Applied(match self {
            Target::Embedded(embedded) => embedded
                .database
                .apply_schema(&text)
                .map(|applied| applied.changes.iter().map(ToString::to_string).collect()),
            Target::Remote(remote) => remote.client.apply_schema(&text).await.map(|applied| applied.changes),
        })
    }

    pub(super) async fn perform(&mut self, step: &Step, params: &Params) -> Answer {
        if let Some(lines) = &step.apply {
            return self.apply(lines).await;
        }
        match self {
            Target::Embedded(embedded) => embedded.perform(step, params),
            Target::Remote(remote) => remote.perform(step, params).await,
        }
    }
}

fn level(step: &Step) -> (Isolation, Access) {
    let isolation = step.isolation.as_ref().map_or(Isolation::default(), |name| {
        Isolation::ALL.into_iter().find(|level| level.to_string() == *name).unwrap()
    });
    let access = match step.access.as_deref() {
        None | Some("read_write") => Access::ReadWrite,
        Some("read_only") => Access::ReadOnly,
        Some(other) => panic!("`{other}` is no access"),
    };
    (isolation, access)
}

fn done<T>(result: Result<T>) -> Answer {
    Answer::Outcome(result.map(|_| Outcome::Done { token: None }))
}

impl Embedded {
    fn perform(&mut self, step: &Step, params: &Params) -> Answer {
        let open = &mut self.transactions;
        if let Some(name) = &step.begin {
            let (isolation, access) = level(step);
            return done(
                self.session.begin(isolation, access).map(|begun| open.insert(name.clone(), begun).is_none()),
            );
        }
        if let Some(name) = &step.commit {
            let committed = open.remove(name).expect(NO_TRANSACTION).commit();
            return Answer::Outcome(committed.map(|token| Outcome::Done { token: Some(token) }));
        }
        if let Some(name) = &step.rollback {
            open.remove(name).expect(NO_TRANSACTION).rollback();
            return done(Ok(()));
        }
        let within = step.within.as_ref().map(|name| open.get_mut(name).expect(NO_TRANSACTION));
        if let Some(text) = &step.run {
            return Answer::Outcome(match (self.way, within) {
                (Way::Text, None) => self.session.query(text, params),
                (Way::Text, Some(transaction)) => transaction.query(text, params),
                (Way::Ir, within) => {
                    parse_statement(text).and_then(|parsed| match (parsed.explain, within) {
                        (None, None) => self.session.execute(&parsed.statement, params),
                        (None, Some(transaction)) => transaction.execute(&parsed.statement, params),
                        (Some(explain), None) => {
                            let plan = self.session.explain(&parsed.statement, params, explain);
                            plan.map(|plan| Outcome::Explained(parsed.shown(plan)))
                        }
                        (Some(_), Some(transaction)) => transaction.query(text, params),
                    })
                }
            });
        }
        let Some(within) = within else {
            return Answer::Schema(Ok(self.database.catalog().text().to_owned()));
        };
        let (savepoint, rollback_to) = (step.savepoint.as_deref(), step.rollback_to.as_deref());
        done(match (savepoint, rollback_to) {
            (Some(name), _) => within.savepoint(name),
            (_, Some(name)) => within.rollback_to(name),
            _ => within.release(step.release.as_deref().unwrap()),
        })
    }
}

impl Remote {
    async fn perform(&mut self, step: &Step, params: &Params) -> Answer {
        let open = &mut self.transactions;
        if let Some(name) = &step.begin {
            let (isolation, access) = level(step);
            let begun = self.client.begin_as(isolation, access).await;
            return done(begun.map(|begun| open.insert(name.clone(), begun).is_none()));
        }
        if let Some(name) = &step.commit {
            let committed = open.remove(name).expect(NO_TRANSACTION).commit().await;
            return Answer::Outcome(committed.map(|token| Outcome::Done { token }));
        }
        if let Some(name) = &step.rollback {
            return done(open.remove(name).expect(NO_TRANSACTION).rollback().await);
        }
        let within = step.within.as_ref().map(|name| open.get(name).expect(NO_TRANSACTION));
        if let Some(text) = &step.run {
            let parsed = match self.way {
                Way::Text => None,
                Way::Ir => match parse_statement(text) {
                    Ok(parsed) => Some(parsed),
                    Err(error) => return Answer::Outcome(Err(error)),
                },
            };
            return Answer::Outcome(match (parsed, within) {
                (None, None) => self.client.query(text, params).await,
                (None, Some(transaction)) => transaction.query(text, params).await,
                (Some(parsed), within) => match (parsed.explain, within) {
                    (None, None) => self.client.execute(&parsed.statement, params).await,
                    (None, Some(transaction)) => transaction.execute(&parsed.statement, params).await,
                    (Some(explain), None) => {
                        let plan = self.client.explain(&parsed.statement, params, explain).await;
                        plan.map(|plan| Outcome::Explained(parsed.shown(plan)))
                    }
                    (Some(_), Some(transaction)) => transaction.query(text, params).await,
                },
            });
        }
        let Some(within) = within else { return Answer::Schema(self.client.schema().await) };
        let (savepoint, rollback_to) = (step.savepoint.as_deref(), step.rollback_to.as_deref());
        done(match (savepoint, rollback_to) {
            (Some(name), _) => within.savepoint(name).await,
            (_, Some(name)) => within.rollback_to(name).await,
            _ => within.release(step.release.as_deref().unwrap()).await,
        })
    }
}

impl Answer {
    /// In the notation of the suite.
    pub(super) fn told(&self) -> Json {
        match self {
            Answer::Outcome(Ok(Outcome::Fetched(result))) => json!({ "rows": write_rows(result) }),
            Answer::Outcome(Ok(Outcome::Written(written))) => {
                let mut told = serde_json::Map::new();
                let counts = [
                    ("created", written.created),
                    ("updated", written.updated),
                    ("deleted", written.deleted),
                ];
                for (name, count) in counts {
                    if count > 0 {
                        told.insert(name.to_owned(), json!(count));
                    }
                }
                if let Some(returned) = &written.returned {
                    told.insert("rows".to_owned(), write_rows(returned));
                }
                json!({ "written": told })
            }
            Answer::Outcome(Ok(Outcome::Explained(plan))) => {
                serde_json::from_str::<Json>(&plan.json).unwrap();
                json!({ "plan": plan.text })
            }
            Answer::Outcome(Ok(Outcome::Done { token })) => {
                json!({ "done": token.map_or(json!(true), |_| json!("token")) })
            }
            Answer::Schema(Ok(text)) => json!({ "schema": text.lines().collect::<Vec<_>>() }),
            Answer::Applied(Ok(changes)) => json!({ "applied": changes }),
            Answer::Outcome(Err(error)) | Answer::Schema(Err(error)) => {
                json!({ "error": write_error(error) })
            }
            Answer::Applied(Err(errors)) => {
                json!({ "errors": errors.iter().map(write_error).collect::<Vec<_>>() })
            }
        }
    }

    /// Everything but the token, messages included.
    pub(super) fn in_full(&self) -> String {
        match self {
            // A server knows no more of a transaction that has ended, and the other message names a token.
            Answer::Outcome(Err(error))
                if matches!(error.code, ErrorCode::TransactionClosed | ErrorCode::VersionChanged) =>
            {
                self.told().to_string()
            }
            Answer::Outcome(Err(error)) | Answer::Schema(Err(error)) => format!("{error:?}"),
            Answer::Applied(Err(errors)) => format!("{errors:?}"),
            Answer::Outcome(Ok(Outcome::Fetched(result))) => result.to_json().unwrap(),
            Answer::Outcome(Ok(Outcome::Explained(plan))) => format!("{}{}", plan.text, plan.json),
            told => told.told().to_string(),
        }
    }

    /// What a step keeps of the answer.
    pub(super) fn saved(&self, what: &Json) -> Json {
        if what == "token" {
            return json!(self.token().unwrap().to_string());
        }
        let told = self.told();
        let rows = told.get("rows").or_else(|| told.get("written")?.get("rows"));
        what.as_array().unwrap().iter().fold(rows.unwrap().clone(), |at, part| match part {
            Json::Number(number) => at[usize::try_from(number.as_u64().unwrap()).unwrap()].clone(),
            part => at[part.as_str().unwrap()].clone(),
        })
    }

    fn token(&self) -> Option<Token> {
        match self {
            Answer::Outcome(Ok(Outcome::Fetched(result))) => Some(result.trailer().token),
            Answer::Outcome(Ok(Outcome::Written(written))) => Some(written.token),
            Answer::Outcome(Ok(Outcome::Done { token })) => *token,
            _ => None,
        }
    }
}
