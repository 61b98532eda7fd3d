//! Frames: what a connection carries in both directions.
//!
//! Invariants: (1) a header is verified, its length against the receiver's limit too, before a byte of the payload is
//! read; (2) an unknown type or flag breaks the protocol: nothing is passed over; (3) the layout of the header never
//! changes, so that every version can refuse every other in words.
//!
//! ```text
//!  0 magic "ORMF"
//!  4 u8  version of the frame layout, 1
//!  5 u8  type
//!  6 u16 flags: 1 the last frame of a response, 2 a statement that has to give rows, 4 one whose root rows may be divided
//!  8 u32 stream: 0, or the transaction that the request belongs to
//! 12 u32 request: chosen by the client, unique among its requests in flight
//! 16 u32 length of the payload
//! 20 u32 CRC-32C of the payload; 0 of a chunk, whose blocks have their own
//! 24 u32 0
//! 28 u32 CRC-32C of bytes 0..28
//! 32 payload
//! ```
//!
//! All numbers are little-endian.

#![deny(clippy::indexing_slicing)]

use crate::block::size;
use crate::error::{Error, ErrorCode, Limit, Result};

/// The bytes of a header.
pub const HEADER_LEN: usize = 32;
/// The version of the frame layout.
pub const FRAME_VERSION: u8 = 1;
/// Flag: no frame of this response follows.
pub const FLAG_LAST: u16 = 1;
/// Flag of a request: its statement has to give rows, and is not executed if it gives none.
pub const FLAG_ROWS: u16 = 2;
/// The flag of a statement whose root rows may stand in several chunks each.
pub const FLAG_DIVIDED: u16 = 4;

const MAGIC: [u8; 4] = *b"ORMF";
const CHECKED_LEN: usize = 28;

macro_rules! frame_types {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// What a frame carries. The numbers stand on the wire and never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum FrameType {
            $($(#[$doc])* $name = $code,)*
        }

        impl FrameType {
            /// Every type.
            pub const ALL: &'static [FrameType] = &[$(FrameType::$name,)*];

            /// The number on the wire.
            pub const fn code(self) -> u8 {
                match self { $(FrameType::$name => $code,)* }
            }

            /// The type of a number on the wire.
            pub const fn from_code(code: u8) -> Option<FrameType> {
                match code { $($code => Some(FrameType::$name),)* _ => None }
            }
        }
    };
}

frame_types! {
    /// Client: the first frame of a connection.
    Hello = 1;
    /// Client: a statement as text.
    Query = 2;
    /// Client: a statement as IR.
    Execute = 3;
    /// Client: asks for the plan of a statement as IR.
    Explain = 4;
    /// Client: asks for the schema's text.
    ShowSchema = 5;
    /// Client: applies a schema.
    ApplySchema = 6;
    /// Client: asks for a sign of life.
    Ping = 7;
    /// Client: wants no more of the request of the same number. Has no response of its own.
    Cancel = 8;
    /// Client: begins a transaction on the frame's stream.
    Begin = 9;
    /// Client: commits the transaction of the frame's stream.
    Commit = 10;
    /// Client: rolls the transaction of the frame's stream back.
    Rollback = 11;
    /// Client: sets a savepoint in the transaction of the frame's stream.
    SetSavepoint = 12;
    /// Client: rolls the transaction of the frame's stream back to a savepoint.
    RollbackTo = 13;
    /// Client: forgets a savepoint of the transaction of the frame's stream.
    ReleaseSavepoint = 14;
    /// Client: proves, in answer to a challenge, that it knows its password.
    Proof = 15;
    /// Client: adds a user.
    AddUser = 16;
    /// Client: gives a user another password.
    SetPassword = 17;
    /// Client: takes a user away.
    DropUser = 18;
    /// Client: asks for the users.
    ListUsers = 19;
    /// Client: has room for more of the response of the request of the same number. Has no response of its own.
    Credit = 20;
    /// Client: prepares a statement under a number of its choice.
    Prepare = 21;
    /// Client: runs a prepared statement.
    ExecutePrepared = 22;
    /// Client: forgets a prepared statement.
    ClosePrepared = 23;
    /// Client: wants to be told of commits from now on.
    Subscribe = 24;
    /// Server: answers a hello.
    Welcome = 128;
    /// Server: the shape of a result; chunks follow.
    Shape = 129;
    /// Server: a chunk of a result.
    Chunk = 130;
    /// Server: the end of a result.
    Trailer = 131;
    /// Server: the counts of a mutation.
    Mutation = 132;
    /// Server: the text that was asked for.
    Text = 133;
    /// Server: a schema was applied.
    SchemaApplied = 134;
    /// Server: answers a ping.
    Pong = 135;
    /// Server: a transaction began or ended.
    Done = 136;
    /// Server: the request failed; of request 0, the connection did, and is closed.
    Error = 137;
    /// Server, of request 0: no new requests are taken, those in flight are answered.
    GoingAway = 138;
    /// Server: the plan of an explained statement.
    Plan = 139;
    /// Server: a schema was refused.
    SchemaRefused = 140;
    /// Server: asks the client to prove that it knows its password.
    Challenge = 141;
    /// Server: the users that were asked for.
    Users = 142;
    /// Server: a statement was prepared, and what it takes and gives.
    Prepared = 143;
    /// Server, to a subscriber: there were commits.
    Changed = 144;
}

