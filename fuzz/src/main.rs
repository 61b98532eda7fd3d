//! The fuzz runner; see `options` for its command line.

use std::process::ExitCode;

use ormdb_fuzz::allocation::Counting;
use ormdb_fuzz::options::{Options, USAGE};
use ormdb_fuzz::runner;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--help" || arg == "-h") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let result = Options::parse(std::env::args().skip(1)).and_then(|options| runner::run(&options));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ormdb-fuzz: {error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}
