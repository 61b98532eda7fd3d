//! A connection, as JavaScript has it.

use std::time::Duration;

use napi_derive::napi;
use ormdb_bindings::{
    Access, Connection as Inner, Create, Error, ErrorCode, Isolation, OpenOptions, SchemaOutcome,
    retention_of,
};
use ormdb_proto::Result;
use serde_json::{Value, json};

use crate::changes::Changes;
use crate::completions::{Completions, Delivered, Stop};
use crate::error_text::{self, thrown};
use crate::outcome::{RawAnswer, RawParts};
use crate::params;
use crate::shape_text;
use crate::transaction::Transaction;

/// How a connection is opened.
#[napi(object, object_to_js = false)]
pub struct RawOptions {
    /// Whether a database is made where none is.
    pub create: bool,
    /// How long connecting may take.
    pub connect_timeout_ms: u32,
    /// How long versions are kept that were overwritten.
    pub retention_age_ms: Option<i64>,
    /// How much may be written to the log before they are given up.
    pub retention_bytes: Option<i64>,
}

/// A database of this process, or one behind a server.
#[napi]
pub struct Connection(Inner);

#[napi]
impl Connection {
    /// Opens a directory, a URL or a Unix socket.
    #[napi]
    pub fn open(
        completions: &Completions,
        number: u32,
        name: String,
        options: RawOptions,
    ) -> napi::Result<Stop> {
        let options = open_options(&options).map_err(|error| thrown(&error))?;
        Ok(completions
            .deliver(number, Inner::open(&name, &options), |inner| Ok(Delivered::B(Connection(inner)))))
    }

    /// As [`Connection::open`], on this thread.
    #[napi]
    pub fn open_sync(name: String, options: RawOptions) -> napi::Result<Connection> {
        let open = || Inner::open(&name, &open_options(&options)?).wait();
        open().map(Connection).map_err(|error| thrown(&error))
    }

    /// Whether the database is in this process.
    #[napi(getter)]
    pub fn is_embedded(&self) -> bool {
        self.0.is_embedded()
    }

    /// Runs a statement.
    #[napi]
    pub fn query(
        &self,
        completions: &Completions,
        number: u32,
        text: String,
        bytes: &[u8],
    ) -> napi::Result<Stop> {
        Ok(completions.deliver_outcome(number, self.0.query(text, params::given(bytes)?)))
    }

    /// Runs a statement that gives rows; one that gives none is refused, and not executed.
    #[napi]
    pub fn fetch(
        &self,
        completions: &Completions,
        number: u32,
        text: String,
        bytes: &[u8],
    ) -> napi::Result<Stop> {
        Ok(completions.deliver_rows(number, self.0.fetch(text, params::given(bytes)?)))
    }

    /// Runs a statement on this thread.
    #[napi]
    pub fn query_sync(&self, text: String, bytes: &[u8]) -> napi::Result<RawAnswer> {
        let run = || RawAnswer::of(self.0.query(text, params::read(bytes)?).wait()?);
        run().map_err(|error| thrown(&error))
    }

    /// Runs a statement that gives rows on this thread; one that gives none is refused, and not executed.
    #[napi]
    pub fn fetch_sync(&self, text: String, bytes: &[u8]) -> napi::Result<RawAnswer> {
        let run = || RawAnswer::of_rows(self.0.fetch(text, params::read(bytes)?).wait()?);
        run().map_err(|error| thrown(&error))
    }

    /// Runs a statement whose rows are taken part by part.
    #[napi]
    pub fn stream(
        &self,
        completions: &Completions,
        number: u32,
        text: String,
        bytes: &[u8],
    ) -> napi::Result<Stop> {
        Ok(completions.deliver(number, self.0.stream(text, params::given(bytes)?), RawParts::of))
    }

    /// What a statement takes and gives: `{"params": [{"name", "type"}], "shape"}` as JSON, whose shape is a text again.
    #[napi]
    pub fn describe(&self, completions: &Completions, number: u32, text: String) -> Stop {
        completions.deliver(number, self.0.describe(text), |described| {
            let shape = described.shape.as_ref().map(shape_text::of).transpose()?;
            let params = described.params.iter().map(|param| json!({ "name": param.name, "type": param.ty }));
            let params = params.collect::<Vec<Value>>();
            Ok(Delivered::E(json!({ "params": params, "shape": shape }).to_string()))
        })
    }

    /// Is told of commits.
    #[napi]
    pub fn subscribe(&self, completions: &Completions, number: u32, entities: Vec<String>) -> Stop {
        completions.deliver(number, self.0.subscribe(entities), |begun| Ok(Delivered::G(Changes::new(begun))))
    }

    /// Begins a transaction.
    #[napi]
    pub fn begin(
        &self,
        completions: &Completions,
        number: u32,
        isolation: String,
        read_only: bool,
    ) -> napi::Result<Stop> {
        let isolation = isolation_named(&isolation).map_err(|error| thrown(&error))?;
        let access = if read_only { Access::ReadOnly } else { Access::ReadWrite };
        Ok(completions.deliver(number, self.0.begin(isolation, access), |begun| {
            Ok(Delivered::C(Transaction::new(begun)))
        }))
    }

    /// The text of the schema.
    #[napi]
    pub fn schema(&self, completions: &Completions, number: u32) -> Stop {
        completions.deliver(number, self.0.schema(), |text| Ok(Delivered::E(text)))
    }

    /// Applies a schema: `{"version", "changes"}` as JSON, or `{"errors"}`.
    #[napi]
    pub fn apply_schema(&self, completions: &Completions, number: u32, text: String) -> Stop {
        completions
            .deliver(number, self.0.apply_schema(text), |outcome| Ok(Delivered::E(schema_text(outcome))))
    }

    /// Closes it.
    #[napi]
    pub fn close(&self, completions: &Completions, number: u32) -> Stop {
        completions.deliver_done(number, self.0.close())
    }
}

fn open_options(options: &RawOptions) -> Result<OpenOptions> {
    // The package lets whole numbers from zero on through.
    let number = |given: Option<i64>| given.and_then(|number| u64::try_from(number).ok());
    let age = number(options.retention_age_ms).map(Duration::from_millis);
    Ok(OpenOptions {
        create: if options.create { Create::IfMissing } else { Create::Never },
        retention: retention_of(age, number(options.retention_bytes))?,
        connect_timeout: Duration::from_millis(u64::from(options.connect_timeout_ms)),
        name: concat!("@ormdb/client ", env!("CARGO_PKG_VERSION")).to_owned(),
    })
}

fn isolation_named(name: &str) -> Result<Isolation> {
    match name {
        "serializable" => Ok(Isolation::Serializable),
        "snapshot" => Ok(Isolation::Snapshot),
        "read_committed" => Ok(Isolation::ReadCommitted),
        _ => Err(Error::new(ErrorCode::InvalidValue, format!("no isolation is named `{name}`"))
            .suggest(name, ["serializable", "snapshot", "read_committed"])
            .hint("`serializable`, `snapshot` or `read_committed`")),
    }
}

fn schema_text(outcome: SchemaOutcome) -> String {
    match outcome {
        SchemaOutcome::Applied { version, changes } => json!({ "version": version, "changes": changes }),
        SchemaOutcome::Refused(errors) => {
            let errors: Vec<Value> = errors.iter().map(|error| error_text::of(error).into()).collect();
            json!({ "errors": errors })
        }
    }
    .to_string()
}
