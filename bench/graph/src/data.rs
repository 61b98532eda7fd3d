//! The data: a blog whose users, posts and tags are not equally loved. Made from a seed, the same for both sides.

use fastrand::Rng;

/// The first instant of the data, in microseconds since 1970.
const BEGINNING: i64 = 1_600_000_000_000_000;
/// From one row to the next.
const SECOND: i64 = 1_000_000;
/// What posts are of.
const KINDS: i64 = 8;

/// All rows.
pub(crate) struct Data {
    pub(crate) users: Vec<UserRow>,
    pub(crate) posts: Vec<PostRow>,
    pub(crate) comments: Vec<CommentRow>,
    pub(crate) tags: Vec<TagRow>,
    /// Post and tag, sorted.
    pub(crate) post_tags: Vec<(i64, i64)>,
}

pub(crate) struct UserRow {
    pub(crate) id: i64,
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) joined_at: i64,
    pub(crate) logins: i64,
}

pub(crate) struct PostRow {
    pub(crate) id: i64,
    pub(crate) author_id: i64,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) kind: i64,
    pub(crate) score: i64,
    pub(crate) created_at: i64,
}

#[derive(Clone)]
pub(crate) struct CommentRow {
    pub(crate) id: i64,
    pub(crate) post_id: i64,
    pub(crate) author_id: i64,
    pub(crate) text: String,
    pub(crate) created_at: i64,
}

pub(crate) struct TagRow {
    pub(crate) id: i64,
    pub(crate) name: String,
}

impl Data {
    /// About `rows` rows: of 20, one user, three posts, twelve comments and four tags of posts.
    pub(crate) fn new(rows: u64, rng: &mut Rng) -> Data {
        let twentieth = i64::try_from(rows / 20).unwrap_or(i64::MAX).max(50);
        let users: Vec<_> = (1..=twentieth).map(|id| user(id, rng)).collect();
        let posts: Vec<_> = (1..=twentieth * 3)
            .map(|id| PostRow {
                id,
                author_id: skewed(twentieth, rng),
                title: words(3, 9, rng),
                body: words(20, 60, rng),
                kind: skewed(KINDS, rng),
                score: rng.i64(0..1000),
                created_at: instant(id),
            })
            .collect();
        let comments = (1..=twentieth * 12).map(|id| comment(id, twentieth, rng)).collect();
        let tags: Vec<_> =
            (1..=twentieth / 25 + 1).map(|id| TagRow { id, name: format!("tag{id}") }).collect();
        let tag_count = twentieth / 25 + 1;
        let mut post_tags: Vec<_> =
            (0..twentieth * 4).map(|_| (rng.i64(1..=twentieth * 3), skewed(tag_count, rng))).collect();
        post_tags.sort_unstable();
        post_tags.dedup();
        Data { users, posts, comments, tags, post_tags }
    }

    /// Rows of all tables.
    pub(crate) fn rows(&self) -> usize {
        self.users.len() + self.posts.len() + self.comments.len() + self.tags.len() + self.post_tags.len()
    }

    /// How many users there are, as an id.
    pub(crate) fn last_user(&self) -> i64 {
        self.users.last().map_or(1, |user| user.id)
    }

    /// How many posts there are, as an id.
    pub(crate) fn last_post(&self) -> i64 {
        self.posts.last().map_or(1, |post| post.id)
    }

    /// How many comments there are, as an id.
    pub(crate) fn last_comment(&self) -> i64 {
        self.comments.last().map_or(1, |comment| comment.id)
    }
}

fn user(id: i64, rng: &mut Rng) -> UserRow {
    UserRow { id, email: email(id), name: words(2, 3, rng), joined_at: instant(id), logins: 0 }
}

/// The e-mail of a user, there or not.
pub(crate) fn email(id: i64) -> String {
    format!("user{}@example.org", id.wrapping_mul(7_919))
}

/// A comment on a post of `users` users.
pub(crate) fn comment(id: i64, users: i64, rng: &mut Rng) -> CommentRow {
    CommentRow {
        id,
        post_id: skewed(users * 3, rng),
        author_id: skewed(users, rng),
        text: words(4, 20, rng),
        created_at: instant(id),
    }
}

/// The instant of the row with an id, later for each.
pub(crate) fn instant(id: i64) -> i64 {
    BEGINNING + id * SECOND
}

/// One of `1..=count`; the most loved come far more often, and stand apart from each other.
pub(crate) fn skewed(count: i64, rng: &mut Rng) -> i64 {
    #[allow(clippy::cast_possible_truncation, reason = "the product is below the count")]
    let rank = (rng.f64().powi(2) * count as f64) as i64;
    // A prime beyond any count permutes the ranks.
    (i128::from(rank) * 2_147_483_647 % i128::from(count)).try_into().unwrap_or(0) + 1
}

fn words(least: usize, most: usize, rng: &mut Rng) -> String {
    const WORDS: [&str; 16] = [
        "graph", "of", "rows", "and", "people", "who", "write", "about", "engines", "that", "keep", "them",
        "sorted", "by", "their", "keys",
    ];
    let count = rng.usize(least..=most);
    let chosen: Vec<_> = (0..count).filter_map(|_| rng.choice(WORDS)).collect();
    chosen.join(" ")
}
