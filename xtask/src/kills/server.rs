//! The server that is killed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::stages::passes;

/// A server of a database; killed with its owner.
pub(super) struct Server {
    program: PathBuf,
    database: PathBuf,
    url: String,
    child: Child,
}

impl Server {
    /// Serves a database at an address of loopback.
    pub(super) fn start(program: &Path, database: &Path, listen: &str) -> Result<Server, String> {
        let mut command = Command::new(program);
        command.arg("serve").arg(database).args(["--listen", listen]).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("the server does not start: {error}"))?;
        let mut line = String::new();
        let said = child.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line));
        let url = match said {
            Some(Ok(_)) => line.trim_end().strip_prefix("listening on ").map(str::to_owned),
            Some(Err(_)) | None => None,
        };
        let is_served = url.is_some();
        let (program, database) = (program.to_owned(), database.to_owned());
        let server = Server { program, database, url: url.unwrap_or_default(), child };
        if is_served {
            Ok(server)
        } else {
            Err(format!("the server said {line:?} where it says its address"))
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Gives the database its schema.
    pub(super) fn apply(&self, schema: &Path) -> Result<(), String> {
        let mut apply = Command::new(&self.program);
        apply.args(["schema", "apply", &self.url]).arg(schema).stdout(Stdio::null());
        if passes(&mut apply) { Ok(()) } else { Err("the schema is refused".to_owned()) }
    }

    /// Kills it with SIGKILL.
    pub(super) fn kill(&mut self) -> Result<(), String> {
        let ended = self.child.try_wait().map_err(|error| error.to_string())?;
        if let Some(status) = ended {
            return Err(format!("the server ended by itself: {status}"));
        }
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map(drop).map_err(|error| format!("the server is not killed: {error}"))
    }

    /// Starts it again where it was.
    pub(super) fn again(self) -> Result<Server, String> {
        let listen = self.url.split_once("://").map_or("", |(_, address)| address);
        Server::start(&self.program, &self.database, listen)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
