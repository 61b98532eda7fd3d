//! What a program gets of an operation: owned objects, the same from every side.

use ormdb::FromRow;
use serde::{Deserialize, Serialize};

/// What one operation gave.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Movie(Movie),
    Person(Person),
    User(User),
    NewUser(Brief),
    NewMovie(NewMovie),
    Retitled(Retitled),
}

#[derive(Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Movie {
    pub(crate) id: i64,
    pub(crate) image: String,
    pub(crate) title: String,
    pub(crate) year: i32,
    pub(crate) description: String,
    pub(crate) directors: Vec<Credit>,
    pub(crate) cast: Vec<Credit>,
    pub(crate) reviews: Vec<Review>,
}

#[derive(Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct NewMovie {
    pub(crate) id: i64,
    pub(crate) image: String,
    pub(crate) title: String,
    pub(crate) year: i32,
    pub(crate) description: String,
    pub(crate) directors: Vec<Credit>,
    pub(crate) cast: Vec<Credit>,
}

#[derive(Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Credit {
    pub(crate) person: Brief,
}

/// A person or a user.
#[derive(Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Brief {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) image: String,
}

#[derive(Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Review {
    pub(crate) id: i64,
    pub(crate) body: String,
    pub(crate) rating: i32,
    pub(crate) author: Brief,
}

#[derive(Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Person {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) bio: String,
    #[serde(rename = "actedIn")]
    #[row(name = "actedIn")]
    pub(crate) acted_in: Vec<Film>,
    pub(crate) directed: Vec<Film>,
}

#[derive(Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Film {
    pub(crate) movie: Rated,
}

#[derive(Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Rated {
    pub(crate) id: i64,
    pub(crate) image: String,
    pub(crate) title: String,
    pub(crate) year: i32,
    #[serde(rename = "avgRating")]
    #[row(name = "avgRating")]
    pub(crate) avg_rating: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) reviews: Vec<Opinion>,
}

#[derive(Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Opinion {
    pub(crate) id: i64,
    pub(crate) body: String,
    pub(crate) rating: i32,
    pub(crate) movie: Rated,
}

#[derive(Debug, Serialize, Deserialize, FromRow)]
pub(crate) struct Retitled {
    pub(crate) id: i64,
    pub(crate) title: String,
}
