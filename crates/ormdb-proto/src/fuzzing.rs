//! Entries for fuzz targets and tests that feed hostile bytes. Not part of the API.

#![deny(clippy::indexing_slicing)]

use crate::block::Block;
use crate::bytes::AlignedBytes;
use crate::error::Error;
use crate::frame::{self, FrameHeader, FrameType};
use crate::message;
use crate::outcome::{Description, Explanation};
use crate::result::{ResultShape, Trailer};
use crate::scram::{ChannelBinding, ClientLogin, NONCE_BYTES, ServerLogin, Verifier};

/// Makes the checksums of a block fit its damaged bytes, as far as its directory can be read.
pub fn reseal_block(bytes: &mut [u8]) {
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..at.saturating_add(4)).and_then(|b| b.first_chunk::<4>()).map(|b| u32::from_le_bytes(*b))
    };
    let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let columns = word(bytes, 12).map_or(0, size).min(1 << 16);
    let buffers = word(bytes, 16).map_or(0, size).min(1 << 16);
    for buffer in 0..buffers {
        let entry = 32 + (columns + buffer) * 16;
        let (Some(offset), Some(length)) = (word(bytes, entry), word(bytes, entry + 4)) else { break };
        let end = size(offset).saturating_add(size(length).checked_next_multiple_of(8).unwrap_or(usize::MAX));
        let Some(crc) = bytes.get(size(offset)..end).map(crc32c::crc32c) else { continue };
        if let Some(to) = bytes.get_mut(entry + 8..entry + 12) {
            to.copy_from_slice(&crc.to_le_bytes());
        }
    }
    let crc = crate::block::header_crc(bytes, (columns + buffers) * 16);
    if let Some(to) = bytes.get_mut(28..32) {
        to.copy_from_slice(&crc.to_le_bytes());
    }
}

/// Opens arbitrary bytes as a block and reads every cell.
pub fn block(bytes: &[u8]) {
    let Ok(block) = Block::open(AlignedBytes::copy_of(bytes)) else { return };
    for at in 0..block.column_types().len() {
        let Ok(column) = block.column(at) else { continue };
        for row in 0..column.len() {
            drop(column.cell(row));
        }
    }
    if let Ok(edges) = block.edges() {
        for parent in 0..edges.parents() {
            drop(edges.children(parent));
        }
    }
}

/// Makes the checksums of a frame fit its damaged bytes.
pub fn reseal_frame(bytes: &mut [u8]) {
    let Some((header, payload)) = bytes.split_first_chunk_mut::<{ frame::HEADER_LEN }>() else { return };
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let crc = crc32c::crc32c(payload).to_le_bytes();
    let (words, _) = header.as_chunks_mut::<4>();
    if let [.., to_length, to_crc, _, _] = words {
        (*to_length, *to_crc) = (length, crc);
    }
    let crc = crc32c::crc32c(header.first_chunk::<28>().map_or(&[], |b| b.as_slice()));
    if let Some(to) = header.last_chunk_mut::<4>() {
        *to = crc.to_le_bytes();
    }
}

/// Reads arbitrary bytes as a frame and its payload as the message of its type, as both sides of a connection do.
pub fn frame(bytes: &[u8]) {
    let Some((header, payload)) = bytes.split_first_chunk::<{ frame::HEADER_LEN }>() else { return };
    let Ok(header) = FrameHeader::decode(header, 1 << 24) else { return };
    if header.check_payload(payload).is_ok() {
        message(header.kind, payload);
    }
}

