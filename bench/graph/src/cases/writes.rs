//! Writes of one row, each a transaction of its own.

use ormdb::{Params, Value};

use super::{Case, ORMDB, Run, Sides};
use crate::answer::Answer;
use crate::arguments::pick;
use crate::{Result, orm};

/// Insert, update, upsert. Synced ones are fewer, and take the arguments behind those of the others.
pub(crate) fn writes(sides: Sides<'_>, synced: bool) -> Result<Vec<Case<'_>>> {
    let (operations, first) = if synced { (300, 10_000) } else { (5000, 0) };
    let names = if synced {
        ["insert-synced", "update-synced", "upsert-synced"]
    } else {
        ["insert", "update", "upsert"]
    };
    let forms = [insert(sides, first)?, update(sides)?, upsert(sides, first)?];
    let cases = names.into_iter().zip(forms);
    Ok(cases.map(|(name, forms)| Case { name, bar: 1.0, operations, forms }).collect())
}

type Forms<'a> = Vec<(&'static str, Run<'a>)>;

fn insert(sides: Sides<'_>, first: usize) -> Result<Forms<'_>> {
    let comments = &sides.arguments.comments;
    let create = orm::statement(
        sides.session,
        "create Comment { id: $id, postId: $post, authorId: $author, text: $text, createdAt: $at }",
    )?;
    let ours: Run<'_> = Box::new(move |at| {
        let row = pick(comments, first + at)?;
        let params = Params::none()
            .with("id", row.id)
            .with("post", row.post_id)
            .with("author", row.author_id)
            .with("text", row.text.as_str())
            .with("at", Value::DateTime(row.created_at));
        sides.session.run_prepared(&create, &params)?;
        Ok(Answer::Written)
    });
    let mut insert = sides.connection.prepare("insert into comment values (?,?,?,?,?)")?;
    let theirs: Run<'_> = Box::new(move |at| {
        let row = pick(comments, first + at)?;
        insert.execute((row.id, row.post_id, row.author_id, &row.text, row.created_at))?;
        Ok(Answer::Written)
    });
    Ok(vec![(ORMDB, ours), ("insert", theirs)])
}

fn update(sides: Sides<'_>) -> Result<Forms<'_>> {
    let posts = &sides.arguments.posts;
    let change = orm::statement(sides.session, "update Post[$id] set { score += 1 }")?;
    let ours: Run<'_> = Box::new(move |at| {
        sides.session.run_prepared(&change, &Params::none().with("id", *pick(posts, at)?))?;
        Ok(Answer::Written)
    });
    let mut update = sides.connection.prepare("update post set score = score + 1 where id = ?")?;
    let theirs: Run<'_> = Box::new(move |at| {
        update.execute([*pick(posts, at)?])?;
        Ok(Answer::Written)
    });
    Ok(vec![(ORMDB, ours), ("update", theirs)])
}

fn upsert(sides: Sides<'_>, first: usize) -> Result<Forms<'_>> {
    let upserts = &sides.arguments.upserts;
    let upsert = orm::statement(
        sides.session,
        "upsert User[email: $email] create { id: $id, name: \"new\", joinedAt: $at, logins: 1 } \
         update { logins += 1 }",
    )?;
    let ours: Run<'_> = Box::new(move |at| {
        let (id, email) = pick(upserts, first + at)?;
        let params =
            Params::none().with("id", *id).with("email", email.as_str()).with("at", Value::DateTime(*id));
        sides.session.run_prepared(&upsert, &params)?;
        Ok(Answer::Written)
    });
    let mut upsert = sides.connection.prepare(
        "insert into user values (?,?,'new',?,1) on conflict (email) do update set logins = logins + 1",
    )?;
    let theirs: Run<'_> = Box::new(move |at| {
        let (id, email) = pick(upserts, first + at)?;
        upsert.execute((id, email, id))?;
        Ok(Answer::Written)
    });
    Ok(vec![(ORMDB, ours), ("upsert", theirs)])
}
