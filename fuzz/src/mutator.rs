//! Makes an input from the corpus: the same seed, number and corpus make the same bytes.
//!
//! Binary inputs are changed byte by byte, text inputs also token by token, so that many of them stay almost right and
//! come far into a parser.

use fastrand::Rng;

use crate::corpus::INPUT_BYTES_MAX;

/// Changes that one input may get.
const CHANGES_MAX: usize = 6;

/// Times that a nesting token is repeated at most: deeper than any limit on nesting should be.
const NESTING_MAX: usize = 4000;

/// Integers at which arithmetic goes wrong.
const EDGES: &[u64] = &[
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

/// Numbers that stand for themselves in a text.
const TEXT_EDGES: &[&str] = &[
    "0",
    "-1",
    "38",
    "39",
    "65536",
    "2147483648",
    "-2147483649",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "1e999",
    "0.00000000000000000000000000000000000001",
    "99999999999999999999999999999999999999",
];

/// Tokens that open a level of nesting in some text.
const NESTING: &[&str] = &["(", "[", "{", "not ", "-", "a{", "a(", "(a,", "a[", "a."];

/// What a target reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Bytes without tokens.
    Binary,
    /// Text in a language with the tokens that the target names.
    Text,
}

/// Makes the input with this number.
pub fn input(corpus: &[Vec<u8>], dictionary: &[&str], form: Form, seed: u64, number: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut bytes = pick(&mut rng, corpus).cloned().unwrap_or_default();
    for _ in 0..rng.usize(1..=CHANGES_MAX) {
        let by_token = form == Form::Text && rng.u8(0..4) > 0;
        if by_token {
            change_tokens(&mut rng, &mut bytes, dictionary);
        } else {
            change_bytes(&mut rng, &mut bytes, corpus, dictionary);
        }
        bytes.truncate(INPUT_BYTES_MAX);
    }
    bytes
}

fn pick<'a, T>(rng: &mut Rng, items: &'a [T]) -> Option<&'a T> {
    if items.is_empty() { None } else { items.get(rng.usize(..items.len())) }
}

/// A range of `length` positions: anywhere, mostly short.
fn range(rng: &mut Rng, length: usize) -> std::ops::Range<usize> {
    let start = rng.usize(..=length);
    let longest = if rng.u8(..8) == 0 { length - start } else { (length - start).min(16) };
    start..start + rng.usize(..=longest)
}

fn change_bytes(rng: &mut Rng, bytes: &mut Vec<u8>, corpus: &[Vec<u8>], dictionary: &[&str]) {
    match rng.u8(..9) {
        0 => {
            if let Some(byte) = pick_mut(rng, bytes) {
                *byte ^= 1 << rng.u8(..8);
            }
        }
        1 => {
            if let Some(byte) = pick_mut(rng, bytes) {
                *byte = rng.u8(..);
            }
        }
        2 => bytes.truncate(rng.usize(..=bytes.len())),
        3 => {
            let gone = range(rng, bytes.len());
            bytes.drain(gone);
        }
        4 => {
            let again = range(rng, bytes.len());
            let copy = bytes.get(again).unwrap_or_default().to_vec();
            insert(rng, bytes, &copy);
        }
        5 => {
            let other = pick(rng, corpus).map_or(&[][..], Vec::as_slice);
            let part = range(rng, other.len());
            let part = other.get(part).unwrap_or_default().to_vec();
            insert(rng, bytes, &part);
        }
        6 => overwrite_with_edge(rng, bytes),
        7 => {
            let token = pick(rng, dictionary).copied().unwrap_or_default();
            insert(rng, bytes, token.as_bytes());
        }
        _ => {
            let count = rng.usize(..16);
            let noise: Vec<u8> = (0..count).map(|_| rng.u8(..)).collect();
            insert(rng, bytes, &noise);
        }
    }
}

fn pick_mut<'a>(rng: &mut Rng, bytes: &'a mut [u8]) -> Option<&'a mut u8> {
    if bytes.is_empty() { None } else { bytes.get_mut(rng.usize(..bytes.len())) }
}

fn insert(rng: &mut Rng, bytes: &mut Vec<u8>, part: &[u8]) {
    let at = rng.usize(..=bytes.len());
    bytes.splice(at..at, part.iter().copied());
}

/// Writes an edge as a little- or big-endian integer of a common width.
fn overwrite_with_edge(rng: &mut Rng, bytes: &mut [u8]) {
    let edge = pick(rng, EDGES).copied().unwrap_or(0);
    let width = 1_usize << rng.u8(..4);
    let little = edge.to_le_bytes();
    let mut part: Vec<u8> = little.iter().take(width).copied().collect();
    if rng.bool() {
        part.reverse();
    }
    let at = rng.usize(..=bytes.len());
    for (byte, value) in bytes.iter_mut().skip(at).zip(part) {
        *byte = value;
    }
}

fn change_tokens(rng: &mut Rng, bytes: &mut Vec<u8>, dictionary: &[&str]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut tokens = tokens(&text);
    let at = rng.usize(..=tokens.len());
    match rng.u8(..7) {
        0 => {
            let gone = range(rng, tokens.len());
            tokens.drain(gone);
        }
        1 => {
            let again = range(rng, tokens.len());
            let copy = tokens.get(again).unwrap_or_default().to_vec();
            tokens.splice(at..at, copy);
        }
        2 => tokens.insert(at, pick(rng, dictionary).copied().unwrap_or_default()),
        3 => {
            let word = pick(rng, dictionary).copied().unwrap_or_default();
            if let Some(token) = tokens.get_mut(at) {
                *token = word;
            }
        }
        4 => {
            let other = rng.usize(..=tokens.len());
            if at < tokens.len() && other < tokens.len() {
                tokens.swap(at, other);
            }
        }
        5 => {
            let edge = pick(rng, TEXT_EDGES).copied().unwrap_or_default();
            let number =
                tokens.iter().skip(at).position(|token| token.starts_with(|c: char| c.is_ascii_digit()));
            match number.and_then(|offset| tokens.get_mut(at + offset)) {
                Some(token) => *token = edge,
                None => tokens.insert(at, edge),
            }
        }
        _ => {
            // Deep nesting is rare: it makes an input long and everything behind it unreachable.
            let count = if rng.u8(..8) == 0 { rng.usize(..NESTING_MAX) } else { rng.usize(..8) };
            let token = pick(rng, NESTING).copied().unwrap_or_default();
            tokens.splice(at..at, std::iter::repeat_n(token, count));
        }
    }
    *bytes = tokens.concat().into_bytes();
}

/// Words, runs of blanks, and single other characters.
fn tokens(text: &str) -> Vec<&str> {
    let class = |c: char| {
        if c.is_alphanumeric() || c == '_' {
            1
        } else if c.is_whitespace() {
            2
        } else {
            3
        }
    };
    let mut tokens = Vec::new();
    let mut start = 0;
    let mut previous = 0;
    for (at, c) in text.char_indices() {
        let this = class(c);
        if at > start && (this != previous || this == 3) {
            tokens.extend(text.get(start..at));
            start = at;
        }
        previous = this;
    }
    tokens.extend(text.get(start..).filter(|rest| !rest.is_empty()));
    tokens
}

#[cfg(test)]
mod tests;
