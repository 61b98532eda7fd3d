//! How a connection is opened.

use std::time::Duration;

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

/// How far back versions can be read (`as of`). By default nothing is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How long a version is kept after it was overwritten.
    pub(crate) age: Duration,
    /// It is given up before its age when more than this was written to the log since.
    pub(crate) bytes: u64,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { age: Duration::ZERO, bytes: u64::MAX }
    }
}

impl Retention {
    /// The retention of an age, which bytes may bound; none without an age.
    ///
    /// # Errors
    /// `InvalidValue` of bytes without an age: they alone would keep nothing.
    pub fn of(age: Option<Duration>, bytes: Option<u64>) -> Result<Option<Retention>> {
        match (age, bytes) {
            (Some(age), Some(bytes)) => Ok(Some(Retention { age, bytes })),
            (Some(age), None) => Ok(Some(Retention { age, ..Retention::default() })),
            (None, None) => Ok(None),
            (None, Some(_)) => {
                Err(Error::new(ErrorCode::InvalidValue, "the bytes of a retention are given without its age"))
            }
        }
    }
}

/// How a connection is opened. What concerns an embedded database only is passed over by a remote one, and the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Embedded: what happens where no database is.
    pub create: Create,
    /// Embedded: how far back versions can be read. Where none is given, it is that of the database if this process has it open
    /// already, and else the default.
    pub retention: Option<Retention>,
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
