//! `ormdb init`: a new project, from the example schema or inferred from CSV files.

mod infer;
mod write;

use std::path::Path;

use ormdb::text;

use crate::args::Init;
use crate::exit::{Failure, Result, count};
use crate::output;
use crate::text_file;

/// The schema of the example: a blog.
const EXAMPLE: &str = include_str!("../../../../examples/blog/schema.ormdb");

/// Runs `ormdb init`.
pub(crate) fn run(args: &Init) -> Result<()> {
    let path = args.dir.join("schema.ormdb");
    if path.exists() {
        return Err(Failure::Request(format!("{} is there already", path.display())));
    }
    let schema = if args.from.is_empty() { EXAMPLE.to_owned() } else { inferred(args)? };
    std::fs::create_dir_all(&args.dir).map_err(|error| Failure::file(&args.dir, error))?;
    text_file::write(&path, &schema)?;
    output::print(&format!("wrote {}", path.display()))?;
    let files: Vec<String> = args.from.iter().map(|file| quoted(file)).collect();
    let database = quoted(&args.dir.join("data.ormdb"));
    let ormdb = output::program();
    let mut next = vec![format!("{ormdb} schema apply {database} {}", quoted(&path))];
    if !files.is_empty() {
        next.push(format!("{ormdb} import {database} {}", files.join(" ")));
    }
    next.push(format!("{ormdb} shell {database}"));
    output::print(&format!("\nLook it through, then:\n  {}", next.join("\n  ")))
}

fn inferred(args: &Init) -> Result<String> {
    let mut tables = Vec::new();
    for file in &args.from {
        let table = infer::table(file)?;
        output::print(&format!(
            "{}: {}, {} as entity {}",
            file.display(),
            count(table.rows, "row"),
            count(table.columns.len(), "column"),
            table.entity
        ))?;
        tables.push(table);
    }
    let schema = write::schema(&tables)?;
    text::format_schema(&schema).map_err(|errors| Failure::Text {
        errors,
        name: "the inferred schema".to_owned(),
        source: schema,
    })
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '/' | '_' | '-');
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests;
