//! Follows the log and compares what it tells with what was committed.

use ordinum::{Change, Error, Write};

use super::{Bed, Done};
use crate::ensure;
use crate::script::Effect;

impl Bed {
    pub(super) fn follow(&mut self) -> Done {
        let durable = self.db()?.position().seqno;
        let Some(position) = self.position else { return self.follow_from_here() };
        let tail = match self.tail.take() {
            Some(tail) => Ok(tail),
            None => self.db()?.tail_from(position),
        };
        let mut tail = match tail {
            Ok(tail) => tail,
            Err(Error::TooOld { .. }) => return self.follow_from_here(),
            Err(error) => return Err(error.into()),
        };
        let mut told = position.seqno;
        loop {
            let event = match tail.try_next() {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(Error::TooOld { .. }) => return self.follow_from_here(),
                Err(error) => {
                    // What was told before stays told.
                    self.position = Some(tail.position());
                    return Err(error.into());
                }
            };
            ensure!(event.seqno > told, "{} is told behind {told}", event.seqno);
            ensure!(event.seqno <= durable, "{} is told and not durable", event.seqno);
            told = event.seqno;
            while let Some(missed) = self.to_tell.first_entry().filter(|missed| *missed.key() < told) {
                ensure!(!missed.get().certain, "{} was not told, but {told}", missed.key());
                missed.remove();
            }
            let expected = self.to_tell.remove(&told);
            match event.change {
                Change::Batch(batch) => {
                    ensure!(expected.is_some(), "nobody committed {told}");
                    let Some(expected) = expected.and_then(|expected| expected.writes) else { continue };
                    let mut expected = expected.iter().filter(|(_, key, effect)| !is_nothing(key, effect));
                    for write in batch.writes() {
                        let next = expected.next();
                        let fits =
                            next.is_some_and(|(family, key, effect)| is_told(&write, *family, key, effect));
                        ensure!(fits, "{told} is told with {write:?}, expected {next:?}");
                    }
                    ensure!(expected.next().is_none(), "{told} is told in part");
                }
                Change::Ingested(_) => ensure!(expected.is_some(), "nobody ingested {told}"),
                Change::FamilyCreated { .. } | Change::FamilyDropped { .. } => {
                    ensure!(expected.is_none(), "{told} was no family");
                }
                other => ensure!(false, "{told} is told as {other:?}"),
            }
        }
        let missed = self.to_tell.range(..=durable).find(|(_, missed)| missed.certain);
        ensure!(missed.is_none(), "{:?} is durable and was not told", missed.map(|(seqno, _)| seqno));
        self.position = Some(tail.position());
        self.tail = Some(tail);
        Ok(())
    }

    /// The log does not reach back so far, or nobody followed it before.
    fn follow_from_here(&mut self) -> Done {
        let position = self.db()?.position();
        self.position = Some(position);
        if let Some(next) = position.seqno.next() {
            self.to_tell = self.to_tell.split_off(&next);
        }
        Ok(())
    }
}

/// A range without keys is not written.
fn is_nothing(key: &[u8], effect: &Effect) -> bool {
    matches!(effect, Effect::DeleteRange(end) if end.bytes() == key)
}

fn is_told(write: &Write<'_>, of: u32, at: &[u8], effect: &Effect) -> bool {
    match (write, effect) {
        (Write::Put { family, key, value }, Effect::Put(put)) => {
            (*family, *key) == (of, at) && *value == put.bytes()
        }
        (Write::Merge { family, key, operand }, Effect::Merge(merged)) => {
            (*family, *key) == (of, at) && *operand == merged.bytes()
        }
        (Write::Delete { family, key }, Effect::Delete) => (*family, *key) == (of, at),
        (Write::DeleteRange { family, start, end }, Effect::DeleteRange(to)) => {
            (*family, *start) == (of, at) && *end == to.bytes()
        }
        _ => false,
    }
}
