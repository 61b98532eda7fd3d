//! `ormdb export`: rows as CSV and JSON Lines, page by page in the order of their keys, in bounded memory, as they
//! were at one moment.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

use ormdb_proto::Value;
use ormdb_proto::ir::{BinaryOp, DeletedRows, Expr, Fetch, SelectItem, Selection};
use ormdb_proto::result::GraphResult;
use ormdb_proto::schema::Entity;

use crate::args::{Export, FileFormat};
use crate::csv_text;
use crate::exit::{Failure, Result, count};
use crate::model::Model;
use crate::output;
use crate::render;
use crate::target::{Missing, Snapshot, Target};
use crate::text_file;

/// The rows of one fetch.
const PAGE_ROWS: usize = 1000;

/// Runs `ormdb export`.
pub(crate) fn run(args: &Export) -> Result<()> {
    let mut target = Target::open(&args.target, Missing::Fails)?;
    let model = Model::of(&mut target)?;
    let names: Vec<String> = if args.entities.is_empty() {
        model.entities().iter().map(|entity| entity.name.clone()).collect()
    } else {
        args.entities.clone()
    };
    let entities = names.iter().map(|name| model.entity(name)).collect::<Result<Vec<_>>>()?;
    let mut snapshot = target.snapshot()?;
    let Some(dir) = &args.to else {
        let [entity] = entities.as_slice() else {
            let message = "several entities need a directory: name it with --to, or name one entity";
            return Err(Failure::Request(message.to_owned()));
        };
        let mut out = io::BufWriter::new(io::stdout().lock());
        export(&mut snapshot, &model, entity, deleted_rows(args), args.format, &mut out)?;
        return out.flush().map_err(Failure::output);
    };
    std::fs::create_dir_all(dir).map_err(|error| Failure::file(dir, error))?;
    for entity in entities {
        let extension = match args.format {
            FileFormat::Csv => "csv",
            FileFormat::Jsonl => "jsonl",
        };
        let file = format!("{}.{extension}", entity.name);
        if Path::new(&file).file_name() != Some(OsStr::new(&file)) {
            let message =
                format!("entity `{}` cannot name a file; export it alone, to standard output", entity.name);
            return Err(Failure::Request(message));
        }
        let path = dir.join(file);
        let rows = export_file(&mut snapshot, &model, entity, args, &path)?;
        output::print(&format!("{}: {}", path.display(), count(rows, "row")))?;
    }
    Ok(())
}

/// Whether deleted rows are written as well.
const fn deleted_rows(args: &Export) -> DeletedRows {
    if args.with_deleted { DeletedRows::Shown } else { DeletedRows::Hidden }
}

fn export_file(
    snapshot: &mut Snapshot<'_>,
    model: &Model,
    entity: &Entity,
    args: &Export,
    path: &Path,
) -> Result<u64> {
    let mut out = text_file::create(path)?;
    let rows = export(snapshot, model, entity, deleted_rows(args), args.format, &mut out)?;
    out.flush().map_err(|error| Failure::file(path, error))?;
    Ok(rows)
}

/// Writes every row of an entity; says how many.
fn export(
    snapshot: &mut Snapshot<'_>,
    model: &Model,
    entity: &Entity,
    deleted: DeletedRows,
    format: FileFormat,
    out: &mut dyn Write,
) -> Result<u64> {
    let fields: Vec<&str> = Model::stored_fields(entity).map(|field| field.0.name.as_str()).collect();
    if format == FileFormat::Csv {
        write_record(out, fields.iter().map(|field| Some((*field).to_owned())))?;
    }
    let mut page = Page::first(entity, &fields, deleted, ends_are_live(model, entity, deleted));
    let mut rows = 0;
    loop {
        let result = snapshot.fetch(page.fetch())?;
        match format {
            FileFormat::Jsonl => {
                out.write_all(result.to_json_lines()?.as_bytes()).map_err(Failure::output)?;
            }
            FileFormat::Csv => {
                for row in result.roots()? {
                    write_record(out, render::values(&row)?.iter().map(cell))?;
                }
            }
        }
        rows += result.len() as u64;
        if result.len() < PAGE_ROWS || !page.next(&result)? {
            return Ok(rows);
        }
    }
}

