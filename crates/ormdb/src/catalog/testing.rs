//! A database in memory for tests: schemas are applied, rows are put with their index entries, or raw.

use std::sync::Arc;

use ordinum::{Db, Durability, Options};
use ormdb_proto::value::ValueRef;
use parking_lot::RwLock;

use super::{Applied, Catalog, apply, store};
use crate::expr::EvalEnv;
use crate::store::Families;
use crate::store::sequence::Sequences;

pub(crate) struct TestDb {
    pub(crate) engine: Db,
    pub(crate) families: Families,
}

impl TestDb {
    pub(crate) fn new() -> TestDb {
        let options = Options { fs: Arc::new(ordinum::fs::MemoryFs::new()), ..Options::default() };
        let engine = Db::open("/db", options).unwrap();
        let families = Families::open(&engine, &ordinum::Options::default()).unwrap();
        TestDb { engine, families }
    }

    pub(crate) fn apply(&self, text: &str) -> Result<Applied, Vec<ormdb_proto::Error>> {
        let published = RwLock::new(Arc::new(self.catalog()));
        let sequences = Sequences::new(self.engine.clone(), self.families.system.clone());
        apply::apply(&self.engine, &self.families, &sequences, &published, text, 0)
    }

    pub(crate) fn catalog(&self) -> Catalog {
        store::load(&self.engine.snapshot(), &self.families).unwrap()
    }

    /// Puts a row of the values of its stored fields, in the order of their ids, and its index entries.
    pub(crate) fn put(&self, entity: &str, values: &[ValueRef<'_>]) {
        let catalog = self.catalog();
        let info = catalog.entity(entity).unwrap();
        let format = info.store();
        let row = format.rows.encode(values).unwrap();
        let view = format.rows.view(&row).unwrap();
        let key = format.primary_key.encode_row(&view).unwrap();
        let mut txn = self.engine.transaction();
        let conditions = &info.rules(catalog.schema()).unwrap().conditions;
        for (index, condition) in format.indexes.iter().zip(conditions) {
            if condition.as_ref().is_some_and(|c| c.test(&view, &EvalEnv::at(0)).unwrap() != Some(true)) {
                continue;
            }
            let entry = index.entry(&view, &key).unwrap();
            txn.put(&self.families.indexes, &entry.key, &entry.value).unwrap();
        }
        txn.put(&self.families.rows, &format.primary_key.row_key(&key), &row).unwrap();
        txn.commit(Durability::Synced).unwrap();
    }
}
