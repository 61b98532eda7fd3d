//! TLS through the real server: certificates, their renewal, and what is refused without them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ormdb::{Access, Database, Params, User};
use ormdb_client::{Address, Client, ConnectOptions};
use ormdb_proto::ErrorCode;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::process::{Server, database, ormdb};

/// An authority, and files of what it gave.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: PathBuf,
}

impl Authority {
    fn new(dir: &Path) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(dir.join("ca.pem"), issuer.pem()).unwrap();
        Authority { issuer, dir: dir.to_owned() }
    }

    /// Writes a certificate of this name, and its key.
    fn certify(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(self.path("cert.pem"), certificate.pem()).unwrap();
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    fn options(&self) -> Vec<String> {
        let path = |file| self.path(file).display().to_string();
        vec!["--tls-cert".to_owned(), path("cert.pem"), "--tls-key".to_owned(), path("key.pem")]
    }

    fn serve(&self) -> Server {
        let options = self.options();
        Server::start(&self.dir, &options.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_known_by_its_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    authority.certify("127.0.0.1");
    let db = Database::open(database(dir.path())).unwrap();
    let ann = User { name: "ann".to_owned(), access: Access::ReadWrite };
    db.add_user(&ann, &db.verifier("one").unwrap()).unwrap();
    drop(db);
    let server = authority.serve();
    assert!(server.tcp.starts_with("ormdb+tls://127.0.0.1:"), "{}", server.tcp);
    let ca = authority.path("ca.pem");
    let login = |url: &str| format!("{}?ca={}", url.replacen("://", "://ann:one@", 1), ca.display());

    // The login is bound to the connection; the server would refuse one that could be bound and is not.
    let client = Client::connect(&login(&server.tcp)).await.unwrap();
    client.apply_schema("entity A {\n  id  int64  @id\n}\n").await.unwrap();
    let long: Vec<i64> = (0..50_000).collect();
    let values: Vec<String> = long.iter().map(|id| format!("{{ id: {id} }}")).collect();
    client.query(&format!("create A [{}]", values.join(", ")), &Params::none()).await.unwrap();
    assert_eq!(client.fetch("A", &Params::none()).await.unwrap().len(), long.len());
    let options = ConnectOptions { ca_file: Some(ca.clone()), ..ConnectOptions::default() };
    let anonymous = Client::connect_with(&server.tcp.parse().unwrap(), &options).await.unwrap_err();
    assert_eq!(anonymous.code, ErrorCode::AuthenticationFailed);

    // Another name, another authority, a file of none, no TLS at all: each is refused.
    let renamed = server.tcp.replace("127.0.0.1", "localhost");
    assert_eq!(Client::connect(&login(&renamed)).await.unwrap_err().code, ErrorCode::ConnectionFailed);
    assert!(Client::connect(&server.tcp).await.is_err(), "the system does not know this authority");
    let port = server.tcp.rsplit(':').next().unwrap().parse().unwrap();
    let no_authority = Address::tls("127.0.0.1", port, Some(authority.path("key.pem")));
    let error = Client::connect_with(&no_authority, &ConnectOptions::default()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidValue);
    let plain = Address::tcp("127.0.0.1", port);
    assert!(Client::connect_with(&plain, &ConnectOptions::default()).await.is_err());
    let mut garbage = TcpStream::connect(("127.0.0.1", port)).unwrap();
    garbage.write_all(&[0; 4096]).unwrap();
    // It is told by an alert of TLS, or finds the connection closed; the others do not notice.
    garbage.read_to_end(&mut Vec::new()).ok();
    client.ping().await.unwrap();

    // The Unix socket of the same server goes without.
    let unix = server.unix.replacen("://", "://ann:one@", 1);
    Client::connect(&unix).await.unwrap().ping().await.unwrap();
    let over_tls_only = Address::tls("127.0.0.1", 1, None);
    assert!(Client::connect_with(&over_tls_only, &ConnectOptions::default()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    authority.certify("127.0.0.1");
    let server = authority.serve();
    let url = |name: &str| {
        let url = server.tcp.replace("127.0.0.1", name);
        format!("{url}?ca={}", authority.path("ca.pem").display())
    };
    let before = Client::connect(&url("127.0.0.1")).await.unwrap();
    std::fs::write(authority.path("cert.pem"), "this is no certificate").unwrap();
    // The server looks once a second.
    let mut looks = tokio::time::interval(Duration::from_millis(250));
    for _ in 0..8 {
        looks.tick().await;
        Client::connect(&url("127.0.0.1")).await.unwrap();
    }
    authority.certify("localhost");
    while Client::connect(&url("localhost")).await.is_err() {
        looks.tick().await;
    }
    assert!(Client::connect(&url("127.0.0.1")).await.is_err());
    before.ping().await.unwrap();
}

#[test]
fn others_are_listened_to_behind_tls_and_users_only() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    authority.certify("127.0.0.1");
    let refused = |options: &[String], what: &str| {
        let mut command = ormdb();
        command.arg("serve").arg(database(dir.path())).args(["--listen", "0.0.0.0:0"]).args(options);
        let refused = command.output().unwrap();
        let told = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(3), "{told}");
        assert!(told.contains(what) && told.contains("--insecure-listen"), "{told}");
        assert!(refused.stdout.is_empty());
    };
    refused(&[], "there is no TLS and there are no users");
    refused(&authority.options(), "there are no users");
    let db = Database::open(database(dir.path())).unwrap();
    let ann = User { name: "ann".to_owned(), access: Access::ReadWrite };
    db.add_user(&ann, &db.verifier("one").unwrap()).unwrap();
    drop(db);
    refused(&[], "there is no TLS");
    let mut listen = authority.options();
    listen.extend(["--listen".to_owned(), "0.0.0.0:0".to_owned()]);
    let guarded = Server::start(dir.path(), &listen.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(guarded.tcp.starts_with("ormdb+tls://0.0.0.0:"), "{}", guarded.tcp);
    drop(guarded);
    let insecure = Server::start(dir.path(), &["--listen", "0.0.0.0:0", "--insecure-listen"]);
    assert!(insecure.tcp.starts_with("ormdb://0.0.0.0:"), "{}", insecure.tcp);
    drop(insecure);
    let mut half = ormdb();
    half.arg("serve").arg(database(dir.path())).args(["--tls-cert", "cert.pem"]);
    assert_eq!(half.output().unwrap().status.code(), Some(2));
}
