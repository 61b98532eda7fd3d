//! A page of users with what hangs below them, one to three levels deep.
//!
//! SQLite in its three forms: a query for each row of the level above, one query a level with the ids in a list, and one
//! join whose rows are folded into objects.

use std::collections::HashMap;

use ormdb::Params;
use rusqlite::{Connection, Statement};

use super::{Case, ORMDB, Run, Sides};
use crate::answer::{Answer, Author, Comment, Post, User};
use crate::arguments::pick;
use crate::lite::{COMMENT, POST, USER, author, comment, in_list, places, post, user};
use crate::{Result, orm};

/// Users of a page.
const PAGE: &str = "where u.id >= ? order by u.id limit 20";

pub(super) fn graphs(sides: Sides<'_>) -> Result<Vec<Case<'_>>> {
    let names = ["graph-1", "graph-2", "graph-3"];
    let below = [
        "posts order by createdAt desc { POST }",
        "posts order by createdAt desc { POST, comments order by createdAt { COMMENT } }",
        "posts order by createdAt desc { POST, comments order by createdAt { COMMENT, author { id, name } } }",
    ];
    let mut cases = Vec::new();
    for (depth, (name, below)) in (1..).zip(names.into_iter().zip(below)) {
        let below = below.replace("POST", "id, title, body, score, createdAt");
        let below = below.replace("COMMENT", "id, text, createdAt");
        let text =
            format!("User where id >= $from order by id limit 20 {{ id, email, name, joinedAt, {below} }}");
        cases.push(Case {
            name,
            bar: 1.5,
            operations: 400,
            forms: vec![
                (ORMDB, page(sides, &text)?),
                ("n+1", one_by_one(sides, depth)?),
                ("batched", batched(sides, depth)?),
                ("join", joined(sides, depth)?),
            ],
        });
    }
    Ok(cases)
}

/// ormDB's form of a question about a page of users.
pub(super) fn page<'a>(sides: Sides<'a>, text: &str) -> Result<Run<'a>> {
    let statement = orm::statement(sides.session, text)?;
    Ok(Box::new(move |at| {
        let params = Params::none().with("from", *pick(&sides.arguments.pages, at)?);
        Ok(Answer::Users(orm::rows(sides.session, &statement, &params)?))
    }))
}

/// The users of a page.
pub(super) fn users(select: &mut Statement<'_>, from: i64) -> Result<Vec<User>> {
    Ok(select.query_map([from], user)?.collect::<rusqlite::Result<_>>()?)
}

fn one_by_one<'a>(sides: Sides<'a>, depth: usize) -> Result<Run<'a>> {
    let prepare = |sql: String| sides.connection.prepare(&sql);
    let mut select = prepare(format!("select {USER} from user u {PAGE}"))?;
    let mut posts =
        prepare(format!("select {POST} from post p where p.author_id = ? order by p.created_at desc"))?;
    let mut comments = prepare(format!(
        "select {COMMENT}, c.author_id from comment c where c.post_id = ? order by c.created_at"
    ))?;
    let mut authors = prepare("select a.id, a.name from user a where a.id = ?".to_owned())?;
    Ok(Box::new(move |at| {
        let mut users = users(&mut select, *pick(&sides.arguments.pages, at)?)?;
        for user in &mut users {
            let rows = posts.query_map([user.id], |row| post(row, 0))?;
            user.posts = rows.collect::<rusqlite::Result<_>>()?;
            for post in user.posts.iter_mut().take(if depth > 1 { usize::MAX } else { 0 }) {
                let mut rows = comments.query([post.id])?;
                while let Some(row) = rows.next()? {
                    let mut comment = comment(row, 0)?;
                    if depth > 2 {
                        let id: i64 = row.get(3)?;
                        comment.author = Some(authors.query_row([id], |row| author(row, 0))?);
                    }
                    post.comments.push(comment);
                }
            }
        }
        Ok(Answer::Users(users))
    }))
}

