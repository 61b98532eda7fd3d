//! `ormdb demo`: ormDB at work on one screen.
//!
//! Invariant: only a database that the demo made is ever removed: it leaves a mark in the directory.

mod data;
mod lazy;
mod plan;

use std::path::Path;

use ormdb_proto::ir::Params;
use ormdb_proto::outcome::Outcome;
use ormdb_proto::result::{Chunk, GraphResult};
use ormdb_proto::{Error, ErrorCode, Explanation};

use crate::args::Demo;
use crate::exit::{Failure, Result, count, grouped};
use crate::import::{BadRow, Columns, JsonlSource, Loader, Options, Rejects};
use crate::model::Model;
use crate::output::{print, program};
use crate::render;
use crate::stopwatch::{Elapsed, Stopwatch};
use crate::target::Target;
use crate::text_file;

/// The file that marks a database as the demo's.
const MARK: &str = "made-by-ormdb-demo";

/// Three levels of the graph, and a to-one relation at the end.
const FETCH: &str = r#"Artist where name in ["Iron Maiden", "Lenny Kravitz"] order by name {
  name,
  albums order by title limit 2 {
    title,
    tracks where milliseconds > 180000 order by name limit 3 {
      name, seconds: milliseconds / 1000, genre { name }
    }
  }
}"#;

/// The same graph of every artist, not cut off.
const WHOLE: &str =
    "Artist { name, albums { title, tracks { name, seconds: milliseconds / 1000, genre { name } } } }";

/// Breaks a check of the schema.
const BROKEN: &str = r#"create Track {
  name: "4'33\"", milliseconds: 0, unitPrice: 0.99, mediaTypeId: 1
}"#;

/// Runs `ormdb demo`.
pub(crate) fn run(args: &Demo) -> Result<()> {
    let path = &args.path;
    let cleared = clear(path)?;
    let mut target = Target::create(path)?;
    text_file::write(&path.join(MARK), "Running `ormdb demo` again replaces this database.\n")?;
    load(&mut target, path, cleared)?;

    print("\nA graph, three levels deep, in one request and one snapshot:\n")?;
    print(&indented(FETCH))?;
    let watch = Stopwatch::start();
    let result = fetch(&mut target, FETCH)?;
    let elapsed = watch.elapsed();
    print("")?;
    print(&indented(&render::tree(&result)?))?;
    let lazy = lazy::statements(&result)?;
    print(&format!(
        "\nThat was 1 request and {elapsed}. An ORM that loads lazily sends {}:\n  {}.",
        count(lazy.total(), "SQL statement"),
        lazy.explained()
    ))?;
    let watch = Stopwatch::start();
    let whole = fetch(&mut target, WHOLE)?;
    let elapsed = watch.elapsed();
    print(&format!(
        "The same for the whole shop, {}: 1 request and {elapsed} here, {} there.",
        count(rows(&whole), "row"),
        count(lazy::statements(&whole)?.total(), "SQL statement")
    ))?;

    print("\nHow it ran (explain analyze):\n")?;
    print(&indented(&plan::compact(&explained(&mut target)?)?))?;

    print("\nA row that breaks a rule of the schema is refused, and says why:\n")?;
    print(&indented(BROKEN))?;
    print("")?;
    print(&indented(&refusal(&mut target)?))?;
    print(&farewell(path))
}

/// Removes the database of an earlier demo; says whether there was one.
fn clear(path: &Path) -> Result<bool> {
    if !path.exists() {
        return Ok(false);
    }
    let empty = path.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    if path.join(MARK).is_file() {
        // Opening it first makes sure that no other process has it open.
        drop(Target::create(path)?);
        std::fs::remove_dir_all(path).map_err(|error| Failure::file(path, error))?;
        Ok(true)
    } else if empty {
        Ok(false)
    } else {
        let message = format!(
            "{} is there and was not made by the demo, which leaves it alone\n  hint: name another place with --path",
            path.display()
        );
        Err(Failure::Request(message))
    }
}

