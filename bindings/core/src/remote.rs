//! Connections to servers, and the runtime that they share.

use std::sync::Arc;

use ormdb_client::{Address, Client, ConnectOptions};
use ormdb_proto::{Error, ErrorCode, Result};
use tokio::runtime::{Builder, Runtime};

use crate::options::OpenOptions;
use crate::origin::{Origin, PerProcess};

/// A connection to a server.
pub(crate) struct Remote {
    client: Origin<Client>,
    runtime: Origin<Arc<Runtime>>,
}

static RUNTIME: PerProcess<Arc<Runtime>> = PerProcess::new();

/// The runtime of this process's connections.
pub(crate) fn runtime() -> Result<Arc<Runtime>> {
    let runtime = RUNTIME.get(|| {
        // One thread: it moves bytes, and what takes time is done by the server or by the caller.
        let built =
            Builder::new_multi_thread().worker_threads(1).thread_name("ormdb-net").enable_all().build();
        built.map(Arc::new).map_err(|error| {
            Error::new(ErrorCode::Io, format!("the system gives no thread for connections: {error}"))
        })
    })?;
    Ok(Arc::clone(&runtime))
}

impl Remote {
    pub(crate) async fn open(
        address: Address,
        options: OpenOptions,
        runtime: Arc<Runtime>,
    ) -> Result<Remote> {
        let connect = ConnectOptions {
            connect_timeout: options.connect_timeout,
            name: options.name,
            ..ConnectOptions::default()
        };
        let client = Client::connect_with(&address, &connect).await?;
        Ok(Remote { client: Origin::new(client), runtime: Origin::new(runtime) })
    }

    pub(crate) fn client(&self) -> Result<&Client> {
        self.client.get()
    }

    pub(crate) fn runtime(&self) -> Result<Arc<Runtime>> {
        self.runtime.get().map(Arc::clone)
    }
}
