//! `ormdb schema`: check, format, show and apply.

use std::path::Path;

use ormdb::catalog::resolve;
use ormdb::text;
use ormdb_proto::ErrorKind;
use ormdb_proto::schema::Schema;

use crate::args::SchemaCommand;
use crate::exit::{Failure, Result, count};
use crate::output;
use crate::target::{Missing, Target};
use crate::text_file;

/// Runs `ormdb schema`.
pub(crate) fn run(command: SchemaCommand) -> Result<()> {
    match command {
        SchemaCommand::Check { file, against } => check(&file, against.as_deref()),
        SchemaCommand::Format { file, check } => format(&file, check),
        SchemaCommand::Show { target } => {
            let text = Target::open(&target, Missing::Fails)?.schema_text()?;
            output::print(text.trim_end())
        }
        SchemaCommand::Apply { target, file } => apply(&target, &file),
    }
}

fn check(file: &Path, against: Option<&str>) -> Result<()> {
    let source = text_file::read(file)?;
    let changes = match against {
        None => {
            let ast = text::parse_schema(&source).map_err(|errors| in_file(errors, file, &source))?;
            resolve(&ast, &Schema::empty()).map_err(|errors| in_file(errors, file, &source))?;
            None
        }
        Some(target) => {
            let mut target = Target::open(target, Missing::Fails)?;
            Some(target.preview_schema(&source).map_err(|errors| in_file(errors, file, &source))?)
        }
    };
    match changes {
        None => {
            let ast = text::parse_schema(&source).map_err(|errors| in_file(errors, file, &source))?;
            let (entities, enums, structs) =
                (ast.entities().count(), ast.enums().count(), ast.structs().count());
            let of = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
            let mut found = format!("{}, {}", of(entities, "entity", "entities"), of(enums, "enum", "enums"));
            if structs > 0 {
                found.push_str(&format!(", {}", of(structs, "struct", "structs")));
            }
            output::print(&format!("{}: {found}, no errors", file.display()))
        }
        Some(changes) if changes.is_empty() => output::print("nothing would change"),
        Some(changes) => output::print(&changes.join("\n")),
    }
}

fn format(file: &Path, check: bool) -> Result<()> {
    let source = text_file::read(file)?;
    let formatted = text::format_schema(&source).map_err(|errors| in_file(errors, file, &source))?;
    if check {
        if formatted == source {
            return Ok(());
        }
        output::diagnose(&format!("{} is not in its canonical form", file.display()));
        return Err(Failure::Findings(ErrorKind::FixTheRequest));
    }
    if file == Path::new("-") {
        return output::print(formatted.trim_end());
    }
    if formatted == source {
        return Ok(());
    }
    text_file::write(file, &formatted)
}

fn apply(target: &str, file: &Path) -> Result<()> {
    let source = text_file::read(file)?;
    // Errors of the text are told before a database is made for it.
    text::parse_schema(&source).map_err(|errors| in_file(errors, file, &source))?;
    let mut target = Target::open(target, Missing::IsCreated)?;
    let applied = target.apply_schema(&source).map_err(|errors| in_file(errors, file, &source))?;
    for change in &applied.changes {
        output::print(change)?;
    }
    if applied.changes.is_empty() {
        return output::print(&format!("nothing to change: the schema stays at version {}", applied.version));
    }
    output::print(&format!(
        "{}: the schema is at version {}",
        count(applied.changes.len(), "change"),
        applied.version
    ))
}

fn in_file(errors: Vec<ormdb_proto::Error>, file: &Path, source: &str) -> Failure {
    Failure::Text { errors, name: file.display().to_string(), source: source.to_owned() }
}
