//! Messages to bytes and back.

use std::num::NonZeroUsize;

use rkyv::api::high::{HighDeserializer, HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Error as RkyvError;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::validation::Validator;
use rkyv::validation::archive::ArchiveValidator;
use rkyv::validation::shared::SharedValidator;
use rkyv::{Archive, Deserialize, Portable, Serialize};

use crate::error::{Error, ErrorCode, Result};
use crate::frame::{FrameType, violation};
use crate::ir::DEPTH_MAX;
use crate::outcome::{Description, Explanation};
use crate::result::{ResultShape, Trailer};

/// The deepest nesting of pointers in a message: no level of the IR takes more than three.
pub const NESTING_MAX: usize = 3 * DEPTH_MAX + 16;

/// A struct that is the payload of one type of frame.
pub trait Message: Archive + Sized {
    /// The type of its frames.
    const KIND: FrameType;
}

macro_rules! messages {
    ($($ty:ty => $kind:ident;)*) => {
        $(impl Message for $ty { const KIND: FrameType = FrameType::$kind; })*
    };
}

messages! {
    super::Hello => Hello;
    super::HelloOfAnyVersion => Hello;
    super::Proof => Proof;
    super::Challenge => Challenge;
    super::Credit => Credit;
    super::Prepare => Prepare;
    super::Subscribe => Subscribe;
    super::Changed => Changed;
    super::ExecutePrepared => ExecutePrepared;
    super::ClosePrepared => ClosePrepared;
    super::AddUser => AddUser;
    super::SetPassword => SetPassword;
    super::DropUser => DropUser;
    super::Users => Users;
    super::Query => Query;
    super::Execute => Execute;
    super::Explain => Explain;
    super::ApplySchema => ApplySchema;
    super::Begin => Begin;
    super::SetSavepoint => SetSavepoint;
    super::RollbackTo => RollbackTo;
    super::ReleaseSavepoint => ReleaseSavepoint;
    super::Welcome => Welcome;
    ResultShape => Shape;
    Trailer => Trailer;
    super::Mutation => Mutation;
    super::Text => Text;
    super::SchemaApplied => SchemaApplied;
    super::SchemaRefused => SchemaRefused;
    super::Done => Done;
    Explanation => Plan;
    Description => Prepared;
    Error => Error;
}

/// The bytes of a message.
///
/// # Errors
/// `LimitExceeded` if the message is too large for its pointers.
pub fn encode<M>(message: &M) -> Result<AlignedVec>
where
    M: Message + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, RkyvError>>,
{
    rkyv::to_bytes::<RkyvError>(message)
        .map_err(|e| Error::new(ErrorCode::LimitExceeded, format!("the message cannot be written: {e}")))
}

/// The message of a frame's payload, validated.
///
/// # Errors
/// `ProtocolViolation` if the bytes are no such message.
pub fn decode<M>(bytes: &[u8]) -> Result<M>
where
    M: Message,
    M::Archived: for<'a> CheckBytes<HighValidator<'a, RkyvError>>
        + Portable
        + Deserialize<M, HighDeserializer<RkyvError>>,
{
    let broken =
        |e: RkyvError| violation(format!("the payload of a frame of type {:?} is damaged: {e}", M::KIND));
    let archive = ArchiveValidator::with_max_depth(bytes, NonZeroUsize::new(NESTING_MAX));
    let mut validator = Validator::new(archive, SharedValidator::new());
    let archived =
        rkyv::api::access_with_context::<M::Archived, _, RkyvError>(bytes, &mut validator).map_err(broken)?;
    rkyv::api::deserialize_using::<M, _, RkyvError>(archived, &mut rkyv::de::Pool::new()).map_err(broken)
}