fn load(target: &mut Target, path: &Path, cleared: bool) -> Result<()> {
    let watch = Stopwatch::start();
    target.apply_schema(data::SCHEMA).map_err(|errors| Failure::Text {
        errors,
        name: "examples/chinook/schema.ormdb".to_owned(),
        source: data::SCHEMA.to_owned(),
    })?;
    let model = Model::parse(data::SCHEMA)?;
    let options = Options { batch_rows: 2000, skip_duplicates: false };
    let mut loaded: Vec<(&str, u64)> = Vec::new();
    for (entity, rows) in data::ENTITIES {
        let mut source = JsonlSource::new(entity, rows.as_bytes(), Columns::of(&model, entity)?);
        let mut loader = Loader::new(target, entity, options);
        loader.load(&mut source, &mut NoneIsBad, &mut |_| {})?;
        loaded.push((entity, loader.written));
    }
    let elapsed = watch.elapsed();
    print(&summary(path, cleared, &loaded, elapsed))
}

/// What was loaded, four entities to a line.
fn summary(path: &Path, cleared: bool, loaded: &[(&str, u64)], elapsed: Elapsed) -> String {
    let total = loaded.iter().map(|(_, rows)| rows).sum::<u64>();
    let made = if cleared { "Recreated" } else { "Created" };
    let gone = if cleared { " (what was in it is gone)" } else { "" };
    let mut out = format!(
        "{made} {}{gone} and loaded Chinook, a music shop: {} entities, {} in {elapsed}.\n",
        path.display(),
        loaded.len(),
        count(total, "row")
    );
    for line in loaded.chunks(4) {
        let cells: Vec<String> =
            line.iter().map(|(entity, rows)| format!("{entity:<13} {:>6}", grouped(*rows))).collect();
        out.push_str(&format!("\n  {}", cells.join("   ")));
    }
    out
}

/// The rows of the demo are good; one that is not is a bug.
struct NoneIsBad;

impl Rejects for NoneIsBad {
    fn reject(&mut self, row: BadRow) -> Result<()> {
        let message = format!("line {} of the demo's data was refused: {}", row.line, row.reason);
        Err(Error::new(ErrorCode::Internal, message).into())
    }
}

fn fetch(target: &mut Target, text: &str) -> Result<GraphResult> {
    match target.query(text, &Params::none()).map_err(|error| Failure::in_text(error, text))? {
        Outcome::Fetched(result) => Ok(result),
        Outcome::Written(_) | Outcome::Explained(_) | Outcome::Done { .. } => {
            Err(Error::new(ErrorCode::Internal, "a fetch gave something else than a graph").into())
        }
    }
}

/// How many rows stand in the blocks of a result, over all levels.
fn rows(result: &GraphResult) -> usize {
    result.chunks().iter().map(Chunk::rows).sum()
}

fn explained(target: &mut Target) -> Result<Explanation> {
    match target.query(&format!("explain analyze {FETCH}"), &Params::none()).map_err(in_fetch)? {
        Outcome::Explained(explanation) => Ok(explanation),
        Outcome::Written(_) | Outcome::Fetched(_) | Outcome::Done { .. } => {
            Err(Error::new(ErrorCode::Internal, "an explain gave something else than a plan").into())
        }
    }
}

fn in_fetch(error: Error) -> Failure {
    Failure::in_text(error, FETCH)
}

/// The error of the row that breaks a rule.
fn refusal(target: &mut Target) -> Result<String> {
    match target.query(BROKEN, &Params::none()) {
        Err(error) if error.code == ErrorCode::CheckViolation => Ok(error.render(Some(BROKEN))),
        Err(error) => Err(Failure::in_text(error, BROKEN)),
        Ok(_) => Err(Error::new(ErrorCode::Internal, "a row that breaks a check was written").into()),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn farewell(path: &Path) -> String {
    let (path, ormdb) = (path.display(), program());
    let url = crate::target::default_url();
    format!(
        "\nTry next:\n  {ormdb} shell {path}      \\schema shows the schema, Tab completes names\n  \
         {ormdb} serve {path}      and from another terminal: {ormdb} shell {url}\n  \
         {ormdb} init shop            starts a project of your own"
    )
}
