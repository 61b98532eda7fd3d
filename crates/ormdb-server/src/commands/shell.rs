//! `ormdb shell`: queries, schema and plans, line by line.
//!
//! On a terminal lines are edited, completed and kept in a history; from a pipe they are read as they are. A statement
//! goes on over lines until its brackets are closed.

mod editing;
mod history;
mod session;

use std::io::{BufRead, IsTerminal, stdin};

use ormdb::text;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use crate::args::Shell;
use crate::exit::{Failure, Result};
use crate::output;
use crate::target::{Missing, Target};
use editing::ShellHelper;
use session::{Next, ShellSession};

/// Runs `ormdb shell`.
pub(crate) fn run(args: &Shell) -> Result<()> {
    let target = Target::open(&args.target, Missing::IsCreated)?;
    let mut session = ShellSession::new(target, args.format);
    if stdin().is_terminal() { interactive(&mut session) } else { piped(&mut session) }
}

fn interactive(session: &mut ShellSession) -> Result<()> {
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
    let mut editor: Editor<ShellHelper, FileHistory> = Editor::with_config(config).map_err(terminal)?;
    editor.set_helper(Some(ShellHelper::new(session.words())));
    let history = history::path();
    if let Some(path) = &history {
        // There is none before the first use.
        editor.load_history(path).unwrap_or_default();
    }
    output::print("\\help lists the commands, Tab completes names, Ctrl-D ends.")?;
    loop {
        match editor.readline(session.prompt()) {
            Ok(line) => {
                if session.enter(&line)? == Next::Ends {
                    break;
                }
                if let Some(helper) = editor.helper_mut() {
                    helper.learn(session.words());
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(terminal(error)),
        }
    }
    if let Some(path) = &history
        && let Err(error) = editor.save_history(path)
    {
        output::diagnose(&format!("the history is not kept: {}: {error}", path.display()));
    }
    Ok(())
}

/// Runs the lines of standard input; the first error ends it.
fn piped(session: &mut ShellSession) -> Result<()> {
    let mut pending = String::new();
    for line in stdin().lock().lines() {
        let line = line.map_err(|error| Failure::File { name: "standard input".to_owned(), error })?;
        pending.push_str(&line);
        pending.push('\n');
        let whole = pending.starts_with('\\') || text::is_complete(&pending);
        if whole && session.run(&std::mem::take(&mut pending))? == Next::Ends {
            return Ok(());
        }
    }
    session.run(&pending).map(|_| ())
}

fn terminal(error: ReadlineError) -> Failure {
    Failure::File { name: "the terminal".to_owned(), error: std::io::Error::other(error) }
}
