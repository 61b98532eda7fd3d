//! What the shell does with a line, whoever types it.

use ormdb::text;
use ormdb::text::ast::Item;
use ormdb_proto::ir::Params;

use crate::args::Format;
use crate::exit::{Failure, Result};
use crate::model::Model;
use crate::output;
use crate::render;
use crate::stopwatch::Stopwatch;
use crate::target::Target;

/// Whether another line is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Yes.
    GoesOn,
    /// No.
    Ends,
}

/// A command of the shell: name, argument, what it does.
const COMMANDS: [(&str, &str, &str); 7] = [
    ("\\schema", "[NAME]", "print the schema, or one entity or enum of it"),
    ("\\explain", "QUERY", "run a query and show its plan, with what happened"),
    ("\\json", "", "print results as JSON"),
    ("\\table", "", "print results as tables and trees"),
    ("\\timing", "", "tell how long statements take, or stop telling"),
    ("\\help", "", "print this list"),
    ("\\quit", "", "leave"),
];

/// Words of the query language, for completion.
const KEYWORDS: [&str; 61] = [
    "and",
    "analyze",
    "asc",
    "avg",
    "begin",
    "between",
    "by",
    "commit",
    "connect",
    "connectOrCreate",
    "constraints",
    "contains",
    "count",
    "create",
    "deferred",
    "delete",
    "desc",
    "disconnect",
    "distinct",
    "duplicates",
    "endsWith",
    "every",
    "except",
    "deleted",
    "expected",
    "explain",
    "false",
    "for",
    "immediate",
    "insensitive",
    "isolation",
    "key",
    "like",
    "limit",
    "locked",
    "matches",
    "max",
    "min",
    "none",
    "nowait",
    "null",
    "nulls",
    "offset",
    "only",
    "order",
    "permanently",
    "read",
    "release",
    "return",
    "rollback",
    "savepoint",
    "set",
    "share",
    "skip",
    "some",
    "startsWith",
    "sum",
    "true",
    "update",
    "where",
    "with",
];

/// A conversation with a database.
pub(super) struct ShellSession {
    target: Target,
    format: Format,
    timing: bool,
    words: Vec<String>,
}

impl ShellSession {
    pub(super) fn new(target: Target, format: Format) -> ShellSession {
        let mut session = ShellSession { target, format, timing: false, words: Vec::new() };
        session.learn();
        session
    }

    /// What can be completed: keywords, commands, and the names of the schema.
    pub(super) fn words(&self) -> Vec<String> {
        self.words.clone()
    }

    /// What stands before a line.
    pub(super) const fn prompt(&self) -> &'static str {
        if self.target.is_in_transaction() { "ormdb*> " } else { "ormdb> " }
    }

    /// Reads the names of the schema. Without them only keywords are completed.
    fn learn(&mut self) {
        let mut words: Vec<String> = KEYWORDS.map(str::to_owned).to_vec();
        words.extend(COMMANDS.map(|(name, _, _)| name.to_owned()));
        if let Ok(model) = Model::of(&mut self.target) {
            for entity in model.entities() {
                words.push(entity.name.clone());
                words.extend(entity.name.rsplit_once('.').map(|(_, bare)| bare.to_owned()));
                words.extend(entity.member_names().map(str::to_owned));
            }
            words.extend(model.ast().enums().flat_map(|e| &e.labels).map(|label| label.name.text.clone()));
        }
        words.sort_unstable();
        words.dedup();
        self.words = words;
    }

    /// As [`run`](Self::run), but an error of the database is told, and the conversation goes on.
    pub(super) fn enter(&mut self, line: &str) -> Result<Next> {
        match self.run(line) {
            Err(failure @ (Failure::Database { .. } | Failure::Text { .. } | Failure::Request(_))) => {
                if let Some(text) = failure.render() {
                    output::diagnose(&text);
                }
                Ok(Next::GoesOn)
            }
            other => other,
        }
    }

    /// Does what a line says.
    pub(super) fn run(&mut self, line: &str) -> Result<Next> {
        let line = line.trim();
        if line.starts_with('\\') {
            let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            return self.command(name, argument.trim());
        }
        let statements = text::parse_statements(line).map_err(|error| Failure::in_text(error, line))?;
        for statement in statements {
            let watch = Stopwatch::start();
            let outcome = self.target.run(&statement, &Params::none());
            let outcome = outcome.map_err(|error| Failure::in_text(error, line))?;
            let elapsed = watch.elapsed();
            output::print(&render::outcome(&outcome, self.format)?)?;
            if self.timing {
                output::print(&format!("time: {elapsed}"))?;
            }
        }
        Ok(Next::GoesOn)
    }

    fn command(&mut self, name: &str, argument: &str) -> Result<Next> {
        match name {
            "\\schema" => self.show_schema(argument)?,
            "\\explain" => {
                if argument.is_empty() {
                    return Err(Failure::Request("\\explain needs a query".to_owned()));
                }
                return self.run(&format!("explain analyze {argument}"));
            }
            "\\json" => self.format = Format::Json,
            "\\table" => self.format = Format::Table,
            "\\timing" => {
                self.timing = !self.timing;
                output::print(if self.timing { "timing is on" } else { "timing is off" })?;
            }
            "\\help" => output::print(&help())?,
            "\\quit" | "\\q" => return Ok(Next::Ends),
            other => {
                let known = COMMANDS.iter().map(|(name, _, _)| *name);
                let meant = ormdb_proto::error::nearest(other, known);
                let meant = meant.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
                return Err(Failure::Request(format!("there is no command `{other}`{meant}")));
            }
        }
        Ok(Next::GoesOn)
    }

    fn show_schema(&mut self, name: &str) -> Result<()> {
        let schema = self.target.schema_text()?;
        if name.is_empty() {
            return output::print(schema.trim_end());
        }
        let model = Model::parse(&schema)?;
        let entity = model.entity(name);
        let whole = entity.as_ref().map_or(name, |entity| entity.name.as_str());
        match (model.ast().declaration(whole), entity) {
            (Some(Item::Enum(decl)), _) => {
                let labels: Vec<&str> = decl.labels.iter().map(|label| label.name.as_str()).collect();
                output::print(&format!("enum {name} {{ {} }}", labels.join(", ")))
            }
            (Some(Item::Struct(decl)), _) => output::print(&text::print_struct(decl)),
            (Some(Item::Entity(decl)), _) => output::print(&text::print_entity(decl)),
            (Some(Item::Namespace(_)) | None, implied) => {
                let implied = implied?;
                let fields: Vec<&str> =
                    Model::stored_fields(implied).map(|field| field.0.name.as_str()).collect();
                output::print(&format!("implied edge entity {whole} ({})", fields.join(", ")))
            }
        }
    }
}

fn help() -> String {
    let line =
        |(name, argument, what): &(&str, &str, &str)| format!("{:20}{what}", format!("{name} {argument}"));
    let commands: Vec<String> = COMMANDS.iter().map(line).collect();
    format!(
        "{}\n\nAnything else is a statement: Entity where … order by … limit … {{ field, relation {{ field }} }}\n\
         or create, update, upsert, delete, explain, begin, commit, rollback, savepoint. It ends with its line once its brackets are closed.",
        commands.join("\n")
    )
}
