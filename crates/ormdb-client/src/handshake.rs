//! The first frames of a connection: hello, login, welcome.
//!
//! Invariant: a client that was given a password takes no server that does not prove that it knows the user.

use ormdb_proto::frame::{FrameHeader, FrameType, violation};
use ormdb_proto::message::{Challenge, Hello, Message, PROTOCOL_VERSION, Proof, Welcome, decode, encode};
use ormdb_proto::scram::{ChannelBinding, ClientLogin, NONCE_BYTES, ServerProof};
use ormdb_proto::{Error, ErrorCode, Result};
use rkyv::util::AlignedVec;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::address::Credentials;
use crate::client::ConnectOptions;
use crate::framed::{read_header, read_payload, write_frame};

/// The longest frame before the connection is made.
const HANDSHAKE_BYTES_MAX: u32 = 1 << 16;

/// How far a login is.
enum Login {
    None,
    Begun(ClientLogin),
    Proven(ServerProof),
}

/// Shakes hands, and logs in where there are credentials.
///
/// # Errors
/// The server's; `AuthenticationFailed` of a wrong login; `ProtocolViolation` of a server that speaks another version or none.
pub(crate) async fn shake_hands(
    read: &mut (impl AsyncRead + Unpin),
    write: &mut (impl AsyncWrite + Unpin),
    (options, credentials, binding): (&ConnectOptions, Option<&Credentials>, ChannelBinding),
) -> Result<Welcome> {
    let mut login = match credentials {
        Some(Credentials { user, password }) => {
            let mut random = [0; NONCE_BYTES];
            getrandom::fill(&mut random)
                .map_err(|e| Error::new(ErrorCode::Io, format!("the system gives no random bytes: {e}")))?;
            Login::Begun(ClientLogin::new(user, password, random, binding)?)
        }
        None => Login::None,
    };
    let hello = Hello {
        login: if let Login::Begun(login) = &login { Some(login.first()) } else { None },
        window_bytes: options.window_bytes,
        version_min: PROTOCOL_VERSION,
        version_max: PROTOCOL_VERSION,
        client: options.name.clone(),
        frame_bytes_max: options.frame_bytes_max,
    };
    send::<Hello>(write, &encode(&hello)?).await?;
    loop {
        let header = read_header(read, HANDSHAKE_BYTES_MAX).await?;
        let payload = read_payload(read, &header).await?;
        login = match (header.kind, login) {
            (FrameType::Challenge, Login::Begun(login)) => {
                let Challenge { step } = decode(&payload)?;
                // Hashing takes a while, and other tasks of the runtime shall go on.
                let answered = tokio::task::spawn_blocking(move || login.answer(&step)).await;
                let (step, proof) =
                    answered.map_err(|_| Error::new(ErrorCode::Internal, "the login panicked"))??;
                send::<Proof>(write, &encode(&Proof { step })?).await?;
                Login::Proven(proof)
            }
            (FrameType::Welcome, login) => return welcomed(decode(&payload)?, &login),
            (FrameType::Error, _) => return Err(decode::<Error>(&payload)?),
            (other, _) => {
                return Err(violation(format!("the server answers a hello with a frame of type {other:?}")));
            }
        };
    }
}

fn welcomed(welcome: Welcome, login: &Login) -> Result<Welcome> {
    if welcome.version != PROTOCOL_VERSION {
        let version = welcome.version;
        return Err(violation(format!("the server chose version {version}, which was not offered")));
    }
    match (login, &welcome.login) {
        (Login::None, _) => Ok(welcome),
        (Login::Proven(proof), Some(step)) => proof.check(step).map(|()| welcome),
        (Login::Begun(_) | Login::Proven(_), _) => {
            let message = "the server welcomes everybody, and does not prove that it knows the user";
            Err(Error::new(ErrorCode::AuthenticationFailed, message))
        }
    }
}

async fn send<M: Message>(write: &mut (impl AsyncWrite + Unpin), payload: &AlignedVec) -> Result<()> {
    let lost = |e: std::io::Error| {
        Error::new(ErrorCode::ConnectionFailed, format!("the connection failed during the handshake: {e}"))
    };
    let header = FrameHeader::of(M::KIND, 0, [&**payload])?;
    write_frame(write, &header, [&**payload]).await.map_err(lost)?;
    write.flush().await.map_err(lost)
}
