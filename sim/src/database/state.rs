//! What a database has, as a program sees it: everything as text, to compare states, and whether it agrees with itself, asked
//! by every way that leads to it.

use std::collections::{BTreeMap, BTreeSet};

use ormdb::{Database, Outcome, Params, Session, Value};

use crate::history::Final;
use crate::{Stop, ensure};

/// The entities whose keys are given by sequences.
pub(super) const AUTOINCREMENTED: [&str; 3] = ["Person", "Post", "Comment"];
pub(super) const PERSON: usize = 0;
pub(super) const POST: usize = 1;
pub(super) const COMMENT: usize = 2;

/// Everything that the database has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The rows of each entity.
    text: Vec<String>,
    /// What lists and registers have.
    pub(super) end: Final,
    /// The greatest keys.
    pub(super) greatest: [i64; AUTOINCREMENTED.len()],
}

/// The rows of a fetch, with null as none.
fn numbers(session: &Session, text: &str, columns: &[&str]) -> Result<Vec<Vec<Option<i64>>>, Stop> {
    let graph = session.fetch(text, &Params::none())?;
    let mut rows = Vec::new();
    for row in graph.roots()? {
        let mut values = Vec::new();
        for column in columns {
            values.push(match row.value(column)? {
                Value::Int64(value) => Some(value),
                Value::Int32(value) => Some(i64::from(value)),
                Value::Null => None,
                other => return Err(Stop::Wrong(format!("{column} of {text} is {other:?}"))),
            });
        }
        rows.push(values);
    }
    Ok(rows)
}

/// The items of a list.
pub(super) fn items_of(value: Value) -> Result<Vec<i64>, Stop> {
    let Value::Array(items) = value else { return Err(Stop::Wrong(format!("a list is {value:?}"))) };
    let item = |item| match item {
        Value::Int64(item) => Ok(item),
        other => Err(Stop::Wrong(format!("a list has {other:?}"))),
    };
    items.into_iter().map(item).collect()
}

impl State {
    /// Reads everything.
    pub(super) fn of(session: &Session) -> Result<State, Stop> {
        let mut state = State::default();
        for text in ["Person { * }", "Post { * }", "Comment { * }", "Like { * }"] {
            state.text.push(session.fetch(text, &Params::none())?.to_json()?);
        }
        for row in session.fetch("List { id, items }", &Params::none())?.roots()? {
            let Value::Int64(id) = row.value("id")? else { continue };
            state.end.lists.insert(id, items_of(row.value("items")?)?);
        }
        for row in numbers(session, "Register { id, value }", &["id", "value"])? {
            if let [Some(id), Some(value)] = row.as_slice() {
                state.end.registers.insert(*id, *value);
            }
        }
        for (entity, greatest) in AUTOINCREMENTED.iter().zip(&mut state.greatest) {
            let rows = numbers(session, &format!("{entity} {{ id }}"), &["id"])?;
            *greatest = rows.into_iter().flatten().flatten().max().unwrap_or(0);
        }
        Ok(state)
    }
}

/// Whether everything in the database belongs together: by its own check, and from outside.
pub(super) fn agrees(database: &Database) -> Result<(), Stop> {
    let report = database.check(5)?;
    ensure!(report.is_clean(), "the check finds {:?}", report.findings);
    let session = database.session();
    people(&session)?;
    posts(&session)?;
    let registers = numbers(&session, "Register { id, value }", &["id", "value"])?;
    let by_value =
        numbers(&session, "Register where value > -1 order by value { id, value }", &["id", "value"])?;
    same_rows("registers by their values", registers, by_value)?;
    statistics(database, &session)
}

fn people(session: &Session) -> Result<(), Stop> {
    let all = numbers(session, "Person { id, age, bossId }", &["id", "age", "bossId"])?;
    let ids: BTreeSet<i64> = all.iter().filter_map(|row| row.first().copied().flatten()).collect();
    ensure!(ids.len() == all.len(), "two people have one key");
    for row in &all {
        let boss = row.get(2).copied().flatten();
        ensure!(boss.is_none_or(|boss| ids.contains(&boss)), "{row:?} has a boss who is not there");
    }
    let by_age = "Person where age >= 0 order by age desc { id, age, bossId }";
    same_rows("people by age", all, numbers(session, by_age, &["id", "age", "bossId"])?)?;
    let mut owners = BTreeMap::new();
    for row in session.fetch("Person { id, email }", &Params::none())?.roots()? {
        let (id, email) = (row.value("id")?, row.value("email")?.to_text());
        let found =
            session.fetch("Person[email: $email] { id }", &Params::none().with("email", email.as_str()))?;
        let found = found.roots()?.next().map(|row| row.value("id")).transpose()?;
        ensure!(found.as_ref() == Some(&id), "{email} is of {id:?}, and leads to {found:?}");
        let other = owners.insert(email.clone(), id);
        ensure!(other.is_none(), "{email} has two owners");
    }
    Ok(())
}