impl FrameType {
    /// Whether clients send it.
    pub const fn is_request(self) -> bool {
        self.code() < 128
    }

    /// Whether it costs credit: of these a server may send many that nobody takes.
    pub const fn costs_credit(self) -> bool {
        matches!(self, FrameType::Chunk | FrameType::Changed)
    }

    /// Whether it asks for a statement to be run.
    pub const fn is_statement(self) -> bool {
        matches!(self, FrameType::Query | FrameType::Execute | FrameType::ExecutePrepared)
    }

    /// The flags that it may have.
    const fn flags_known(self) -> u16 {
        match self {
            kind if kind.is_statement() => FLAG_ROWS | FLAG_DIVIDED,
            other if other.is_request() => 0,
            _ => FLAG_LAST,
        }
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What the frame carries.
    pub kind: FrameType,
    /// Flags.
    pub flags: u16,
    /// The stream.
    pub stream: u32,
    /// The request.
    pub request: u32,
    /// The bytes of the payload.
    pub length: u32,
    /// The checksum of the payload; 0 of a chunk.
    pub crc: u32,
}

impl FrameHeader {
    /// The header of a frame of this payload, given in parts.
    ///
    /// # Errors
    /// `LimitExceeded` if the payload is longer than a frame can say.
    pub fn of<'a>(
        kind: FrameType,
        request: u32,
        payload: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<FrameHeader> {
        let (mut length, mut crc) = (0usize, 0);
        for part in payload {
            length = length.saturating_add(part.len());
            if kind != FrameType::Chunk {
                crc = crc32c::crc32c_append(crc, part);
            }
        }
        let length = u32::try_from(length).map_err(|_| too_long(length, u32::MAX))?;
        Ok(FrameHeader { kind, flags: 0, stream: 0, request, length, crc })
    }

    /// With the flag that no frame of this response follows.
    #[must_use]
    pub const fn last(mut self) -> FrameHeader {
        self.flags |= FLAG_LAST;
        self
    }

    /// On a stream.
    #[must_use]
    pub const fn on_stream(mut self, stream: u32) -> FrameHeader {
        self.stream = stream;
        self
    }

    /// Whether no frame of this response follows.
    pub const fn is_last(&self) -> bool {
        self.flags & FLAG_LAST != 0
    }

    /// With the flag that the statement has to give rows.
    #[must_use]
    pub const fn for_rows(mut self) -> FrameHeader {
        self.flags |= FLAG_ROWS;
        self
    }

    /// Whether the statement has to give rows.
    pub const fn wants_rows(&self) -> bool {
        self.flags & FLAG_ROWS != 0
    }

    /// With the flag that a root row of the result may stand in several chunks, each of which goes on in the next.
    #[must_use]
    pub const fn for_divided(mut self) -> FrameHeader {
        self.flags |= FLAG_DIVIDED;
        self
    }

