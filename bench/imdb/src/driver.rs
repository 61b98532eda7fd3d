//! What runs operations: in this process, or in one of another language that is told what to do by lines of JSON.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Result;
use crate::operation::Operation;

/// How an operation is run for a while.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Load {
    pub(crate) operation: Operation,
    /// How many connections run it at a time, each one after another.
    pub(crate) connections: usize,
    pub(crate) seconds: f64,
    /// The argument that it begins with.
    pub(crate) first: usize,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Run {
    pub(crate) operations: u64,
    pub(crate) seconds: f64,
    /// In microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// What the process of the driver used of processors, in microseconds.
    pub(crate) cpu: f64,
}

/// Runs operations on one side.
pub(crate) trait Driver {
    /// The answers of the first `count` arguments, on one connection.
    fn answers(&mut self, operation: Operation, count: usize) -> Result<Vec<Value>>;

    /// Runs an operation for a while.
    fn run(&mut self, load: Load) -> Result<Run>;
}

/// A driver in a process of its own; the process ends with it.
pub(crate) struct Process {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts the driver of a side. `place` is a URL, or a path of what is in the process.
    pub(crate) fn start(program: &Path, script: &Path, args: [&str; 3], given: &Path) -> Result<Process> {
        let name = format!("{} {}", script.display(), args.join(" "));
        let mut command = Command::new(program);
        command.arg(script).args(args).arg(given).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a driver has no pipes".into());
        };
        let mut process = Process { name, child, input: Some(input), output: BufReader::new(output) };
        if process.read()?.get("ready") == Some(&Value::Bool(true)) {
            Ok(process)
        } else {
            Err(format!("{} is not ready", process.name).into())
        }
    }

    fn ask(&mut self, question: &Value) -> Result<Value> {
        let Some(input) = &mut self.input else { return Err(format!("{} has ended", self.name).into()) };
        writeln!(input, "{question}")?;
        input.flush()?;
        self.read()
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(format!("{} has ended", self.name).into());
        }
        let said: Value =
            serde_json::from_str(&line).map_err(|error| format!("{} said {error}: {line}", self.name))?;
        match said.get("error") {
            Some(error) => Err(format!("{}: {error}", self.name).into()),
            None => Ok(said),
        }
    }
}

impl Driver for Process {
    fn answers(&mut self, operation: Operation, count: usize) -> Result<Vec<Value>> {
        let question = serde_json::json!({ "do": "answers", "operation": operation, "count": count });
        match self.ask(&question)?.get_mut("answers").map(Value::take) {
            Some(Value::Array(answers)) => Ok(answers),
            _ => Err(format!("{} gave no answers", self.name).into()),
        }
    }

    fn run(&mut self, load: Load) -> Result<Run> {
        let mut question = serde_json::to_value(load)?;
        if let Some(question) = question.as_object_mut() {
            question.insert("do".to_owned(), "run".into());
        }
        let said = self.ask(&question)?;
        // Not by an enum that serde chooses from: it loses numbers where JSON's are of any precision.
        serde_json::from_value(said).map_err(|error| format!("{} ran nothing: {error}", self.name).into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends at the end of its input.
        self.input = None;
        if self.child.wait().is_err() {
            self.child.kill().ok();
        }
    }
}
