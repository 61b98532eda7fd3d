//! Keys of passwords.

use hmac::{Hmac, KeyInit, Mac};
use rkyv::{Archive, Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::attributes::encode;
use super::{ITERATIONS, ITERATIONS_MAX, ITERATIONS_MIN, SALT_BYTES};
use crate::error::{Error, ErrorCode, Result};

/// The bytes of a key, a proof and a signature.
pub const KEY_BYTES: usize = 32;
/// The longest password, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// The shortest salt, in bytes.
const SALT_BYTES_MIN: usize = 8;
/// The longest.
const SALT_BYTES_MAX: usize = 64;

/// A key, a proof or a signature.
pub(super) type Key = [u8; KEY_BYTES];

/// What a server keeps of a password: it can verify a login with it, and not log in.
#[derive(Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Verifier {
    /// How often the hash was iterated.
    pub iterations: u32,
    /// What makes equal passwords have different keys.
    pub salt: Vec<u8>,
    /// The hash of the client's key.
    pub stored_key: [u8; KEY_BYTES],
    /// The key that the server signs with.
    pub server_key: [u8; KEY_BYTES],
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The keys are no secrets as a password is, yet nobody needs them in a log.
        f.debug_struct("Verifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl Verifier {
    /// The keys of a new password, with [`ITERATIONS`] and a salt that is given.
    ///
    /// # Errors
    /// `InvalidValue` if the password is empty, too long, or has characters that no password may have.
    pub fn of_password(password: &str, salt: [u8; SALT_BYTES]) -> Result<Verifier> {
        let salted = salted_password(&prepared(password)?, &salt, ITERATIONS);
        Ok(Verifier {
            iterations: ITERATIONS,
            salt: salt.to_vec(),
            stored_key: hash(&client_key(&salted)),
            server_key: server_key(&salted),
        })
    }

    /// Checks keys that somebody else made.
    ///
    /// # Errors
    /// `InvalidValue` if clients would refuse to log in with them.
    pub fn check(&self) -> Result<()> {
        let is_sound = (ITERATIONS_MIN..=ITERATIONS_MAX).contains(&self.iterations)
            && (SALT_BYTES_MIN..=SALT_BYTES_MAX).contains(&self.salt.len());
        if is_sound {
            return Ok(());
        }
        Err(Error::new(ErrorCode::InvalidValue, "the keys of the password have no sound salt or iterations"))
    }

    /// Keys that stand for a user who is not there: always the same for a name and a secret, and no password has them.
    pub fn of_nobody(name: &str, secret: &[u8]) -> Verifier {
        let derive = |what: &str| {
            let label = [what.as_bytes(), b" of ", name.as_bytes()].concat();
            hmac(secret, &label)
        };
        let salt = derive("salt").first_chunk::<SALT_BYTES>().map_or_else(Vec::new, |salt| salt.to_vec());
        Verifier {
            iterations: ITERATIONS,
            salt,
            stored_key: derive("stored key"),
            server_key: derive("server key"),
        }
    }

    /// The salt as the server's first step has it.
    pub(super) fn salt_text(&self) -> String {
        encode(&self.salt)
    }
}

/// A password as both sides hash it: the many ways to write a character made one (RFC 4013).
pub(super) fn prepared(password: &str) -> Result<String> {
    let wrong = |what: &str| Error::new(ErrorCode::InvalidValue, what.to_owned());
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(wrong("the password is too long"));
    }
    let prepared = stringprep::saslprep(password)
        .map_err(|_| wrong("the password has characters that no password may have"))?;
    if prepared.is_empty() {
        return Err(wrong("the password is empty"));
    }
    Ok(prepared.into_owned())
}

/// The function `Hi` of RFC 5802: PBKDF2 with one block.
pub(super) fn salted_password(prepared: &str, salt: &[u8], iterations: u32) -> Key {
    let mut salted = Key::default();
    pbkdf2::pbkdf2_hmac::<Sha256>(prepared.as_bytes(), salt, iterations, &mut salted);
    salted
}

pub(super) fn client_key(salted: &Key) -> Key {
    hmac(salted, b"Client Key")
}

pub(super) fn server_key(salted: &Key) -> Key {
    hmac(salted, b"Server Key")
}

pub(super) fn hash(key: &Key) -> Key {
    Sha256::digest(key).into()
}

pub(super) fn hmac(key: &[u8], text: &[u8]) -> Key {
    // HMAC takes keys of any length; one that is refused would be a bug of that crate, and no proof would fit.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Key::default() };
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// `a xor b`
pub(super) fn xor(a: &Key, b: &Key) -> Key {
    let mut out = *a;
    for (to, b) in out.iter_mut().zip(b) {
        *to ^= b;
    }
    out
}

/// Compares without telling by time where they differ.
pub(super) fn are_equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
