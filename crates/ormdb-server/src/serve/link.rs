//! A connection that was accepted, before a frame of it was read: its socket, and TLS over it.

use std::io;
use std::sync::Arc;

use ormdb_proto::scram::{ChannelBinding, EXPORTER_BYTES, EXPORTER_LABEL};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// A stream of bytes from a client, read and written by different tasks.
pub(super) type ReadHalf = Box<dyn AsyncRead + Send + Unpin>;
/// The other half.
pub(super) type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Users, if the database has any; or else everybody.
    UsersIfAny,
    /// Users only.
    Users,
}

/// A connection that was accepted.
pub(super) struct Incoming {
    pub(super) socket: Socket,
    pub(super) admission: Admission,
    /// How TLS is spoken on it, if it is.
    pub(super) tls: Option<Arc<ServerConfig>>,
}

/// Its socket, which does not block.
pub(super) enum Socket {
    Tcp(std::net::TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

/// A connection that frames are read from and written to.
pub(super) struct Link {
    pub(super) read: ReadHalf,
    pub(super) write: WriteHalf,
    pub(super) admission: Admission,
    /// What a login can be bound to.
    pub(super) binding: ChannelBinding,
}

impl Incoming {
    /// Shakes hands over TLS, where that is spoken. The reactor that this is called on waits for the socket from now on.
    ///
    /// # Errors
    /// Those of the socket; `InvalidData` if the client does not speak TLS.
    pub(super) async fn open(self) -> io::Result<Link> {
        let Incoming { socket, admission, tls } = self;
        let plain = |read, write| Link { read, write, admission, binding: ChannelBinding::None };
        match (socket, tls) {
            (Socket::Tcp(stream), None) => {
                let (read, write) = tokio::net::TcpStream::from_std(stream)?.into_split();
                Ok(plain(Box::new(read), Box::new(write)))
            }
            (Socket::Tcp(stream), Some(config)) => {
                let stream = tokio::net::TcpStream::from_std(stream)?;
                let stream = TlsAcceptor::from(config).accept(stream).await?;
                let session = stream.get_ref().1;
                let exported = session
                    .export_keying_material([0; EXPORTER_BYTES], EXPORTER_LABEL, Some(b""))
                    .map_err(io::Error::other)?;
                let (read, write) = tokio::io::split(stream);
                let binding = ChannelBinding::TlsExporter(exported);
                Ok(Link { read: Box::new(read), write: Box::new(write), admission, binding })
            }
            // What goes over a Unix socket does not leave the machine.
            #[cfg(unix)]
            (Socket::Unix(stream), _) => {
                let (read, write) = tokio::net::UnixStream::from_std(stream)?.into_split();
                Ok(plain(Box::new(read), Box::new(write)))
            }
        }
    }
}
