//! A database in memory that runs statements, shows rows and audits itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use ordinum::clock::ManualClock;
use ordinum::entropy::OsEntropy;
use ordinum::fs::MemoryFs;
use ordinum::{Background, Db, Durability, KeyRange, Options, Reader};
use ormdb_proto::ir::Params;
use ormdb_proto::schema::{IndexState, Schema};
use ormdb_proto::{Error, ErrorCode, Result};

use super::super::writer::Written;
use super::super::{Deferred, Writer};
use crate::catalog::{Catalog, EntityInfo, resolve};
use crate::context::WriteCtx;
use crate::engine::EngineResult;
use crate::expr::EvalEnv;
use crate::limits::Limits;
use crate::options::{Intersections, SemiJoins};
use crate::plan::PlanCache;
use crate::session::SessionContext;
use crate::statistics::Statistics;
use crate::store::generate::Generators;
use crate::store::sequence::Sequences;
use crate::store::{Families, coerce, layout};
use crate::text::{parse_schema, parse_statement};

/// 2024-01-01T00:00:00Z in microseconds.
pub(super) const NOW: i64 = 1_704_067_200_000_000;

pub(super) struct Bench {
    pub(super) db: Db,
    pub(super) families: Families,
    pub(super) catalog: Arc<Catalog>,
    session: SessionContext,
    sequences: Sequences,
    generators: Generators,
}

impl Bench {
    pub(super) fn new(schema: &str) -> Bench {
        Bench::in_state(schema, IndexState::Public)
    }

    /// A database all of whose indexes are in this state.
    pub(super) fn in_state(schema: &str, state: IndexState) -> Bench {
        let fs = Arc::new(MemoryFs::default());
        let options = Options { fs, background: Background::Manual, ..Options::default() };
        let db = Db::open("/bench", options).unwrap();
        let families = Families::open(&db, &ordinum::Options::default()).unwrap();
        let ast = parse_schema(schema).unwrap_or_else(|errors| panic!("{}", rendered(&errors, schema)));
        let mut resolved =
            resolve(&ast, &Schema::empty()).unwrap_or_else(|errors| panic!("{}", rendered(&errors, schema)));
        for index in resolved.entities.iter_mut().flat_map(|entity| &mut entity.indexes) {
            index.state = state;
        }
        let catalog = Arc::new(Catalog::build(resolved, schema).unwrap());
        let sequences = Sequences::new(db.clone(), families.system.clone());
        let statistics = Arc::new(Statistics::open(&db, &families, &catalog).unwrap());
        let clock = Arc::new(ManualClock::default());
        let session = SessionContext::new(
            Limits::default(),
            clock,
            statistics,
            SemiJoins::ByCost,
            Intersections::ByCost,
        );
        Bench { db, families, catalog, session, sequences, generators: Generators::new(Arc::new(OsEntropy)) }
    }

    /// Runs statements, each in a transaction of its own; gives what the last one wrote.
    pub(super) fn run(&self, text: &str) -> Result<Written> {
        self.run_with(text, &Params::none())
    }

    pub(super) fn run_with(&self, text: &str, params: &Params) -> Result<Written> {
        let statement = parse_statement(text).map_err(|e| {
            panic!("{}", e.render(Some(text)));
        });
        let statement = statement?.statement;
        let mut txn = self.db.transaction();
        let written = Writer::new(WriteCtx {
            catalog: &self.catalog,
            txn: &mut txn,
            families: &self.families,
            session: &self.session,
            params,
            now: NOW,
            history: 1,
            sequences: &self.sequences,
            generators: &self.generators,
            deferred: &mut Deferred::nothing(),
            plans: &PlanCache::default(),
        })
        .run(&statement)?;
        txn.commit(Durability::Buffered).engine()?;
        Ok(written)
    }

    /// Runs a statement that must succeed.
    pub(super) fn ok(&self, text: &str) -> Written {
        self.run(text).unwrap_or_else(|e| panic!("{}", e.render(Some(text))))
    }

    /// Runs a statement that must fail, and leave no trace.
    pub(super) fn fails(&self, text: &str) -> Error {
        let before = (self.entries(&[], true), self.entries(&[], false));
        let error = self.run(text).expect_err(text);
        assert_eq!((self.entries(&[], true), self.entries(&[], false)), before, "{text} failed and wrote");
        error
    }

    /// Runs a statement that must fail, and gives its code and message.
    pub(super) fn refusal(&self, text: &str) -> (ErrorCode, String) {
        let error = self.fails(text);
        (error.code, error.message)
    }

