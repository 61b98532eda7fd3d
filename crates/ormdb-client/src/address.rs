//! Addresses of servers.

use std::path::PathBuf;
use std::str::FromStr;

use ormdb_proto::{Error, ErrorCode};

/// The port that a server listens on where none is said.
pub const PORT_DEFAULT: u16 = 5477;

/// Where a server listens: `ormdb://host:port`, `ormdb://[::1]`, or `ormdb+unix:///run/ormdb.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host and port, over TCP.
    Tcp {
        /// The name or number of the host.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix {
        /// Its path.
        path: PathBuf,
    },
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(url: &str) -> Result<Address, Error> {
        let wrong = || {
            Error::new(ErrorCode::InvalidValue, format!("`{url}` is no address of a server"))
                .hint("write ormdb://host:port or ormdb+unix:///path/to/socket")
        };
        if let Some(path) = url.strip_prefix("ormdb+unix://") {
            return if path.starts_with('/') {
                Ok(Address::Unix { path: PathBuf::from(path) })
            } else {
                Err(wrong())
            };
        }
        let authority = url.strip_prefix("ormdb://").ok_or_else(wrong)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or_else(wrong)?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| wrong())?,
            None if port.is_empty() => PORT_DEFAULT,
            None => return Err(wrong()),
        };
        if host.is_empty() || host.contains(['/', '@', '?', '#']) {
            return Err(wrong());
        }
        Ok(Address::Tcp { host: host.to_owned(), port })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "ormdb://[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "ormdb://{host}:{port}"),
            Address::Unix { path } => write!(f, "ormdb+unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn reads_urls() {
        let read = |url: &str| url.parse::<Address>().map(|a| a.to_string()).ok();
        assert_eq!(read("ormdb://localhost").as_deref(), Some("ormdb://localhost:5477"));
        assert_eq!(read("ormdb://127.0.0.1:99/").as_deref(), Some("ormdb://127.0.0.1:99"));
        assert_eq!(read("ormdb://[::1]:99").as_deref(), Some("ormdb://[::1]:99"));
        assert_eq!(read("ormdb+unix:///run/o.sock").as_deref(), Some("ormdb+unix:///run/o.sock"));
        for wrong in [
            "",
            "localhost",
            "http://x",
            "ormdb://",
            "ormdb://x:y",
            "ormdb://x:70000",
            "ormdb+unix://o.sock",
            "ormdb://[::1",
            "ormdb://[::1]9",
            "ormdb://a/b",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
