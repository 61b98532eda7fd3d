//! `ormdb query`: runs the statements of a text, each in its own transaction.

use std::path::Path;

use ormdb::text;

use crate::args::Query;
use crate::exit::{Failure, Result};
use crate::output;
use crate::params;
use crate::render;
use crate::target::{Missing, Target};
use crate::text_file;

/// Runs `ormdb query`.
pub(crate) fn run(args: Query) -> Result<()> {
    let source = match args.text {
        Some(text) if text != "-" => text,
        _ => text_file::read(Path::new("-"))?,
    };
    let params = params::parse(&args.params)?;
    let statements = text::parse_statements(&source).map_err(|error| Failure::in_text(error, &source))?;
    if statements.is_empty() {
        return Err(Failure::Request("the text has no statement".to_owned()));
    }
    let mut target = Target::open(&args.target, Missing::Fails)?;
    for statement in statements {
        let outcome = target.run(&statement, &params);
        let outcome = outcome.map_err(|error| Failure::in_text(error, &source))?;
        output::print(&render::outcome(&outcome, args.format)?)?;
    }
    Ok(())
}
