#![allow(clippy::cast_possible_truncation, clippy::indexing_slicing, reason = "test data")]

use super::*;
use crate::Value;
use crate::error::ErrorCode;
use crate::ir::{Expr, Fetch, Selection, UnaryOp};

fn execute(filter: Expr) -> Execute {
    let selection = Selection { filter: Some(filter), ..Selection::default() };
    let fetch = Fetch { entity: "Artist".to_owned(), span: None, key: None, selection };
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

#[test]
fn nesting_is_bounded() {
    let deep = encode(&execute(nested(DEPTH))).unwrap();
    assert!(decode::<Execute>(&deep).is_ok());
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
