//! Deleting rows.

use ormdb_proto::Result;
use ormdb_proto::ir::Delete;

use super::create::placed;
use super::writer::Writer;

impl Writer<'_> {
    /// Deletes the rows of the statement, then lets those that refer to them answer: as in SQL, rows of one statement
    /// that refer to each other do not stand in each other's way.
    pub(super) fn delete(&mut self, delete: &Delete) -> Result<()> {
        let info = self.entity(&delete.entity, delete.span)?;
        for key in self.targets(info, &delete.target).map_err(|e| placed(e, delete.span))? {
            let Some(row) = self.read(info, &key)? else { continue };
            self.remove(info, row)?;
            self.written.keys.push(key);
        }
        self.settle()
    }
}