/// The conditions that both rows which an edge of an implied entity joins are exported; other rows stand for themselves.
fn ends_are_live(model: &Model, entity: &Entity, deleted: DeletedRows) -> Vec<Expr> {
    if !entity.implied || deleted == DeletedRows::Shown {
        return Vec::new();
    }
    let keeps = |id| model.entities().iter().any(|target| target.id == id && target.soft_delete.is_some());
    let ends = entity.relations.iter().filter(|relation| keeps(relation.target));
    ends.map(|end| Expr::IsNull { operand: Box::new(Expr::path([end.name.as_str()])), negated: true })
        .collect()
}

/// A cell of a CSV file; none for null.
fn cell(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| value.to_text())
}

fn write_record(out: &mut dyn Write, cells: impl Iterator<Item = Option<String>>) -> Result<()> {
    let mut line = Vec::new();
    csv_text::write(&mut line, cells);
    out.write_all(&line).map_err(Failure::output)
}

/// Which rows the next fetch is for: those behind the last key, or behind an offset where the key is hidden.
struct Page<'a> {
    entity: &'a str,
    fields: &'a [&'a str],
    /// Hidden of an entity that keeps none, whatever is asked for.
    deleted: DeletedRows,
    conditions: Vec<Expr>,
    key: Vec<&'a str>,
    last: Option<Vec<Value>>,
    offset: usize,
}

impl<'a> Page<'a> {
    fn first(
        entity: &'a Entity,
        fields: &'a [&'a str],
        deleted: DeletedRows,
        conditions: Vec<Expr>,
    ) -> Page<'a> {
        let deleted = if entity.soft_delete.is_some() { deleted } else { DeletedRows::Hidden };
        Page {
            entity: &entity.name,
            fields,
            deleted,
            conditions,
            key: Model::key(entity),
            last: None,
            offset: 0,
        }
    }

    fn fetch(&self) -> Fetch {
        let items = self.fields.iter().map(|name| SelectItem::Field { name: (*name).to_owned(), span: None });
        let count = |n: usize| Expr::literal(i64::try_from(n).unwrap_or(i64::MAX));
        let mut conditions = self.conditions.clone();
        conditions.extend(self.last.as_ref().map(|last| self.behind(last)));
        let selection = Selection {
            deleted: self.deleted,
            filter: (!conditions.is_empty()).then_some(Expr::And(conditions)),
            order: self.key.iter().map(|name| ascending(name)).collect(),
            limit: Some(count(PAGE_ROWS)),
            offset: (self.offset > 0).then(|| count(self.offset)),
            items: items.collect(),
            ..Selection::default()
        };
        Fetch::of(self.entity, selection)
    }

    /// `a > $a or (a = $a and b > $b)`
    fn behind(&self, last: &[Value]) -> Expr {
        let field = |at: usize| Expr::path(self.key.get(at).copied());
        let value = |at: usize| Expr::literal(last.get(at).cloned().unwrap_or(Value::Null));
        let ways = (0..self.key.len()).map(|at| {
            let mut terms: Vec<Expr> =
                (0..at).map(|before| Expr::binary(BinaryOp::Equal, field(before), value(before))).collect();
            terms.push(Expr::binary(BinaryOp::Greater, field(at), value(at)));
            Expr::And(terms)
        });
        Expr::Or(ways.collect())
    }

    /// Moves behind the rows of `result`; false if there were none.
    fn next(&mut self, result: &GraphResult) -> Result<bool> {
        let Some(row) = result.roots()?.last() else { return Ok(false) };
        if self.key.is_empty() {
            self.offset += result.len();
        } else {
            let key = self.key.iter().map(|name| row.value(name)).collect::<ormdb_proto::Result<_>>()?;
            self.last = Some(key);
        }
        Ok(true)
    }
}

fn ascending(name: &str) -> ormdb_proto::ir::OrderBy {
    ormdb_proto::ir::OrderBy {
        expr: Expr::path([name]),
        direction: ormdb_proto::ir::SortDirection::Ascending,
        nulls: None,
    }
}

#[cfg(test)]
mod tests;
