//! Rows that a write looks for: by key, by the values of fields, by a filter. Every read goes through the transaction,
//! which remembers it until its commit is validated.

use ordinum::{KeyRange, Reader};
use ormdb_proto::ir::{BinaryOp, DeletedRows, Expr, KeyPart, OrderBy, SortDirection, Target};
use ormdb_proto::schema::{FieldId, FieldType, ScalarType};
use ormdb_proto::value::{ValueRef, compare};
use ormdb_proto::{Error, ErrorCode, Result, Value};

use super::create::placed;
use super::refusal;
use super::writer::{Row, Writer};
use crate::catalog::{EntityInfo, KeyAccess};
use crate::engine::EngineResult;
use crate::exec;
use crate::expr::{Datum, EvalEnv, NoRow, RowExpr};
use crate::store::{coerce, layout};

/// A unique key that a statement names, with its values.
pub(super) struct NamedKey {
    pub(super) fields: Vec<FieldId>,
    pub(super) values: Vec<Datum<'static>>,
    access: KeyAccess,
}

/// The rows that a statement is for.
#[derive(Default)]
pub(super) struct Targets {
    /// Their encoded primary keys, in their order.
    pub(super) keys: Vec<Vec<u8>>,
    /// The one row, if the statement names it by a key: it was read.
    pub(super) named: Option<Row>,
}

impl<'a> Writer<'a> {
    /// The row of an encoded primary key.
    pub(super) fn read(&self, info: &EntityInfo, key: &[u8]) -> Result<Option<Row>> {
        let row_key = info.store().primary_key.row_key(key);
        let found = self.ctx.txn.get(&self.ctx.families.rows, &row_key).engine()?;
        Ok(found.map(|bytes| Row { key: key.to_vec(), bytes }))
    }

    /// The row of an encoded primary key, unless it is deleted and those are hidden.
    pub(super) fn read_as(&self, info: &EntityInfo, key: &[u8], deleted: DeletedRows) -> Result<Option<Row>> {
        let row = self.read(info, key)?;
        match row {
            Some(row) if deleted == DeletedRows::Hidden && !self.is_live(info, &row)? => Ok(None),
            row => Ok(row),
        }
    }

    /// Whether a row is not deleted.
    pub(super) fn is_live(&self, info: &EntityInfo, row: &Row) -> Result<bool> {
        if info.soft_delete.is_none() {
            return Ok(true);
        }
        info.is_live(&row.view(info)?)
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
        deleted: DeletedRows,
    ) -> Result<Vec<Vec<u8>>> {
        // An entity that keeps no deleted rows has none to hide.
        let hides = deleted == DeletedRows::Hidden && info.soft_delete.is_some();
        let (access, order) = info.access_by(fields);
        let ordered: Vec<ValueRef<'_>> = order.iter().filter_map(|at| values.get(*at).cloned()).collect();
        let store = info.store();
        match access {
            KeyAccess::PrimaryKey if ordered.len() == info.primary_key.len() => {
                let key = store.primary_key.encode(&ordered)?;
                Ok(self.read_as(info, &key, deleted)?.map(|row| row.key).into_iter().collect())
            }
            KeyAccess::PrimaryKey => {
                let prefix = store.primary_key.row_key(&store.primary_key.encode(&ordered)?);
                self.scan_rows(&prefix, limit, |bytes| Ok(!hides || info.is_live(&store.rows.view(bytes)?)?))
            }
            KeyAccess::Index(id) => {
                let index = store.index(id)?;
                let prefix = index.prefix(&ordered);
                let is_whole = index.is_unique() && index.columns().len() == ordered.len();
                // Of a whole unique key, the live row alone has the entry without the primary key behind.
                if is_whole && (hides || info.soft_delete.is_none()) {
                    let found = self.ctx.txn.get(&self.ctx.families.indexes, &prefix).engine()?;
                    let Some(value) = found else { return Ok(Vec::new()) };
                    return Ok(vec![index.primary_key(&prefix, &value)?.to_vec()]);
                }
                let mut keys = Vec::new();
                let mut cursor =
                    self.ctx.txn.cursor(&self.ctx.families.indexes, KeyRange::prefix(&prefix)).engine()?;
                let mut there = cursor.first().engine()?;
                while there && keys.len() < limit {
                    let key = index.primary_key(cursor.key(), cursor.value().engine()?)?.to_vec();
                    if !hides || self.is_live(info, &self.read_known(info, &key)?)? {
                        keys.push(key);
                    }
                    there = keys.len() < limit && cursor.next().engine()?;
                }
                Ok(keys)
            }
            KeyAccess::Scan => self.scan_rows(&layout::rows_prefix(info.id), limit, |bytes| {
                let row = store.rows.view(bytes)?;
                if hides && !info.is_live(&row)? {
                    return Ok(false);
                }
                for (field, value) in fields.iter().zip(values) {
                    if !compare(&row.field(*field)?, value).is_some_and(std::cmp::Ordering::is_eq) {
                        return Ok(false);
                    }
                }
                Ok(true)
            }),
        }
    }

