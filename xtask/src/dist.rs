//! `cargo xtask dist`: what is given to users, built with all optimizations, in `packages` of the target directory: the `ormdb`
//! binary and the packages of the bindings for this platform.

use std::env::consts::EXE_SUFFIX;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::stages::node::Node;
use crate::stages::{cargo, passes, python, target_directory};

/// The profile of what is given away.
pub(crate) const PROFILE: &str = "dist";

/// Builds everything.
pub(crate) fn run(root: &Path) -> ExitCode {
    let target = PathBuf::from(target_directory(root));
    let mut build = cargo(root);
    build.args(["build", "--profile", PROFILE, "--package", "ormdb-server", "--package", "ormdb-node"]);
    let out = target.join("packages");
    match passes(&mut build).then(|| pack(root, &target, &out)) {
        Some(Ok(true)) => ExitCode::SUCCESS,
        Some(Ok(false)) | None => ExitCode::FAILURE,
        Some(Err(error)) => {
            println!("{}: {error}", out.display());
            ExitCode::FAILURE
        }
    }
}

/// Brings together what was built, and lists it.
fn pack(root: &Path, target: &Path, out: &Path) -> io::Result<bool> {
    let built = target.join(PROFILE);
    let binary = format!("ormdb{EXE_SUFFIX}");
    match std::fs::remove_dir_all(out) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir_all(out)?;
    std::fs::copy(built.join(&binary), out.join(&binary))?;
    if !(npm_tarball(root, target, &built, out) && wheel(root, target, out)) {
        return Ok(false);
    }
    for entry in std::fs::read_dir(out)? {
        let entry = entry?;
        println!("{} ({} KiB)", entry.path().display(), entry.metadata()?.len() / 1024);
    }
    Ok(true)
}

fn npm_tarball(root: &Path, target: &Path, built: &Path, out: &Path) -> bool {
    let package = root.join("bindings/node");
    let Some(node) = Node::found(target) else {
        println!("there is no Node to pack the npm tarball with");
        return false;
    };
    let mut pack = node.npm(&package);
    pack.args(["pack", "--pack-destination"]).arg(out);
    passes(&mut node.install(&package, built)) && passes(&mut pack)
}

/// The wheel, which maturin builds and which serves every Python from 3.10 on.
fn wheel(root: &Path, target: &Path, out: &Path) -> bool {
    let Some(mut maturin) = python::maturin(target) else {
        println!("there is no maturin to build the wheel with");
        return false;
    };
    maturin.args(["build", "--profile", PROFILE, "--out"]).arg(out);
    maturin.current_dir(root.join("bindings/python")).env("CARGO_TARGET_DIR", target);
    passes(&mut maturin)
}
