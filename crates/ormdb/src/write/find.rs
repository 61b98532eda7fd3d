//! Rows that a write looks for: by key, by the values of fields, by a filter. Every read goes through the transaction,
//! which remembers it until its commit is validated.

use ordinum::{KeyRange, Reader};
use ormdb_proto::ir::{Expr, KeyPart, Target};
use ormdb_proto::schema::{FieldId, FieldType, ScalarType};
use ormdb_proto::value::{ValueRef, compare};
use ormdb_proto::{Error, ErrorCode, Result, Value};

use super::refusal;
use super::writer::{Row, Writer};
use crate::catalog::{EntityInfo, KeyAccess};
use crate::engine::EngineResult;
use crate::expr::{Datum, EvalEnv, NoRow, RowExpr};
use crate::store::layout;

/// A unique key that a statement names, with its values.
pub(super) struct NamedKey {
    pub(super) fields: Vec<FieldId>,
    pub(super) values: Vec<Datum<'static>>,
    access: KeyAccess,
}

impl<'a> Writer<'a> {
    /// The row of an encoded primary key.
    pub(super) fn read(&self, info: &EntityInfo, key: &[u8]) -> Result<Option<Row>> {
        let row_key = info.store().primary_key.row_key(key);
        let found = self.txn.get(&self.families.rows, &row_key).engine()?;
        Ok(found.map(|bytes| Row { key: key.to_vec(), bytes }))
    }

    /// The row of an encoded primary key that an index entry has.
    pub(super) fn read_known(&self, info: &EntityInfo, key: &[u8]) -> Result<Row> {
        self.read(info, key)?.ok_or_else(|| {
            Error::new(ErrorCode::Corrupt, format!("an index of `{}` has an entry of no row", info.name))
                .entity(&info.name)
                .hint("`ormdb check` lists every damage")
        })
    }

