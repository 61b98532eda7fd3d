//! TLS to a server: version 1.3, and the name of the server is always verified.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use ormdb_proto::scram::{ChannelBinding, EXPORTER_BYTES, EXPORTER_LABEL};
use ormdb_proto::{Error, ErrorCode, Result};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What trusts the authorities of the system: they are read once.
static OF_THE_SYSTEM: OnceLock<Arc<ClientConfig>> = OnceLock::new();

/// What trusts the authorities in a file, or those of the system.
///
/// # Errors
/// `InvalidValue` if there are none.
pub(super) async fn connector(ca_file: Option<&PathBuf>) -> Result<TlsConnector> {
    if let (None, Some(known)) = (ca_file, OF_THE_SYSTEM.get()) {
        return Ok(TlsConnector::from(Arc::clone(known)));
    }
    let ca_file = ca_file.cloned();
    let read = tokio::task::spawn_blocking(move || match ca_file {
        Some(path) => config(roots_of_file(&path)?),
        None => {
            let config = config(roots_of_system()?)?;
            Ok(Arc::clone(OF_THE_SYSTEM.get_or_init(|| config)))
        }
    });
    let config =
        read.await.map_err(|_| Error::new(ErrorCode::Internal, "the certificates were not read"))??;
    Ok(TlsConnector::from(config))
}

/// Shakes hands; gives what a login can be bound to as well.
///
/// # Errors
/// Those of the stream; `InvalidData` if the server is not the one that was asked for.
pub(super) async fn secure(
    connector: &TlsConnector,
    host: &str,
    stream: TcpStream,
) -> io::Result<(TlsStream<TcpStream>, ChannelBinding)> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = connector.connect(name, stream).await?;
    let exported = stream
        .get_ref()
        .1
        .export_keying_material([0; EXPORTER_BYTES], EXPORTER_LABEL, Some(b""))
        .map_err(io::Error::other)?;
    Ok((stream, ChannelBinding::TlsExporter(exported)))
}

fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&tokio_rustls::rustls::version::TLS13])
        .map_err(|e| Error::new(ErrorCode::Internal, format!("TLS cannot be set up: {e}")))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn roots_of_file(path: &PathBuf) -> Result<RootCertStore> {
    let wrong = |what: String| {
        Error::new(ErrorCode::InvalidValue, format!("the certificates in {}: {what}", path.display()))
            .hint("the file has certificates in PEM: -----BEGIN CERTIFICATE-----")
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))? {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("there are none".to_owned())) } else { Ok(roots) }
}

fn roots_of_system() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // One that cannot be read or used is no authority; the others are.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Error::new(ErrorCode::InvalidValue, "this system has no certificates of authorities")
            .hint("give a file with those to trust: ormdb+tls://host?ca=/path/to/ca.pem"));
    }
    Ok(roots)
}