    /// Refuses if another transaction committed or removed a row of these values since the snapshot. Rows may be told of that
    /// have other values.
    pub(super) fn check_newest(
        &self,
        info: &EntityInfo,
        fields: &[FieldId],
        values: &[ValueRef<'_>],
    ) -> Result<()> {
        let (access, order) = info.access_by(fields);
        let ordered: Vec<ValueRef<'_>> = order.iter().filter_map(|at| values.get(*at).cloned()).collect();
        let (families, store) = (self.ctx.families, info.store());
        let (family, prefix) = match access {
            KeyAccess::PrimaryKey => {
                (&families.rows, store.primary_key.row_key(&store.primary_key.encode(&ordered)?))
            }
            KeyAccess::Index(id) => (&families.indexes, store.index(id)?.prefix(&ordered)),
            KeyAccess::Scan => (&families.rows, layout::rows_prefix(info.id).to_vec()),
        };
        self.ctx.txn.check_range_unchanged(family, &KeyRange::prefix(&prefix)).engine()
    }

    fn scan_rows(
        &self,
        prefix: &[u8],
        limit: usize,
        accept: impl Fn(&[u8]) -> Result<bool>,
    ) -> Result<Vec<Vec<u8>>> {
        let mut keys = Vec::new();
        let mut cursor = self.ctx.txn.cursor(&self.ctx.families.rows, KeyRange::prefix(prefix)).engine()?;
        let mut there = cursor.first().engine()?;
        while there {
            if accept(cursor.value().engine()?)? {
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
                let value = self.evaluate(info, info.field_of(*field)?, &part.value, None);
                value.map_err(|error| placed(error, part.value.span()))
            })
            .collect::<Result<_>>()?;
        Ok(NamedKey { fields: unique.fields, values, access: unique.access })
    }

    /// The row of a unique key that is not deleted. A null equals nothing.
    pub(super) fn find(&self, info: &EntityInfo, key: &NamedKey) -> Result<Option<Row>> {
        if key.values.iter().any(Datum::is_null) {
            return Ok(None);
        }
        let values: Vec<ValueRef<'_>> = key.values.iter().map(Datum::view).collect();
        let store = info.store();
        match key.access {
            KeyAccess::PrimaryKey => {
                self.read_as(info, &store.primary_key.encode(&values)?, DeletedRows::Hidden)
            }
            KeyAccess::Index(id) => {
                let index = store.index(id)?;
                let entry = index.prefix(&values);
                match self.ctx.txn.get(&self.ctx.families.indexes, &entry).engine()? {
                    Some(value) => self.read_known(info, index.primary_key(&entry, &value)?).map(Some),
                    None => Ok(None),
                }
            }
            KeyAccess::Scan => Err(Error::new(ErrorCode::Internal, "a unique key is served by a scan")),
        }
    }

    /// The row of a unique key, deleted or not: the live one, where there is one.
    fn find_kept(&self, info: &EntityInfo, key: &NamedKey) -> Result<Option<Row>> {
        if let Some(row) = self.find(info, key)? {
            return Ok(Some(row));
        }
        if key.values.iter().any(Datum::is_null) {
            return Ok(None);
        }
        let values: Vec<ValueRef<'_>> = key.values.iter().map(Datum::view).collect();
        let found = self.keys_by(info, &key.fields, &values, 2, DeletedRows::Shown)?;
        match found.as_slice() {
            [] => Ok(None),
            [only] => self.read(info, only),
            _ => {
                let shown = self.shown(info, key);
                let message = format!("several deleted rows of `{}` have {shown}", info.name);
                Err(Error::new(ErrorCode::InvalidQuery, message)
                    .entity(&info.name)
                    .key(shown)
                    .hint("name one of them by its primary key"))
            }
        }
    }

    /// The row of a unique key that must be there, and may be deleted if those are shown.
    fn require_as(&self, info: &EntityInfo, parts: &[KeyPart], deleted: DeletedRows) -> Result<Row> {
        match deleted {
            DeletedRows::Hidden => self.require(info, parts),
            DeletedRows::Shown => {
                let key = self.named_key(info, parts)?;
                let found = self.find_kept(info, &key)?;
                found.ok_or_else(|| refusal::not_found(info, self.shown(info, &key)))
            }
        }
    }

    /// The row of a unique key that must be there, and not be deleted.
    pub(super) fn require(&self, info: &EntityInfo, parts: &[KeyPart]) -> Result<Row> {
        let key = self.named_key(info, parts)?;
        if let Some(row) = self.find(info, &key)? {
            return Ok(row);
        }
        let error = refusal::not_found(info, self.shown(info, &key));
        let is_kept = info.soft_delete.is_some() && self.find_kept(info, &key).is_ok_and(|row| row.is_some());
        Err(if is_kept { error.hint("there is one that is deleted: `with deleted` shows it") } else { error })
    }

    /// The rows that a statement is for.
    pub(super) fn targets(
        &self,
        info: &EntityInfo,
        target: &Target,
        deleted: DeletedRows,
    ) -> Result<Targets> {
        match target {
            Target::Key(parts) => {
                let row = self.require_as(info, parts, deleted)?;
                Ok(Targets { keys: vec![row.key.clone()], named: Some(row) })
            }
            Target::Filter { filter, limit } => {
                let limit = match limit {
                    Some(limit) => self.count(info, limit)?,
                    None => usize::MAX,
                };
                if limit == 0 {
                    return Ok(Targets::default());
                }
                let order = by_primary_key(info)?;
                let limit = (limit < usize::MAX).then_some(limit);
                let (ctx, filter) = (self.ctx.read(), filter.as_ref());
                let found = exec::find_rows(&ctx, &info.name, filter, &order, limit, deleted)?;
                let keys = found.iter().map(|row| row.primary_key().to_vec()).collect();
                Ok(Targets { keys, named: None })
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
        let Some(filter) = filter else { return Ok(rows) };
        match RowExpr::condition(self.schema(), info.entity(), filter, self.ctx.params) {
            Ok(condition) => {
                let mut kept = Vec::new();
                for row in rows {
                    if condition.test(&row.view(info)?, &EvalEnv::at(self.ctx.now))? == Some(true) {
                        kept.push(row);
                    }
                }
                Ok(kept)
            }
            // The filter looks over relations, which is the executor's to do.
            Err(error) if error.code == ErrorCode::UnsupportedFeature => {
                let mut all = vec![self.one_of(info, &rows)?];
                all.push(filter.clone());
                let order = by_primary_key(info)?;
                let (ctx, filter) = (self.ctx.read(), Expr::And(all));
                let shown = DeletedRows::Shown;
                let found = exec::find_rows(&ctx, &info.name, Some(&filter), &order, None, shown)?;
                Ok(found
                    .into_iter()
                    .map(|row| Row { key: row.primary_key().to_vec(), bytes: row.bytes })
                    .collect())
            }
            Err(error) => Err(error),
        }
    }

    /// The condition that a row is one of these.
    fn one_of(&self, info: &EntityInfo, rows: &[Row]) -> Result<Expr> {
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            let view = row.view(info)?;
            let mut parts = Vec::new();
            for field in &info.primary_key {
                let field = info.field_of(*field)?;
                let value = coerce::owned(self.schema(), field.ty, &view.field(field.id)?);
                let name = Expr::path([field.name.as_str()]);
                parts.push(Expr::binary(BinaryOp::Equal, name, Expr::literal(value)));
            }
            keys.push(Expr::And(parts));
        }
        Ok(Expr::Or(keys))
    }

    fn count(&self, info: &EntityInfo, limit: &Expr) -> Result<usize> {
        let ty = FieldType::Scalar(ScalarType::Int64);
        let compiled = RowExpr::compile(self.schema(), info.entity(), limit, Some(ty), self.ctx.params)?;
        match compiled.eval_value(&NoRow, &EvalEnv::at(self.ctx.now))? {
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

/// The order of the primary key.
fn by_primary_key(info: &EntityInfo) -> Result<Vec<OrderBy>> {
    let ascending =
        |name: &str| OrderBy { expr: Expr::path([name]), direction: SortDirection::Ascending, nulls: None };
    info.primary_key.iter().map(|id| info.field_of(*id).map(|field| ascending(&field.name))).collect()
}