fn posts(session: &Session) -> Result<(), Stop> {
    let ids = |text: &str, column: &str| -> Result<BTreeSet<i64>, Stop> {
        Ok(numbers(session, text, &[column])?.into_iter().flatten().flatten().collect())
    };
    let (people, posts) = (ids("Person { id }", "id")?, ids("Post { id }", "id")?);
    let columns = ["id", "authorId", "slug", "rank"];
    let all = numbers(session, "Post { id, authorId, slug, rank }", &columns)?;
    let mut slugs = BTreeSet::new();
    for row in &all {
        let [_, Some(author), slug, _] = row.as_slice() else { continue };
        ensure!(people.contains(author), "{row:?} has an author who is not there");
        ensure!(slug.is_none() || slugs.insert((*author, *slug)), "{row:?} has the slug of another one");
    }
    let mut by_author = Vec::new();
    for author in &people {
        let text =
            format!("Post where authorId = {author} order by rank desc {{ id, authorId, slug, rank }}");
        by_author.extend(numbers(session, &text, &columns)?);
    }
    same_rows("posts by author", all.clone(), by_author)?;
    let high = all.iter().filter(|row| row.get(3).copied().flatten() > Some(5)).cloned().collect();
    let by_rank =
        numbers(session, "Post where rank > 5 order by rank { id, authorId, slug, rank }", &columns)?;
    same_rows("posts of a high rank", high, by_rank)?;
    for row in numbers(session, "Comment { id, postId }", &["id", "postId"])? {
        let post = row.get(1).copied().flatten();
        ensure!(post.is_some_and(|post| posts.contains(&post)), "{row:?} is of a post that is not there");
    }
    let likes = numbers(session, "Like { personId, postId, weight }", &["personId", "postId", "weight"])?;
    for row in &likes {
        let [Some(person), Some(post), _] = row.as_slice() else { continue };
        ensure!(people.contains(person) && posts.contains(post), "{row:?} likes what is not there");
    }
    let mut by_post = Vec::new();
    for post in &posts {
        let text = format!("Like where postId = {post} {{ personId, postId, weight }}");
        by_post.extend(numbers(session, &text, &["personId", "postId", "weight"])?);
    }
    same_rows("likes by post", likes, by_post)
}

fn same_rows(
    what: &str,
    mut one: Vec<Vec<Option<i64>>>,
    mut other: Vec<Vec<Option<i64>>>,
) -> Result<(), Stop> {
    one.sort();
    other.sort();
    ensure!(one == other, "{what}: {one:?} by their keys, {other:?} by the index");
    Ok(())
}

/// What is known of the data as a whole: never less than nothing, and right once it was looked at.
fn statistics(database: &Database, session: &Session) -> Result<(), Stop> {
    estimated(session)?;
    database.refresh_statistics()?;
    let people = session.fetch("Person { id }", &Params::none())?.len();
    let told = estimated(session)?;
    // No estimate is of less than one row.
    let near = |told: f64| (told - f64::from(u32::try_from(people.max(1)).unwrap_or(u32::MAX))).abs() < 1.0;
    ensure!(near(told), "{told} people are told of, and there are {people}");
    Ok(())
}

fn estimated(session: &Session) -> Result<f64, Stop> {
    let Outcome::Explained(explained) = session.query("explain Person { id }", &Params::none())? else {
        return Err(Stop::Wrong("an explain explains nothing".to_owned()));
    };
    let told = explained.json.split("\"estimated_rows\":").nth(1).unwrap_or_default();
    let told: String =
        told.trim().chars().take_while(|c| c.is_ascii_digit() || "+-.e".contains(*c)).collect();
    match told.parse::<f64>() {
        Ok(told) if told.is_finite() && told >= 0.0 => Ok(told),
        _ => Err(Stop::Wrong(format!("the statistics tell of {told:?} people: {}", explained.json))),
    }
}
