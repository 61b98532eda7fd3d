//! Questions about many rows: conditions of relations, the first of each parent, edges, groups.

use ormdb::{Params, Value};

use super::graphs::{page, users};
use super::{Case, ORMDB, Run, Sides};
use crate::answer::{Answer, Group, Tag};
use crate::arguments::pick;
use crate::lite::{POST, USER, in_list, places, post, user};
use crate::{Result, orm};

/// Columns of posts, in the query language.
const FIELDS: &str = "id, title, body, score, createdAt";

pub(super) fn sets(sides: Sides<'_>) -> Result<Vec<Case<'_>>> {
    Ok(vec![some(sides)?, none(sides)?, top(sides)?, edges(sides)?, groups_many(sides)?, groups_few(sides)?])
}

fn some(sides: Sides<'_>) -> Result<Case<'_>> {
    let text = format!("Post where tags some (name = $tag) order by id limit 20 {{ {FIELDS} }}");
    let statement = orm::statement(sides.session, &text)?;
    let tags = &sides.arguments.tags;
    let ours: Run<'_> = Box::new(move |at| {
        let params = Params::none().with("tag", pick(tags, at)?.as_str());
        Ok(Answer::Posts(orm::rows(sides.session, &statement, &params)?))
    });
    let theirs = |sql: String| -> Result<Run<'_>> {
        let mut select = sides.connection.prepare(&sql)?;
        Ok(Box::new(move |at| {
            let rows = select.query_map([pick(tags, at)?], |row| post(row, 0))?;
            Ok(Answer::Posts(rows.collect::<rusqlite::Result<_>>()?))
        }))
    };
    let exists = format!(
        "select {POST} from post p where exists (select 1 from post_tag e join tag t on t.id = e.tag_id
         where e.post_id = p.id and t.name = ?) order by p.id limit 20"
    );
    let within = format!(
        "select {POST} from post p where p.id in (select e.post_id from tag t join post_tag e on e.tag_id = t.id
         where t.name = ?) order by p.id limit 20"
    );
    let join = format!(
        "select {POST} from tag t join post_tag e on e.tag_id = t.id join post p on p.id = e.post_id
         where t.name = ? order by p.id limit 20"
    );
    Ok(Case {
        name: "filter-some",
        bar: 1.5,
        operations: 400,
        forms: vec![
            (ORMDB, ours),
            ("exists", theirs(exists)?),
            ("in", theirs(within)?),
            ("join", theirs(join)?),
        ],
    })
}

fn none(sides: Sides<'_>) -> Result<Case<'_>> {
    let text = "User where id >= $from and posts none order by id limit 20 { id, email, name, joinedAt }";
    let theirs = |sql: String| -> Result<Run<'_>> {
        let mut select = sides.connection.prepare(&sql)?;
        Ok(Box::new(move |at| {
            let rows = select.query_map([*pick(&sides.arguments.pages, at)?], user)?;
            Ok(Answer::Users(rows.collect::<rusqlite::Result<_>>()?))
        }))
    };
    let exists = format!(
        "select {USER} from user u where u.id >= ? and not exists (select 1 from post p where p.author_id = u.id)
         order by u.id limit 20"
    );
    let join = format!(
        "select {USER} from user u left join post p on p.author_id = u.id where u.id >= ? and p.id is null
         order by u.id limit 20"
    );
    Ok(Case {
        name: "filter-none",
        bar: 1.5,
        operations: 400,
        forms: vec![(ORMDB, page(sides, text)?), ("exists", theirs(exists)?), ("join", theirs(join)?)],
    })
}

