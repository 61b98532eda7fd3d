//! Streams of bytes to a server: TCP, TLS over it, and Unix sockets.

mod tls;

use ormdb_proto::scram::ChannelBinding;
use ormdb_proto::{Error, ErrorCode, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::address::{Address, Endpoint};
use crate::client::ConnectOptions;

pub(crate) type ReadHalf = Box<dyn AsyncRead + Send + Unpin>;
pub(crate) type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;

/// A stream to a server.
pub(crate) struct Link {
    pub(crate) read: ReadHalf,
    pub(crate) write: WriteHalf,
    /// What a login can be bound to.
    pub(crate) binding: ChannelBinding,
}

/// Opens a stream to a server.
pub(crate) async fn open(address: &Address, options: &ConnectOptions) -> Result<Link> {
    let failed = |e: std::io::Error| cannot_connect(address, &e);
    match &address.endpoint {
        Endpoint::Tcp { host, port } => {
            let (read, write) = tcp(host, *port).await.map_err(failed)?.into_split();
            Ok(Link { read: Box::new(read), write: Box::new(write), binding: ChannelBinding::None })
        }
        Endpoint::Tls { host, port, ca_file } => {
            let connector = tls::connector(ca_file.as_ref().or(options.ca_file.as_ref())).await?;
            let stream = tcp(host, *port).await.map_err(failed)?;
            let (stream, binding) = tls::secure(&connector, host, stream).await.map_err(failed)?;
            let (read, write) = tokio::io::split(stream);
            Ok(Link { read: Box::new(read), write: Box::new(write), binding })
        }
        #[cfg(unix)]
        Endpoint::Unix { path } => {
            let (read, write) = UnixStream::connect(path).await.map_err(failed)?.into_split();
            Ok(Link { read: Box::new(read), write: Box::new(write), binding: ChannelBinding::None })
        }
        #[cfg(not(unix))]
        Endpoint::Unix { .. } => {
            Err(Error::new(ErrorCode::UnsupportedFeature, "Unix sockets do not exist on this system"))
        }
    }
}

async fn tcp(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn cannot_connect(address: &Address, error: &std::io::Error) -> Error {
    let message = format!("cannot connect to {address}: {error}");
    let mut error = Error::new(ErrorCode::ConnectionFailed, message);
    error.detail.maybe_executed = Some(false);
    error
}
