//! Version tokens: which state of which history an answer, a commit or a cursor belongs to.
//!
//! Invariants: (1) tokens of one history are ordered by their commits; (2) a restore or a promotion begins a new
//! history, and tokens of different histories are never compared as if they were of one.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use rkyv::{Archive, Deserialize, Serialize};

use crate::error::{Error, ErrorCode};

/// A version token. Programs keep it and give it back; its parts are ormDB's own.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Archive,
    Serialize,
    Deserialize,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Token {
    history: u64,
    seqno: u64,
}

impl Token {
    /// The token of the commit `seqno` of `history`.
    pub const fn new(history: u64, seqno: u64) -> Token {
        Token { history, seqno }
    }

    /// The history.
    pub const fn history(self) -> u64 {
        self.history
    }

    /// The sequence number of the commit in its history.
    pub const fn seqno(self) -> u64 {
        self.seqno
    }
}

impl PartialOrd for Token {
    /// The order of the commits; none between tokens of different histories.
    fn partial_cmp(&self, other: &Token) -> Option<Ordering> {
        (self.history == other.history).then(|| self.seqno.cmp(&other.seqno))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:x}", self.history, self.seqno)
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Token, Error> {
        text.split_once('-')
            .filter(|(history, _)| history.len() == 16)
            .and_then(|(history, seqno)| {
                Some(Token {
                    history: u64::from_str_radix(history, 16).ok()?,
                    seqno: u64::from_str_radix(seqno, 16).ok()?,
                })
            })
            .ok_or_else(|| Error::new(ErrorCode::InvalidValue, format!("`{text}` is no version token")))
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn reads_what_it_prints() {
        let token = Token::new(0xdead_beef, 77);
        assert_eq!(token.to_string().parse::<Token>().unwrap(), token);
        assert!("zz".parse::<Token>().is_err());
        assert!("00000000deadbeef".parse::<Token>().is_err());
    }

    #[test]
    fn histories_are_not_compared() {
        assert!(Token::new(1, 5) < Token::new(1, 6));
        assert_eq!(Token::new(1, 5).partial_cmp(&Token::new(2, 6)), None);
    }
}
