//! Sockets that are listened on.
//!
//! Invariants: (1) a TCP socket that others can reach has TLS and lets users in only, unless the options say otherwise; (2) a Unix socket is for its owner
//! alone, replaces only a socket that nobody listens on, and is gone when the server has ended; (3) a connection too
//! many is told so.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ormdb_proto::{Error, ErrorCode, Result};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::certificate::Certificate;
use super::link::{Admission, Incoming, Socket};
use super::{Shared, connection, handshake};

/// How long is waited when the system has no file descriptors for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections too many that are told so at a time; beyond these they are just closed.
const REFUSALS_MAX: usize = 64;

/// A socket that is listened on.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp {
        listener: TcpListener,
        admission: Admission,
        certificate: Option<Arc<Certificate>>,
    },
    #[cfg(unix)]
    Unix {
        listener: UnixListener,
        file: SocketFile,
    },
}

/// The file of a Unix socket; removed with its owner.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // One that is gone already is what is wanted.
        drop(std::fs::remove_file(&self.0));
    }
}

impl Listener {
    pub(super) async fn tcp(
        address: SocketAddr,
        admission: Admission,
        certificate: Option<Arc<Certificate>>,
    ) -> Result<Listener> {
        let listener = TcpListener::bind(address).await.map_err(|e| cannot_listen(&address, &e))?;
        Ok(Listener::Tcp { listener, admission, certificate })
    }

    #[cfg(unix)]
    pub(super) async fn unix(path: &Path) -> Result<Listener> {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt};
        let failed = |e: io::Error| cannot_listen(&path.display(), &e);
        if std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
            if UnixStream::connect(path).await.is_ok() {
                return Err(failed(io::ErrorKind::AddrInUse.into()));
            }
            std::fs::remove_file(path).map_err(failed)?;
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        let file = SocketFile(path.to_owned());
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Listener::Unix { listener, file })
    }

    #[cfg(not(unix))]
    pub(super) async fn unix(_path: &Path) -> Result<Listener> {
        Err(Error::new(ErrorCode::UnsupportedFeature, "Unix sockets do not exist on this system"))
    }

    /// The URL that clients connect to.
    pub(super) fn url(&self) -> Result<String> {
        match self {
            Listener::Tcp { listener, certificate, .. } => {
                let scheme = if certificate.is_some() { "ormdb+tls" } else { "ormdb" };
                let address = listener.local_addr();
                address.map(|a| format!("{scheme}://{a}")).map_err(|e| cannot_listen(&"the socket", &e))
            }
            #[cfg(unix)]
            Listener::Unix { file, .. } => {
                // A client may run in another directory.
                let path = std::path::absolute(&file.0).map_err(|e| cannot_listen(&file.0.display(), &e))?;
                Ok(format!("ormdb+unix://{}", path.display()))
            }
        }
    }

    /// Accepts connections until the server is stopping; gives those that are left.
    pub(super) async fn accept(self, shared: Arc<Shared>, slots: Arc<Semaphore>) -> JoinSet<()> {
        let mut connections = JoinSet::new();
        let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
        loop {
            let accepted = tokio::select! {
                accepted = self.accept_one() => accepted,
                () = shared.stopped() => break,
                Some(_) = connections.join_next() => continue,
            };
            let Ok(incoming) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            match Arc::clone(&slots).try_acquire_owned() {
                Ok(slot) => {
                    let (shared, reactor) = (Arc::clone(&shared), shared.reactors.next());
                    let run = async move {
                        connection::run(incoming, shared).await;
                        drop(slot);
                    };
                    connections.spawn_on(run, &reactor);
                }
                Err(_) => {
                    if let Ok(refusal) = Arc::clone(&refusals).try_acquire_owned() {
                        let (most, time) = (slots_of(&shared), shared.options.handshake_timeout);
                        connections.spawn(async move {
                            if let Ok(Ok(link)) = tokio::time::timeout(time, incoming.open()).await {
                                handshake::refuse(link.read, link.write, &too_many(most)).await;
                            }
                            drop(refusal);
                        });
                    }
                }
            }
        }
        connections
    }

    async fn accept_one(&self) -> io::Result<Incoming> {
        match self {
            Listener::Tcp { listener, admission, certificate } => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let tls = certificate.as_ref().map(|certificate| certificate.config());
                let socket = Socket::Tcp(stream.into_std()?);
                Ok(Incoming { socket, admission: *admission, tls })
            }
            #[cfg(unix)]
            Listener::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                let socket = Socket::Unix(stream.into_std()?);
                Ok(Incoming { socket, admission: Admission::UsersIfAny, tls: None })
            }
        }
    }
}

fn slots_of(shared: &Shared) -> u64 {
    u64::try_from(shared.options.connections_max).unwrap_or(u64::MAX)
}

fn too_many(most: u64) -> Error {
    let mut error = Error::new(ErrorCode::ServerBusy, format!("the server has its {most} connections"))
        .hint("try again later, share connections, or raise the server's limit");
    let name = "connections_max".to_owned();
    error.detail.limit =
        Some(ormdb_proto::error::Limit { name, allowed: most, asked: most.saturating_add(1) });
    error
}

fn cannot_listen(address: &dyn std::fmt::Display, error: &io::Error) -> Error {
    Error::new(ErrorCode::Io, format!("cannot listen on {address}: {error}"))
}
