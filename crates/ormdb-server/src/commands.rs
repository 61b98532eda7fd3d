//! The commands, one file each.

mod check;
mod demo;
mod export;
mod generate;
mod import;
mod init;
mod purge;
mod query;
mod schema;
mod serve;
mod shell;
mod storage;
mod user;

use crate::args::{Args, Command};
use crate::exit::Result;

/// Runs the command that was asked for.
pub(crate) fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(args),
        Command::Shell(args) => shell::run(&args),
        Command::Query(args) => query::run(args),
        Command::Import(args) => import::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Schema(args) => schema::run(args),
        Command::Check(args) => check::run(&args),
        Command::Storage(command) => storage::run(command),
        Command::User(command) => user::run(command),
        Command::Purge(args) => purge::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Generate(command) => generate::run(command),
    }
}
