//! A subscriber beside writers: each commit is told of, with what it wrote, and none that a power loss takes back.

use std::time::Duration;

use ordinum::fs::FaultFs;
use ormdb::Changes;

use crate::{Stop, ensure};

/// How long it waits for the next notice before it looks whether there is power.
const PATIENCE: Duration = Duration::from_millis(20);
/// What every commit of a writer writes.
const ENTITY: &str = "List";

/// What a subscriber was told.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// What was committed up to here is not told.
    pub(super) since: u64,
    /// Versions, ascending, and whether lists were written since the one before.
    pub(super) notices: Vec<(u64, bool)>,
}

/// Listens until the power is gone.
pub(super) fn listen(changes: &Changes, fs: &FaultFs) -> Result<Heard, Stop> {
    let mut heard = Heard { since: changes.since().seqno(), notices: Vec::new() };
    loop {
        match changes.next_timeout(PATIENCE) {
            Ok(Some(changed)) => {
                let is_of_lists =
                    changed.everything || changed.entities.iter().any(|entity| entity == ENTITY);
                heard.notices.push((changed.token.seqno(), is_of_lists));
            }
            Ok(None) if !fs.is_dead() => {}
            Err(error) if !fs.is_dead() => return Err(error.into()),
            Ok(None) | Err(_) => return Ok(heard),
        }
    }
}

impl Heard {
    /// Compares with the commits that were acknowledged, and with the newest version that the power loss left.
    pub(super) fn check(&self, acknowledged: &[u64], newest: u64) -> Result<(), Stop> {
        let mut before = self.since;
        for (version, _) in &self.notices {
            ensure!(*version > before, "version {version} is told behind {before}");
            before = *version;
        }
        ensure!(before <= newest, "version {before} was told, and the power loss left {newest}");
        for commit in acknowledged.iter().filter(|commit| **commit > self.since) {
            let notice = self.notices.iter().find(|(version, _)| version >= commit);
            let is_told = notice.is_none_or(|(_, is_of_lists)| *is_of_lists);
            ensure!(is_told, "commit {commit} was left out, up to {notice:?}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