/// The three newest posts of each user of a page.
fn top(sides: Sides<'_>) -> Result<Case<'_>> {
    let text = format!(
        "User where id >= $from order by id limit 20 {{ id, email, name, joinedAt, \
         posts order by createdAt desc limit 3 {{ {FIELDS} }} }}"
    );
    let connection = sides.connection;
    let pages = &sides.arguments.pages;
    let page_sql = format!("select {USER} from user u where u.id >= ? order by u.id limit 20");
    let mut each_page = connection.prepare(&page_sql)?;
    let mut each = connection.prepare(&format!(
        "select {POST} from post p where p.author_id = ? order by p.created_at desc limit 3"
    ))?;
    let one_by_one: Run<'_> = Box::new(move |at| {
        let mut users = users(&mut each_page, *pick(pages, at)?)?;
        for user in &mut users {
            let rows = each.query_map([user.id], |row| post(row, 0))?;
            user.posts = rows.collect::<rusqlite::Result<_>>()?;
        }
        Ok(Answer::Users(users))
    });
    let mut window_page = connection.prepare(&page_sql)?;
    let window = format!(
        "select p.author_id, {POST} from (select p.*, row_number() over (partition by p.author_id order by
         p.created_at desc) as place from post p where p.author_id in"
    );
    let batched: Run<'_> = Box::new(move |at| {
        let mut users = users(&mut window_page, *pick(pages, at)?)?;
        let ids: Vec<i64> = users.iter().map(|user| user.id).collect();
        let of_user = places(&ids);
        in_list(connection, (&window, ") p where place <= 3 order by p.author_id, place"), &ids, |row| {
            let post = post(row, 1)?;
            if let Some(user) = of_user.get(&row.get(0)?).and_then(|at| users.get_mut(*at)) {
                user.posts.push(post);
            }
            Ok(())
        })?;
        Ok(Answer::Users(users))
    });
    let mut select = connection.prepare(&format!(
        "select {USER}, {POST} from (select {USER} from user u where u.id >= ? order by u.id limit 20) u
         left join post p on p.id in (select q.id from post q where q.author_id = u.id order by q.created_at desc
         limit 3) order by u.id, p.created_at desc"
    ))?;
    let join: Run<'_> = Box::new(move |at| {
        let mut users: Vec<crate::answer::User> = Vec::new();
        let mut rows = select.query([*pick(pages, at)?])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            if users.last().is_none_or(|user| user.id != id) {
                users.push(user(row)?);
            }
            if let (Some(user), Some(_)) = (users.last_mut(), row.get::<_, Option<i64>>(4)?) {
                user.posts.push(post(row, 4)?);
            }
        }
        Ok(Answer::Users(users))
    });
    let forms = vec![(ORMDB, page(sides, &text)?), ("n+1", one_by_one), ("batched", batched), ("join", join)];
    Ok(Case { name: "top-3", bar: 1.5, operations: 400, forms })
}

