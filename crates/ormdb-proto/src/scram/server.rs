//! The server's side of a login.

use super::attributes::{Attributes, decode, encode, is_nonce, unescape};
use super::keys::{self, KEY_BYTES, Key, Verifier, are_equal};
use super::{ChannelBinding, NONCE_BYTES, refused};
use crate::error::{Error, ErrorCode, Result};
use crate::frame::violation;

/// A login that has begun: it waits for the keys of its user.
#[derive(Debug)]
pub struct ServerLogin {
    user: String,
    nonce: String,
    /// The client's first step without its header.
    bare: String,
    /// What the client's last step must say of header and binding.
    bound: Vec<u8>,
}

/// A login that waits for the client's proof.
#[derive(Debug)]
pub struct ServerChallenge {
    login: ServerLogin,
    verifier: Verifier,
    nonce: String,
    text: String,
}

impl ServerLogin {
    /// Reads the client's first step.
    ///
    /// # Errors
    /// `ProtocolViolation` if it is none; `AuthenticationFailed` if it is bound to another kind of connection than this one is, or
    /// was told that this server cannot bind.
    pub fn open(client_first: &str, binding: ChannelBinding) -> Result<ServerLogin> {
        let elsewhere = |what: &str| {
            Error::new(ErrorCode::AuthenticationFailed, what.to_owned())
                .hint("something between client and server ends the encryption")
        };
        let mut parts = client_first.splitn(3, ',');
        let (flag, identity, bare) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
        let bound = match (flag, binding) {
            // A client that cannot bind is taken, over TLS as well.
            (Some("n"), _) => b"n,,".to_vec(),
            (Some("y"), ChannelBinding::None) => b"y,,".to_vec(),
            (Some("y"), ChannelBinding::TlsExporter(_)) => {
                return Err(elsewhere("the client was told that the server cannot bind a login to TLS"));
            }
            (Some("p=tls-exporter"), ChannelBinding::TlsExporter(data)) => {
                [b"p=tls-exporter,,", &data[..]].concat()
            }
            (Some("p=tls-exporter"), ChannelBinding::None) => {
                return Err(elsewhere("the login is bound to a connection with TLS, which this is not"));
            }
            _ => return Err(violation("a login begins with an unknown kind of binding")),
        };
        if identity != Some("") {
            return Err(violation("a login in the name of another user is not known"));
        }
        let mut attributes = Attributes::of(bare)?;
        let (user, nonce) = (unescape(attributes.take('n')?)?, attributes.take('r')?);
        attributes.pass_over_extensions();
        if !is_nonce(nonce) {
            return Err(violation("the nonce of a login is none"));
        }
        Ok(ServerLogin { user, nonce: nonce.to_owned(), bare: bare.to_owned(), bound })
    }

    /// Whose login it is, as the client says.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Challenges the client to prove that it knows the password of these keys.
    pub fn challenge(self, verifier: Verifier, random: [u8; NONCE_BYTES]) -> ServerChallenge {
        self.challenge_with(verifier, &encode(&random))
    }

    pub(super) fn challenge_with(self, verifier: Verifier, own_nonce: &str) -> ServerChallenge {
        let nonce = format!("{}{own_nonce}", self.nonce);
        let text = format!("r={nonce},s={},i={}", verifier.salt_text(), verifier.iterations);
        ServerChallenge { login: self, verifier, nonce, text }
    }
}

impl ServerChallenge {
    /// The server's first step.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Verifies the client's proof; gives the server's last step.
    ///
    /// # Errors
    /// `AuthenticationFailed` if the proof does not fit, `ProtocolViolation` if the text is no such step.
    pub fn finish(self, client_final: &str) -> Result<String> {
        let mut attributes = Attributes::of(client_final)?;
        let (bound, nonce) = (decode(attributes.take('c')?)?, attributes.take('r')?);
        let without_proof =
            client_final.rsplit_once(",p=").ok_or_else(|| violation("a login has no proof"))?;
        let (without_proof, proof) = without_proof;
        let proof = decode(proof)?;
        let proof = <Key>::try_from(proof.as_slice())
            .map_err(|_| violation(format!("the proof of a login has {KEY_BYTES} bytes")))?;
        if nonce != self.nonce || !are_equal(&bound, &self.login.bound) {
            return Err(refused());
        }
        let signed = format!("{},{},{without_proof}", self.login.bare, self.text);
        let signature = keys::hmac(&self.verifier.stored_key, signed.as_bytes());
        let client_key = keys::xor(&proof, &signature);
        if !are_equal(&keys::hash(&client_key), &self.verifier.stored_key) {
            return Err(refused());
        }
        Ok(format!("v={}", encode(&keys::hmac(&self.verifier.server_key, signed.as_bytes()))))
    }
}
