//! Writes of a script, and what else changes the database.

use std::time::Duration;

use ordinum::{Batch, ColumnFamily, Db, Durability, Error, KeyRange, SeqNo, TableWriter};

use super::{Bed, Done, Stop, Told};
use crate::ensure;
use crate::model::FAMILIES;
use crate::script::{Effect, Key, Lasting, Script, Value, Write};
use crate::settings::Settings;

pub(super) fn durability(lasting: Lasting) -> Durability {
    match lasting {
        Lasting::Synced => Durability::Synced,
        Lasting::Buffered => Durability::Buffered,
        Lasting::Interval => Durability::Interval(Duration::from_secs(1)),
    }
}

/// Whether the range of a write is the wrong way round, so that the engine refuses it.
fn is_backward(write: &Write) -> bool {
    matches!(write.effect, Effect::DeleteRange(end) if end.bytes() < write.key.bytes())
}

impl Bed {
    /// A commit has happened, or may have.
    pub(super) fn remember(
        &mut self,
        seqno: SeqNo,
        writes: &[Write],
        is_told: bool,
        committed: Result<Lasting, ()>,
    ) -> Done {
        ensure!(seqno > self.model.last(), "commit {seqno} is not behind {}", self.model.last());
        self.outcome.ops += (writes.len() as u64).saturating_sub(1);
        self.record(seqno);
        self.model.commits.push(seqno);
        let mut told = Vec::new();
        for Write { family, key, effect } in writes {
            let place = usize::from(*family) % FAMILIES.len();
            told.push((self.family(*family)?.id(), key.bytes(), *effect));
            self.model.apply(place, key.bytes(), effect, seqno);
        }
        self.to_tell.insert(seqno, Told { certain: committed.is_ok(), writes: is_told.then_some(told) });
        match committed {
            Ok(Lasting::Synced) => (self.model.durable, self.model.handed_over) = (seqno, seqno),
            Ok(Lasting::Buffered | Lasting::Interval) => self.model.handed_over = seqno,
            Err(()) => {}
        }
        Ok(())
    }

    pub(super) fn write(&mut self, lasting: Lasting, gap: u16, writes: &[Write]) -> Done {
        let mut batch = Batch::new();
        let writes: Vec<Write> = writes.iter().filter(|write| !is_backward(write)).copied().collect();
        for Write { family, key, effect } in &writes {
            let (family, key) = (self.family(*family)?, key.bytes());
            match effect {
                Effect::Put(value) => batch.put(family, &key, &value.bytes())?,
                Effect::Delete => batch.delete(family, &key)?,
                Effect::Merge(operand) => batch.merge(family, &key, &operand.bytes())?,
                Effect::DeleteRange(end) => batch.delete_range(family, &key, &end.bytes())?,
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        let newest = self.db()?.last_seqno();
        let at = SeqNo::new(newest.get() + 1 + u64::from(gap)).unwrap_or(SeqNo::MAX);
        let committed = match gap {
            0 => self.db()?.write(batch, durability(lasting)),
            _ => self.db()?.write_at(at, batch, durability(lasting)),
        };
        let seqno = committed.as_ref().copied().unwrap_or(at);
        ensure!(seqno == at, "a commit with number {seqno} and not {at}");
        if gap == 0 && committed.is_ok() {
            self.given = seqno;
        }
        self.remember(seqno, &writes, true, committed.as_ref().map(|_| lasting).map_err(|_| ()))?;
        Ok(committed.map(drop)?)
    }

    pub(super) fn ingest(&mut self, family: u8, cut: u8, rows: &[(Key, Value)]) -> Done {
        let writes: Vec<Write> = rows
            .iter()
            .map(|(key, value)| Write { family, key: *key, effect: Effect::Put(*value) })
            .collect();
        let rows: Vec<_> = Script::rows(rows).into_iter().collect();
        let options = self.options(&self.settings);
        let mut files = Vec::new();
        let (front, back) = rows.split_at(usize::from(cut).min(rows.len()));
        for part in [front, back].into_iter().filter(|part| !part.is_empty()) {
            let mut writer =
                TableWriter::create(self.other_path("sorted"), &options, &options.family_defaults)?;
            part.iter().try_for_each(|(key, value)| writer.put(key, &value.bytes()))?;
            files.push(writer.finish()?.path().to_owned());
        }
        if files.is_empty() {
            return Ok(());
        }
        let next = self.db()?.last_seqno().next().unwrap_or(SeqNo::MAX);
        let ingested = self.db()?.ingest(self.family(family)?, &files);
        let seqno = ingested.as_ref().copied().unwrap_or(next);
        self.remember(seqno, &writes, false, ingested.as_ref().map(|_| Lasting::Synced).map_err(|_| ()))?;
        Ok(ingested.map(drop)?)
    }

    /// Changes the options of a family.
    pub(super) fn set_options(&mut self, family: u8, settings: &Settings) -> Done {
        Ok(self.db()?.set_family_options(self.family(family)?, settings.family())?)
    }

    /// Drops a family and creates one of the same name: durable, with all commits before.
    pub(super) fn replace(&mut self, family: u8) -> Done {
        let at = usize::from(family) % FAMILIES.len();
        if at == 0 || self.armed.is_some() || self.armed_read.is_some() {
            // A fault between the two would need a model of families.
            return Ok(());
        }
        let dropped = self.family(family)?.clone();
        self.db()?.drop_column_family(&dropped)?;
        let dropped_by = self.db()?.last_seqno();
        self.record(dropped_by);
        let refused = self.db()?.compact_range(&dropped, KeyRange::all());
        ensure!(matches!(refused, Err(Error::FamilyDropped { .. })), "a dropped family says {refused:?}");
        let created = self.db()?.create_column_family(FAMILIES[at], self.settings.family())?;
        self.attested.push((self.db()?.last_seqno(), dropped_by));
        let last = self.model.last();
        if let Some(place) = self.families.get_mut(at) {
            *place = created;
        }
        self.cursors.retain(|_, cursor| cursor.family != at);
        self.model.replace(at, dropped_by);
        (self.model.durable, self.model.handed_over) = (last, last);
        self.transactions.clear();
        Ok(())
    }

    /// Makes a checkpoint, opens it, and compares; compactions here and there take nothing away from the other.
    pub(super) fn checkpoint(&mut self, settings: &Settings) -> Done {
        let path = self.other_path("copy");
        let at = self.db()?.checkpoint(&path)?;
        ensure!(at >= self.model.last(), "a checkpoint at {at}, behind {}", self.model.last());
        self.model.durable = self.model.last();
        self.db()?.compact_range(self.family(0)?, KeyRange::all())?;
        let copy = Db::open(&path, self.options(settings))?;
        self.undamaged(&copy)?;
        let families = |copy: &Db| -> Result<Vec<ColumnFamily>, Stop> {
            let families: Option<Vec<_>> = FAMILIES.iter().map(|name| copy.column_family(name)).collect();
            families.ok_or_else(|| Stop::Wrong("the checkpoint lacks a family".to_owned()))
        };
        let families = families(&copy)?;
        let found = super::reading::read_all(&copy, &families)?;
        ensure!(self.model.is(&found, self.model.last()), "the checkpoint has something else");
        for family in &families {
            copy.compact_range(family, KeyRange::all())?;
        }
        let found = super::reading::read_all(&copy, &families)?;
        ensure!(self.model.is(&found, self.model.last()), "the checkpoint changed when it was compacted");
        Ok(copy.close()?)
    }
}
