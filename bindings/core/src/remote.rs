//! Connections to servers, and the runtime that they share.

use std::sync::Arc;

use ormdb_client::{Address, Client, ConnectOptions, Pool, PoolOptions};
use ormdb_proto::{Error, ErrorCode, Result};
use tokio::runtime::{Builder, Runtime};

use crate::options::OpenOptions;
use crate::origin::{Origin, PerProcess};

/// The connections to a server, which are made again where they are lost.
pub(crate) struct Remote {
    pool: Origin<Pool>,
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
        // A pool waits for a server that is gone; that none is there, or that it refuses us, is told at once.
        Client::connect_with(&address, &connect).await?.close();
        let pool = Pool::with(address, PoolOptions { connect, ..PoolOptions::default() });
        Ok(Remote { pool: Origin::new(pool), runtime: Origin::new(runtime) })
    }

    pub(crate) fn pool(&self) -> Result<&Pool> {
        self.pool.get()
    }

    pub(crate) fn runtime(&self) -> Result<Arc<Runtime>> {
        self.runtime.get().map(Arc::clone)
    }
}
