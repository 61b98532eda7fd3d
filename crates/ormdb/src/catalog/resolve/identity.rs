//! Which old thing a name of the new text stands for: by its name, or by the name that `@was` gives.
//!
//! Invariants: (1) an old thing is matched at most once; (2) a name that stays is never taken for a rename of another
//! thing; (3) a guess is never made: what looks like a rename without `@was` is a question.

use ormdb_proto::error::Span;
use ormdb_proto::{Error, ErrorCode};

use crate::text::ast::Name;

/// A thing of the old schema.
pub(super) struct OldName<'a> {
    pub(super) name: &'a str,
}

/// A thing of the new text.
pub(super) struct NewName<'a> {
    pub(super) name: &'a str,
    pub(super) span: Span,
    /// The name that `@was` gives.
    pub(super) was: Option<(&'a str, Span)>,
}

impl<'a> NewName<'a> {
    pub(super) fn new(name: &'a Name, was: Option<&'a Name>) -> NewName<'a> {
        NewName { name: &name.text, span: name.span, was: was.map(|w| (w.text.as_str(), w.span)) }
    }
}

/// For each new thing, which old thing it is, if any. `what` is the word for one: `field`, `entity`. `inside` says
/// where, for messages: `` of `User` `` or nothing. `alike` says whether an old and a new thing, by their places, are
/// the same but for their names.
pub(super) fn match_names(
    what: &str,
    inside: &str,
    old: &[OldName<'_>],
    new: &[NewName<'_>],
    alike: impl Fn(usize, usize) -> bool,
    errors: &mut Vec<Error>,
) -> Vec<Option<usize>> {
    let place = |name: &str| old.iter().position(|o| o.name == name);
    let mut matched: Vec<Option<usize>> = Vec::with_capacity(new.len());
    for item in new {
        let by_name = place(item.name);
        let by_was = item.was.and_then(|(was, span)| place(was).map(|at| (at, was, span)));
        matched.push(match (by_name, by_was) {
            (at, None) => at,
            (None, Some((at, ..))) => Some(at),
            (Some(here), Some((there, was, span))) => match new.iter().find(|n| n.name == was) {
                // The two swap names, or one takes the name of another that moves on.
                Some(other) if other.was.is_some() => Some(there),
                // The rename was applied before; another thing has the name now.
                Some(_) => Some(here),
                None => {
                    let message = format!(
                        "both {what} `{}` and {what} `{was}`{inside} are there; which one stays?",
                        item.name
                    );
                    let hint = format!(
                        "remove `@was({was})` to drop `{was}`, or drop `{}` first and rename then",
                        item.name
                    );
                    errors.push(Error::new(ErrorCode::InvalidSchema, message).span(span).hint(hint));
                    Some(here)
                }
            },
        });
    }
    report_double(what, inside, old, new, &mut matched, errors);
    question(what, inside, (old, new), &matched, alike, errors);
    matched
}

/// Two new things cannot be one old thing.
fn report_double(
    what: &str,
    inside: &str,
    old: &[OldName<'_>],
    new: &[NewName<'_>],
    matched: &mut [Option<usize>],
    errors: &mut Vec<Error>,
) {
    let mut owner: Vec<Option<&str>> = vec![None; old.len()];
    for (item, slot) in new.iter().zip(matched.iter_mut()) {
        let Some(at) = *slot else { continue };
        let (Some(taken), Some(was)) = (owner.get_mut(at), old.get(at)) else { continue };
        match *taken {
            None => *taken = Some(item.name),
            Some(first) => {
                let message =
                    format!("`{first}` and `{}` are both {what} `{}`{inside} of before", item.name, was.name);
                let span = item.was.map_or(item.span, |(_, span)| span);
                errors.push(
                    Error::new(ErrorCode::InvalidSchema, message)
                        .span(span)
                        .hint("only one of them can be the rename"),
                );
                *slot = None;
            }
        }
    }
}

/// A thing that goes and a thing alike that comes are questioned.
fn question(
    what: &str,
    inside: &str,
    (old, new): (&[OldName<'_>], &[NewName<'_>]),
    matched: &[Option<usize>],
    alike: impl Fn(usize, usize) -> bool,
    errors: &mut Vec<Error>,
) {
    let mut gone: Vec<(usize, &OldName<'_>)> =
        old.iter().enumerate().filter(|(at, _)| !matched.contains(&Some(*at))).collect();
    for (new_at, item) in new.iter().enumerate().filter(|(at, _)| matched.get(*at) == Some(&None)) {
        let Some(at) = gone.iter().position(|(old_at, _)| alike(*old_at, new_at)) else { continue };
        let (_, was) = gone.remove(at);
        let message = format!(
            "{what} `{}`{inside} is gone and {what} `{}` is new and alike: was it renamed?",
            was.name, item.name
        );
        let mark = if matches!(what, "entity" | "enum") { "@@was" } else { "@was" };
        let hint = format!(
            "write `{mark}(\"{}\")` at `{}` if it was; if not, apply the drop and the addition one after the other",
            was.name, item.name
        );
        errors.push(
            Error::new(ErrorCode::MigrationRefused, message).span(item.span).field(item.name).hint(hint),
        );
    }
}
