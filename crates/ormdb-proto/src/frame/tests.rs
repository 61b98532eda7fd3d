#![allow(clippy::indexing_slicing, reason = "test data")]

use super::*;

fn header() -> FrameHeader {
    FrameHeader::of(FrameType::Query, 7, [&b"ab"[..], b"cd"]).unwrap().on_stream(3)
}

#[test]
fn a_header_comes_back() {
    let bytes = header().encode();
    let back = FrameHeader::decode(&bytes, 1 << 20).unwrap();
    assert_eq!(back, header());
    back.check_payload(b"abcd").unwrap();
    assert_eq!(back.check_payload(b"abce").unwrap_err().code, ErrorCode::ProtocolViolation);
    assert_eq!(back.check_payload(b"abc").unwrap_err().code, ErrorCode::ProtocolViolation);
}

#[test]
fn every_flipped_bit_of_a_header_is_found() {
    let bytes = header().encode();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes;
            damaged[at] ^= 1 << bit;
            let error = FrameHeader::decode(&damaged, u32::MAX).unwrap_err();
            assert_eq!(error.code, ErrorCode::ProtocolViolation, "byte {at}");
        }
    }
}

#[test]
fn a_long_payload_is_refused_by_its_header() {
    let error = FrameHeader::decode(&header().encode(), 3).unwrap_err();
    assert_eq!(error.code, ErrorCode::LimitExceeded);
    let limit = error.detail.limit.unwrap();
    assert_eq!((limit.allowed, limit.asked), (3, 4));
}

/// Changes a header and makes its checksum fit.
fn resealed(change: impl Fn(&mut [u8; HEADER_LEN])) -> Result<FrameHeader> {
    let mut bytes = header().encode();
    change(&mut bytes);
    let crc = crc32c::crc32c(&bytes[..28]);
    bytes[28..].copy_from_slice(&crc.to_le_bytes());
    FrameHeader::decode(&bytes, 1 << 20)
}

#[test]
fn unknown_types_and_flags_break_the_protocol() {
    for kind in 0..=255u8 {
        assert_eq!(resealed(|b| b[5] = kind).is_ok(), FrameType::from_code(kind).is_some(), "type {kind}");
    }
    assert!(resealed(|b| b[6] = 1).is_err(), "a request is not the last frame of a response");
    assert!(resealed(|b| b[6] = 2).is_ok_and(|header| header.wants_rows()));
    assert!(resealed(|b| (b[5], b[6]) = (FrameType::Commit.code(), 2)).is_err());
    assert!(resealed(|b| (b[5], b[6]) = (FrameType::Trailer.code(), 2)).is_err());
    assert!(resealed(|b| (b[5], b[6]) = (FrameType::Trailer.code(), 1)).is_ok());
    assert!(resealed(|b| (b[5], b[7]) = (FrameType::Trailer.code(), 1)).is_err());
    assert!(resealed(|b| b[24] = 1).is_err(), "reserved bytes");
}

#[test]
fn a_chunk_leaves_its_checksum_to_its_blocks() {
    let header = FrameHeader::of(FrameType::Chunk, 1, [&b"abcd"[..]]).unwrap();
    assert_eq!(header.crc, 0);
    header.check_payload(b"xxxx").unwrap();
    assert!(header.check_payload(b"xxx").is_err());
}
