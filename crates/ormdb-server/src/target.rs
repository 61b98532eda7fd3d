//! The database that a command works on: embedded, or behind a server.

use std::path::Path;

use ormdb::catalog::{diff, resolve};
use ormdb::text::{self, ParsedStatement};
use ormdb::{Database, Options, Session, User};
use ormdb_client::{Address, Client, ConnectOptions, PORT_DEFAULT};
use ormdb_proto::ir::{Control, Fetch, Params, Statement};
use ormdb_proto::outcome::Outcome;
use ormdb_proto::result::GraphResult;
use ormdb_proto::schema::Schema;
use ormdb_proto::{Error, ErrorCode};

use crate::exit::{Failure, Result};
use crate::password;

/// An open database.
pub(crate) enum Target {
    /// In this process.
    Embedded(Embedded),
    /// Behind a server.
    Remote(Remote),
}

/// A database in this process.
pub(crate) struct Embedded {
    database: Database,
    session: Session,
    /// The transaction that a `begin` opened.
    transaction: Option<Box<ormdb::Transaction>>,
}

/// A connection to a server.
pub(crate) struct Remote {
    runtime: tokio::runtime::Runtime,
    client: Client,
    /// The transaction that a `begin` opened.
    transaction: Option<ormdb_client::Transaction>,
}

/// A moment of a database, to read from. It ends when it is dropped.
pub(crate) enum Snapshot<'t> {
    /// In this process.
    Embedded(Box<ormdb::Transaction>),
    /// Behind a server.
    Remote {
        /// What runs the connection.
        runtime: &'t tokio::runtime::Runtime,
        /// The transaction on the connection.
        transaction: ormdb_client::Transaction,
    },
}

/// What became of a schema.
#[derive(Debug)]
pub(crate) struct Applied {
    /// The version of the catalog.
    pub(crate) version: u64,
    /// What changed, in words.
    pub(crate) changes: Vec<String>,
}

/// What happens where no database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is an error.
    Fails,
    /// An empty one is created.
    IsCreated,
}

/// The URL of a server that listens where servers do.
pub(crate) fn default_url() -> String {
    format!("ormdb://127.0.0.1:{PORT_DEFAULT}")
}

impl Target {
    /// Opens what a person named: a directory, a URL, or a Unix socket.
    pub(crate) fn open(name: &str, missing: Missing) -> Result<Target> {
        if let Some(address) = address(name)? {
            return Target::connect(&password::of_login(address)?);
        }
        match missing {
            Missing::IsCreated => Target::create(Path::new(name)),
            Missing::Fails => Ok(Target::of(existing(Path::new(name))?)),
        }
    }

    /// Opens the database in a directory, and makes it where there is none.
    pub(crate) fn create(path: &Path) -> Result<Target> {
        Ok(Target::of(Database::open(path)?))
    }

    /// A database that is open.
    pub(crate) fn of(database: Database) -> Target {
        let session = database.session();
        Target::Embedded(Embedded { database, session, transaction: None })
    }

    fn connect(address: &Address) -> Result<Target> {
        // A thread of its own, so that the connection gives signs of life while a person thinks.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| Failure::File { name: "the network".to_owned(), error })?;
        let client = runtime.block_on(Client::connect_with(address, &ConnectOptions::default()))?;
        Ok(Target::Remote(Remote { runtime, client, transaction: None }))
    }

    /// Whether a transaction is open that a `begin` opened.
    pub(crate) const fn is_in_transaction(&self) -> bool {
        match self {
            Target::Embedded(target) => target.transaction.is_some(),
            Target::Remote(target) => target.transaction.is_some(),
        }
    }

    /// Runs a statement, or shows its plan if that is asked for.
    pub(crate) fn run(&mut self, parsed: &ParsedStatement, params: &Params) -> ormdb_proto::Result<Outcome> {
        let Some(explain) = parsed.explain else { return self.execute(&parsed.statement, params) };
        let explanation = match self {
            Target::Embedded(target) => target.session.explain(&parsed.statement, params, explain),
            Target::Remote(Remote { runtime, client, .. }) => {
                runtime.block_on(client.explain(&parsed.statement, params, explain))
            }
        };
        explanation.map(|explanation| Outcome::Explained(parsed.shown(explanation)))
    }

