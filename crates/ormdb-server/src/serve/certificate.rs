//! The certificate that a server shows, read from files and again when they change.
//!
//! Invariants: (1) a connection is made with the certificate that was sound last: files that cannot be used are told of, and change
//! nothing; (2) connections that are open go on with what they were made with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ormdb_proto::{Error, ErrorCode, Result};
use parking_lot::RwLock;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Shared;
use crate::output;

/// Between two looks whether the files have changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Where the certificate is.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    /// The certificate of the server, and those between it and its authority (PEM).
    pub(crate) certificate: PathBuf,
    /// Its private key (PEM).
    pub(crate) key: PathBuf,
}

/// The certificate as it was read last.
#[derive(Debug)]
pub(super) struct Certificate {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
}

/// What tells that a file is another one than before.
type Stamp = Option<(SystemTime, u64)>;

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// `InvalidValue` if they have no certificate with its key.
    pub(super) fn read(files: TlsFiles) -> Result<Certificate> {
        let config = RwLock::new(config(&files)?);
        Ok(Certificate { files, config })
    }

    /// What connections are made with.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config.read())
    }

    /// Reads the files again whenever they change, until the server is stopping.
    pub(super) async fn follow(self: Arc<Self>, shared: Arc<Shared>) {
        let mut seen = self.stamps();
        while tokio::time::timeout(LOOK_INTERVAL, shared.stopped()).await.is_err() {
            let stamps = self.stamps();
            if stamps == seen {
                continue;
            }
            seen = stamps;
            match config(&self.files) {
                Ok(config) => *self.config.write() = config,
                Err(error) => {
                    let error = error.render(None);
                    output::diagnose(&format!("warning: the certificate stays as it was: {error}"));
                }
            }
        }
    }

    fn stamps(&self) -> [Stamp; 2] {
        [stamp(&self.files.certificate), stamp(&self.files.key)]
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn config(files: &TlsFiles) -> Result<Arc<ServerConfig>> {
    let wrong = |path: &Path, what: &dyn std::fmt::Display| {
        Error::new(ErrorCode::InvalidValue, format!("{}: {what}", path.display()))
            .hint("both files are PEM: the certificate of this server, and its private key")
    };
    let certificates = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|e| wrong(&files.certificate, &e))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| wrong(&files.key, &e))?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&tokio_rustls::rustls::version::TLS13])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(|e| wrong(&files.certificate, &e))?;
    Ok(Arc::new(config))
}
