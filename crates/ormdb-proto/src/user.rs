//! Users: who may log in to a database, and what they may do.

use rkyv::{Archive, Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Result};
use crate::isolation::Access;

/// The longest name, in bytes.
pub const USER_NAME_BYTES_MAX: usize = 64;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct User {
    /// The name: letters and digits of ASCII, and `_`, `-`, `.` or `@`.
    pub name: String,
    /// Whether the user may write. One who may also changes the schema, and the users.
    pub access: Access,
}

impl User {
    /// Checks that a user may have the name.
    ///
    /// # Errors
    /// `InvalidValue` if not.
    pub fn check_name(&self) -> Result<()> {
        let is_sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'@');
        if !self.name.is_empty() && self.name.len() <= USER_NAME_BYTES_MAX && self.name.bytes().all(is_sound)
        {
            return Ok(());
        }
        Err(Error::new(ErrorCode::InvalidValue, format!("`{}` is no name for a user", self.name))
            .hint("a name has 1 to 64 letters, digits, or any of `_-.@`"))
    }
}
