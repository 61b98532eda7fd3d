//! `ormdb purge`: really deletes the rows whose retention is over.

use crate::args::Purge;
use crate::exit::{Result, count};
use crate::output;
use crate::target;

/// Runs `ormdb purge`.
pub(crate) fn run(args: &Purge) -> Result<()> {
    let database = target::existing(&args.path)?;
    let purged = database.purge()?;
    output::print(&format!("{} purged", count(purged.rows, "row")))?;
    if purged.waiting > 0 {
        let rows = count(purged.waiting, "row");
        output::print(&format!("{rows} whose time is over stay: others refer to them"))?;
    }
    Ok(())
}
