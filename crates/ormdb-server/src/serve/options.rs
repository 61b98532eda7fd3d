//! How a server listens, and its limits.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::certificate::TlsFiles;

/// How a server listens, and its limits.
#[derive(Clone, Debug)]
pub(crate) struct ServeOptions {
    /// The address of the TCP socket; port 0 for any that is free.
    pub(crate) listen: Option<SocketAddr>,
    /// The path of the Unix socket.
    pub(crate) unix: Option<PathBuf>,
    /// What a TCP socket must have that others than this machine can reach.
    pub(crate) exposure: Exposure,
    /// The certificate of the TCP socket; without one it has no TLS.
    pub(crate) tls: Option<TlsFiles>,
    /// The most connections at a time.
    pub(crate) connections_max: usize,
    /// The most requests in flight on one connection.
    pub(crate) requests_max: u32,
    /// The most open transactions on one connection.
    pub(crate) transactions_max: usize,
    /// The longest payload of a request.
    pub(crate) frame_bytes_max: u32,
    /// The most statements that run at a time.
    pub(crate) workers_max: usize,
    /// How long a client may take to say hello.
    pub(crate) handshake_timeout: Duration,
    /// How long a frame may take from its first byte to its last, in either direction.
    pub(crate) frame_timeout: Duration,
    /// How long a connection may be quiet.
    pub(crate) idle_timeout: Duration,
    /// How long a result may wait for its reader.
    pub(crate) stall_timeout: Duration,
    /// How long the next request of a client is looked for before its reactor goes to sleep; zero: not at all.
    pub(crate) busy_poll: Duration,
    /// How long requests in flight may take once the server is told to stop.
    pub(crate) drain_timeout: Duration,
}

/// What a TCP socket must have that others than this machine can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// TLS, and users.
    Guarded,
    /// Nothing: what guards it stands elsewhere.
    Insecure,
}

impl Default for ServeOptions {
    fn default() -> ServeOptions {
        ServeOptions {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], ormdb_client::PORT_DEFAULT))),
            unix: None,
            exposure: Exposure::Guarded,
            tls: None,
            connections_max: 1024,
            requests_max: 64,
            transactions_max: 64,
            frame_bytes_max: 16 << 20,
            workers_max: 64,
            handshake_timeout: Duration::from_secs(5),
            frame_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(300),
            stall_timeout: Duration::from_secs(300),
            busy_poll: Duration::from_micros(100),
            drain_timeout: Duration::from_secs(10),
        }
    }
}
