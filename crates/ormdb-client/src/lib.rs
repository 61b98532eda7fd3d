//! Async client of an ormDB server.
//!
//! Knows no engine: statements go out as text or IR, results come back as blocks that are taken as they arrive, without
//! a copy. One connection carries the requests of many tasks at once; a [`Client`] is a handle on it that is cloned
//! freely.
//!
//! ```no_run
//! # async fn f() -> ormdb_proto::Result<()> {
//! use ormdb_client::Client;
//! use ormdb_proto::ir::Params;
//!
//! #[derive(serde::Deserialize)]
//! struct Artist {
//!     name: String,
//! }
//!
//! let client = Client::connect("ormdb://127.0.0.1:5477").await?;
//! let params = Params::none().with("p", "B");
//! let artists: Vec<Artist> = client.fetch("Artist where name startsWith $p { name }", &params).await?.rows()?;
//! # Ok(())
//! # }
//! ```

mod address;
mod changes;
mod client;
mod connection;
#[doc(hidden)]
pub mod framed;
mod handshake;
mod pending;
mod pool;
mod prepared;
mod stop;
mod stream;
mod transaction;
mod transport;
mod users;

pub use address::{Address, Credentials, PORT_DEFAULT};
pub use changes::Changes;
pub use client::{Client, ConnectOptions};
pub use ormdb_derive::{ClientLabel as FromLabel, ClientRow as FromRow};
pub use ormdb_proto::typed::{self, FromLabel, FromRow, RowPlan};
pub use pool::{Pool, PoolOptions};
pub use prepared::Prepared;
pub use stop::Stop;
pub use stream::{ResultStream, RowStream};
pub use transaction::Transaction;

/// The code of the client's document, which is compiled as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/rust-client.md")]
pub struct RustClient;
