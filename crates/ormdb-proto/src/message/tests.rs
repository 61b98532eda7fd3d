#![allow(clippy::cast_possible_truncation, clippy::indexing_slicing, reason = "test data")]

use super::*;
use crate::Value;
use crate::block::{BlockBuilder, ColumnKind, ColumnType};
use crate::error::ErrorCode;
use crate::ir::{Expr, Fetch, Selection, UnaryOp};

fn execute(filter: Expr) -> Execute {
    let selection = Selection { filter: Some(filter), ..Selection::default() };
    let fetch = Fetch::of("Artist", selection);
    Execute {
        statement: Statement::Fetch(fetch),
        params: Params::none().with("p", vec![Value::Int64(1), Value::Null]),
    }
}

fn nested(levels: usize) -> Expr {
    (0..levels)
        .fold(Expr::literal(true), |operand, _| Expr::Unary { op: UnaryOp::Not, operand: Box::new(operand) })
}

#[test]
fn messages_come_back() {
    let execute = execute(Expr::path(["genre", "name"]));
    assert_eq!(decode::<Execute>(&encode(&execute).unwrap()).unwrap(), execute);
    let error = Error::new(ErrorCode::UniqueViolation, "taken").entity("User").field("email").key("a@b.c");
    assert_eq!(decode::<Error>(&encode(&error).unwrap()).unwrap(), error);
    let mutation = Mutation { created: 3, updated: 0, deleted: 1, token: Token::new(1, 2) };
    assert_eq!(decode::<Mutation>(&encode(&mutation).unwrap()).unwrap(), mutation);
}

/// A client of another version is told so, because what stands at the end of a hello is the same in all.
#[test]
fn the_end_of_a_hello_is_that_of_any_version() {
    let hello = Hello {
        login: Some("n,,n=ann,r=x".to_owned()),
        window_bytes: 9,
        version_min: 6,
        version_max: 7,
        client: "a client with a long name".to_owned(),
        frame_bytes_max: 1 << 20,
    };
    let any = HelloOfAnyVersion {
        version_min: 6,
        version_max: 7,
        client: hello.client.clone(),
        frame_bytes_max: 1 << 20,
    };
    assert_eq!(decode::<HelloOfAnyVersion>(&encode(&hello).unwrap()).unwrap(), any);
    assert!(decode::<Hello>(&encode(&any).unwrap()).is_err());
}

#[test]
fn nesting_is_bounded() {
    let depth = |levels| {
        decode::<Execute>(&encode(&execute(nested(levels))).unwrap()).unwrap().statement.check_depth()
    };
    // The selection is the first level, the innermost literal the last.
    assert_eq!(depth(DEPTH - 2), Ok(()));
    assert_eq!(depth(DEPTH - 1).map_err(|e| e.code), Err(ErrorCode::LimitExceeded));
    let too_deep = encode(&execute(nested(NESTING_MAX + 1))).unwrap();
    assert_eq!(decode::<Execute>(&too_deep).unwrap_err().code, ErrorCode::ProtocolViolation);
}

const DEPTH: usize = crate::ir::DEPTH_MAX;

#[test]
fn hostile_messages_never_panic() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let good = encode(&execute(nested(5))).unwrap().to_vec();
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        bytes.truncate(random.usize(..=bytes.len()).max(bytes.len() / 2));
        if let Err(error) = decode::<Execute>(&bytes) {
            assert_eq!(error.code, ErrorCode::ProtocolViolation);
        }
    }
    for len in 0..good.len() {
        let _ignored = decode::<Execute>(&good[..len]).is_ok();
    }
    assert!(decode::<Hello>(&[]).is_err());
}

/// The examples of docs/WIRE.md: whoever changes these bytes changes the protocol.
#[test]
fn bytes_are_those_of_the_specification() {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(" ");
    let specification = include_str!("../../../../docs/WIRE.md");
    // Hexadecimal pairs of the examples, without their remarks, which stand behind a gap.
    let examples: Vec<&str> = specification
        .lines()
        .filter_map(|line| line.split("      ").next())
        .flat_map(str::split_whitespace)
        .filter(|word| {
            word.len() == 2 && word.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
        })
        .collect();
    let examples = examples.join(" ");
    let holds = |bytes: &[u8]| examples.contains(&hex(bytes));

    let query = Query { text: "Artist[1]".to_owned(), params: Params::none().with("p", 7i64) };
    assert!(holds(&encode(&query).unwrap()), "{}", hex(&encode(&query).unwrap()));
    let ping = crate::frame::FrameHeader::of(crate::frame::FrameType::Ping, 7, [&[][..]]).unwrap().encode();
    assert!(holds(&ping), "{}", hex(&ping));
    let credit = encode(&Credit { bytes: 65_536 }).unwrap();
    let header = crate::frame::FrameHeader::of(Credit::KIND, 7, [&*credit]).unwrap().encode();
    assert!(holds(&[&header[..], &credit].concat()), "{}", hex(&[&header[..], &credit].concat()));
    let hello = Hello {
        login: None,
        window_bytes: 4 << 20,
        version_min: 7,
        version_max: 7,
        client: "c".to_owned(),
        frame_bytes_max: 1 << 24,
    };
    assert!(holds(&encode(&hello).unwrap()), "{}", hex(&encode(&hello).unwrap()));
    let types = [ColumnKind::Int64, ColumnKind::String].map(ColumnType::Scalar);
    let mut block = BlockBuilder::new(types);
    block.column(0).unwrap().push_i64(7).unwrap();
    block.column(0).unwrap().push_null();
    block.column(1).unwrap().push_str("ab").unwrap();
    block.column(1).unwrap().push_str("c").unwrap();
    let block = block.finish(0).unwrap();
    assert!(holds(&block), "{}", hex(&block));

    for (number, code) in ErrorCode::ALL.iter().enumerate() {
        assert!(specification.contains(&format!("{number} `{}`", code.name())), "{number} {}", code.name());
        assert_eq!(encode(&Error::new(*code, "")).unwrap().iter().rev().nth(12), Some(&(number as u8)));
    }
    for kind in crate::frame::FrameType::ALL {
        let row = format!("| {} | `{kind:?}`", kind.code());
        assert!(specification.contains(&row), "{row}");
    }
}
