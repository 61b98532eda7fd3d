//! Rows that are looked at where they lie, one behind the other: nothing of them is copied, and none is held.
//!
//! Invariant: the rows that are shown are those that a reader of the same path would give and the same conditions accept.

use ormdb_proto::Result;

use super::run::Run;
use super::scan::Scanner;
use super::sieve::Sieve;
use crate::catalog::EntityInfo;
use crate::engine::EngineResult;
use crate::plan::{Path, RootAccess, RowSelection, Served, Source};
use crate::store::row::RowView;

/// Shows all rows of a selection; says whether its path and conditions allow that. Where they do not, none was shown.
pub(super) fn each_row(
    run: &Run<'_>,
    step: usize,
    entity: &EntityInfo,
    selection: &RowSelection<'_>,
    access: &RootAccess,
    see: &mut impl FnMut(&RowView<'_>) -> Result<()>,
) -> Result<bool> {
    let Path::Ranges { source: Source::Primary, ranges, reverse } = &access.path else { return Ok(false) };
    let takes_some = selection.limit.is_some() || selection.offset > 0 || selection.distinct.is_some();
    if takes_some || selection.is_turned() {
        return Ok(false);
    }
    let Some(mut sieve) = Sieve::of(run, entity, selection, access)? else { return Ok(false) };
    let given = (false, Served::Exact);
    let (mut scanner, mut lane) = Scanner::over(run, entity, Source::Primary, given, ranges, *reverse)?;
    let (mut examined, mut shown) = (0usize, 0usize);
    scanner.each_in(run, step, &mut lane, &mut |cursor| {
        examined += 1;
        let row = entity.store().rows.view(cursor.value().engine()?)?;
        if !sieve.passes_row(run, cursor, &row)? {
            return Ok(());
        }
        shown += 1;
        see(&row)
    })?;
    run.count(step, |stats| {
        stats.examined += examined;
        stats.rows += shown;
    });
    Ok(true)
}