    /// Runs the one statement of a text.
    pub(crate) fn query(&mut self, text: &str, params: &Params) -> ormdb_proto::Result<Outcome> {
        self.run(&text::parse_statement(text)?, params)
    }

    /// Runs a statement: in the transaction that a `begin` opened, or else in one of its own.
    pub(crate) fn execute(&mut self, statement: &Statement, params: &Params) -> ormdb_proto::Result<Outcome> {
        match self {
            Target::Embedded(target) => target.execute(statement, params),
            Target::Remote(target) => target.execute(statement, params),
        }
    }

    /// Begins to read: every statement sees the same moment.
    pub(crate) fn snapshot(&mut self) -> ormdb_proto::Result<Snapshot<'_>> {
        match self {
            Target::Embedded(target) => target.session.transaction().map(Box::new).map(Snapshot::Embedded),
            Target::Remote(Remote { runtime, client, .. }) => {
                let transaction = runtime.block_on(client.begin())?;
                Ok(Snapshot::Remote { runtime, transaction })
            }
        }
    }

    /// The text of the schema; empty if none was applied.
    pub(crate) fn schema_text(&mut self) -> ormdb_proto::Result<String> {
        match self {
            Target::Embedded(target) => Ok(target.database.catalog().text().to_owned()),
            Target::Remote(Remote { runtime, client, .. }) => runtime.block_on(client.schema()),
        }
    }

    /// Applies a schema.
    pub(crate) fn apply_schema(&mut self, text: &str) -> std::result::Result<Applied, Vec<Error>> {
        match self {
            Target::Embedded(target) => {
                let applied = target.database.apply_schema(text)?;
                let changes = applied.changes.iter().map(|change| change.what.clone()).collect();
                Ok(Applied { version: applied.catalog.version(), changes })
            }
            Target::Remote(Remote { runtime, client, .. }) => {
                let applied = runtime.block_on(client.apply_schema(text))?;
                Ok(Applied { version: applied.version, changes: applied.changes })
            }
        }
    }

    /// The users, by name.
    pub(crate) fn users(&mut self) -> ormdb_proto::Result<Vec<User>> {
        match self {
            Target::Embedded(target) => target.session.users(),
            Target::Remote(Remote { runtime, client, .. }) => runtime.block_on(client.users()),
        }
    }

    /// Adds a user.
    pub(crate) fn add_user(&mut self, user: &User, password: &str) -> ormdb_proto::Result<()> {
        match self {
            Target::Embedded(target) => target.session.add_user(user, &target.database.verifier(password)?),
            Target::Remote(Remote { runtime, client, .. }) => {
                runtime.block_on(client.add_user(user, password))
            }
        }
    }

    /// Gives a user another password.
    pub(crate) fn set_password(&mut self, user: &str, password: &str) -> ormdb_proto::Result<()> {
        match self {
            Target::Embedded(target) => {
                target.session.set_password(user, &target.database.verifier(password)?)
            }
            Target::Remote(Remote { runtime, client, .. }) => {
                runtime.block_on(client.set_password(user, password))
            }
        }
    }

    /// Takes a user away.
    pub(crate) fn drop_user(&mut self, user: &str) -> ormdb_proto::Result<()> {
        match self {
            Target::Embedded(target) => target.session.drop_user(user),
            Target::Remote(Remote { runtime, client, .. }) => runtime.block_on(client.drop_user(user)),
        }
    }

    /// What applying a schema would change, in words, and what that asks of the rows.
    pub(crate) fn preview_schema(&mut self, text: &str) -> std::result::Result<Vec<String>, Vec<Error>> {
        let changes = match self {
            Target::Embedded(target) => target.database.preview_schema(text)?,
            Target::Remote(_) => {
                let current = self.schema_text().map_err(|error| vec![error])?;
                let current = resolve(&text::parse_schema(&current)?, &Schema::empty())?;
                diff(&current, &resolve(&text::parse_schema(text)?, &current)?)
            }
        };
        Ok(changes.iter().map(ToString::to_string).collect())
    }
}

