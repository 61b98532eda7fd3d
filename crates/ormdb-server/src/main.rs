//! The `ormdb` binary: command line, shell and server.
//!
//! Results go to standard output and diagnostics to standard error; the exit status says what to do about an error
//! (`ormdb help` lists them). The only owner of sockets and of the terminal.

mod args;
mod commands;
mod csv_text;
mod exit;
mod import;
mod model;
mod output;
mod params;
mod password;
mod render;
mod serve;
mod stopwatch;
mod target;
mod text_file;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let args = args::Args::parse();
    exit::report(commands::run(args))
}
