//! Which old thing a name of the new text stands for: by its name, or by the name that `@was` gives.
//!
//! Invariants: (1) an old thing is matched at most once; (2) a name that stays is never taken for a rename of another
//! thing; (3) a text that was applied changes nothing when it is applied again; (4) a guess is never made: what looks like a rename without `@was` is a question.

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
            (Some(here), Some((there, was, span))) => {
                let other = new.iter().find(|n| n.name == was);
                let moves_on = |n: &NewName<'_>| n.was.is_some_and(|(w, _)| w == item.name);
                if other.is_some() {
                    // The rename was applied before; another thing has the name now.
                    Some(here)
                } else if new.iter().any(|n| moves_on(n) && place(n.name).is_none()) {
                    // The thing of this name moves on to a name that is free.
                    Some(there)
                } else {
                    let message = format!(
                        "both {what} `{}` and {what} `{was}`{inside} are there; which one stays?",
                        item.name
                    );
                    let hint = format!(
                        "remove `{}(\"{was}\")` and keep both, or drop `{}` before: {}",
                        mark(what),
                        item.name,
                        dropping(what)
                    );
                    errors.push(Error::new(ErrorCode::InvalidSchema, message).span(span).hint(hint));
                    Some(here)
                }
            }
        });
    }
    report_selves(what, inside, new, errors);
    report_swaps(what, inside, new, errors);
    report_double(what, inside, old, new, &mut matched, errors);
    question(what, inside, (old, new), &matched, alike, errors);
    matched
}

/// The attribute that gives a former name.
fn mark(what: &str) -> &'static str {
    if matches!(what, "entity" | "enum") { "@@was" } else { "@was" }
}

/// What it takes to drop a thing, for hints.
fn dropping(what: &str) -> &'static str {
    if what == "relation" {
        "dropping it is a change of its own"
    } else {
        "dropping it is a change of its own, possible only while there are no rows"
    }
}

/// A thing that gives its own name as its former one says nothing.
fn report_selves(what: &str, inside: &str, new: &[NewName<'_>], errors: &mut Vec<Error>) {
    for item in new {
        if let Some((_, span)) = item.was.filter(|(was, _)| *was == item.name) {
            let message = format!("{what} `{}`{inside} gives its own name as its former one", item.name);
            let hint = format!("remove `{}(\"{}\")`, or write the name that it had", mark(what), item.name);
            errors.push(Error::new(ErrorCode::InvalidSchema, message).span(span).hint(hint));
        }
    }
}

/// Things that take each other's names would do so each time that the text is applied. Each circle is reported once, at
/// its first thing in the text.
fn report_swaps(what: &str, inside: &str, new: &[NewName<'_>], errors: &mut Vec<Error>) {
    let before = |item: &NewName<'_>| item.was.and_then(|(was, _)| new.iter().position(|n| n.name == was));
    for (start, item) in new.iter().enumerate() {
        let Some((_, span)) = item.was else { continue };
        let mut at = before(item);
        let mut circle = vec![item.name];
        while let Some(next) = at.filter(|next| *next > start && circle.len() <= new.len()) {
            let Some(next) = new.get(next) else { break };
            circle.push(next.name);
            at = before(next);
        }
        if at == Some(start) && circle.len() > 1 {
            let names: Vec<String> = circle.iter().map(|name| format!("`{name}`")).collect();
            let message =
                format!("{what}s {}{inside} cannot change names among themselves", names.join(", "));
            let hint = "rename one of them to another name first: this text would change them each time";
            errors.push(Error::new(ErrorCode::InvalidSchema, message).span(span).hint(hint));
        }
    }
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
                        .hint("apply the rename first, and add the other one then"),
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
    let mut asked: Vec<Vec<(&str, &str)>> = Vec::new();
    for (new_at, item) in new.iter().enumerate().filter(|(at, _)| matched.get(*at) == Some(&None)) {
        let Some(at) = gone.iter().position(|(old_at, _)| alike(*old_at, new_at)) else { continue };
        let (_, was) = gone.remove(at);
        let renames = renames(what, was.name, item.name);
        // A struct that is renamed is asked about once, not at each of its members.
        if asked.contains(&renames) {
            continue;
        }
        let (what, old_name, new_name) = match renames.as_slice() {
            [(_, at)] if *at != item.name => ("struct", outermost(was.name, at), *at),
            _ => (what, was.name, item.name),
        };
        let message = format!(
            "{what} `{old_name}`{inside} is gone and {what} `{new_name}` is new and alike: was it renamed?"
        );
        let marks = renames.iter().map(|(old, at)| format!("`{}(\"{old}\")` at `{at}`", mark(what)));
        let hint = format!(
            "write {} if it was; if not, keep `{old_name}` beside it: {}",
            marks.collect::<Vec<_>>().join(" and "),
            dropping(what)
        );
        asked.push(renames);
        errors.push(
            Error::new(ErrorCode::MigrationRefused, message).span(item.span).field(item.name).hint(hint),
        );
    }
}

/// The renames that make one name of the other: a former name, and the thing that had it. Those of a member are of
/// itself and of the structs around it.
fn renames<'a>(what: &str, was: &'a str, is: &'a str) -> Vec<(&'a str, &'a str)> {
    if what != "field" {
        return vec![(was, is)];
    }
    let mut end = 0;
    let mut renames = Vec::new();
    for (old, new) in was.split('.').zip(is.split('.')) {
        end += new.len();
        if let Some(at) = is.get(..end).filter(|_| old != new) {
            renames.push((old, at));
        }
        end += 1;
    }
    renames
}

/// As many names of a path as another one has.
fn outermost<'a>(path: &'a str, like: &str) -> &'a str {
    let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
    let end = ends.into_iter().nth(like.matches('.').count()).unwrap_or(path.len());
    path.get(..end).unwrap_or(path)
}
