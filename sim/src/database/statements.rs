//! Random statements over the graph.

use fastrand::Rng;

use super::recorder::Recorder;
use super::state::{COMMENT, PERSON, POST};

/// A statement over the graph, and where the numbers of rows that it creates stand in what it returns.
pub(super) struct GraphStatement {
    pub(super) text: String,
    /// The entity of the root, and an include with its entity.
    pub(super) creates: Option<(usize, Option<(&'static str, usize)>)>,
}

impl GraphStatement {
    fn plain(text: String) -> GraphStatement {
        GraphStatement { text, creates: None }
    }
}

/// A number of a row that is there, or was, or will be.
fn some_of(recorder: &Recorder, entity: usize, rng: &mut Rng) -> i64 {
    let greatest = recorder.greatest(entity);
    // Mostly one of the last: those before are gone.
    rng.i64((greatest - 12).max(1)..=(greatest + 1).max(1))
}

/// A random one.
pub(super) fn graph_statement(recorder: &Recorder, rng: &mut Rng) -> GraphStatement {
    let person = some_of(recorder, PERSON, rng);
    let other = some_of(recorder, PERSON, rng);
    let post = some_of(recorder, POST, rng);
    let (email, age) = (rng.u8(..24), rng.u8(..60));
    let (slug, rank) = (rng.u8(..4), rng.u8(..10));
    match rng.u8(..21) {
        0..=2 => GraphStatement {
            text: format!("create Person {{ email: \"p{email}\", age: {age} }} return {{ id }}"),
            creates: Some((PERSON, None)),
        },
        3 => GraphStatement {
            text: format!(
                "create Person {{ email: \"p{email}\", age: {age}, bossId: {other}, posts: create [{{ slug: 1, rank: {rank} \
                 }}, {{ rank: 7 }}] }} return {{ id, posts {{ id }} }}"
            ),
            creates: Some((PERSON, Some(("posts", POST)))),
        },
        4 => {
            let explicit = recorder.greatest(PERSON) + rng.i64(1..6);
            GraphStatement {
                text: format!(
                    "create Person {{ id: {explicit}, email: \"p{email}\", age: {age} }} return {{ id }}"
                ),
                creates: Some((PERSON, None)),
            }
        }
        5..=6 => GraphStatement {
            text: format!("create Post {{ authorId: {person}, slug: {slug}, rank: {rank} }} return {{ id }}"),
            creates: Some((POST, None)),
        },
        7 => GraphStatement {
            text: format!("create Comment {{ postId: {post}, text: \"t{slug}\" }} return {{ id }}"),
            creates: Some((COMMENT, None)),
        },
        8 => GraphStatement::plain(format!("update Person[{person}] set {{ email: \"p{email}\" }}")),
        9 => GraphStatement::plain(format!("update Person[{person}] set {{ bossId: {other}, age: {age} }}")),
        10 => GraphStatement::plain(format!("update Person where age > {age} limit 3 set {{ age -= 1 }}")),
        11 => GraphStatement::plain(format!("update Post[{post}] set {{ rank: {rank}, slug: {slug} }}")),
        12 => GraphStatement::plain(format!("update Post[{post}] set {{ authorId: {person} }}")),
        13 => GraphStatement::plain(format!("update Person[{person}] set {{ liked: connect [{post}] }}")),
        14 => GraphStatement::plain(format!("update Person[{person}] set {{ liked: set [{post}] }}")),
        15 => GraphStatement::plain(format!("delete Like where postId = {post} limit 2")),
        16 => GraphStatement::plain(format!("delete Post[{post}]")),
        17 => GraphStatement::plain(format!("delete Person[{person}]")),
        18 => GraphStatement::plain(format!("delete Comment where postId = {post}")),
        19 => GraphStatement::plain(format!(
            "update Person[{person}] set {{ id: {} }}",
            recorder.greatest(PERSON) + 1
        )),
        _ => GraphStatement::plain(format!(
            "upsert Person[email: \"p{email}\"] create {{ age: {age} }} update {{ age += 1, posts: create {{ rank: {rank} }} }}"
        )),
    }
}
