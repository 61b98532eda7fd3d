//! Version tokens that statements name: the text of one, as a literal or a parameter.

use ormdb_proto::ir::{Expr, Params};
use ormdb_proto::{Error, ErrorCode, Result, Token, Value};

/// The token that an expression is the text of, of this history.
///
/// # Errors
/// `InvalidValue` if it is none; `HistoryDiverged` if it is of another history; `MissingParameter`.
pub(crate) fn token(expr: &Expr, params: &Params, history: u64) -> Result<Token> {
    let value = match expr {
        Expr::Literal(literal) => &literal.value,
        Expr::Param { name, .. } => params.require(name)?,
        _ => return Err(Error::new(ErrorCode::InvalidQuery, "a version token is a literal or a parameter")),
    };
    let Value::String(text) = value else {
        return Err(Error::new(ErrorCode::TypeMismatch, "a version token is given as its text"));
    };
    let token: Token = text.parse()?;
    if token.history() != history {
        let message = format!("the token {token} is of another history: it says nothing about this database");
        return Err(Error::new(ErrorCode::HistoryDiverged, message)
            .key(text.as_str())
            .hint("a restore or a promotion began a new history; read again without the token"));
    }
    Ok(token)
}

/// The error about a version that is retained no more.
pub(crate) fn too_old(token: Token, oldest: Token) -> Error {
    let message = format!("the version {token} is kept no more; the oldest is {oldest}");
    let hint = "the options `retention_age` and `retention_bytes` of opening a database say how far back versions are kept: \
                of a server, `ormdb serve --retention-age SECONDS`";
    Error::new(ErrorCode::TokenTooOld, message).key(oldest.to_string()).hint(hint)
}

/// The error about a version that is not there yet.
pub(crate) fn not_yet(token: Token, newest: Token) -> Error {
    let message = format!("the version {token} is not there yet; the newest is {newest}");
    Error::new(ErrorCode::InvalidValue, message).key(newest.to_string())
}