fn batched<'a>(sides: Sides<'a>, depth: usize) -> Result<Run<'a>> {
    let connection = sides.connection;
    let mut select = connection.prepare(&format!("select {USER} from user u {PAGE}"))?;
    let post_sql = format!("select p.author_id, {POST} from post p where p.author_id in");
    let comment_sql = format!("select c.post_id, c.author_id, {COMMENT} from comment c where c.post_id in");
    Ok(Box::new(move |at| {
        let mut users = users(&mut select, *pick(&sides.arguments.pages, at)?)?;
        let ids: Vec<i64> = users.iter().map(|user| user.id).collect();
        let of_user = places(&ids);
        // Users and posts of the levels above, in the order read: which user, which of its posts.
        let mut found: Vec<(i64, usize, usize)> = Vec::new();
        in_list(connection, (&post_sql, "order by p.author_id, p.created_at desc"), &ids, |row| {
            let Some(of) = of_user.get(&row.get(0)?) else { return Ok(()) };
            let Some(user) = users.get_mut(*of) else { return Ok(()) };
            let post = post(row, 1)?;
            found.push((post.id, *of, user.posts.len()));
            user.posts.push(post);
            Ok(())
        })?;
        if depth > 1 {
            let comments = comments(connection, &comment_sql, &found, depth)?;
            for ((_, user, post), comments) in found.iter().zip(comments) {
                if let Some(post) = users.get_mut(*user).and_then(|user| user.posts.get_mut(*post)) {
                    post.comments = comments;
                }
            }
        }
        Ok(Answer::Users(users))
    }))
}

/// The comments of the posts found, and with a third level their authors.
fn comments(
    connection: &Connection,
    sql: &str,
    found: &[(i64, usize, usize)],
    depth: usize,
) -> Result<Vec<Vec<Comment>>> {
    let ids: Vec<i64> = found.iter().map(|(id, _, _)| *id).collect();
    let of_post = places(&ids);
    let mut comments: Vec<Vec<Comment>> = ids.iter().map(|_| Vec::new()).collect();
    let mut author_ids: Vec<i64> = Vec::new();
    let mut of_comment: Vec<(usize, usize, i64)> = Vec::new();
    in_list(connection, (sql, "order by c.post_id, c.created_at"), &ids, |row| {
        let Some(of) = of_post.get(&row.get(0)?) else { return Ok(()) };
        let Some(list) = comments.get_mut(*of) else { return Ok(()) };
        if depth > 2 {
            let author = row.get(1)?;
            author_ids.push(author);
            of_comment.push((*of, list.len(), author));
        }
        list.push(comment(row, 2)?);
        Ok(())
    })?;
    author_ids.sort_unstable();
    author_ids.dedup();
    let mut authors: HashMap<i64, Author> = HashMap::with_capacity(author_ids.len());
    in_list(connection, ("select a.id, a.name from user a where a.id in", ""), &author_ids, |row| {
        authors.insert(row.get(0)?, author(row, 0)?);
        Ok(())
    })?;
    for (post, at, author) in of_comment {
        if let Some(comment) = comments.get_mut(post).and_then(|list| list.get_mut(at)) {
            comment.author = authors.get(&author).cloned();
        }
    }
    Ok(comments)
}

fn joined<'a>(sides: Sides<'a>, depth: usize) -> Result<Run<'a>> {
    let mut columns = format!("{USER}, {POST}");
    let mut from =
        format!("from (select {USER} from user u {PAGE}) u left join post p on p.author_id = u.id");
    let mut order = "order by u.id, p.created_at desc".to_owned();
    if depth > 1 {
        columns.push_str(&format!(", {COMMENT}"));
        from.push_str(" left join comment c on c.post_id = p.id");
        order.push_str(", p.id, c.created_at");
    }
    if depth > 2 {
        columns.push_str(", a.id, a.name");
        from.push_str(" left join user a on a.id = c.author_id");
    }
    let mut select = sides.connection.prepare(&format!("select {columns} {from} {order}"))?;
    Ok(Box::new(move |at| {
        let mut users: Vec<User> = Vec::new();
        let mut rows = select.query([*pick(&sides.arguments.pages, at)?])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            if users.last().is_none_or(|user| user.id != id) {
                users.push(user(row)?);
            }
            let Some(user) = users.last_mut() else { continue };
            let Some(id) = row.get::<_, Option<i64>>(4)? else { continue };
            if user.posts.last().is_none_or(|post: &Post| post.id != id) {
                user.posts.push(post(row, 4)?);
            }
            let Some(post) = user.posts.last_mut() else { continue };
            if depth < 2 || row.get::<_, Option<i64>>(9)?.is_none() {
                continue;
            }
            let mut comment = comment(row, 9)?;
            if depth > 2 {
                comment.author = Some(author(row, 12)?);
            }
            post.comments.push(comment);
        }
        Ok(Answer::Users(users))
    }))
}