/// The tags of an author's ten newest posts, through the edge table.
fn edges(sides: Sides<'_>) -> Result<Case<'_>> {
    let text = format!(
        "Post where authorId = $author order by createdAt desc limit 10 {{ {FIELDS}, tags order by id {{ id, name }} }}"
    );
    let statement = orm::statement(sides.session, &text)?;
    let connection = sides.connection;
    let authors = &sides.arguments.users;
    let ours: Run<'_> = Box::new(move |at| {
        let params = Params::none().with("author", *pick(authors, at)?);
        Ok(Answer::Posts(orm::rows(sides.session, &statement, &params)?))
    });
    let newest =
        format!("select {POST} from post p where p.author_id = ? order by p.created_at desc limit 10");
    let mut select = connection.prepare(&newest)?;
    let mut each = connection.prepare(
        "select t.id, t.name from post_tag e join tag t on t.id = e.tag_id where e.post_id = ? order by t.id",
    )?;
    let one_by_one: Run<'_> = Box::new(move |at| {
        let rows = select.query_map([*pick(authors, at)?], |row| post(row, 0))?;
        let mut posts = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        for post in &mut posts {
            let tags = each.query_map([post.id], |row| Ok(Tag { id: row.get(0)?, name: row.get(1)? }))?;
            post.tags = tags.collect::<rusqlite::Result<_>>()?;
        }
        Ok(Answer::Posts(posts))
    });
    let mut select = connection.prepare(&newest)?;
    let tags =
        "select e.post_id, t.id, t.name from post_tag e join tag t on t.id = e.tag_id where e.post_id in";
    let batched: Run<'_> = Box::new(move |at| {
        let rows = select.query_map([*pick(authors, at)?], |row| post(row, 0))?;
        let mut posts = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let ids: Vec<i64> = posts.iter().map(|post| post.id).collect();
        let of_post = places(&ids);
        in_list(connection, (tags, "order by e.post_id, t.id"), &ids, |row| {
            if let Some(post) = of_post.get(&row.get(0)?).and_then(|at| posts.get_mut(*at)) {
                post.tags.push(Tag { id: row.get(1)?, name: row.get(2)? });
            }
            Ok(())
        })?;
        Ok(Answer::Posts(posts))
    });
    let mut select = connection.prepare(&format!(
        "select {POST}, t.id, t.name from ({}) p left join post_tag e on e.post_id = p.id
         left join tag t on t.id = e.tag_id order by p.created_at desc, p.id, t.id",
        newest.replace(POST, "p.*")
    ))?;
    let join: Run<'_> = Box::new(move |at| {
        let mut posts: Vec<crate::answer::Post> = Vec::new();
        let mut rows = select.query([*pick(authors, at)?])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            if posts.last().is_none_or(|post| post.id != id) {
                posts.push(post(row, 0)?);
            }
            if let (Some(post), Some(id)) = (posts.last_mut(), row.get(5)?) {
                post.tags.push(Tag { id, name: row.get(6)? });
            }
        }
        Ok(Answer::Posts(posts))
    });
    let forms = vec![(ORMDB, ours), ("n+1", one_by_one), ("batched", batched), ("join", join)];
    Ok(Case { name: "edges", bar: 1.5, operations: 1000, forms })
}

/// Who wrote most of the newer comments: about as many groups as there are users.
fn groups_many(sides: Sides<'_>) -> Result<Case<'_>> {
    let statement = orm::statement(
        sides.session,
        "group Comment where createdAt >= $since by authorId order by count() desc, authorId limit 10 \
         { key: authorId, n: count(), top: max(id) }",
    )?;
    let instants = &sides.arguments.instants;
    let ours: Run<'_> = Box::new(move |at| {
        let params = Params::none().with("since", Value::DateTime(*pick(instants, at)?));
        Ok(Answer::Groups(orm::rows(sides.session, &statement, &params)?))
    });
    let mut select = sides.connection.prepare(
        "select author_id, count(*), max(id) from comment where created_at >= ? group by author_id
         order by count(*) desc, author_id limit 10",
    )?;
    let theirs: Run<'_> = Box::new(move |at| {
        let rows = select.query_map([*pick(instants, at)?], group)?;
        Ok(Answer::Groups(rows.collect::<rusqlite::Result<_>>()?))
    });
    Ok(Case { name: "group-many", bar: 1.5, operations: 10, forms: vec![(ORMDB, ours), ("select", theirs)] })
}

/// All posts in eight groups.
fn groups_few(sides: Sides<'_>) -> Result<Case<'_>> {
    let statement = orm::statement(
        sides.session,
        "group Post by kind order by kind { key: kind, n: count(), top: max(score) }",
    )?;
    let ours: Run<'_> =
        Box::new(move |_| Ok(Answer::Groups(orm::rows(sides.session, &statement, &Params::none())?)));
    let mut select = sides
        .connection
        .prepare("select kind, count(*), max(score) from post group by kind order by kind")?;
    let theirs: Run<'_> = Box::new(move |_| {
        let rows = select.query_map([], group)?;
        Ok(Answer::Groups(rows.collect::<rusqlite::Result<_>>()?))
    });
    Ok(Case { name: "group-few", bar: 1.5, operations: 20, forms: vec![(ORMDB, ours), ("select", theirs)] })
}

fn group(row: &rusqlite::Row<'_>) -> rusqlite::Result<Group> {
    Ok(Group { key: row.get(0)?, n: row.get(1)?, top: row.get(2)? })
}
