//! What a client was told of its writes.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::found::Found;

/// The codes of errors that a kill explains.
const CODES: &[&str] = &["connection_failed", "server_busy", "serialization_conflict", "deadlock"];
/// The code of a lost connection: only there does it matter whether a call may have been executed.
const LOST: &str = "connection_failed";

/// The journal of one client.
#[derive(Clone, Default)]
pub(super) struct Journal {
    begun: HashSet<String>,
    acknowledged: HashSet<String>,
    not_executed: HashSet<String>,
    /// Of each counter: the steps that were acknowledged, and those that may have happened beside them.
    counters: HashMap<String, Steps>,
    /// The calls that were acknowledged.
    pub(super) writes: u64,
    pub(super) reads: u64,
    /// How many calls failed, by their code.
    pub(super) failures: BTreeMap<String, u64>,
    /// What must not happen.
    pub(super) wrong: Option<String>,
    pub(super) has_ended: bool,
}

#[derive(Clone, Default)]
struct Steps {
    sure: u64,
    maybe: u64,
    /// It was begun, and neither acknowledged nor failed until now.
    is_open: bool,
}

impl Journal {
    /// Takes a line of a client.
    pub(super) fn take(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (verb, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        // Names of graphs have the number of their call; the others are those of counters.
        let is_graph = name.contains('-');
        match verb {
            "begin" if is_graph => drop(self.begun.insert(name.to_owned())),
            "begin" => self.counter(name).is_open = true,
            "ok" => {
                self.acknowledged.insert(name.to_owned());
                self.writes += 1;
            }
            "counted" => {
                let steps = self.counter(name);
                (steps.sure, steps.is_open) = (steps.sure + 1, false);
                self.writes += 1;
            }
            "failed" => {
                let (code, maybe) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                self.failed(name, code, code == LOST && maybe != "no");
            }
            "read" => self.reads += 1,
            "end" => self.has_ended = true,
            _ => self.wrong = self.wrong.take().or_else(|| Some(line.to_owned())),
        }
    }

    fn failed(&mut self, name: &str, code: &str, maybe_executed: bool) {
        *self.failures.entry(code.to_owned()).or_default() += 1;
        if !CODES.contains(&code) {
            self.wrong = self.wrong.take().or_else(|| Some(format!("{name} failed with {code}")));
        }
        if name == "read" {
            return;
        }
        if name.contains('-') {
            if !maybe_executed {
                self.not_executed.insert(name.to_owned());
            }
            return;
        }
        let steps = self.counter(name);
        (steps.maybe, steps.is_open) = (steps.maybe + u64::from(maybe_executed), false);
    }

    fn counter(&mut self, name: &str) -> &mut Steps {
        self.counters.entry(name.to_owned()).or_default()
    }

    pub(super) fn has_begun(&self, name: &str) -> bool {
        self.begun.contains(name)
    }

    /// Compares what is there with what was told; whether graphs are whole was looked at before.
    pub(super) fn compare(&self, found: &Found) -> Result<(), String> {
        if let Some(lost) = self.acknowledged.iter().find(|name| !found.has(name)) {
            return Err(format!("{lost} was acknowledged and is lost"));
        }
        if let Some(there) = self.not_executed.iter().find(|name| found.has(name)) {
            return Err(format!("{there} was surely not executed and is there"));
        }
        for (name, steps) in &self.counters {
            let (n, most) = (found.counter(name), steps.sure + steps.maybe + u64::from(steps.is_open));
            if !(steps.sure..=most).contains(&n) {
                return Err(format!("counter {name} is {n}, and not from {} to {most}", steps.sure));
            }
        }
        Ok(())
    }
}
