//! How a connection is opened.

use std::time::Duration;

use ormdb::RetentionWindow;
use ormdb_proto::{Error, ErrorCode, Result};

/// What happens where no database is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Create {
    /// An empty one is made.
    #[default]
    IfMissing,
    /// It is an error.
    Never,
}

/// The retention of an age, which bytes may bound: how far back versions can be read (`as of`). None without an age.
///
/// # Errors
/// `InvalidValue` of bytes without an age: they alone would keep nothing.
pub fn retention_of(age: Option<Duration>, bytes: Option<u64>) -> Result<Option<RetentionWindow>> {
    match (age, bytes) {
        (Some(age), bytes) => Ok(Some(RetentionWindow { age, bytes: bytes.unwrap_or(u64::MAX) })),
        (None, None) => Ok(None),
        (None, Some(_)) => {
            Err(Error::new(ErrorCode::InvalidValue, "the bytes of a retention are given without its age"))
        }
    }
}

/// How a connection is opened. What concerns an embedded database only is passed over by a remote one, and the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Embedded: what happens where no database is.
    pub create: Create,
    /// Embedded: how far back versions can be read. The database keeps it: where none is given, it is what was given before.
    pub retention: Option<RetentionWindow>,
    /// Remote: how long connecting may take.
    pub connect_timeout: Duration,
    /// The name of this program, for the server's log.
    pub name: String,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            create: Create::default(),
            retention: None,
            connect_timeout: Duration::from_secs(10),
            name: concat!("ormdb-bindings ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
