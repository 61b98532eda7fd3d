//! Databases driven by text files: a file is one database in memory and a clock that only `advance` moves.

use std::sync::Arc;
use std::time::Duration;

use ordinum::clock::ManualClock;
use ordinum::fs::MemoryFs;
use ormdb::{Database, Error, Options, Outcome, Params};

/// A database and its clock.
struct Life {
    fs: Arc<MemoryFs>,
    clock: Arc<ManualClock>,
    database: Option<Database>,
}

impl Life {
    fn new() -> Life {
        let clock = Arc::new(ManualClock::default());
        // 2024-01-01T00:00:00Z
        clock.advance(Duration::from_secs(1_704_067_200));
        let mut life = Life { fs: Arc::new(MemoryFs::default()), clock, database: None };
        life.open();
        life
    }

    fn open(&mut self) {
        self.database = None;
        let mut options = Options::default();
        options.engine.fs = Arc::clone(&self.fs) as Arc<dyn ordinum::fs::Fs>;
        options.engine.clock = Arc::clone(&self.clock) as Arc<dyn ordinum::clock::Clock>;
        self.database = Some(Database::open_with("life.ormdb", options).unwrap());
    }

    fn database(&self) -> &Database {
        self.database.as_ref().unwrap()
    }

    fn check(&mut self, directive: &str, args: &[String], input: &str) -> String {
        let source = input.trim_end_matches('\n');
        match directive {
            "schema" => match self.database().apply_schema(source) {
                Ok(applied) => applied.changes.iter().map(|change| format!("{change}\n")).collect(),
                Err(errors) => errors.iter().map(|error| rendered(error, source)).collect(),
            },
            "run" => self.run(source),
            "advance" => {
                let days: u64 = args[0].parse().unwrap();
                self.clock.advance(Duration::from_secs(days * 24 * 60 * 60));
                String::new()
            }
            "purge" => {
                let purged = self.database().purge().unwrap();
                format!("{} rows gone, {} waiting\n", purged.rows, purged.waiting)
            }
            "reopen" => {
                self.open();
                String::new()
            }
            "check" => {
                let report = self.database().check(10).unwrap();
                let findings: String = report.findings.iter().map(|f| format!("{f}\n")).collect();
                format!("{} rows, {} entries\n{findings}", report.rows, report.entries)
            }
            other => panic!("unknown directive {other}"),
        }
    }

    fn run(&self, source: &str) -> String {
        let session = self.database().session();
        let statements = match ormdb::text::parse_statements(source) {
            Ok(statements) => statements,
            Err(error) => return rendered(&error, source),
        };
        let mut out = String::new();
        for parsed in statements {
            let outcome = match parsed.explain {
                Some(explain) => {
                    session.explain(&parsed.statement, &Params::none(), explain).map(Outcome::Explained)
                }
                None => session.execute(&parsed.statement, &Params::none()),
            };
            match outcome {
                Ok(Outcome::Fetched(graph)) => out.push_str(&graph.to_json_lines().unwrap()),
                Ok(Outcome::Written(written)) => {
                    let counts = [
                        (written.created, "created"),
                        (written.updated, "updated"),
                        (written.deleted, "deleted"),
                    ];
                    let counts = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
                    out.push_str(&(counts.collect::<Vec<_>>().join(", ") + "\n"));
                    if let Some(graph) = written.returned {
                        out.push_str(&graph.to_json_lines().unwrap());
                    }
                }
                Ok(Outcome::Explained(plan)) => out.push_str(&plan.text),
                Ok(Outcome::Done { .. }) => out.push_str("done\n"),
                Err(error) => out.push_str(&rendered(&error, source)),
            }
        }
        out
    }
}

fn rendered(error: &Error, source: &str) -> String {
    error.render(Some(source)) + "\n"
}

/// Runs the files of a directory, each with a database of its own.
pub(crate) fn walk(directory: &str) {
    datadriven::walk(directory, |file| {
        let mut life = Life::new();
        file.run(|case| {
            let args: Vec<String> = case.args.keys().cloned().collect();
            let out = life.check(&case.directive, &args, &case.input);
            if out.is_empty() { "ok\n".to_owned() } else { out }
        });
    });
}
