//! `ormdb storage`: the files of a database below rows and schema.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ormdb::storage::{self, FileContents, Report};
use ormdb_proto::ErrorKind;

use crate::args::{Format, StorageCommand, StorageFile};
use crate::exit::{Failure, Result, count, grouped};
use crate::output;

/// Runs `ormdb storage`.
pub(crate) fn run(command: StorageCommand) -> Result<()> {
    match command {
        StorageCommand::Dump { contents, file } => {
            let contents = match contents {
                StorageFile::Table => FileContents::Table,
                StorageFile::Log => FileContents::Log,
                StorageFile::Manifest => FileContents::Manifest,
                StorageFile::ValueLog => FileContents::ValueLog,
            };
            let mut printed = Ok(());
            let dumped = storage::dump(contents, &file, |line| {
                printed = output::print(line);
                if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            printed?;
            Ok(dumped?)
        }
        StorageCommand::Verify { dir } => {
            let verified = storage::verify(&dir)?;
            let (files, bytes) = (count(verified.files, "file"), grouped(verified.bytes));
            output::print(&format!("{}: {files} ({bytes} bytes)", dir.display()))?;
            for damage in &verified.damages {
                output::print(&format!("  {}", damage.message))?;
            }
            if verified.damages.is_empty() {
                return output::print("no damage");
            }
            output::print(&count(verified.damages.len(), "damaged file"))?;
            Err(Failure::Findings(ErrorKind::Corrupt))
        }
        StorageCommand::Rescue { from, to, format } => rescue(&from, &to, format),
    }
}

fn rescue(from: &Path, to: &Path, format: Format) -> Result<()> {
    let report = storage::rescue(from, to)?;
    match format {
        Format::Json => output::print(&json(&report).to_string())?,
        Format::Table => print_report(&report, from, to)?,
    }
    if report.is_whole() { Ok(()) } else { Err(Failure::Findings(ErrorKind::Corrupt)) }
}

fn print_report(report: &Report, from: &Path, to: &Path) -> Result<()> {
    let (tables, logs) = (count(report.tables, "table"), count(report.logs, "log"));
    output::print(&format!("{} from {}: {tables}, {logs}", to.display(), from.display()))?;
    for family in &report.families {
        let (keys, operations) = (count(family.keys, "key"), count(family.operations, "operation"));
        let lost = if family.is_name_lost { " (nothing tells its name)" } else { "" };
        output::print(&format!("  {}{lost}: {keys} from tables, {operations} from logs", family.name))?;
    }
    for file in &report.unnamed {
        output::print(&format!("  taken although no manifest names it: {}", file.display()))?;
    }
    if report.may_have_dropped {
        output::print(
            "  what was deleted may be back: the manifest has lost which of these files it dropped",
        )?;
    }
    for file in &report.left_out {
        output::print(&format!("  not taken, it was dropped or never used: {}", file.display()))?;
    }
    for loss in &report.losses {
        output::print(&format!("  lost: {loss}"))?;
    }
    if report.is_whole() {
        return output::print("no loss");
    }
    let losses = match report.losses_total {
        1 => "1 loss".to_owned(),
        several => format!("{} losses", grouped(several)),
    };
    output::print(&format!(
        "{losses}; `ormdb check {}` tells what does not fit together any more",
        to.display()
    ))
}

fn json(report: &Report) -> serde_json::Value {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let names = |files: &[PathBuf]| files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>();
    let families: Vec<serde_json::Value> = (report.families.iter())
        .map(|family| {
            serde_json::json!({
                "id": family.id,
                "name": family.name,
                "isNameLost": family.is_name_lost,
                "keys": family.keys,
                "operations": family.operations,
            })
        })
        .collect();
    let losses: Vec<serde_json::Value> = (report.losses.iter())
        .map(|loss| {
            serde_json::json!({
                "lost": format!("{:?}", loss.lost),
                "file": loss.file.display().to_string(),
                "offset": loss.offset,
                "family": loss.family,
                "firstKey": loss.keys.as_ref().map(|(first, _)| text(first)),
                "lastKey": loss.keys.as_ref().map(|(_, last)| text(last)),
                "damage": loss.damage,
            })
        })
        .collect();
    serde_json::json!({
        "whole": report.is_whole(),
        "tables": report.tables,
        "logs": report.logs,
        "families": families,
        "unnamed": names(&report.unnamed),
        "mayHaveDropped": report.may_have_dropped,
        "leftOut": names(&report.left_out),
        "lossesTotal": report.losses_total,
        "losses": losses,
    })
}