impl Embedded {
    fn execute(&mut self, statement: &Statement, params: &Params) -> ormdb_proto::Result<Outcome> {
        let Some(transaction) = &mut self.transaction else {
            let Statement::Control(Control::Begin { isolation, access }) = statement else {
                return self.session.execute(statement, params).map_err(not_begun);
            };
            let begun = self.session.begin(isolation.unwrap_or_default(), *access)?;
            self.transaction = Some(Box::new(begun));
            return Ok(Outcome::Done { token: None });
        };
        let outcome = transaction.execute(statement, params);
        if !transaction.is_open() {
            self.transaction = None;
        }
        outcome
    }
}

impl Remote {
    fn execute(&mut self, statement: &Statement, params: &Params) -> ormdb_proto::Result<Outcome> {
        let Remote { runtime, client, transaction } = self;
        match (statement, transaction.take()) {
            (Statement::Control(Control::Begin { isolation, access }), None) => {
                let begun = client.begin_as(isolation.unwrap_or_default(), *access);
                *transaction = Some(runtime.block_on(begun)?);
                Ok(Outcome::Done { token: None })
            }
            (statement, None) => runtime.block_on(client.execute(statement, params)).map_err(not_begun),
            (Statement::Control(Control::Commit), Some(open)) => {
                runtime.block_on(open.commit()).map(|token| Outcome::Done { token })
            }
            (Statement::Control(Control::Rollback), Some(open)) => {
                runtime.block_on(open.rollback()).map(|()| Outcome::Done { token: None })
            }
            (statement, Some(open)) => {
                let outcome = runtime.block_on(open.execute(statement, params));
                *transaction = Some(open);
                outcome
            }
        }
    }
}

/// Of a statement that belongs into a transaction, where none is open.
fn not_begun(error: Error) -> Error {
    if error.code == ErrorCode::TransactionClosed {
        return Error::new(ErrorCode::TransactionClosed, "no transaction is open").hint("`begin` opens one");
    }
    error
}

impl Snapshot<'_> {
    /// Reads a graph.
    pub(crate) fn fetch(&mut self, fetch: Fetch) -> ormdb_proto::Result<GraphResult> {
        let statement = Statement::Fetch(fetch);
        let outcome = match self {
            Snapshot::Embedded(transaction) => transaction.execute(&statement, &Params::none()),
            Snapshot::Remote { runtime, transaction } => {
                runtime.block_on(transaction.execute(&statement, &Params::none()))
            }
        };
        match outcome? {
            Outcome::Fetched(result) => Ok(result),
            Outcome::Written(_) | Outcome::Explained(_) | Outcome::Done { .. } => {
                Err(Error::new(ErrorCode::Internal, "a fetch gave something else than a graph"))
            }
        }
    }
}

/// Opens the database in a directory; where there is none, nothing is created.
pub(crate) fn existing(path: &Path) -> Result<Database> {
    let missing = |error: Error| {
        let name = path.display();
        error.hint(format!(
            "`ormdb schema apply {name} schema.ormdb` creates it; `ormdb demo` makes one to try"
        ))
    };
    if !path.is_dir() {
        let message = format!("there is no database at {}", path.display());
        return Err(missing(Error::new(ErrorCode::InvalidValue, message)).into());
    }
    let mut options = Options::default();
    options.engine.create_if_missing = false;
    Database::open_with(path, options)
        .map_err(|error| if error.code == ErrorCode::InvalidValue { missing(error) } else { error }.into())
}

/// The address of a server, if the name is one.
fn address(name: &str) -> Result<Option<Address>> {
    if name.contains("://") {
        return Ok(Some(name.parse::<Address>()?));
    }
    Ok(is_socket(Path::new(name)).then(|| Address::unix(name)))
}

#[cfg(unix)]
fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket())
}

#[cfg(not(unix))]
const fn is_socket(_: &Path) -> bool {
    false
}
