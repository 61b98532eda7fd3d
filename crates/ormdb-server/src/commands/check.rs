//! `ormdb check`: verifies a database.

use ormdb_proto::ErrorKind;

use crate::args::{Check, Format};
use crate::exit::{Failure, Result, count, grouped};
use crate::output;
use crate::stopwatch::Stopwatch;
use crate::target;

/// The most findings that are listed; all are counted.
const FINDINGS_MAX: usize = 1000;

/// Runs `ormdb check`.
pub(crate) fn run(args: &Check) -> Result<()> {
    let watch = Stopwatch::start();
    let database = target::existing(&args.path)?;
    let report = database.check(FINDINGS_MAX)?;
    match args.format {
        Format::Json => {
            let findings: Vec<serde_json::Value> = report
                .findings
                .iter()
                .map(|finding| {
                    serde_json::json!({
                        "kind": format!("{:?}", finding.kind),
                        "entity": finding.entity,
                        "subject": finding.subject,
                        "key": finding.key,
                        "message": finding.message,
                    })
                })
                .collect();
            let json = serde_json::json!({
                "clean": report.is_clean(),
                "catalogVersion": report.catalog_version,
                "files": report.files,
                "bytes": report.bytes,
                "rows": report.rows,
                "entries": report.entries,
                "references": report.references,
                "findingsTotal": report.findings_total,
                "findings": findings,
            });
            output::print(&json.to_string())?;
        }
        Format::Table => {
            output::print(&format!(
                "{}: {} ({} bytes), {}, {}, {} in {}",
                args.path.display(),
                count(report.files, "file"),
                grouped(report.bytes),
                count(report.rows, "row"),
                if report.entries == 1 {
                    "1 index entry".to_owned()
                } else {
                    format!("{} index entries", grouped(report.entries))
                },
                count(report.references, "reference"),
                watch.elapsed()
            ))?;
            for finding in &report.findings {
                output::print(&format!("  {finding}"))?;
            }
            if report.is_clean() {
                output::print("no damage")?;
            } else {
                output::print(&count(report.findings_total, "finding"))?;
            }
        }
    }
    if report.is_clean() { Ok(()) } else { Err(Failure::Findings(ErrorKind::Corrupt)) }
}