    /// The encoded primary keys of rows whose fields have these values, none of them null; at most `limit`.
    pub(super) fn keys_by(
        &self,
        info: &EntityInfo,
        fields: &[FieldId],
        values: &[ValueRef<'_>],
        limit: usize,
    ) -> Result<Vec<Vec<u8>>> {
        let (access, order) = info.access_by(fields);
        let ordered: Vec<ValueRef<'_>> = order.iter().filter_map(|at| values.get(*at).cloned()).collect();
        let store = info.store();
        match access {
            KeyAccess::PrimaryKey if ordered.len() == info.primary_key.len() => {
                let key = store.primary_key.encode(&ordered)?;
                Ok(self.read(info, &key)?.map(|row| row.key).into_iter().collect())
            }
            KeyAccess::PrimaryKey => {
                let prefix = store.primary_key.row_key(&store.primary_key.encode(&ordered)?);
                self.scan_rows(&prefix, limit, |_| Ok(true))
            }
            KeyAccess::Index(id) => {
                let index = store.index(id)?;
                let prefix = index.prefix(&ordered);
                if index.is_unique() && index.columns().len() == ordered.len() {
                    let found = self.txn.get(&self.families.indexes, &prefix).engine()?;
                    let Some(value) = found else { return Ok(Vec::new()) };
                    return Ok(vec![index.primary_key(&prefix, &value)?.to_vec()]);
                }
                let mut keys = Vec::new();
                let mut cursor =
                    self.txn.cursor(&self.families.indexes, KeyRange::prefix(&prefix)).engine()?;
                let mut there = cursor.first().engine()?;
                while there && keys.len() < limit {
                    keys.push(index.primary_key(cursor.key(), cursor.value())?.to_vec());
                    there = keys.len() < limit && cursor.next().engine()?;
                }
                Ok(keys)
            }
            KeyAccess::Scan => self.scan_rows(&layout::rows_prefix(info.id), limit, |bytes| {
                let row = store.rows.view(bytes)?;
                for (field, value) in fields.iter().zip(values) {
                    if !compare(&row.field(*field)?, value).is_some_and(std::cmp::Ordering::is_eq) {
                        return Ok(false);
                    }
                }
                Ok(true)
            }),
        }
    }

    fn scan_rows(
        &self,
        prefix: &[u8],
        limit: usize,
        accept: impl Fn(&[u8]) -> Result<bool>,
    ) -> Result<Vec<Vec<u8>>> {
        let mut keys = Vec::new();
        let mut cursor = self.txn.cursor(&self.families.rows, KeyRange::prefix(prefix)).engine()?;
        let mut there = cursor.first().engine()?;
        while there {
            if accept(cursor.value())? {
                keys.push(layout::primary_key_of(cursor.key())?.to_vec());
            }
            there = keys.len() < limit && cursor.next().engine()?;
        }
        Ok(keys)
    }

    /// The values of a unique key that a statement names.
    pub(super) fn named_key(&self, info: &EntityInfo, parts: &[KeyPart]) -> Result<NamedKey> {
        let unique = info.unique_key(parts)?;
        let values = unique
            .fields
            .iter()
            .zip(&unique.parts)
            .map(|(field, part)| {
                let part = parts.get(*part).ok_or_else(|| {
                    Error::new(ErrorCode::Internal, "a unique key has fewer parts than fields")
                })?;
                self.evaluate(info, info.field_of(*field)?, &part.value, None)
            })
            .collect::<Result<_>>()?;
        Ok(NamedKey { fields: unique.fields, values, access: unique.access })
    }

    /// The row of a unique key. A null equals nothing.
    pub(super) fn find(&self, info: &EntityInfo, key: &NamedKey) -> Result<Option<Row>> {
        if key.values.iter().any(Datum::is_null) {
            return Ok(None);
        }
        let values: Vec<ValueRef<'_>> = key.values.iter().map(Datum::view).collect();
        let store = info.store();
        match key.access {
            KeyAccess::PrimaryKey => self.read(info, &store.primary_key.encode(&values)?),
            KeyAccess::Index(id) => {
                let index = store.index(id)?;
                let entry = index.prefix(&values);
                match self.txn.get(&self.families.indexes, &entry).engine()? {
                    Some(value) => self.read_known(info, index.primary_key(&entry, &value)?).map(Some),
                    None => Ok(None),
                }
            }
            KeyAccess::Scan => Err(Error::new(ErrorCode::Internal, "a unique key is served by a scan")),
        }
    }

    /// The row of a unique key that must be there.
    pub(super) fn require(&self, info: &EntityInfo, parts: &[KeyPart]) -> Result<Row> {
        let key = self.named_key(info, parts)?;
        self.find(info, &key)?.ok_or_else(|| refusal::not_found(info, self.shown(info, &key)))
    }

    /// The encoded primary keys of the rows that a statement is for, in primary-key order.
    pub(super) fn targets(&self, info: &EntityInfo, target: &Target) -> Result<Vec<Vec<u8>>> {
        match target {
            Target::Key(parts) => Ok(vec![self.require(info, parts)?.key]),
            Target::Filter { filter, limit } => {
                let limit = match limit {
                    Some(limit) => self.count(info, limit)?,
                    None => usize::MAX,
                };
                if limit == 0 {
                    return Ok(Vec::new());
                }
                let condition = self.condition(info, filter.as_ref())?;
                let rows = &info.store().rows;
                self.scan_rows(&layout::rows_prefix(info.id), limit, |bytes| match &condition {
                    Some(condition) => {
                        Ok(condition.test(&rows.view(bytes)?, &EvalEnv::at(self.now))? == Some(true))
                    }
                    None => Ok(true),
                })
            }
        }
    }

    /// Those of the rows for which the filter is true.
    pub(super) fn filtered(
        &self,
        info: &EntityInfo,
        rows: Vec<Row>,
        filter: Option<&Expr>,
    ) -> Result<Vec<Row>> {
        let Some(condition) = self.condition(info, filter)? else { return Ok(rows) };
        let mut kept = Vec::new();
        for row in rows {
            if condition.test(&row.view(info)?, &EvalEnv::at(self.now))? == Some(true) {
                kept.push(row);
            }
        }
        Ok(kept)
    }

    fn condition(&self, info: &EntityInfo, filter: Option<&Expr>) -> Result<Option<RowExpr>> {
        let compile = |filter| RowExpr::condition(self.schema(), info.entity(), filter, self.params);
        filter.map(compile).transpose()
    }

    fn count(&self, info: &EntityInfo, limit: &Expr) -> Result<usize> {
        let ty = FieldType::Scalar(ScalarType::Int64);
        let compiled = RowExpr::compile(self.schema(), info.entity(), limit, Some(ty), self.params)?;
        match compiled.eval_value(&NoRow, &EvalEnv::at(self.now))? {
            Value::Int64(n) => {
                usize::try_from(n).map_err(|_| Error::new(ErrorCode::InvalidQuery, "a limit is not negative"))
            }
            _ => Ok(usize::MAX),
        }
    }

    /// A key in words.
    pub(super) fn shown(&self, info: &EntityInfo, key: &NamedKey) -> String {
        let values: Vec<ValueRef<'_>> = key.values.iter().map(Datum::view).collect();
        refusal::describe(self.schema(), info, &key.fields, &values)
    }
}
