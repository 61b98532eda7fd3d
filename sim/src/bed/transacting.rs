//! Transactions of a script: what they see, and what a commit of theirs tells.

use std::collections::BTreeMap;

use ordinum::{Concurrency, Error, KeyRange, Reader, SeqNo, Transaction, TransactionOptions, Validation};

use super::reading::show;
use super::writing::durability;
use super::{Bed, Done, Stop};
use crate::ensure;
use crate::model::FAMILIES;
use crate::script::{Effect, Key, Kind, Lasting, Way, Write};

type View = BTreeMap<Vec<u8>, Vec<u8>>;

/// A transaction that is open while others commit.
pub(super) struct OpenTransaction {
    transaction: Transaction,
    at: SeqNo,
    kind: Kind,
    writes: Vec<Write>,
    /// What it must see.
    views: [View; FAMILIES.len()],
    read: Vec<(usize, Vec<u8>)>,
}

/// What the engine may refuse a transaction, which is given up then.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::Conflict { .. }
            | Error::FamilyDropped { .. }
            | Error::LockTimeout { .. }
            | Error::Deadlock { .. }
    )
}

impl OpenTransaction {
    fn write(&mut self, bed: &Bed, writes: &[Write]) -> Result<(), Stop> {
        for Write { family, key, effect } in writes {
            let (family, key) = (bed.family(*family)?, key.bytes());
            match effect {
                Effect::Put(value) => self.transaction.put(family, &key, &value.bytes())?,
                Effect::Delete => self.transaction.delete(family, &key)?,
                Effect::Merge(operand) => self.transaction.merge(family, &key, &operand.bytes())?,
                Effect::DeleteRange(end) if end.bytes() < key => {}
                Effect::DeleteRange(end) => self.transaction.delete_range(family, &key, &end.bytes())?,
            }
        }
        Ok(())
    }

    /// What the writes do to what it sees.
    fn overlay(&mut self, writes: &[Write]) {
        for Write { family, key, effect } in writes {
            let Some(view) = self.views.get_mut(usize::from(*family) % FAMILIES.len()) else { continue };
            let key = key.bytes();
            match effect {
                Effect::Put(value) => drop(view.insert(key, value.bytes())),
                Effect::Delete => drop(view.remove(&key)),
                Effect::Merge(operand) => view.entry(key).or_default().extend(operand.bytes()),
                Effect::DeleteRange(end) => {
                    let end = end.bytes();
                    view.retain(|row, _| *row < key || *row >= end);
                }
            }
        }
        self.writes.extend(writes);
    }
}

impl Bed {
    pub(super) fn begin(&mut self, slot: u8, kind: Kind) -> Done {
        let (validation, concurrency) = match kind {
            Kind::Serializable => (Validation::Serializable, Concurrency::Optimistic),
            Kind::Snapshot => (Validation::Snapshot, Concurrency::Optimistic),
            Kind::Locking => (Validation::Serializable, Concurrency::Pessimistic),
        };
        let lock_wait_max = std::time::Duration::ZERO;
        let options = TransactionOptions { validation, concurrency, lock_wait_max };
        let transaction = self.db()?.transaction_with(options);
        let at = self.model.last();
        let views = std::array::from_fn(|family| {
            let rows = self.model.rows(family, at);
            rows.map(|(key, _, value)| (key.to_vec(), value.to_vec())).collect()
        });
        let (writes, read) = (Vec::new(), Vec::new());
        self.transactions.insert(slot, OpenTransaction { transaction, at, kind, writes, views, read });
        Ok(())
    }

    pub(super) fn write_in_transaction(&mut self, slot: u8, writes: &[Write]) -> Done {
        let Some(mut open) = self.transactions.remove(&slot) else { return Ok(()) };
        match open.write(self, writes) {
            Err(Stop::Engine(error)) if is_refusal(&error) => Ok(()),
            Err(stop) => Err(stop),
            Ok(()) => {
                open.overlay(writes);
                self.transactions.insert(slot, open);
                Ok(())
            }
        }
    }

    pub(super) fn undo_in_transaction(&mut self, slot: u8, writes: &[Write]) -> Done {
        let Some(mut open) = self.transactions.remove(&slot) else { return Ok(()) };
        let savepoint = open.transaction.savepoint();
        match open.write(self, writes) {
            Err(Stop::Engine(error)) if is_refusal(&error) => return Ok(()),
            done => done?,
        }
        open.transaction.rollback_to(savepoint)?;
        self.transactions.insert(slot, open);
        Ok(())
    }

    pub(super) fn look(&mut self, slot: u8, family: u8, keys: &[Key]) -> Done {
        let family_of = self.family(family)?.clone();
        let Some(open) = self.transactions.get_mut(&slot) else { return Ok(()) };
        let place = usize::from(family) % FAMILIES.len();
        for key in keys.iter().map(|key| key.bytes()) {
            let found = open.transaction.get(&family_of, &key)?;
            let expected = open.views.get(place).and_then(|view| view.get(&key));
            ensure!(
                found.as_deref() == expected.map(Vec::as_slice),
                "a transaction at {} finds something else at {}",
                open.at,
                show(&key)
            );
            open.read.push((place, key));
        }
        Ok(())
    }

    pub(super) fn walk(&mut self, slot: u8, family: u8, way: Way) -> Done {
        let family_of = self.family(family)?;
        let Some(open) = self.transactions.get(&slot) else { return Ok(()) };
        let mut rows = View::new();
        let mut cursor = open.transaction.cursor_untracked(family_of, KeyRange::all())?;
        let mut more = match way {
            Way::Forward => cursor.first()?,
            Way::Back => cursor.last()?,
        };
        while more {
            rows.insert(cursor.key().to_vec(), cursor.value()?.to_vec());
            more = match way {
                Way::Forward => cursor.next()?,
                Way::Back => cursor.prev()?,
            };
        }
        let expected = open.views.get(usize::from(family) % FAMILIES.len());
        ensure!(expected == Some(&rows), "a transaction at {} sees other rows", open.at);
        Ok(())
    }

    pub(super) fn commit(&mut self, slot: u8, lasting: Lasting) -> Done {
        let Some(open) = self.transactions.remove(&slot) else { return Ok(()) };
        let OpenTransaction { transaction, at, kind, writes, read, .. } = open;
        let is_empty = transaction.is_empty();
        let next = self.db()?.last_seqno().next().unwrap_or(SeqNo::MAX);
        let committed = transaction.commit(durability(lasting));
        match &committed {
            Err(error) if is_refusal(error) => return Ok(()),
            _ if is_empty => return Ok(committed.map(drop)?),
            _ => {}
        }
        let written = writes.iter().filter(|write| !matches!(write.effect, Effect::DeleteRange(_)));
        let written = written.map(|write| (usize::from(write.family) % FAMILIES.len(), write.key.bytes()));
        let read = read.into_iter().filter(|_| kind != Kind::Snapshot);
        for (family, key) in written.chain(read) {
            let is_changed = committed.is_ok() && self.model.is_changed(family, &key, at);
            ensure!(!is_changed, "{} was changed behind {at}, and the commit went through", show(&key));
        }
        let seqno = committed.as_ref().copied().unwrap_or(next);
        ensure!(seqno == next, "a transaction committed as {seqno} and not {next}");
        self.remember(seqno, &writes, false, committed.as_ref().map(|_| lasting).map_err(|_| ()))?;
        Ok(committed.map(drop)?)
    }
}
