//! The data of the site, made from a seed: the same for all sides. Some movies, people and users are far more popular than others.

use fastrand::Rng;
use serde::Serialize;

/// The first instant of the data, in microseconds since 1970.
const BEGINNING: i64 = 1_600_000_000_000_000;
/// From one review to the next.
const SECOND: i64 = 1_000_000;

/// All rows.
pub(crate) struct Data {
    pub(crate) people: Vec<PersonRow>,
    pub(crate) movies: Vec<MovieRow>,
    pub(crate) users: Vec<UserRow>,
    pub(crate) reviews: Vec<ReviewRow>,
}

pub(crate) struct PersonRow {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) bio: String,
}

pub(crate) struct MovieRow {
    pub(crate) id: i64,
    pub(crate) movie: NewMovie,
}

/// What a movie is made of: its directors and cast are people, in the order of their lists.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NewMovie {
    pub(crate) image: String,
    pub(crate) title: String,
    pub(crate) year: i32,
    pub(crate) description: String,
    pub(crate) directors: Vec<i64>,
    pub(crate) cast: Vec<i64>,
}

pub(crate) struct UserRow {
    pub(crate) id: i64,
    pub(crate) user: NewUser,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct NewUser {
    pub(crate) name: String,
    pub(crate) image: String,
}

pub(crate) struct ReviewRow {
    pub(crate) id: i64,
    pub(crate) body: String,
    pub(crate) rating: i32,
    pub(crate) created_at: i64,
    pub(crate) author_id: i64,
    pub(crate) movie_id: i64,
}

impl Data {
    /// A site of so many movies, four times as many people and users, and twenty times as many reviews.
    pub(crate) fn new(movies: u32, rng: &mut Rng) -> Data {
        let movies = i64::from(movies.max(10));
        let (people, users, reviews) = (movies * 4, movies * 4, movies * 20);
        Data {
            people: (1..=people)
                .map(|id| PersonRow {
                    id,
                    name: name(rng),
                    image: image("people", rng),
                    bio: words(20, 60, rng),
                })
                .collect(),
            movies: (1..=movies).map(|id| MovieRow { id, movie: movie(people, rng) }).collect(),
            users: (1..=users).map(|id| UserRow { id, user: user(rng) }).collect(),
            reviews: (1..=reviews)
                .map(|id| ReviewRow {
                    id,
                    body: words(8, 40, rng),
                    rating: rng.i32(1..=10),
                    created_at: BEGINNING + id * SECOND,
                    author_id: skewed(users, rng),
                    movie_id: skewed(movies, rng),
                })
                .collect(),
        }
    }

    /// Rows of all tables.
    pub(crate) fn rows(&self) -> usize {
        let credits = self.movies.iter().map(|row| row.movie.directors.len() + row.movie.cast.len());
        self.people.len() + self.movies.len() + self.users.len() + self.reviews.len() + credits.sum::<usize>()
    }
}

/// A movie with people of so many.
pub(crate) fn movie(people: i64, rng: &mut Rng) -> NewMovie {
    let count = (rng.usize(1..=3), rng.usize(2..=20));
    NewMovie {
        image: image("movies", rng),
        title: words(1, 6, rng),
        year: rng.i32(1920..=2025),
        description: words(20, 60, rng),
        directors: (0..count.0).map(|_| skewed(people, rng)).collect(),
        cast: (0..count.1).map(|_| skewed(people, rng)).collect(),
    }
}

pub(crate) fn user(rng: &mut Rng) -> NewUser {
    NewUser { name: name(rng), image: image("users", rng) }
}

/// One of `1..=count`; the most popular come far more often, and stand apart from each other.
pub(crate) fn skewed(count: i64, rng: &mut Rng) -> i64 {
    #[allow(clippy::cast_possible_truncation, reason = "the product is below the count")]
    let rank = (rng.f64().powi(2) * count as f64) as i64;
    // A prime beyond any count permutes the ranks.
    (i128::from(rank) * 2_147_483_647 % i128::from(count)).try_into().unwrap_or(0) + 1
}

fn name(rng: &mut Rng) -> String {
    const FIRST: [&str; 12] =
        ["Ada", "Björk", "Chen", "Dora", "Emil", "Fumi", "Grace", "Hugo", "Ines", "Jonas", "Kofi", "Lena"];
    const LAST: [&str; 12] = [
        "Andersen",
        "Borg",
        "Castillo",
        "Dubois",
        "Eriksson",
        "Ferrari",
        "Guðmundsdóttir",
        "Hopper",
        "Ito",
        "Jansen",
        "Kim",
        "Lovelace",
    ];
    let part = |of: [&'static str; 12], rng: &mut Rng| rng.choice(of).unwrap_or_default();
    format!("{} {} {}", part(FIRST, rng), rng.u16(..), part(LAST, rng))
}

fn image(of: &str, rng: &mut Rng) -> String {
    format!("https://images.example.org/{of}/{:08x}.jpeg", rng.u32(..))
}

fn words(least: usize, most: usize, rng: &mut Rng) -> String {
    const WORDS: [&str; 20] = [
        "the", "night", "of", "a", "thousand", "rivers", "and", "one", "stranger", "who", "returns", "home",
        "before", "winter", "without", "memory", "love", "war", "silence", "dawn",
    ];
    let count = rng.usize(least..=most);
    let chosen: Vec<_> = (0..count).filter_map(|_| rng.choice(WORDS)).collect();
    chosen.join(" ")
}
