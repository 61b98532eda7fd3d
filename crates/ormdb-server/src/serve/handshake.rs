//! The first frames of a connection, and its last one.
//!
//! Invariant: before a client is welcomed, nothing that it sends is longer than [`HANDSHAKE_BYTES_MAX`], and nothing of it reaches
//! the database but a login.

use std::time::Duration;

use ormdb::Session;
use ormdb_client::framed::{ReadError, read_header, read_payload, write_frame};
use ormdb_proto::bytes::AlignedBytes;
use ormdb_proto::frame::{FrameHeader, FrameType, violation};
use ormdb_proto::message::{
    Challenge, Hello, HelloOfAnyVersion, Message, PROTOCOL_VERSION, Proof, Welcome, decode, encode,
};
use ormdb_proto::scram::ChannelBinding;
use ormdb_proto::{Error, ErrorCode, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Shared;
use super::link::Admission;

/// The longest frame before the welcome.
const HANDSHAKE_BYTES_MAX: u32 = 4096;
/// How long a connection that was refused may take to hear of it.
const LINGER: Duration = Duration::from_secs(1);
/// How many bytes of such a connection are read and thrown away.
const LINGER_BYTES_MAX: u64 = 1 << 20;

/// A client that is let in.
pub(super) struct Greeted {
    /// What it may do.
    pub(super) session: Session,
    /// The longest frame that it takes.
    pub(super) frame_bytes_max: u32,
    /// How many bytes of a response it takes before it gives credit; 0 for any number.
    pub(super) window_bytes: u32,
}

/// Reads a client's hello, has it log in, and welcomes it.
pub(super) async fn greet(
    read: &mut (impl AsyncRead + Unpin),
    write: &mut (impl AsyncWrite + Unpin),
    (shared, binding, admission): (&Shared, ChannelBinding, Admission),
) -> std::result::Result<Greeted, ReadError> {
    let hello = hello(read).await?;
    let (session, login) = match &hello.login {
        Some(step) => {
            let login = shared.database.login(step, binding).map_err(ReadError::Broken)?;
            send(write, &Challenge { step: login.challenge().to_owned() }).await?;
            let payload = expect(read, FrameType::Proof, "a login is answered by its proof").await?;
            let proof: Proof = decode(&payload).map_err(ReadError::Broken)?;
            let (session, step) = login.finish(&proof.step).map_err(ReadError::Broken)?;
            (session, Some(step))
        }
        None => {
            let has_users = shared.database.has_users().map_err(ReadError::Broken)?;
            if has_users || admission == Admission::Users {
                return Err(ReadError::Broken(login_needed()));
            }
            (shared.database.session(), None)
        }
    };
    let welcome = Welcome {
        login,
        version: PROTOCOL_VERSION,
        server: concat!("ormdb ", env!("CARGO_PKG_VERSION")).to_owned(),
        frame_bytes_max: shared.options.frame_bytes_max,
        requests_max: shared.options.requests_max,
        idle_timeout_ms: u32::try_from(shared.options.idle_timeout.as_millis()).unwrap_or(u32::MAX),
    };
    send(write, &welcome).await?;
    let Hello { frame_bytes_max, window_bytes, .. } = hello;
    Ok(Greeted { session, frame_bytes_max, window_bytes })
}

async fn hello(read: &mut (impl AsyncRead + Unpin)) -> std::result::Result<Hello, ReadError> {
    let payload = expect(read, FrameType::Hello, "the first frame of a connection is a hello").await?;
    let range: HelloOfAnyVersion = decode(&payload).map_err(ReadError::Broken)?;
    let (min, max) = (range.version_min, range.version_max);
    if !(min..=max).contains(&PROTOCOL_VERSION) {
        let message = format!("this server speaks version {PROTOCOL_VERSION}, the client {min} to {max}");
        return Err(ReadError::Broken(violation(message)));
    }
    decode(&payload).map_err(ReadError::Broken)
}

/// Reads a frame of the handshake, which must be of this type.
async fn expect(
    read: &mut (impl AsyncRead + Unpin),
    kind: FrameType,
    otherwise: &str,
) -> std::result::Result<AlignedBytes, ReadError> {
    let header = read_header(read, HANDSHAKE_BYTES_MAX).await?;
    if header.kind != kind || header.request != 0 || header.stream != 0 {
        return Err(ReadError::Broken(violation(otherwise)));
    }
    read_payload(read, &header).await
}

fn login_needed() -> Error {
    Error::new(ErrorCode::AuthenticationFailed, "this server lets users in only, and no user was named")
        .hint("write ormdb://user:password@host")
}

/// Tells a client why its connection is closed, as far as it listens, and closes it.
pub(super) async fn refuse(
    mut read: impl AsyncRead + Unpin,
    mut write: impl AsyncWrite + Unpin,
    error: &Error,
) {
    let refuse = async {
        send(&mut write, error).await?;
        write.shutdown().await?;
        // Closing while bytes of the client lie unread would reset the connection, and lose the error on its way.
        tokio::io::copy(&mut (&mut read).take(LINGER_BYTES_MAX), &mut tokio::io::sink()).await
    };
    // Whatever comes of it, the connection is over.
    drop(tokio::time::timeout(LINGER, refuse).await);
}

async fn send<M>(write: &mut (impl AsyncWrite + Unpin), message: &M) -> std::io::Result<()>
where
    M: Message
        + for<'a> rkyv::Serialize<
            rkyv::api::high::HighSerializer<
                rkyv::util::AlignedVec,
                rkyv::ser::allocator::ArenaHandle<'a>,
                rkyv::rancor::Error,
            >,
        >,
{
    let encoded: Result<_> = encode(message);
    let payload = encoded.map_err(std::io::Error::other)?;
    let header = FrameHeader::of(M::KIND, 0, [&*payload]).map_err(std::io::Error::other)?;
    write_frame(write, &header.last(), [&*payload]).await?;
    write.flush().await
}
