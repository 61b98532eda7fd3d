//! A PostgreSQL server of one test's own, and a `psql` that stays connected to it.
//!
//! Invariants: (1) the server ends when the test does, whatever happens: it is told when it is dropped, and the kernel
//! tells it when its parent dies; (2) it listens on a socket in its own directory only.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

const MISSING: &str = "PostgreSQL is not installed: the differential test needs its server. `cargo xtask test` and \
                       `cargo xtask oracle` install Debian's package; by hand: apt-get install postgresql";

/// Where Debian keeps the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";
const READY: &str = "database system is ready to accept connections";
const END: &str = "-- end of answer --";

/// A running server.
pub struct Server {
    child: Child,
    directory: TempDir,
}

/// What the server refused.
#[derive(Clone, Debug)]
pub struct SqlError {
    pub state: String,
    pub text: String,
}

/// The directory of the newest installed version's programs.
fn programs() -> PathBuf {
    let installed = |path: &PathBuf| path.join("initdb").is_file();
    let mut found: Vec<PathBuf> = std::fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(installed)
        .collect();
    found.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).filter(installed));
    found.sort();
    found.pop().unwrap_or_else(|| panic!("{MISSING}"))
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// A command that runs as somebody other than root, and ends with this thread.
fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if let Some(user) = owner() {
        let group = output("id", &["-gn", user]);
        command.args(["--reuid", user, "--regid", &group, "--clear-groups"]);
    }
    command.arg(program).env("LC_ALL", "C").current_dir("/");
    command
}

/// Who the server runs as, where this test is root: a server refuses to be.
fn owner() -> Option<&'static str> {
    if output("id", &["-u"]) != "0" {
        return None;
    }
    Some(if output("id", &["-u", "postgres"]).is_empty() { "nobody" } else { "postgres" })
}

impl Server {
    /// Makes a cluster in a directory of its own and starts it.
    pub fn start() -> Server {
        let programs = programs();
        let directory = tempfile::Builder::new().prefix("ormdb-oracle").tempdir().unwrap();
        if let Some(user) = owner() {
            let given = Command::new("chown").arg(user).arg(directory.path()).status().unwrap();
            assert!(given.success(), "the directory of the server cannot be given to {user}");
        }
        let data = directory.path().join("data");
        let made = as_nobody(&programs.join("initdb"))
            .args(["--no-sync", "-A", "trust", "-U", "oracle", "-E", "UTF8", "--locale=C"])
            .args(["--lc-ctype=C.UTF-8", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut command = as_nobody(&programs.join("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(directory.path());
        for setting in [
            "listen_addresses=",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "shared_buffers=16MB",
            "max_connections=8",
            "autovacuum=off",
            "jit=off",
            "timezone=UTC",
            "intervalstyle=iso_8601",
            // Of errors of statements nothing is said, so that nobody has to read it.
            "log_min_messages=log",
            "log_checkpoints=off",
        ] {
            command.args(["-c", setting]);
        }
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        while !said.contains(READY) {
            let read = log.read_line(&mut said).unwrap();
            assert!(read > 0, "PostgreSQL did not start:\n{said}");
        }
        // The pipe stays open as long as the server does: it is dropped with the child.
        child.stderr = Some(log.into_inner());
        Server { child, directory }
    }

    /// A client of a database, which is made.
    pub fn client(&self) -> Psql {
        // One pipe for both streams keeps answers and errors in their order.
        let mut child = Command::new("sh")
            .args(["-c", "exec psql \"$@\" 2>&1", "psql", "-X", "-q", "-A", "-t", "-U", "oracle"])
            .args(["-d", "postgres", "-v", "VERBOSITY=verbose", "-h"])
            .arg(self.directory.path())
            .env("LC_ALL", "C")
            .env("PGCLIENTENCODING", "UTF8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut client = Psql { child, input, answers };
        client.run("set client_min_messages = error").unwrap();
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An interrupt is a fast shutdown; a second look waits for it, so that the directory can go.
        let asked = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            self.child.kill().ok();
        }
        self.child.wait().ok();
    }
}

/// A connection.
pub struct Psql {
    child: Child,
    input: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Psql {
    /// Runs statements, and gives what they print: one line for each row.
    pub fn run(&mut self, sql: &str) -> Result<String, SqlError> {
        writeln!(self.input, "{sql};\n\\warn '{END}'").unwrap();
        self.input.flush().unwrap();
        let (mut answer, mut line) = (String::new(), String::new());
        loop {
            line.clear();
            let read = self.answers.read_line(&mut line).unwrap();
            assert!(read > 0, "psql ended:\n{answer}\n{sql}");
            if line.trim_end() == END {
                break;
            }
            answer.push_str(&line);
        }
        match answer.find("ERROR:  ") {
            None => Ok(answer),
            Some(at) => {
                let text = answer[at + "ERROR:  ".len()..].to_owned();
                Err(SqlError { state: text.chars().take(5).collect(), text })
            }
        }
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
