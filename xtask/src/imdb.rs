//! `cargo xtask bench-imdb`: builds what the benchmark of a movie site drives, with optimizations, and runs it: the server, the
//! packages of the bindings, and beside them the drivers of PostgreSQL in Python and Node. What is installed for that lies in the target
//! directory.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::bench;
use crate::dist;
use crate::oracle;
use crate::stages::node::Node;
use crate::stages::{cargo, passes, python, target_directory};

const PYTHON_PACKAGES: &[&str] = &["maturin>=1.8,<2", "asyncpg>=0.30"];
const NODE_PACKAGES: &[&str] = &["pg@^8"];

/// Prepares what the arguments need, and runs the benchmark with them.
pub(crate) fn run(root: &Path, args: &[String]) -> ExitCode {
    let args = args.strip_prefix(&["--".to_owned()]).unwrap_or(args);
    let target = PathBuf::from(target_directory(root));
    match prepared(root, &target, args) {
        Ok(Some(mut command)) => {
            if passes(&mut command) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Ok(None) => ExitCode::FAILURE,
        Err(error) => {
            println!("bench-imdb: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The command of the benchmark; none if what it needs is missing.
fn prepared(root: &Path, target: &Path, args: &[String]) -> io::Result<Option<Command>> {
    let follows = |option: &str| args.windows(2).find(|pair| pair.first().is_some_and(|arg| arg == option));
    let languages = follows("--languages").and_then(|pair| pair.get(1));
    let wants = |language: &str| languages.is_none_or(|wanted| wanted.contains(language));
    let mut build = cargo(root);
    build.args(["build", "--profile", dist::PROFILE, "--package", "ormdb-server", "--package", "ormdb-node"]);
    if !(oracle::is_there() && passes(&mut build)) {
        return Ok(None);
    }
    let mut command = bench::imdb(root);
    let server = target.join(dist::PROFILE).join(format!("ormdb{EXE_SUFFIX}"));
    command.arg("--").arg("--ormdb").arg(server);
    command.arg("--dir").arg(target.join("imdb-bench")).arg("--drivers").arg(root.join("bench/imdb/drivers"));
    if wants("python") {
        let environment = target.join("imdb-python");
        if !python_is_ready(root, target, &environment)? {
            return Ok(None);
        }
        command.arg("--python").arg(environment.join("bin/python"));
    }
    if wants("node") {
        let Some(node) = Node::found(target) else { return Ok(None) };
        let directory = target.join("imdb-node");
        if !node_is_ready(root, target, (&node, &directory))? {
            return Ok(None);
        }
        command.arg("--node").arg(node.place()).env("NODE_PATH", directory.join("node_modules"));
    }
    command.args(args);
    Ok(Some(command))
}

/// Installs the package `ormdb` and asyncpg into an environment of their own.
fn python_is_ready(root: &Path, target: &Path, environment: &Path) -> io::Result<bool> {
    let (stamp, wanted) = (environment.join("packages"), PYTHON_PACKAGES.join("\n"));
    if !fs::read_to_string(&stamp).is_ok_and(|packages| packages == wanted) {
        if !(python::is_there() && python::environment_is_made(environment, PYTHON_PACKAGES)) {
            return Ok(false);
        }
        fs::write(stamp, wanted)?;
    }
    let (program, wheels) = (environment.join("bin/python"), environment.join("wheels"));
    if wheels.exists() {
        fs::remove_dir_all(&wheels)?;
    }
    let mut maturin = Command::new(&program);
    maturin.args(["-m", "maturin", "build", "--quiet", "--profile", dist::PROFILE, "--out"]).arg(&wheels);
    maturin.arg("--interpreter").arg(&program).current_dir(root.join("bindings/python"));
    maturin.env("CARGO_TARGET_DIR", target);
    let mut pip = Command::new(&program);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]);
    pip.args(["--force-reinstall", "--find-links"]).arg(&wheels).arg("ormdb");
    Ok(passes(&mut maturin) && passes(&mut pip))
}

/// Puts the package `@ormdb/client` and node-postgres into a directory of their own.
fn node_is_ready(root: &Path, target: &Path, (node, directory): (&Node, &Path)) -> io::Result<bool> {
    let (stamp, wanted) = (directory.join("packages"), NODE_PACKAGES.join("\n"));
    if !fs::read_to_string(&stamp).is_ok_and(|packages| packages == wanted) {
        fs::create_dir_all(directory)?;
        fs::write(directory.join("package.json"), "{ \"private\": true }\n")?;
        let mut install = node.npm(directory);
        install.arg("install").args(NODE_PACKAGES);
        if !passes(&mut install) {
            return Ok(false);
        }
        fs::write(stamp, wanted)?;
    }
    let (of, package) = (root.join("bindings/node"), directory.join("node_modules/@ormdb/client"));
    if package.exists() {
        fs::remove_dir_all(&package)?;
    }
    copy_directory(&of.join("lib"), &package.join("lib"))?;
    fs::copy(of.join("package.json"), package.join("package.json"))?;
    fs::create_dir_all(package.join("native"))?;
    let library = target.join(dist::PROFILE).join(format!("{DLL_PREFIX}ormdb_node{DLL_SUFFIX}"));
    fs::copy(library, package.join("native/ormdb.node"))?;
    Ok(true)
}

fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &place)?;
        } else {
            fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}
