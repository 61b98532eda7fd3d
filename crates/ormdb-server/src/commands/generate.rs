//! `ormdb generate`: what a schema says, in the types of a programming language.

mod ts;

use std::path::Path;

use ormdb::catalog::resolve;
use ormdb::text;
use ormdb_proto::schema::Schema;

use crate::args::{GenerateCommand, GenerateTs};
use crate::exit::{Failure, Result};
use crate::output;
use crate::text_file;

/// Runs `ormdb generate`.
pub(crate) fn run(command: GenerateCommand) -> Result<()> {
    match command {
        GenerateCommand::Ts(GenerateTs { file, out, int64 }) => {
            let written = ts::types(&read(&file)?, int64)?;
            match out {
                Some(path) => text_file::write(&path, &written),
                None => output::print(written.trim_end()),
            }
        }
    }
}

/// The schema of a file.
fn read(file: &Path) -> Result<Schema> {
    let source = text_file::read(file)?;
    let resolved = text::parse_schema(&source).and_then(|ast| resolve(&ast, &Schema::empty()));
    resolved.map_err(|errors| Failure::Text { errors, name: file.display().to_string(), source })
}
