//! The texts of SCRAM: attributes with commas between, each a letter, `=` and a value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::TEXT_BYTES_MAX;
use crate::error::Result;
use crate::frame::violation;

/// Reads attributes one after the other, in the order that they must have.
pub(super) struct Attributes<'a>(Option<&'a str>);

impl<'a> Attributes<'a> {
    /// The attributes of a text.
    ///
    /// # Errors
    /// `ProtocolViolation` if the text is too long.
    pub(super) fn of(text: &'a str) -> Result<Attributes<'a>> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(violation("a step of the login is too long"));
        }
        Ok(Attributes(Some(text)))
    }

    /// The value of the next attribute, which must be this one.
    ///
    /// # Errors
    /// `ProtocolViolation` if it is another.
    pub(super) fn take(&mut self, name: char) -> Result<&'a str> {
        let rest = self.0.unwrap_or_default();
        let (attribute, rest) = match rest.split_once(',') {
            Some((attribute, rest)) => (attribute, Some(rest)),
            None => (rest, None),
        };
        self.0 = rest;
        let value = attribute.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
        value.ok_or_else(|| violation(format!("a step of the login has no `{name}` where it must be")))
    }

    /// Whatever follows is for extensions that are not mandatory, which this code knows none of.
    pub(super) const fn pass_over_extensions(self) {}
}

/// Bytes as base64.
pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of base64.
///
/// # Errors
/// `ProtocolViolation` if the text is none.
pub(super) fn decode(text: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|_| violation("a step of the login has damaged base64"))
}

/// A name as an attribute has it: without commas and equals signs.
pub(super) fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// The name that an attribute stands for.
///
/// # Errors
/// `ProtocolViolation` if it has another escape.
pub(super) fn unescape(escaped: &str) -> Result<String> {
    let mut parts = escaped.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (sign, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return Err(violation("the name of a user has an unknown escape")),
        };
        name.push(sign);
        name.push_str(rest);
    }
    Ok(name)
}

/// Whether a nonce is one: printable, without commas.
pub(super) fn is_nonce(nonce: &str) -> bool {
    !nonce.is_empty() && nonce.bytes().all(|b| b.is_ascii_graphic() && b != b',')
}
