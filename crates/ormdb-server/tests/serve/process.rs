//! Starts and stops the real binary.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use ormdb_client::Client;

/// A running `ormdb serve`; killed with its owner.
pub(crate) struct Server {
    child: Child,
    /// Its URL over TCP.
    pub(crate) tcp: String,
    /// Its URL over a Unix socket.
    pub(crate) unix: String,
}

/// The command `ormdb`.
pub(crate) fn ormdb() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ormdb"))
}

impl Server {
    /// Serves the database `db` in a directory, on a free port of loopback, where the options say nothing else, and on a Unix socket beside it.
    pub(crate) fn start(dir: &Path, options: &[&str]) -> Server {
        let socket = dir.join("socket");
        let mut command = ormdb();
        command.arg("serve").arg(database(dir)).arg("--unix").arg(&socket);
        if !options.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let mut child = command.args(options).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let urls = line.trim_end().strip_prefix("listening on ").unwrap_or_else(|| panic!("said {line:?}"));
        let (tcp, unix) = urls.split_once(" and ").unwrap();
        Server { child, tcp: tcp.to_owned(), unix: unix.to_owned() }
    }

    /// The address of the TCP socket.
    pub(crate) fn address(&self) -> &str {
        self.tcp.strip_prefix("ormdb://").unwrap()
    }

    /// A client over TCP.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.tcp).await.unwrap()
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, as a power failure would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to stop.
    pub(crate) fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The directory of the database.
pub(crate) fn database(dir: &Path) -> PathBuf {
    dir.join("db")
}

/// Runs `ormdb check`.
pub(crate) fn check(dir: &Path) -> Output {
    ormdb().arg("check").arg(database(dir)).output().unwrap()
}

/// A database of artists, albums, tracks and tags.
pub(crate) const SCHEMA: &str = r#"
enum Kind { solo, band }
entity Artist {
  id      int64    @id @default(autoincrement())
  name    string   @unique
  kind    Kind     @default(solo)
  born    date?
  albums  Album[]
}
entity Album {
  id        int64          @id @default(autoincrement())
  title     string
  price     decimal(10,2)? @check(price >= 0)
  artistId  int64
  artist    Artist         @relation(artistId -> Artist.id, onDelete: cascade)
  tracks    Track[]
  tags      Tag[]
}
entity Track {
  id       int64  @id @default(autoincrement())
  name     string
  ms       int32
  albumId  int64
  album    Album  @relation(albumId -> Album.id, onDelete: cascade)
}
entity Tag {
  id      int64    @id @default(autoincrement())
  name    string   @unique
  albums  Album[]
}
"#;
