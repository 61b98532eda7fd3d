//! How a pool is.

use std::time::Duration;

use ormdb_proto::Retry;

use crate::client::ConnectOptions;

/// How a pool is.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// The most connections.
    pub connections_max: usize,
    /// The most requests, transactions and handles that share a connection.
    pub requests_per_connection_max: usize,
    /// How long a request waits for a place on a connection.
    pub wait_max: Duration,
    /// How long a request may take, waiting and retries included; no bound where there is none.
    pub deadline: Option<Duration>,
    /// How each connection is made.
    pub connect: ConnectOptions,
    /// How a statement or transaction is run again that conflicted with others.
    pub conflicts: Retry,
    /// How a request is made again whose connection failed.
    pub reconnects: Retry,
}

impl Default for PoolOptions {
    /// Eight connections of 32 places; a server that is gone is waited for some six seconds.
    fn default() -> PoolOptions {
        let reconnects = Retry {
            retries_max: 12,
            pause_min: Duration::from_millis(10),
            pause_max: Duration::from_secs(1),
        };
        PoolOptions {
            connections_max: 8,
            requests_per_connection_max: 32,
            wait_max: Duration::from_secs(10),
            deadline: None,
            connect: ConnectOptions::default(),
            conflicts: Retry::default(),
            reconnects,
        }
    }
}
