//! Users as they are stored.
//!
//! ```text
//! family `system`
//! | 'u' | name |   | version u8 = 1 | access u8: 0 reads and writes, 1 reads | iterations u32 LE | stored key, 32 bytes |
//!                   server key, 32 bytes | salt |
//! | 'm' |          32 random bytes, made with the first user: what the keys of nobody are derived from
//! ```
//!
//! Invariants: (1) no password is stored, nor anything that logs in by itself; (2) the salt of a name that no user has is always
//! the same, as that of a user is.

#![deny(clippy::indexing_slicing)]

use ormdb_proto::scram::{KEY_BYTES, Verifier};
use ormdb_proto::{Access, Error, Result, User};

use super::corrupt;

/// The key of the secret of nobody's keys.
pub(crate) const SECRET_KEY: &[u8] = b"m";
/// The bytes of that secret.
pub(crate) const SECRET_BYTES: usize = 32;
/// What the keys of all users begin with.
pub(crate) const USERS_PREFIX: &[u8] = b"u";

const RECORD_VERSION: u8 = 1;
const READ_WRITE: u8 = 0;
const READ_ONLY: u8 = 1;

/// The key of a user.
pub(crate) fn user_key(name: &str) -> Vec<u8> {
    [USERS_PREFIX, name.as_bytes()].concat()
}

/// The name in the key of a user.
///
/// # Errors
/// `Corrupt` if it is none.
pub(crate) fn name_of(key: &[u8]) -> Result<String> {
    let name = key.strip_prefix(USERS_PREFIX).and_then(|name| std::str::from_utf8(name).ok());
    name.map(str::to_owned).ok_or_else(|| corrupt("the key of a user has no name"))
}

/// The record of a user.
pub(crate) fn encode(access: Access, verifier: &Verifier) -> Vec<u8> {
    let access = match access {
        Access::ReadWrite => READ_WRITE,
        Access::ReadOnly => READ_ONLY,
    };
    let mut record = vec![RECORD_VERSION, access];
    record.extend_from_slice(&verifier.iterations.to_le_bytes());
    record.extend_from_slice(&verifier.stored_key);
    record.extend_from_slice(&verifier.server_key);
    record.extend_from_slice(&verifier.salt);
    record
}

/// The user of a name and a record, with the keys of the password.
///
/// # Errors
/// `Corrupt` if the record is none.
pub(crate) fn decode(name: String, record: &[u8]) -> Result<(User, Verifier)> {
    let damaged = || corrupt(format!("the record of the user `{name}` cannot be read"));
    let parts = || -> Option<(Access, Verifier)> {
        let ([version, access], rest) = record.split_first_chunk::<2>()?;
        let access = match (*version, *access) {
            (RECORD_VERSION, READ_WRITE) => Access::ReadWrite,
            (RECORD_VERSION, READ_ONLY) => Access::ReadOnly,
            _ => return None,
        };
        let (iterations, rest) = rest.split_first_chunk::<4>()?;
        let (stored_key, rest) = rest.split_first_chunk::<KEY_BYTES>()?;
        let (server_key, salt) = rest.split_first_chunk::<KEY_BYTES>()?;
        let verifier = Verifier {
            iterations: u32::from_le_bytes(*iterations),
            salt: salt.to_vec(),
            stored_key: *stored_key,
            server_key: *server_key,
        };
        Some((access, verifier))
    };
    let (access, verifier) = parts().ok_or_else(damaged)?;
    verifier.check().map_err(|_: Error| damaged())?;
    Ok((User { name, access }, verifier))
}

/// Decodes arbitrary bytes as the key and the record of a user: what is read is written as it was read.
pub(crate) fn fuzz(bytes: &[u8]) {
    drop(name_of(bytes));
    let Ok((user, verifier)) = decode("fuzz".to_owned(), bytes) else { return };
    assert_eq!(encode(user.access, &verifier), bytes, "a record reads back");
}

/// The record of a user that does not exist.
pub(crate) fn seed() -> Vec<u8> {
    encode(Access::ReadOnly, &Verifier::of_nobody("fuzz", b""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_damaged_ones_do_not() {
        let verifier = Verifier::of_password("x", [3; 16]).unwrap();
        let record = encode(Access::ReadOnly, &verifier);
        let user = User { name: "ann".to_owned(), access: Access::ReadOnly };
        assert_eq!(decode("ann".to_owned(), &record).unwrap(), (user, verifier));
        for length in 0..record.len() - 8 {
            assert!(decode("ann".to_owned(), record.get(..length).unwrap()).is_err(), "{length} bytes");
        }
        for (at, byte) in [(0, 2), (1, 2), (5, 255)] {
            let mut damaged = record.clone();
            *damaged.get_mut(at).unwrap() = byte;
            assert!(decode("ann".to_owned(), &damaged).is_err(), "byte {at}");
        }
    }
}
