//! `ormdb import`: rows from CSV and JSON Lines files.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use crate::args::{FileFormat, Import};
use crate::exit::{Failure, Result, count};
use crate::import::{BadRow, Columns, CsvSource, JsonlSource, Loader, Options, Rejects, Source};
use crate::model::{Model, identifier};
use crate::output;
use crate::stopwatch::Stopwatch;
use crate::target::{Missing, Target};
use crate::text_file;

/// Runs `ormdb import`.
pub(crate) fn run(args: &Import) -> Result<()> {
    if args.entity.is_some() && args.files.len() > 1 {
        return Err(Failure::Request(
            "`--entity` names the entity of one file, and several are given".to_owned(),
        ));
    }
    let mut target = Target::open(&args.target, Missing::Fails)?;
    let model = Model::of(&mut target)?;
    let entities = args.files.iter().map(|file| entity_of(file, args, &model)).collect::<Result<Vec<_>>>()?;
    let mut rejects = Bin::new(args.reject.as_deref())?;
    let mut total = 0;
    for at in model.parents_first(&entities)? {
        let (Some(file), Some(entity)) = (args.files.get(at), entities.get(at)) else { continue };
        total += import_file(&mut target, &model, entity, file, args, &mut rejects)?;
    }
    if args.files.len() > 1 {
        output::print(&format!("{} imported from {} files", count(total, "row"), args.files.len()))?;
    }
    rejects.finish()
}

/// The entity whose rows a file has.
fn entity_of(file: &Path, args: &Import, model: &Model) -> Result<String> {
    if let Some(entity) = &args.entity {
        return Ok(entity.clone());
    }
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    let Some(stem) = stem else {
        let message = format!("{}: the name says no entity; name it with --entity", file.display());
        return Err(Failure::Request(message));
    };
    // `init` calls the entity so where the file's name is no name of the language.
    let inferred = identifier(stem).filter(|name| model.entity(stem).is_err() && model.entity(name).is_ok());
    Ok(inferred.unwrap_or_else(|| stem.to_owned()))
}

fn format_of(file: &Path, args: &Import) -> Result<FileFormat> {
    if let Some(format) = args.format {
        return Ok(format);
    }
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Ok(FileFormat::Csv),
        Some("jsonl" | "ndjson") => Ok(FileFormat::Jsonl),
        _ => {
            let message = format!("{}: the name says no format; name it with --format", file.display());
            Err(Failure::Request(message))
        }
    }
}

fn import_file(
    target: &mut Target,
    model: &Model,
    entity: &str,
    file: &Path,
    args: &Import,
    rejects: &mut Bin,
) -> Result<u64> {
    let watch = Stopwatch::start();
    let name = file.display().to_string();
    let (input, length) = text_file::open(file)?;
    let mut source = source(&name, input, format_of(file, args)?, model, entity)?;
    let bar = progress_bar(length, &name);
    let options = Options {
        batch_rows: usize::try_from(args.batch_rows).unwrap_or(usize::MAX),
        skip_duplicates: args.skip_duplicates,
    };
    let mut loader = Loader::new(target, entity, options);
    rejects.begin(&name, source.header());
    let result = loader.load(source.as_mut(), rejects, &mut |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    let (written, skipped) = (loader.written, loader.skipped);
    let bad = rejects.of_this_file;
    let mut line = format!("{name}: {} imported into {entity}", count(written, "row"));
    if skipped > 0 {
        line.push_str(&format!(", {} passed over", count(skipped, "duplicate")));
    }
    if bad > 0 {
        line.push_str(&format!(", {} rejected", count(bad, "row")));
    }
    output::print(&format!("{line} in {}", watch.elapsed()))?;
    result.map(|()| written)
}

fn source<'m>(
    name: &str,
    input: BufReader<File>,
    format: FileFormat,
    model: &'m Model,
    entity: &'m str,
) -> Result<Box<dyn Source + 'm>> {
    let columns = Columns::of(model, entity)?;
    Ok(match format {
        FileFormat::Csv => Box::new(CsvSource::new(name, input, &columns)?),
        FileFormat::Jsonl => Box::new(JsonlSource::new(name, input, columns)),
    })
}

/// A bar that is drawn on a terminal only.
fn progress_bar(length: u64, name: &str) -> ProgressBar {
    if !output::diagnostics_are_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length).with_message(name.to_owned());
    match ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Where bad rows go: to the file of `--reject`, or else the first one ends the import.
struct Bin {
    file: Option<(BufWriter<File>, String)>,
    name: String,
    header: Option<Vec<u8>>,
    of_this_file: u64,
    total: u64,
}

impl Bin {
    fn new(path: Option<&Path>) -> Result<Bin> {
        let file = match path {
            Some(path) => Some((text_file::create(path)?, path.display().to_string())),
            None => None,
        };
        Ok(Bin { file, name: String::new(), header: None, of_this_file: 0, total: 0 })
    }

    fn begin(&mut self, name: &str, header: Option<Vec<u8>>) {
        self.name = name.to_owned();
        self.header = header;
        self.of_this_file = 0;
    }

    fn finish(self) -> Result<()> {
        let Some((mut file, name)) = self.file else { return Ok(()) };
        file.flush().map_err(|error| Failure::File { name: name.clone(), error })?;
        if self.total == 0 {
            return Ok(());
        }
        output::diagnose(&format!("{} kept in {name}", count(self.total, "bad row")));
        Err(Failure::Findings(ormdb_proto::ErrorKind::FixTheRequest))
    }
}

impl Rejects for Bin {
    fn reject(&mut self, row: BadRow) -> Result<()> {
        let place = row.place.map(|place| format!(", {place}")).unwrap_or_default();
        let told = format!("{}: line {}{place}: {}", self.name, row.line, row.reason);
        let Some((file, name)) = &mut self.file else {
            return Err(Failure::Request(format!(
                "{told}\n  hint: the rows above it are imported; `--reject FILE` goes on behind bad rows and keeps them"
            )));
        };
        output::diagnose(&told);
        let header = self.header.take().unwrap_or_default();
        let written = file.write_all(&header).and_then(|()| file.write_all(&row.raw));
        written.map_err(|error| Failure::File { name: name.clone(), error })?;
        self.of_this_file += 1;
        self.total += 1;
        Ok(())
    }
}
