//! Conditions on rows that are tested where they lie, one behind the other: a row that is left out is not copied, and none is read
//! behind the last one that is wanted.
//!
//! Whether a row has related ones is told by a second cursor, which goes forward beside the first: both are in the order of the key.
//!
//! Invariants: (1) a row passes if and only if [`Run::accepted`] accepts it; (2) the policy is tested first, and what fails on a row
//! that it hides is never evaluated.

use ordinum::Cursor;
use ormdb_proto::Result;
use ormdb_proto::ir::Quantifier;
use smallvec::SmallVec;

use super::derive::{self, Given};
use super::fan_out;
use super::parent_keys::{KeyEncoder, Places};
use super::run::Run;
use super::scan::Scanner;
use crate::catalog::EntityInfo;
use crate::engine::EngineResult;
use crate::expr::{Node, RowExpr};
use crate::plan::{Derivation, DerivationKind, Path, RootAccess, RowSelection, Served, Source};
use crate::store::row::RowView;

/// All conditions of a selection, for rows that are read in the order of the primary key.
pub(super) struct Sieve<'a> {
    entity: &'a EntityInfo,
    conditions: SmallVec<[&'a RowExpr; 3]>,
    related: Option<Related<'a>>,
}

/// A condition that there are related rows, or are none.
struct Related<'a> {
    derivation: &'a Derivation<'a>,
    quantifier: Quantifier,
    scanner: Scanner,
    places: Places,
    encoder: KeyEncoder,
}

impl<'a> Sieve<'a> {
    /// The conditions that are to be tested of the rows of an access, which come in the order of the primary key; none if some need more
    /// than a look from where a row lies.
    pub(super) fn of(
        run: &Run<'_>,
        entity: &'a EntityInfo,
        selection: &'a RowSelection<'a>,
        access: &'a RootAccess,
    ) -> Result<Option<Sieve<'a>>> {
        let related = match &selection.outer_filter {
            None => None,
            // Tests from keys that are gathered already cost less.
            Some(_) if !access.hashed.is_empty() => return Ok(None),
            // The second cursor goes forward.
            Some(_) if matches!(access.path, Path::Ranges { reverse: true, .. }) => return Ok(None),
            Some(outer) => match (outer.exprs.as_slice(), outer.derivations.as_slice()) {
                ([expr], [derivation]) => match Related::of(run, entity, expr.root(), derivation)? {
                    None => return Ok(None),
                    related => related,
                },
                _ => return Ok(None),
            },
        };
        let filter = selection.filter.as_ref().filter(|_| !Given::by(access).filters);
        let conditions = [selection.policy.as_ref(), selection.deleted.condition(), filter];
        Ok(Some(Sieve { entity, conditions: conditions.into_iter().flatten().collect(), related }))
    }

    /// Whether every row passes.
    pub(super) fn is_open(&self) -> bool {
        self.conditions.is_empty() && self.related.is_none()
    }

    /// Whether the row passes that a cursor stands on.
    #[inline]
    pub(super) fn passes(&mut self, run: &Run<'_>, cursor: &Cursor) -> Result<bool> {
        if self.conditions.is_empty() {
            return self.related.as_mut().map_or(Ok(true), |related| related.holds(run, cursor.key()));
        }
        let row = self.entity.store().rows.view(cursor.value().engine()?)?;
        self.passes_row(run, cursor, &row)
    }

    /// As [`Sieve::passes`], for who has the row's fields.
    #[inline]
    pub(super) fn passes_row(&mut self, run: &Run<'_>, cursor: &Cursor, row: &RowView<'_>) -> Result<bool> {
        let env = run.env();
        for condition in &self.conditions {
            if condition.test(row, &env)? != Some(true) {
                return Ok(false);
            }
        }
        self.related.as_mut().map_or(Ok(true), |related| related.holds(run, cursor.key()))
    }
}

impl<'a> Related<'a> {
    fn of(
        run: &Run<'_>,
        entity: &EntityInfo,
        condition: &Node,
        derivation: &'a Derivation<'a>,
    ) -> Result<Option<Related<'a>>> {
        let (Node::External(asked), DerivationKind::Related { quantifier, slot }) =
            (condition, &derivation.kind)
        else {
            return Ok(None);
        };
        let access = &derivation.fan.access.near;
        let (Some(source), false) = (access.source, access.whole) else { return Ok(None) };
        if asked != slot || !fan_out::entries_tell(derivation) {
            return Ok(None);
        }
        let near = derivation.fan.edge.unwrap_or(derivation.fan.target);
        let Some(places) = Places::of(entity, Source::Primary, access)? else { return Ok(None) };
        let encoder = KeyEncoder::new(near, Some(source))?;
        if !encoder.keeps_order(&places) {
            return Ok(None);
        }
        let scanner = Scanner::new(run, near, source, access.covered, Served::Exact, false)?;
        Ok(Some(Related { derivation, quantifier: *quantifier, scanner, places, encoder }))
    }

    #[inline]
    fn holds(&mut self, run: &Run<'_>, row_key: &[u8]) -> Result<bool> {
        let Related { derivation, quantifier, scanner, places, encoder } = self;
        let found = match encoder.encode_entry(places, row_key)? {
            Some(prefix) => run.timed(derivation.step, || scanner.has(run, derivation.step, prefix))?,
            None => false,
        };
        Ok(derive::holds(*quantifier, &derivation.rows, found))
    }
}