    /// Whether a root row of the result may stand in several chunks.
    pub const fn takes_divided(&self) -> bool {
        self.flags & FLAG_DIVIDED != 0
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        let [f0, f1] = self.flags.to_le_bytes();
        let words = [
            MAGIC,
            [FRAME_VERSION, self.kind.code(), f0, f1],
            self.stream.to_le_bytes(),
            self.request.to_le_bytes(),
            self.length.to_le_bytes(),
            self.crc.to_le_bytes(),
            [0; 4],
        ];
        for (to, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *to = word;
        }
        let crc = crc32c::crc32c(out.first_chunk::<CHECKED_LEN>().map_or(&[], |b| b.as_slice()));
        if let Some(to) = out.last_chunk_mut::<4>() {
            *to = crc.to_le_bytes();
        }
        out
    }

    /// Reads a header; `length_max` is the longest payload that the receiver takes.
    ///
    /// # Errors
    /// `ProtocolViolation` if these are not the bytes of a header, or its type or flags are unknown; `LimitExceeded` if
    /// the payload is too long.
    pub fn decode(bytes: &[u8; HEADER_LEN], length_max: u32) -> Result<FrameHeader> {
        let (words, _) = bytes.as_chunks::<4>();
        let [magic, [version, kind, f0, f1], stream, request, length, payload_crc, zero, crc] = words else {
            return Err(violation("a frame header is too short"));
        };
        if *magic != MAGIC {
            return Err(violation("these bytes are no frame; is this a client of ormDB?"));
        }
        if *version != FRAME_VERSION {
            return Err(violation(format!(
                "frames of version {version} are not known, only of {FRAME_VERSION}"
            )));
        }
        let checked = bytes.first_chunk::<CHECKED_LEN>().map_or(&[][..], |b| b.as_slice());
        if u32::from_le_bytes(*crc) != crc32c::crc32c(checked) {
            return Err(violation("the checksum of a frame header does not fit"));
        }
        if *zero != [0; 4] {
            return Err(violation("reserved bytes of a frame header are set"));
        }
        let kind = FrameType::from_code(*kind)
            .ok_or_else(|| violation(format!("frames of type {kind} are not known")))?;
        let flags = u16::from_le_bytes([*f0, *f1]);
        if flags & !kind.flags_known() != 0 {
            return Err(violation(format!("the flags {flags:#x} of a frame are not known")));
        }
        let length = u32::from_le_bytes(*length);
        if length > length_max {
            return Err(too_long(size(length), length_max));
        }
        let word = |w: &[u8; 4]| u32::from_le_bytes(*w);
        Ok(FrameHeader {
            kind,
            flags,
            stream: word(stream),
            request: word(request),
            length,
            crc: word(payload_crc),
        })
    }

    /// Checks a payload against its header. A chunk's is left to the checksums of its blocks, which are verified when
    /// they are read.
    ///
    /// # Errors
    /// `ProtocolViolation` if the length or checksum does not fit.
    pub fn check_payload(&self, payload: &[u8]) -> Result<()> {
        if payload.len() != size(self.length) {
            return Err(violation("the length of a payload does not fit"));
        }
        let crc = if self.kind == FrameType::Chunk { 0 } else { crc32c::crc32c(payload) };
        if crc != self.crc {
            return Err(violation("the checksum of a payload does not fit"));
        }
        Ok(())
    }
}

/// The error of a side that breaks the protocol.
pub fn violation(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::ProtocolViolation, what)
}

/// The error of a frame that is longer than the receiver takes.
fn too_long(length: usize, length_max: u32) -> Error {
    let asked = u64::try_from(length).unwrap_or(u64::MAX);
    let message = format!("a frame of {length} bytes is longer than the {length_max} that are taken");
    let mut error = Error::new(ErrorCode::LimitExceeded, message);
    error.detail.limit =
        Some(Limit { name: "frame_bytes_max".to_owned(), allowed: u64::from(length_max), asked });
    error
}

#[cfg(test)]
mod tests;
