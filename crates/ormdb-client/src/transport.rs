//! Streams of bytes to a server: TCP and Unix sockets.

use ormdb_proto::{Error, ErrorCode, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::address::Address;

pub(crate) type ReadHalf = Box<dyn AsyncRead + Send + Unpin>;
pub(crate) type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;

/// Opens a stream to a server.
pub(crate) async fn open(address: &Address) -> Result<(ReadHalf, WriteHalf)> {
    let failed = |e: std::io::Error| {
        let mut error = Error::new(ErrorCode::ConnectionFailed, format!("cannot connect to {address}: {e}"));
        error.detail.maybe_executed = Some(false);
        error
    };
    match address {
        Address::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            let (read, write) = stream.into_split();
            Ok((Box::new(read), Box::new(write)))
        }
        #[cfg(unix)]
        Address::Unix { path } => {
            let (read, write) = UnixStream::connect(path).await.map_err(failed)?.into_split();
            Ok((Box::new(read), Box::new(write)))
        }
        #[cfg(not(unix))]
        Address::Unix { .. } => {
            Err(Error::new(ErrorCode::UnsupportedFeature, "Unix sockets do not exist on this system"))
        }
    }
}
