//! The stress tests of the storage engine, and transactions of the database on threads, in builds that look at every access to
//! memory, by the nightly toolchain.
//!
//! AddressSanitizer needs nothing else. ThreadSanitizer sees only what it was built with: without a standard library of its own,
//! which needs the component `rust-src`, it takes what that library orders for a race, and is left out. Memory is mapped through
//! libc in both, which they listen to: of system calls that are made directly they hear nothing, and take the next mapping at an
//! address for the one before.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use crate::stages::{passes, target_directory};

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The tests that run threads, transactions, damages and random operations over the whole engine, and those of the database.
const TESTS: [(&str, &[&str]); 2] = [
    ("ordinum", &["stress", "concurrent", "transactions", "replication", "crash"]),
    ("ormdb-sim", &["database", "concurrency"]),
];

/// What looks at memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sanitizer {
    Address,
    Thread,
}

impl Sanitizer {
    const ALL: [Sanitizer; 2] = [Sanitizer::Address, Sanitizer::Thread];

    /// As the compiler calls it.
    const fn word(self) -> &'static str {
        match self {
            Sanitizer::Address => "address",
            Sanitizer::Thread => "thread",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Sanitizer::Address => "AddressSanitizer",
            Sanitizer::Thread => "ThreadSanitizer",
        }
    }

    /// Whether the standard library has to be built with it.
    const fn needs_sources(self) -> bool {
        matches!(self, Sanitizer::Thread)
    }
}

/// Runs the one that is named, or both.
pub(crate) fn run(root: &Path, names: &[String]) -> ExitCode {
    let chosen: Vec<Sanitizer> = Sanitizer::ALL
        .into_iter()
        .filter(|sanitizer| names.is_empty() || names.iter().any(|name| name == sanitizer.word()))
        .collect();
    if chosen.len() < names.len() {
        println!("usage: cargo xtask sanitize [address] [thread]");
        return ExitCode::from(2);
    }
    let Some(sysroot) = nightly(root) else {
        println!(
            "sanitize: skipped, there is no nightly toolchain for {TARGET} (`rustup toolchain install nightly`)"
        );
        return ExitCode::SUCCESS;
    };
    let has_sources = Path::new(&sysroot).join("lib/rustlib/src/rust/library").is_dir();
    let mut passed = true;
    for sanitizer in chosen {
        let name = sanitizer.name();
        if sanitizer.needs_sources() && !has_sources {
            println!(
                "sanitize: {name} skipped, the nightly toolchain has no sources of its library (`rustup component add \
                 rust-src --toolchain nightly`)"
            );
            continue;
        }
        let found_nothing = TESTS.iter().all(|(package, tests)| sanitized(root, sanitizer, package, tests));
        println!("sanitize: {name} {}", if found_nothing { "found nothing" } else { "FAILED" });
        passed &= found_nothing;
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
fn sanitized(root: &Path, sanitizer: Sanitizer, package: &str, tests: &[&str]) -> bool {
    let word = sanitizer.word();
    let mut command = Command::new("cargo");
    command.arg("+nightly").current_dir(root);
    // What cargo told this process about its own toolchain is not for the other.
    for name in ["RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN", "CARGO"] {
        command.env_remove(name);
    }
    command.env("RUSTFLAGS", format!("-Zsanitizer={word} -Cforce-frame-pointers=yes --cfg rustix_use_libc"));
    command.args(["test", "-p", package, "--target", TARGET, "--target-dir"]);
    command.arg(Path::new(&target_directory(root)).join(format!("{word}-sanitizer")));
    if sanitizer.needs_sources() {
        command.arg("-Zbuild-std");
    }
    for test in tests {
        command.args(["--test", test]);
    }
    passes(&mut command)
}
