//! The servers: PostgreSQL and `ormdb serve`, each a process of its own that ends with this one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Result;
use crate::options::Options;

/// Where Debian keeps the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";
const READY: &str = "database system is ready to accept connections";

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts `ormdb serve` of a directory.
    pub(crate) fn ormdb(options: &Options, directory: &Path) -> Result<Server> {
        let mut command = Command::new(&options.ormdb);
        command.arg("serve").arg(directory).args(["--listen", "127.0.0.1:0"]);
        command.args(["--cache-mib", &options.cache_mib.to_string()]).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", options.ormdb.display()))?;
        let mut said = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut said)?;
        }
        match said.trim().rsplit_once("ormdb://").and_then(|(_, address)| address.parse().ok()) {
            Some(address) => Ok(Server { child, address }),
            None => Err(format!("ormdb serve said {said:?}").into()),
        }
    }

    /// Makes a cluster of PostgreSQL and starts it, as somebody other than root.
    pub(crate) fn postgres(options: &Options, directory: &Path) -> Result<Server> {
        let programs = programs()?;
        if let Some(owner) = owner() {
            passes(Command::new("chown").arg(owner).arg(directory))?;
        }
        let data = directory.join("data");
        let mut made = as_owner(&programs.join("initdb"))?;
        made.args(["-A", "trust", "-U", "imdb", "-E", "UTF8", "--locale=C", "-D"]).arg(&data);
        passes(made.stdout(Stdio::null()))?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = as_owner(&programs.join("postgres"))?;
        command.arg("-D").arg(&data).arg("-k").arg(directory).args(["-p", &port.to_string()]);
        let buffers = format!("shared_buffers={}MB", options.cache_mib);
        for setting in [
            buffers.as_str(),
            "listen_addresses=127.0.0.1",
            "fsync=on",
            "synchronous_commit=on",
            "full_page_writes=on",
            // No checkpoint falls into a measurement, and no plan is compiled for a statement of microseconds.
            "max_wal_size=8GB",
            "checkpoint_timeout=1h",
            "jit=off",
            "random_page_cost=1.1",
            "effective_cache_size=4GB",
            "timezone=UTC",
            "log_checkpoints=off",
        ] {
            command.args(["-c", setting]);
        }
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let Some(errors) = child.stderr.take() else { return Err("PostgreSQL has no log".into()) };
        let (mut log, mut said) = (BufReader::new(errors), String::new());
        while !said.contains(READY) {
            if log.read_line(&mut said)? == 0 {
                return Err(format!("PostgreSQL did not start:\n{said}").into());
            }
        }
        // What it says later is read and dropped, so that it never waits for a reader.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(Server { child, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An interrupt ends both in order.
        let asked = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            self.child.kill().ok();
        }
        self.child.wait().ok();
    }
}

/// Runs statements by `psql`, with what a `copy … from stdin` of them reads.
pub(crate) fn psql(address: SocketAddr, sql: &str, copied: &[u8]) -> Result<String> {
    let mut command = Command::new("psql");
    command.args([
        "-X",
        "-q",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        "-U",
        "imdb",
        "-d",
        "postgres",
        "-h",
        "127.0.0.1",
    ]);
    command.args(["-p", &address.port().to_string()]).env("PGCLIENTENCODING", "UTF8");
    if copied.is_empty() {
        command.args(["-f", "-"]);
    } else {
        command.args(["-c", sql]);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(if copied.is_empty() { sql.as_bytes() } else { copied })?;
    }
    let mut said = String::new();
    if let Some(mut output) = child.stdout.take() {
        output.read_to_string(&mut said)?;
    }
    if child.wait()?.success() { Ok(said) } else { Err(format!("psql failed: {sql}").into()) }
}

/// The directory of the newest installed version's programs.
fn programs() -> Result<PathBuf> {
    let installed = |path: &PathBuf| path.join("initdb").is_file();
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).filter(installed).collect();
    found.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).filter(installed));
    found.sort();
    found.pop().ok_or_else(|| "PostgreSQL is not installed; Debian: apt-get install postgresql".into())
}

/// A command that runs as somebody other than root, and ends with this process.
fn as_owner(program: &Path) -> Result<Command> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if let Some(user) = owner() {
        let group = Command::new("id").args(["-gn", user]).output()?.stdout;
        let group = String::from_utf8_lossy(&group).trim().to_owned();
        command.args(["--reuid", user, "--regid", &group, "--clear-groups"]);
    }
    command.arg(program).env("LC_ALL", "C").current_dir("/").process_group(0);
    Ok(command)
}

/// Who PostgreSQL runs as, where this is root: it refuses to be.
fn owner() -> Option<&'static str> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let known = Command::new("id").args(["-u", "postgres"]).stderr(Stdio::null()).output();
    Some(if known.is_ok_and(|known| known.status.success()) { "postgres" } else { "nobody" })
}

fn passes(command: &mut Command) -> Result<()> {
    if command.status()?.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
}
