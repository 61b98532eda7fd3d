//! The client's side of a login.

use super::attributes::{Attributes, decode, encode, escape, is_nonce};
use super::keys::{self, Key, are_equal};
use super::{ChannelBinding, ITERATIONS_MAX, ITERATIONS_MIN, NONCE_BYTES};
use crate::error::{Error, ErrorCode, Result};
use crate::frame::violation;

/// A login that has begun: it waits for the server's challenge.
pub struct ClientLogin {
    password: String,
    binding: ChannelBinding,
    nonce: String,
    /// The client's first step without its header.
    bare: String,
}

/// What the server must answer at last.
pub struct ServerProof {
    signature: Key,
}

impl ClientLogin {
    /// Begins a login with fresh random bytes.
    ///
    /// # Errors
    /// `InvalidValue` if the password cannot be one.
    pub fn new(
        user: &str,
        password: &str,
        random: [u8; NONCE_BYTES],
        binding: ChannelBinding,
    ) -> Result<ClientLogin> {
        let nonce = encode(&random);
        let bare = format!("n={},r={nonce}", escape(user));
        Ok(ClientLogin { password: keys::prepared(password)?, binding, nonce, bare })
    }

    /// The first step.
    pub fn first(&self) -> String {
        format!("{}{}", self.binding.header(), self.bare)
    }

    /// Answers the challenge. Takes as long as the iterations that it asks for: tens of milliseconds of a processor.
    ///
    /// # Errors
    /// `ProtocolViolation` if the challenge is none, or asks for too few or too many iterations.
    pub fn answer(self, challenge: &str) -> Result<(String, ServerProof)> {
        let mut attributes = Attributes::of(challenge)?;
        let (nonce, salt) = (attributes.take('r')?, attributes.take('s')?);
        let iterations = attributes.take('i')?;
        attributes.pass_over_extensions();
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() || !is_nonce(nonce) {
            return Err(violation("the challenge does not answer this login"));
        }
        let iterations = iterations
            .parse()
            .ok()
            .filter(|i| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(i))
            .ok_or_else(|| violation("the challenge asks for too few iterations, or too many"))?;
        let salted = keys::salted_password(&self.password, &decode(salt)?, iterations);
        let client_key = keys::client_key(&salted);
        let bound = [self.binding.header().as_bytes(), self.binding.data()].concat();
        let without_proof = format!("c={},r={nonce}", encode(&bound));
        let signed = format!("{},{challenge},{without_proof}", self.bare);
        let signature = keys::hmac(&keys::hash(&client_key), signed.as_bytes());
        let proof = encode(&keys::xor(&client_key, &signature));
        let expected = keys::hmac(&keys::server_key(&salted), signed.as_bytes());
        Ok((format!("{without_proof},p={proof}"), ServerProof { signature: expected }))
    }
}

impl ServerProof {
    /// Verifies that the server knows the keys of the password as well.
    ///
    /// # Errors
    /// `AuthenticationFailed` if it does not.
    pub fn check(&self, server_final: &str) -> Result<()> {
        let signature = decode(Attributes::of(server_final)?.take('v')?)?;
        if are_equal(&signature, &self.signature) {
            return Ok(());
        }
        Err(Error::new(ErrorCode::AuthenticationFailed, "the server does not know the password")
            .hint("somebody else may answer in its place"))
    }
}

impl std::fmt::Debug for ClientLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientLogin").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ServerProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerProof").finish_non_exhaustive()
    }
}
