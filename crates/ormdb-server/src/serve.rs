//! The server: sockets, connections and requests over one embedded database.
//!
//! Knows the wire and hands every request to the database; has no semantics of its own.
//!
//! Invariants: (1) no queue between a socket and the database is unbounded: a connection that has its number of
//! requests in flight is not read any further; (2) a client that breaks the protocol, stops in the middle of a frame or
//! does not read its responses loses its connection, and nobody else notices; (3) once the server is told to stop,
//! what was begun is answered until the deadline, and nothing new is.

mod busy_poll;
mod certificate;
mod connection;
mod descriptors;
mod handshake;
mod lane;
mod link;
mod listener;
mod options;
mod outgoing;
mod prepared;
mod reactors;
mod request;
mod sender;
mod subscription;
mod transaction;
mod window;
mod wire;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use ormdb::Database;
use ormdb_proto::{Error, ErrorCode, Result};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use busy_poll::BusyPolls;
use certificate::Certificate;
use lane::Lane;
use link::Admission;
use listener::Listener;
use reactors::Reactors;
use sender::Workers;

pub(crate) use certificate::TlsFiles;
pub(crate) use options::{Exposure, ServeOptions};

use crate::output;

/// Between two looks for rows whose retention is over.
const PURGE_INTERVAL: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    addresses: Vec<String>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

/// What every connection of a server shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) database: Database,
    pub(crate) options: ServeOptions,
    /// What statements run on.
    workers: Workers,
    /// What writes outside of transactions run in.
    lane: Lane,
    /// What connections live on.
    reactors: Reactors,
    /// The connections that wait for requests without sleeping.
    busy_polls: BusyPolls,
    /// True once the server is stopping.
    stopping: watch::Receiver<bool>,
}

impl Shared {
    /// Whether the server is stopping.
    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Completes when the server is stopping.
    async fn stopped(&self) {
        // An error means that the server is gone.
        drop(self.stopping.clone().wait_for(|stopping| *stopping).await);
    }
}

/// Starts to serve on the runtime that this is called in.
///
/// # Errors
/// `PermissionDenied` if others than this machine could reach the server, and it has no TLS or no users, unless the options allow
/// that; `Io` if it cannot be listened on; `InvalidValue` if its certificate cannot be used.
pub(crate) async fn serve(options: ServeOptions, database: Database) -> Result<Server> {
    let mut listeners = Vec::new();
    let certificate = options.tls.clone().map(Certificate::read).transpose()?.map(Arc::new);
    if let Some(address) = options.listen {
        let admission = admission(address, &options, &database)?;
        listeners.push(Listener::tcp(address, admission, certificate.clone()).await?);
    }
    if let Some(path) = &options.unix {
        listeners.push(Listener::unix(path).await?);
    }
    if listeners.is_empty() {
        return Err(Error::new(ErrorCode::InvalidValue, "there is nothing to listen on")
            .hint("give an address, a Unix socket, or both"));
    }
    let addresses = listeners.iter().map(Listener::url).collect::<Result<Vec<_>>>()?;
    let (stop, stopping) = watch::channel(false);
    let workers = Workers::new(options.workers_max);
    let lane = Lane::new(workers.clone());
    let reactors =
        Reactors::start().map_err(|e| Error::new(ErrorCode::Io, format!("the server cannot start: {e}")))?;
    let busy_polls = BusyPolls::new();
    let shared = Arc::new(Shared { database, options, workers, lane, reactors, busy_polls, stopping });
    tokio::spawn(purge_now_and_then(Arc::clone(&shared)));
    if let Some(certificate) = certificate {
        tokio::spawn(certificate.follow(Arc::clone(&shared)));
    }
    let accepting = tokio::spawn(accept_all(listeners, shared));
    Ok(Server { addresses, stop, accepting })
}

/// Who is let in over TCP; an error if the address may not be listened on.
fn admission(
    address: std::net::SocketAddr,
    options: &ServeOptions,
    database: &Database,
) -> Result<Admission> {
    if address.ip().is_loopback() {
        return Ok(Admission::UsersIfAny);
    }
    let lacks = match (options.tls.is_some(), database.has_users()?) {
        (true, true) => return Ok(Admission::Users),
        (true, false) => "there are no users: whoever reaches it would be let in",
        (false, true) => "there is no TLS: what goes over the network could be read and changed",
        (false, false) => "there is no TLS and there are no users: whoever reaches it could read and write",
    };
    let message = format!("{address} can be reached from outside of this machine, and {lacks}");
    match options.exposure {
        Exposure::Guarded => Err(Error::new(ErrorCode::PermissionDenied, message).hint(
            "give it --tls-cert and --tls-key, and users by `ormdb user add`; or listen on a loopback address; or, where \
             something else guards it, allow it with --insecure-listen",
        )),
        Exposure::Insecure => {
            output::diagnose(&format!("warning: {message}"));
            Ok(Admission::UsersIfAny)
        }
    }
}

impl Server {
    /// The URLs that clients connect to.
    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Takes no new connections and requests, answers those in flight until the options' deadline, and ends.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        // A task that panicked has ended as well.
        drop(self.accepting.await);
    }
}

/// Purges the database while nobody writes: commits do so by themselves.
async fn purge_now_and_then(shared: Arc<Shared>) {
    while tokio::time::timeout(PURGE_INTERVAL, shared.stopped()).await.is_err() {
        let database = shared.database.clone();
        // A task that panicked has ended as well.
        drop(tokio::task::spawn_blocking(move || database.purge_if_due()).await);
    }
}

async fn accept_all(listeners: Vec<Listener>, shared: Arc<Shared>) {
    let slots = Arc::new(tokio::sync::Semaphore::new(shared.options.connections_max));
    let mut tasks = JoinSet::new();
    for listener in listeners {
        tasks.spawn(listener.accept(Arc::clone(&shared), Arc::clone(&slots)));
    }
    while let Some(connections) = tasks.join_next().await {
        let Ok(mut connections) = connections else { continue };
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(shared.options.drain_timeout, drained).await.is_err() {
            connections.shutdown().await;
        }
    }
}

/// Serves until the process is told to stop by SIGTERM or SIGINT; `ready` is called with the URLs once clients can
/// connect.
///
/// # Errors
/// Those of [`serve`]; `Io` if the system gives no threads or signals.
pub(crate) fn run<E: From<Error>>(
    options: ServeOptions,
    database: Database,
    ready: impl FnOnce(&[String]) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let io = |e: std::io::Error| Error::new(ErrorCode::Io, format!("the server cannot start: {e}"));
    descriptors::make_room(options.connections_max);
    // Connections live on the reactors: what is left is to accept them.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .max_blocking_threads(Workers::threads_max(options.workers_max))
        .build()
        .map_err(io)?;
    let result = runtime.block_on(async {
        let signal = stop_signal().map_err(io)?;
        let server = serve(options, database).await?;
        ready(server.addresses())?;
        signal.await;
        server.stop().await;
        Ok(())
    });
    // A statement that did not end by the deadline is left behind: its transaction is not committed.
    runtime.shutdown_background();
    result
}

/// Completes when the process is told to stop. The signals are caught from the call on.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Completes when the process is told to stop.
#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler the signal ends the process, which is what was asked for.
        drop(tokio::signal::ctrl_c().await);
    })
}
