//! SCRAM-SHA-256 (RFC 5802, RFC 7677): both sides prove that they know of a password, and neither sends it.
//!
//! Does no I/O and draws no random bytes: nonces and salts are given. The same code is the client, the server and the
//! administrator who makes the keys of a new password.
//!
//! Invariants: (1) a step consumes the one before it, so that no step is left out; (2) what proves something is compared in
//! constant time; (3) a server needs the keys of a [`Verifier`] only, from which the password cannot be told; (4) where the
//! connection has TLS, the proof is bound to it (`tls-exporter`, RFC 9266), and a client that could bind and was told otherwise
//! is refused.
//!
//! ```text
//! client first   n,,n=ann,r=<nonce of the client>              p=tls-exporter,,n=… over TLS
//! server first   r=<both nonces>,s=<salt>,i=<iterations>
//! client final   c=<base64 of "n,," and binding>,r=<both nonces>,p=<proof>
//! server final   v=<signature of the server>
//! ```

#![deny(clippy::indexing_slicing)]

mod attributes;
mod client;
mod keys;
mod server;

pub use client::{ClientLogin, ServerProof};
pub use keys::{KEY_BYTES, PASSWORD_BYTES_MAX, Verifier};
pub use server::{ServerChallenge, ServerLogin};

use crate::error::{Error, ErrorCode};

/// The name of the mechanism.
pub const MECHANISM: &str = "SCRAM-SHA-256";
/// How often the hash of a new password is iterated.
pub const ITERATIONS: u32 = 16_384;
/// The fewest iterations that a client accepts: fewer would make the proof easy to search through.
pub const ITERATIONS_MIN: u32 = 4_096;
/// The most iterations that a client accepts: a hostile server shall not keep it busy.
pub const ITERATIONS_MAX: u32 = 2_000_000;
/// The random bytes of a nonce.
pub const NONCE_BYTES: usize = 18;
/// The bytes of a salt.
pub const SALT_BYTES: usize = 16;
/// The longest text of a step.
pub const TEXT_BYTES_MAX: usize = 2048;
/// The bytes that TLS exports for the binding, under the label [`EXPORTER_LABEL`] and an empty context.
pub const EXPORTER_BYTES: usize = 32;
/// The label of what TLS exports for the binding (RFC 9266).
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// What the connection below is, as far as a proof can be bound to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    /// A connection without TLS.
    None,
    /// What TLS exports for this connection.
    TlsExporter([u8; EXPORTER_BYTES]),
}

impl std::fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ChannelBinding::None => "None",
            ChannelBinding::TlsExporter(_) => "TlsExporter",
        })
    }
}

impl ChannelBinding {
    /// The header that says so to the other side.
    const fn header(&self) -> &'static str {
        match self {
            ChannelBinding::None => "n,,",
            ChannelBinding::TlsExporter(_) => "p=tls-exporter,,",
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            ChannelBinding::None => &[],
            ChannelBinding::TlsExporter(data) => data,
        }
    }
}

/// The one error of a login that fails: it does not tell why.
pub fn refused() -> Error {
    Error::new(ErrorCode::AuthenticationFailed, "the user or the password is wrong")
}

#[cfg(test)]
mod tests;
