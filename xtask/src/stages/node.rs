//! The stage `node`: makes the package `@ormdb/client` in its directory and runs its tests, which need the `ormdb` binary as well.
//! What npm keeps lies in the target directory.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Outcome, cargo, passes, passes_and_keeps, target_directory};

/// The oldest version of Node that the package runs on.
const NODE_MAJOR_MIN: u32 = 20;

pub(super) fn run(root: &Path) -> Outcome {
    if let Err(missing) = is_there() {
        println!("node: {missing}");
        return Outcome { passed: false, closing_lines: vec![missing] };
    }
    let package = root.join("bindings/node");
    let target = PathBuf::from(target_directory(root));
    // The same packages and targets as in the stage `tests`, so that their dependencies are those that it built.
    let mut build = cargo(root);
    build.args(["build", "--profile", "test", "--workspace", "--lib", "--bins", "--tests"]);
    let built = target.join("debug");
    if !(passes(&mut build) && passes(&mut npm_install(&package, &target, &built))) {
        return Outcome { passed: false, closing_lines: vec!["the package could not be built".to_owned()] };
    }
    let mut tests = Command::new("npm");
    tests.arg("test").current_dir(&package);
    tests.env("ORMDB_BINARY", built.join(format!("ormdb{EXE_SUFFIX}")));
    let counts = |line: &str| ["# tests ", "# pass ", "# fail "].iter().any(|begin| line.starts_with(begin));
    let (passed, closing_lines) = passes_and_keeps(&mut tests, is_news, counts);
    Outcome { passed, closing_lines: vec![closing_lines.join(", ").replace("# ", "")] }
}

/// `npm install` in the package's directory, of the native module that cargo put into `built`.
pub(crate) fn npm_install(package: &Path, target: &Path, built: &Path) -> Command {
    let mut install = npm(package, target);
    install.args(["install", "--foreground-scripts"]);
    install.env("ORMDB_NODE_LIBRARY", built.join(format!("{DLL_PREFIX}ormdb_node{DLL_SUFFIX}")));
    install
}

/// npm in a directory, with what it keeps in the target directory.
pub(crate) fn npm(directory: &Path, target: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.args(["--no-audit", "--no-fund", "--cache"]).arg(target.join("npm-cache")).current_dir(directory);
    npm
}

/// Whether a line of the test runner (TAP) says more than that something passed.
fn is_news(line: &str) -> bool {
    let line = line.trim_start();
    let is_quiet = ["ok ", "---", "...", "duration_ms:", "type: 'suite'", "# Subtest:"];
    !is_quiet.iter().any(|begin| line.starts_with(begin))
}

/// Whether Node and npm are there; or what is missing.
fn is_there() -> Result<(), String> {
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let wanted = format!("Node {NODE_MAJOR_MIN} or newer with npm is needed for bindings/node");
    let Some(node) = version("node") else {
        return Err(format!("there is no `node`: {wanted}"));
    };
    let major = node.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE_MAJOR_MIN) {
        return Err(format!("`node` is {node}: {wanted}"));
    }
    match version("npm") {
        Some(_) => Ok(()),
        None => Err(format!("there is no `npm`: {wanted}")),
    }
}