/// Reads an arbitrary text as each step of a login.
pub fn login(step: &str) {
    let nobody = || Verifier::of_nobody("fuzz", b"");
    for binding in [ChannelBinding::None, ChannelBinding::TlsExporter([7; 32])] {
        if let Ok(login) = ServerLogin::open(step, binding) {
            drop(login.challenge(nobody(), [1; NONCE_BYTES]).finish(step));
        }
        if let Ok(login) = ServerLogin::open("n,,n=fuzz,r=x", binding) {
            drop(login.challenge(nobody(), [1; NONCE_BYTES]).finish(step));
        }
    }
    // A challenge that is taken costs its iterations: those of a text that asks for many are not run here.
    if step.contains(",i=4096")
        && let Ok(login) = ClientLogin::new("fuzz", "fuzz", [1; NONCE_BYTES], ChannelBinding::None)
    {
        drop(login.answer(step).and_then(|(_, proof)| proof.check(step)));
    }
}

/// Reads arbitrary bytes as the message of a type of frame.
pub fn message(kind: FrameType, payload: &[u8]) {
    match kind {
        FrameType::Hello => {
            drop(message::decode::<message::HelloOfAnyVersion>(payload));
            if let Ok(message::Hello { login: Some(step), .. }) = message::decode(payload) {
                login(&step);
            }
        }
        FrameType::Proof => {
            if let Ok(message::Proof { step }) = message::decode(payload) {
                login(&step);
            }
        }
        FrameType::Challenge => {
            if let Ok(message::Challenge { step }) = message::decode(payload) {
                login(&step);
            }
        }
        FrameType::Credit => drop(message::decode::<message::Credit>(payload)),
        FrameType::Prepare => drop(message::decode::<message::Prepare>(payload)),
        FrameType::Prepared => {
            drop(message::decode::<Description>(payload).and_then(|described| described.validate()));
        }
        FrameType::Subscribe => drop(message::decode::<message::Subscribe>(payload)),
        FrameType::Changed => drop(message::decode::<message::Changed>(payload)),
        FrameType::ExecutePrepared => drop(message::decode::<message::ExecutePrepared>(payload)),
        FrameType::ClosePrepared => drop(message::decode::<message::ClosePrepared>(payload)),
        FrameType::AddUser => drop(message::decode::<message::AddUser>(payload)),
        FrameType::SetPassword => drop(message::decode::<message::SetPassword>(payload)),
        FrameType::DropUser => drop(message::decode::<message::DropUser>(payload)),
        FrameType::Users => drop(message::decode::<message::Users>(payload)),
        FrameType::Query => drop(message::decode::<message::Query>(payload)),
        FrameType::Execute => drop(message::decode::<message::Execute>(payload)),
        FrameType::Explain => drop(message::decode::<message::Explain>(payload)),
        FrameType::ApplySchema => drop(message::decode::<message::ApplySchema>(payload)),
        FrameType::Welcome => drop(message::decode::<message::Welcome>(payload)),
        FrameType::Shape => drop(message::decode::<ResultShape>(payload).and_then(|shape| shape.validate())),
        FrameType::Trailer => drop(message::decode::<Trailer>(payload)),
        FrameType::Mutation => drop(message::decode::<message::Mutation>(payload)),
        FrameType::Text => drop(message::decode::<message::Text>(payload)),
        FrameType::SchemaApplied => drop(message::decode::<message::SchemaApplied>(payload)),
        FrameType::Plan => drop(message::decode::<Explanation>(payload)),
        FrameType::SchemaRefused => drop(message::decode::<message::SchemaRefused>(payload)),
        FrameType::Done => drop(message::decode::<message::Done>(payload)),
        FrameType::Error => drop(message::decode::<Error>(payload)),
        FrameType::Chunk => block(payload),
        FrameType::Begin => drop(message::decode::<message::Begin>(payload)),
        FrameType::SetSavepoint => drop(message::decode::<message::SetSavepoint>(payload)),
        FrameType::RollbackTo => drop(message::decode::<message::RollbackTo>(payload)),
        FrameType::ReleaseSavepoint => drop(message::decode::<message::ReleaseSavepoint>(payload)),
        FrameType::ShowSchema
        | FrameType::ListUsers
        | FrameType::Ping
        | FrameType::Cancel
        | FrameType::Commit
        | FrameType::Rollback
        | FrameType::Pong
        | FrameType::GoingAway => {}
    }
}
