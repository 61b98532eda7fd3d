//! The first frames of a connection, and its last one.

use std::time::Duration;

use ormdb_client::framed::{ReadError, read_header, read_payload, write_frame};
use ormdb_proto::frame::{FrameHeader, FrameType, violation};
use ormdb_proto::message::{Hello, Message, PROTOCOL_VERSION, Welcome, decode, encode};
use ormdb_proto::{Error, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::options::ServeOptions;

/// The longest hello.
const HELLO_BYTES_MAX: u32 = 4096;
/// How long a connection that was refused may take to hear of it.
const LINGER: Duration = Duration::from_secs(1);
/// How many bytes of such a connection are read and thrown away.
const LINGER_BYTES_MAX: u64 = 1 << 20;

/// Reads the client's hello.
pub(super) async fn hello(read: &mut (impl AsyncRead + Unpin)) -> std::result::Result<Hello, ReadError> {
    let header = read_header(read, HELLO_BYTES_MAX).await?;
    if header.kind != FrameType::Hello || header.request != 0 || header.stream != 0 {
        return Err(ReadError::Broken(violation("the first frame of a connection is a hello")));
    }
    let payload = read_payload(read, &header).await?;
    let hello: Hello = decode(&payload).map_err(ReadError::Broken)?;
    if !(hello.version_min..=hello.version_max).contains(&PROTOCOL_VERSION) {
        let (min, max) = (hello.version_min, hello.version_max);
        let message = format!("this server speaks version {PROTOCOL_VERSION}, the client {min} to {max}");
        return Err(ReadError::Broken(violation(message)));
    }
    Ok(hello)
}

/// Answers the client's hello.
pub(super) async fn welcome(
    write: &mut (impl AsyncWrite + Unpin),
    options: &ServeOptions,
) -> std::io::Result<()> {
    let welcome = Welcome {
        version: PROTOCOL_VERSION,
        server: concat!("ormdb ", env!("CARGO_PKG_VERSION")).to_owned(),
        frame_bytes_max: options.frame_bytes_max,
        requests_max: options.requests_max,
        idle_timeout_ms: u32::try_from(options.idle_timeout.as_millis()).unwrap_or(u32::MAX),
    };
    send(write, encode(&welcome), Welcome::KIND).await
}

/// Tells a client why its connection is closed, as far as it listens, and closes it.
pub(super) async fn refuse(
    mut read: impl AsyncRead + Unpin,
    mut write: impl AsyncWrite + Unpin,
    error: &Error,
) {
    let refuse = async {
        send(&mut write, encode(error), FrameType::Error).await?;
        write.shutdown().await?;
        // Closing while bytes of the client lie unread would reset the connection, and lose the error on its way.
        tokio::io::copy(&mut (&mut read).take(LINGER_BYTES_MAX), &mut tokio::io::sink()).await
    };
    // Whatever comes of it, the connection is over.
    drop(tokio::time::timeout(LINGER, refuse).await);
}

async fn send(
    write: &mut (impl AsyncWrite + Unpin),
    payload: Result<rkyv::util::AlignedVec>,
    kind: FrameType,
) -> std::io::Result<()> {
    let payload = payload.map_err(std::io::Error::other)?;
    let header = FrameHeader::of(kind, 0, [&*payload]).map_err(std::io::Error::other)?;
    write_frame(write, &header.last(), [&*payload]).await?;
    write.flush().await
}
