//! Changing the schema of a database, and looking at what it was.

use ormdb_proto::{Error, Result};

use super::Database;
use crate::catalog::{self, Applied, Change, StoredVersion};

impl Database {
    /// Changes the schema to what `text` says, at once for all sessions. Durable when this returns. Commits wait
    /// meanwhile; reads go on.
    ///
    /// # Errors
    /// Every error of the text, with its place; [`ErrorCode::MigrationRefused`] for each change that is not safe while
    /// the database is in use. Nothing was changed then.
    pub fn apply_schema(&self, text: &str) -> std::result::Result<Applied, Vec<Error>> {
        let _alone = self.inner.commits.write();
        let super::Inner { engine, families, sequences, catalog, .. } = &*self.inner;
        let applied = catalog::apply::apply(engine, families, sequences, catalog, text, self.now());
        self.inner.hub.tell();
        applied
    }

    /// What applying `text` would change.
    ///
    /// # Errors
    /// As of [`Database::apply_schema`].
    pub fn preview_schema(&self, text: &str) -> std::result::Result<Vec<Change>, Vec<Error>> {
        catalog::apply::preview(&self.inner.engine, &self.inner.families, text)
    }

    /// Every version of the schema that was applied, oldest first.
    ///
    /// # Errors
    /// [`ErrorCode::Corrupt`] if one cannot be read.
    pub fn schema_history(&self) -> Result<Vec<StoredVersion>> {
        catalog::store::history(&self.inner.engine.snapshot(), &self.inner.families)
    }
}
