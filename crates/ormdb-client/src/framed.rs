//! Reads and writes frames on a stream; the server uses it too.
//!
//! Invariants: (1) memory for a payload grows with the bytes that arrive, not with the length that a header claims;
//! (2) a payload begins at an aligned address, so that the blocks in it are used where they lie.

use std::io;

use ormdb_proto::bytes::AlignedBytes;
use ormdb_proto::frame::{FrameHeader, HEADER_LEN};
use ormdb_proto::{Error, ErrorCode};
use rkyv::util::AlignedVec;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How many bytes of a payload are made room for before any arrived.
const PAYLOAD_STEP_BYTES: usize = 64 << 10;

/// Why no frame was read.
#[derive(Debug)]
pub enum ReadError {
    /// The stream failed or ended.
    Lost(io::Error),
    /// The bytes break the protocol or a limit.
    Broken(Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        ReadError::Lost(error)
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Error {
        match error {
            ReadError::Lost(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                Error::new(ErrorCode::ConnectionFailed, "the other side closed the connection")
            }
            ReadError::Lost(e) => {
                Error::new(ErrorCode::ConnectionFailed, format!("the connection failed: {e}"))
            }
            ReadError::Broken(error) => error,
        }
    }
}

/// Reads a header.
///
/// # Errors
/// `Lost` if the stream ends or fails; `Broken` if the bytes are no header or the payload is too long.
pub async fn read_header(
    stream: &mut (impl AsyncRead + Unpin),
    length_max: u32,
) -> Result<FrameHeader, ReadError> {
    let mut header = [0; HEADER_LEN];
    stream.read_exact(&mut header).await?;
    FrameHeader::decode(&header, length_max).map_err(ReadError::Broken)
}

/// Reads and checks the payload of a header.
///
/// # Errors
/// `Lost` if the stream ends or fails; `Broken` if the checksum does not fit.
pub async fn read_payload(
    stream: &mut (impl AsyncRead + Unpin),
    header: &FrameHeader,
) -> Result<AlignedBytes, ReadError> {
    let length = usize::try_from(header.length).unwrap_or(usize::MAX);
    let mut payload: AlignedVec<16> = AlignedVec::with_capacity(length.min(PAYLOAD_STEP_BYTES));
    while payload.len() < length {
        let at = payload.len();
        let step = (length - at).min(at.max(PAYLOAD_STEP_BYTES));
        payload.resize(at + step, 0);
        stream.read_exact(payload.get_mut(at..).unwrap_or_default()).await?;
    }
    header.check_payload(&payload).map_err(ReadError::Broken)?;
    Ok(AlignedBytes::from(payload))
}

/// Writes a frame whose payload is given in parts. The stream is not flushed.
///
/// # Errors
/// Those of the stream.
pub async fn write_frame<'a>(
    stream: &mut (impl AsyncWrite + Unpin),
    header: &FrameHeader,
    payload: impl IntoIterator<Item = &'a [u8]>,
) -> io::Result<()> {
    stream.write_all(&header.encode()).await?;
    for part in payload {
        stream.write_all(part).await?;
    }
    Ok(())
}