    /// Runs a statement, again and again while it meets another writer's.
    pub(super) fn retried(&self, text: &str) -> Result<Written> {
        loop {
            match self.run(text) {
                Err(error) if error.code == ErrorCode::SerializationConflict => std::thread::yield_now(),
                done => return done,
            }
        }
    }

    /// The rows of an entity in key order, each as its values with blanks between.
    pub(super) fn rows(&self, entity: &str) -> Vec<String> {
        let info = self.catalog.entity(entity).unwrap();
        let shown = |bytes: &[u8]| {
            let view = info.store().rows.view(bytes).unwrap();
            let fields = info.fields.iter().filter(|f| f.is_stored() && !f.hidden);
            let text = |f: &ormdb_proto::schema::Field| {
                coerce::owned(self.catalog.schema(), f.ty, &view.field(f.id).unwrap()).to_text()
            };
            fields.map(text).collect::<Vec<_>>().join(" ")
        };
        self.entries(&layout::rows_prefix(info.id), true).iter().map(|(_, bytes)| shown(bytes)).collect()
    }

    fn entries(&self, prefix: &[u8], of_rows: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
        let family = if of_rows { &self.families.rows } else { &self.families.indexes };
        let mut cursor = self.db.cursor(family, KeyRange::prefix(prefix)).unwrap();
        let mut entries = Vec::new();
        let mut there = cursor.first().unwrap();
        while there {
            entries.push((cursor.key().to_vec(), cursor.value().unwrap().to_vec()));
            there = cursor.next().unwrap();
        }
        entries
    }

    /// Every row has exactly its index entries and no others are there; every foreign key leads to a row; every
    /// required field has a value; every check passes.
    pub(super) fn audit(&self) {
        for info in self.catalog.entities() {
            self.audit_entity(info);
        }
    }

    fn audit_entity(&self, info: &EntityInfo) {
        let store = info.store();
        let rules = info.rules(self.catalog.schema()).unwrap();
        let rows = self.entries(&layout::rows_prefix(info.id), true);
        let env = EvalEnv::at(NOW);
        for (at, (index, format)) in info.indexes.iter().zip(&store.indexes).enumerate() {
            let mut expected = BTreeMap::new();
            for (key, bytes) in &rows {
                let view = store.rows.view(bytes).unwrap();
                if let Some(condition) = &rules.conditions[at]
                    && condition.test(&view, &env).unwrap() != Some(true)
                {
                    continue;
                }
                let entry = format.entry(&view, layout::primary_key_of(key).unwrap()).unwrap();
                let doubled = expected.insert(entry.key, entry.value);
                assert_eq!(doubled, None, "two rows share an entry of {}", index.name);
            }
            let found: BTreeMap<_, _> =
                self.entries(&layout::index_prefix(index.id), false).into_iter().collect();
            assert_eq!(found, expected, "the entries of {} are not those of its rows", index.name);
        }
        for (key, bytes) in &rows {
            let view = store.rows.view(bytes).unwrap();
            assert_eq!(
                store.primary_key.encode_row(&view).unwrap(),
                key[4..],
                "a row lies under another key"
            );
            for field in info.fields.iter().filter(|f| f.is_stored() && !f.optional) {
                assert!(!view.field(field.id).unwrap().is_null(), "{}.{} is null", info.name, field.name);
            }
            for (check, expr) in info.checks.iter().zip(&rules.checks) {
                assert_ne!(expr.test(&view, &env).unwrap(), Some(false), "{} fails", check.name);
            }
            for foreign_key in &info.foreign_keys {
                let values: Vec<_> = foreign_key.fields.iter().map(|f| view.field(*f).unwrap()).collect();
                if values.iter().any(|v| v.is_null()) {
                    continue;
                }
                let target = self.catalog.entity_by_id(foreign_key.target).unwrap();
                let there = self.entries(&layout::rows_prefix(target.id), true).iter().any(|(_, bytes)| {
                    let row = target.store().rows.view(bytes).unwrap();
                    foreign_key.references.iter().zip(&values).all(|(field, value)| {
                        let found = row.field(*field).unwrap();
                        ormdb_proto::value::compare(&found, value) == Some(std::cmp::Ordering::Equal)
                    })
                });
                assert!(there, "{} of {} leads nowhere: {values:?}", foreign_key.name, info.name);
            }
        }
    }
}

fn rendered(errors: &[Error], source: &str) -> String {
    errors.iter().map(|e| e.render(Some(source))).collect::<Vec<_>>().join("\n")
}
