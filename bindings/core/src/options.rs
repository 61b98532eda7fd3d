//! How a connection is opened.

use std::time::Duration;

/// What happens where no database is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Create {
    /// An empty one is made.
    #[default]
    IfMissing,
    /// It is an error.
    Never,
}

/// How a connection is opened. What concerns an embedded database only is passed over by a remote one, and the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Embedded: what happens where no database is.
    pub create: Create,
    /// Remote: how long connecting may take.
    pub connect_timeout: Duration,
    /// The name of this program, for the server's log.
    pub name: String,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            create: Create::default(),
            connect_timeout: Duration::from_secs(10),
            name: concat!("ormdb-bindings ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
