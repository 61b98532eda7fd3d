//! Addresses of servers, and who goes there.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use ormdb_proto::{Error, ErrorCode};

/// The port that a server listens on where none is said.
pub const PORT_DEFAULT: u16 = 5477;

/// Where a server listens, how it is reached, and who logs in:
///
/// ```text
/// ormdb://host:port              TCP, for servers on this machine; the port may be left out
/// ormdb+tls://host:port          TCP with TLS; `?ca=path` trusts the certificates of a file, and no others
/// ormdb+unix:///run/ormdb.sock   a Unix socket
/// ormdb://user:password@host     a login, in any of them (ormdb+unix://user:password@/path)
/// ```
///
/// In user and password, and in what follows `?`, a character may be written as `%` and two hexadecimal digits; `:`, `/`, `@`, `?`,
/// `#` and `%` must be. What is displayed of an address has no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(crate) endpoint: Endpoint,
    pub(crate) credentials: Option<Credentials>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A host and port, over TCP.
    Tcp { host: String, port: u16 },
    /// A host and port, over TCP with TLS.
    Tls { host: String, port: u16, ca_file: Option<PathBuf> },
    /// A Unix socket.
    Unix { path: PathBuf },
}

/// Who logs in.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name of the user.
    pub user: String,
    /// The password. It is not sent.
    pub password: String,
}

impl Address {
    /// A host and port, over TCP.
    pub fn tcp(host: impl Into<String>, port: u16) -> Address {
        Address { endpoint: Endpoint::Tcp { host: host.into(), port }, credentials: None }
    }

    /// A host and port, over TCP with TLS. The server's certificate is verified: that it is of this host, and was given by one of the
    /// authorities in `ca_file` (PEM), or of the system.
    pub fn tls(host: impl Into<String>, port: u16, ca_file: Option<PathBuf>) -> Address {
        Address { endpoint: Endpoint::Tls { host: host.into(), port, ca_file }, credentials: None }
    }

    /// A Unix socket.
    pub fn unix(path: impl Into<PathBuf>) -> Address {
        Address { endpoint: Endpoint::Unix { path: path.into() }, credentials: None }
    }

    /// The same, with this login.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Address {
        self.credentials = Some(credentials);
        self
    }

    /// The login that the address has.
    pub const fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The socket, of an address that is one.
    pub fn unix_path(&self) -> Option<&Path> {
        match &self.endpoint {
            Endpoint::Unix { path } => Some(path),
            Endpoint::Tcp { .. } | Endpoint::Tls { .. } => None,
        }
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(url: &str) -> Result<Address, Error> {
        parse(url).ok_or_else(|| {
            // Not the URL itself: it may have a password.
            Error::new(ErrorCode::InvalidValue, "that is no address of a server").hint(
                "write ormdb://host:port, ormdb+tls://host:port or ormdb+unix:///path/to/socket, \
                 with user:password@ before the host where a login is needed",
            )
        })
    }
}

fn parse(url: &str) -> Option<Address> {
    let (scheme, rest) = url.split_once("://")?;
    if scheme == "ormdb+unix" {
        let (credentials, path) = match rest.split_once('@') {
            // A socket may have this sign in its path.
            Some((login, path)) if !login.contains('/') => (Some(credentials(login)?), path),
            _ => (None, rest),
        };
        let endpoint = Endpoint::Unix { path: PathBuf::from(path) };
        return path.starts_with('/').then_some(Address { endpoint, credentials });
    }
    let (authority, query) = match rest.split_once('?') {
        Some((authority, query)) => (authority, Some(query)),
        None => (rest, None),
    };
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let (login, authority) = match authority.rsplit_once('@') {
        Some((login, authority)) => (Some(login), authority),
        None => (None, authority),
    };
    let (host, port) = host_and_port(authority)?;
    let endpoint = match (scheme, query) {
        ("ormdb", None) => Endpoint::Tcp { host, port },
        ("ormdb+tls", None) => Endpoint::Tls { host, port, ca_file: None },
        ("ormdb+tls", Some(query)) => {
            let ca_file = PathBuf::from(percent_decoded(query.strip_prefix("ca=")?)?);
            Endpoint::Tls { host, port, ca_file: Some(ca_file) }
        }
        _ => return None,
    };
    let credentials = match login {
        Some(login) => Some(credentials(login)?),
        None => None,
    };
    Some(Address { endpoint, credentials })
}

fn host_and_port(authority: &str) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok()?,
        None if port.is_empty() => PORT_DEFAULT,
        None => return None,
    };
    let is_host = !host.is_empty() && !host.contains(['/', '@', '?', '#']);
    is_host.then(|| (host.to_owned(), port))
}

fn credentials(login: &str) -> Option<Credentials> {
    if login.contains(['/', '@', '?', '#']) {
        return None;
    }
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (user, password) = (percent_decoded(user)?, percent_decoded(password)?);
    (!user.is_empty()).then_some(Credentials { user, password })
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (scheme, host, port) = match &self.endpoint {
            Endpoint::Tcp { host, port } => ("ormdb", host, port),
            Endpoint::Tls { host, port, .. } => ("ormdb+tls", host, port),
            Endpoint::Unix { path } => return write!(f, "ormdb+unix://{}", path.display()),
        };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address({self})")
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
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
        assert_eq!(read("ormdb+tls://db.example?ca=/a%20b").as_deref(), Some("ormdb+tls://db.example:5477"));
        assert_eq!(read("ormdb+unix:///run/o.sock").as_deref(), Some("ormdb+unix:///run/o.sock"));
        assert_eq!(read("ormdb+unix:///run/o@x").as_deref(), Some("ormdb+unix:///run/o@x"));
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
            "ormdb://a?ca=b",
            "ormdb+tls://a?cb=b",
            "ormdb://@a",
            "ormdb://:p@a",
            "ormdb://u:%zz@a",
            "ormdb://u:%+1@a",
            "ormdb://u:%e4@a",
            "ormdb://u:p",
            "ormdb://u:a/b@c",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn logins_are_read_and_passwords_not_shown() {
        for url in [
            "ormdb://an%40n:p%3Aw:%C3%A4@host:1",
            "ormdb+tls://an%40n:p%3Aw:%C3%A4@host:1",
            "ormdb+unix://an%40n:p%3Aw:%C3%A4@/run/host",
        ] {
            let address = url.parse::<Address>().unwrap();
            let login = address.credentials().unwrap();
            assert_eq!((login.user.as_str(), login.password.as_str()), ("an@n", "p:w:ä"), "{url}");
            let shown = format!("{address} {address:?} {login:?}");
            assert!(!shown.contains("p:w") && !shown.contains("p%3Aw"), "{shown}");
        }
        let without = "ormdb://ann@host".parse::<Address>().unwrap();
        assert_eq!(without.credentials().unwrap().password, "");
    }
}
