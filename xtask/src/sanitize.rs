//! The stress tests of the storage engine in builds that look at every access to memory, by the nightly toolchain.
//!
//! AddressSanitizer needs nothing else. ThreadSanitizer sees only what it was built with: without a standard library of its own,
//! which needs the component `rust-src`, it takes what that library orders for a race, and is left out.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use crate::stages::{passes, target_directory};

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The tests that run threads, transactions, damages and random operations over the whole engine.
const TESTS: [&str; 5] = ["stress", "concurrent", "transactions", "replication", "crash"];

pub(crate) fn run(root: &Path) -> ExitCode {
    let Some(sysroot) = nightly(root) else {
        println!(
            "sanitize: skipped, there is no nightly toolchain for {TARGET} (`rustup toolchain install nightly`)"
        );
        return ExitCode::SUCCESS;
    };
    let mut passed = sanitized(root, "address", &[]);
    println!("sanitize: AddressSanitizer {}", if passed { "found nothing" } else { "FAILED" });
    if Path::new(&sysroot).join("lib/rustlib/src/rust/library").is_dir() {
        let found_nothing = sanitized(root, "thread", &["-Zbuild-std"]);
        println!("sanitize: ThreadSanitizer {}", if found_nothing { "found nothing" } else { "FAILED" });
        passed &= found_nothing;
    } else {
        println!(
            "sanitize: ThreadSanitizer skipped, the nightly toolchain has no sources of its library (`rustup component add \
             rust-src --toolchain nightly`)"
        );
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Where the nightly toolchain is.
fn nightly(root: &Path) -> Option<String> {
    let mut command = Command::new("rustc");
    command.args(["+nightly", "--print", "sysroot"]).current_dir(root).stderr(Stdio::null());
    let output = command.output().ok()?;
    let sysroot = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| sysroot.trim().to_owned())
}

/// Runs the tests with the sanitizer, in a target directory of its own.
fn sanitized(root: &Path, sanitizer: &str, options: &[&str]) -> bool {
    let mut command = Command::new("cargo");
    command.arg("+nightly").current_dir(root);
    // What cargo told this process about its own toolchain is not for the other.
    for name in ["RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN", "CARGO"] {
        command.env_remove(name);
    }
    command.env("RUSTFLAGS", format!("-Zsanitizer={sanitizer} -Cforce-frame-pointers=yes"));
    command.args(["test", "-p", "ordinum", "--target", TARGET, "--target-dir"]);
    command.arg(Path::new(&target_directory(root)).join(format!("{sanitizer}-sanitizer"))).args(options);
    for test in TESTS {
        command.args(["--test", test]);
    }
    passes(&mut command)
}
