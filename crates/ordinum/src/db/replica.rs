//! What a replica does: what another database did, with the same sequence numbers.

use super::commit::Numbering;
use super::core::Core;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::event::{Change, Event, TailedBatch};
use crate::family::{ColumnFamily, FamilyId};
use crate::options::Durability;

impl Core {
    pub(super) fn apply_event(&self, event: &Event<'_>, durability: Durability) -> Result<()> {
        let at = Numbering::At(event.seqno);
        match &event.change {
            Change::Batch(batch) => self.write(&self.batch_here(batch)?, durability, at).map(drop),
            Change::Ingested(_) => Err(Error::InvalidArgument {
                message: "what was ingested is not in the log: it is exported there, and ingested here"
                    .to_owned(),
            }),
            Change::FamilyCreated { id, name } => {
                let options = self.options.family(name).clone();
                self.create_family(name, options, at, Some(FamilyId(*id))).map(drop)
            }
            Change::FamilyDropped { id } => self.drop_family(&self.family_here(FamilyId(*id))?, at),
        }
    }

    /// The batch, for the families of this database.
    fn batch_here(&self, tailed: &TailedBatch<'_>) -> Result<Batch> {
        let mut batch = Batch::new();
        batch.set_header(tailed.header().to_vec())?;
        // Operations of one family mostly stand together.
        let mut family: Option<ColumnFamily> = None;
        for operation in tailed.operations() {
            let here = match family.take().filter(|family| family.family.id == operation.family) {
                Some(family) => family,
                None => self.family_here(operation.family)?,
            };
            batch.push(&here, operation.kind, operation.key, operation.value)?;
            family = Some(here);
        }
        Ok(batch)
    }

    pub(super) fn family_here(&self, id: FamilyId) -> Result<ColumnFamily> {
        let family = self.families.read().get(&id).cloned();
        family.ok_or_else(|| Error::InvalidArgument {
            message: format!("there is no column family with the number {}", id.0),
        })
    }
}
