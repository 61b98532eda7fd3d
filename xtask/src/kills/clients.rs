//! The clients: a process of each language, whose journals are read as they are written.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Programs;
use super::journal::Journal;
use crate::stages::now;

/// The writers of each client.
const WRITERS: &str = "4";

/// The clients; killed with their owner.
pub(super) struct Clients {
    running: Vec<Running>,
    told: Arc<Told>,
}

struct Running {
    name: &'static str,
    child: Mutex<Child>,
}

/// The journals, and when each client got a write through for the first time since they were last waited for.
#[derive(Default)]
struct Told {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    journals: Vec<Journal>,
    wrote_at: Vec<Option<Instant>>,
}

impl Told {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, at: usize, line: &str) {
        let mut state = self.state();
        if let Some(journal) = state.journals.get_mut(at) {
            let before = journal.writes;
            journal.take(line);
            let wrote = journal.writes > before;
            if let Some(wrote_at) = state.wrote_at.get_mut(at).filter(|_| wrote) {
                wrote_at.get_or_insert_with(now);
            }
        }
        drop(state);
        self.news.notify_all();
    }
}

impl Clients {
    /// Starts them at the URL of a server.
    pub(super) fn start(programs: &Programs, here: &Path, url: &str) -> Result<Clients, String> {
        let script = |program: &Path, script: &str| {
            let mut command = Command::new(program);
            command.arg(here.join(script));
            command
        };
        let commands = [
            ("rust", Command::new(&programs.rust)),
            ("python", script(&programs.python, "writer.py")),
            ("node", script(&programs.node, "writer.cjs")),
        ];
        let mut clients = Clients { running: Vec::new(), told: Arc::default() };
        for (at, (name, mut command)) in commands.into_iter().enumerate() {
            command.args([url, name, WRITERS]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let failed = |error: std::io::Error| format!("the client in {name} does not start: {error}");
            let mut child = command.spawn().map_err(failed)?;
            let stdout = child.stdout.take().ok_or("a client has no output")?;
            clients.running.push(Running { name, child: Mutex::new(child) });
            let mut state = clients.told.state();
            state.journals.push(Journal::default());
            state.wrote_at.push(None);
            drop(state);
            let told = Arc::clone(&clients.told);
            let read = move || {
                BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| told.take(at, &line));
            };
            std::thread::Builder::new().spawn(read).map_err(failed)?;
        }
        Ok(clients)
    }

    /// Waits until each client got a write through, and all together so many more.
    pub(super) fn wait(&self, at_most: Duration, more: u64) -> Result<(), String> {
        let writes = |state: &State| state.journals.iter().map(|journal| journal.writes).sum::<u64>();
        let mut state = self.told.state();
        state.wrote_at.fill(None);
        let enough = writes(&state) + more;
        let is_done = |state: &State| state.wrote_at.iter().all(Option::is_some) && writes(state) >= enough;
        let is_wrong = |state: &State| state.journals.iter().any(|journal| journal.wrong.is_some());
        let (state, _) = self
            .told
            .news
            .wait_timeout_while(state, at_most, |state| !(is_done(state) || is_wrong(state)))
            .unwrap_or_else(PoisonError::into_inner);
        self.right(&state)?;
        match self.running.iter().zip(&state.wrote_at).find(|(_, wrote_at)| wrote_at.is_none()) {
            Some((client, _)) => {
                Err(format!("the client in {} got no write through in {at_most:?}", client.name))
            }
            None if !is_done(&state) => Err(format!("fewer than {more} writes got through in {at_most:?}")),
            None => Ok(()),
        }
    }

    /// How long after a moment the last of them got a write through.
    pub(super) fn recovered_after(&self, moment: Instant) -> Duration {
        let state = self.told.state();
        let last = state.wrote_at.iter().flatten().max();
        last.map_or(Duration::ZERO, |last| last.saturating_duration_since(moment))
    }

    fn right(&self, state: &State) -> Result<(), String> {
        for (client, journal) in self.running.iter().zip(&state.journals) {
            if let Some(wrong) = &journal.wrong {
                return Err(format!("the client in {}: {wrong}", client.name));
            }
        }
        Ok(())
    }

    /// The journals as they are now.
    pub(super) fn journals(&self) -> Vec<Journal> {
        self.told.state().journals.clone()
    }

    /// Tells them to stop, and waits for their ends.
    pub(super) fn stop(&self) -> Result<(), String> {
        for client in &self.running {
            let mut child = client.child.lock().unwrap_or_else(PoisonError::into_inner);
            drop(child.stdin.take());
        }
        let state = self.told.state();
        let is_running = |state: &mut State| state.journals.iter().any(|journal| !journal.has_ended);
        let waited = self.told.news.wait_timeout_while(state, super::RECOVERED_BY, is_running);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        self.right(&state)?;
        for (client, journal) in self.running.iter().zip(&state.journals) {
            let mut child = client.child.lock().unwrap_or_else(PoisonError::into_inner);
            if !journal.has_ended {
                return Err(format!("the client in {} does not end", client.name));
            }
            let status = child.wait().map_err(|error| error.to_string())?;
            if !status.success() {
                return Err(format!("the client in {} ended with {status}", client.name));
            }
        }
        Ok(())
    }

    /// What each client has done, in words.
    pub(super) fn totals(&self) -> String {
        let of_each = self.running.iter().zip(self.journals()).map(|(client, journal)| {
            let failures: Vec<String> =
                journal.failures.iter().map(|(code, count)| format!("{count} {code}")).collect();
            let failures = if failures.is_empty() { "none".to_owned() } else { failures.join(", ") };
            format!("{} {} writes, {} reads, failed: {failures}", client.name, journal.writes, journal.reads)
        });
        of_each.collect::<Vec<_>>().join("; ")
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        for client in &self.running {
            let mut child = client.child.lock().unwrap_or_else(PoisonError::into_inner);
            // It may have ended already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}
