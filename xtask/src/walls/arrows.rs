//! Which crate may know which.
//!
//! Invariants: (1) an arrow points only where `ALLOWED` says, for ordinary, build and test dependencies alike; (2) every
//! crate of the workspace has a row there; (3) the crates below the sockets have no async runtime anywhere beneath
//! them; (4) every package comes from the default registry or from this repository.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::Finding;

/// What a crate of the workspace may depend on, of the workspace.
enum Below {
    Only(&'static [&'static str]),
    Anything,
}

const ALLOWED: &[(&str, Below)] = &[
    ("ordinum", Below::Only(&[])),
    ("ormdb-derive", Below::Only(&[])),
    ("ormdb-proto", Below::Only(&["ormdb-derive"])),
    ("ormdb", Below::Only(&["ordinum", "ormdb-derive", "ormdb-proto"])),
    ("ormdb-client", Below::Only(&["ormdb-derive", "ormdb-proto"])),
    ("ormdb-server", Below::Only(&["ormdb", "ormdb-client", "ormdb-proto"])),
    ("ormdb-bindings", Below::Only(&["ormdb", "ormdb-client", "ormdb-proto"])),
    ("ormdb-node", Below::Only(&["ormdb-bindings", "ormdb-proto"])),
    ("ormdb-python", Below::Only(&["ormdb-bindings", "ormdb-proto"])),
    ("ormdb-bench", Below::Anything),
    ("ormdb-sim", Below::Only(&["ordinum", "ormdb"])),
    ("xtask", Below::Anything),
];

/// Packages that a crate must not have beneath it, directly or through others, tests left out.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("ordinum", &["tokio", "async-std", "smol", "serde", "serde_json", "rkyv"]),
    ("ormdb-proto", &["tokio", "async-std", "smol"]),
    ("ormdb", &["tokio", "async-std", "smol"]),
];

const DEFAULT_REGISTRY: &str = concat!("registry+https://github.com/rust-lang/crates", ".io-index");

/// One crate of the workspace.
pub(crate) struct Member {
    pub(crate) name: String,
    /// Every package that the manifest names.
    pub(crate) direct: BTreeSet<String>,
    /// Those of them that are not for tests only.
    pub(crate) shipped: BTreeSet<String>,
}

/// The workspace's crates and the packages that are locked for them.
pub(crate) struct Crates {
    pub(crate) members: Vec<Member>,
    /// Package name to the packages that it depends on, of every locked version together.
    pub(crate) locked: BTreeMap<String, BTreeSet<String>>,
    /// Where packages come from, those of the workspaces beside it included.
    pub(crate) sources: BTreeSet<String>,
}

impl Crates {
    /// Asks `cargo metadata` for the crates and reads `Cargo.lock` for what stands beneath them.
    pub(crate) fn of_workspace(root: &Path) -> io::Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
            .current_dir(root)
            .output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let metadata = serde_json::from_slice::<Value>(&output.stdout)?;
        let lock = std::fs::read_to_string(root.join("Cargo.lock"))?;
        let (locked, mut sources) = read_lock(&lock);
        for workspace in ["fuzz", "bench/engine", "bench/graph", "bench/imdb", "bench/size"] {
            sources.extend(read_lock(&std::fs::read_to_string(root.join(workspace).join("Cargo.lock"))?).1);
        }
        Ok(Self { members: read_members(&metadata), locked, sources })
    }

    pub(crate) fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for member in &self.members {
            self.check_arrows(member, &mut findings);
            self.check_beneath(member, &mut findings);
        }
        for source in &self.sources {
            if source != DEFAULT_REGISTRY {
                let message = format!("a package comes from `{source}`");
                findings.push(Finding::whole("package source", "Cargo.lock", message));
            }
        }
        findings
    }

    fn check_arrows(&self, member: &Member, findings: &mut Vec<Finding>) {
        let Some((_, below)) = ALLOWED.iter().find(|(name, _)| *name == member.name) else {
            findings.push(Finding::whole("arrow", &member.name, "has no row in the table of arrows"));
            return;
        };
        let Below::Only(allowed) = below else { return };
        let of_workspace = |name: &&String| self.members.iter().any(|other| other.name == **name);
        for name in member.direct.iter().filter(of_workspace) {
            if !allowed.contains(&name.as_str()) {
                findings.push(Finding::whole("arrow", &member.name, format!("must not know {name}")));
            }
        }
    }

    fn check_beneath(&self, member: &Member, findings: &mut Vec<Finding>) {
        let Some((_, forbidden)) = FORBIDDEN.iter().find(|(name, _)| *name == member.name) else { return };
        let beneath = self.beneath(member);
        for name in forbidden.iter().filter(|name| beneath.contains(**name)) {
            findings.push(Finding::whole("arrow", &member.name, format!("must not have {name} beneath it")));
        }
    }

    fn beneath(&self, member: &Member) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&String> = member.shipped.iter().collect();
        while let Some(name) = open.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            // The lock file does not tell a member's test dependencies apart; its manifest does.
            let next = match self.members.iter().find(|other| other.name == *name) {
                Some(other) => Some(&other.shipped),
                None => self.locked.get(name),
            };
            open.extend(next.into_iter().flatten());
        }
        seen
    }
}

fn read_members(metadata: &Value) -> Vec<Member> {
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    packages.iter().map(read_member).collect()
}

fn read_member(package: &Value) -> Member {
    let mut member = Member {
        name: package["name"].as_str().unwrap_or_default().to_owned(),
        direct: BTreeSet::new(),
        shipped: BTreeSet::new(),
    };
    for dependency in package["dependencies"].as_array().map_or(&[][..], Vec::as_slice) {
        let name = dependency["name"].as_str().unwrap_or_default().to_owned();
        if dependency["kind"].as_str() != Some("dev") {
            member.shipped.insert(name.clone());
        }
        member.direct.insert(name);
    }
    member
}

/// Reads the parts of a lock file that the rules need; its form is fixed, since only cargo writes it.
fn read_lock(lock: &str) -> (BTreeMap<String, BTreeSet<String>>, BTreeSet<String>) {
    let mut locked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut sources = BTreeSet::new();
    for package in lock.split("[[package]]").skip(1) {
        let mut name = String::new();
        for line in package.lines() {
            if let Some(value) = value_of(line, "name") {
                name = value.to_owned();
                locked.entry(name.clone()).or_default();
            } else if let Some(value) = value_of(line, "source") {
                sources.insert(value.to_owned());
            } else if let Some(dependency) = line.strip_prefix(" \"") {
                // `"name"` or `"name version"`, then a comma.
                let dependency = dependency.split([' ', '"']).next().unwrap_or_default();
                locked.entry(name.clone()).or_default().insert(dependency.to_owned());
            }
        }
    }
    (locked, sources)
}

fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests;
