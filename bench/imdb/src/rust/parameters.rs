//! The parameters of ormDB's statements.

use ormdb::Params;

use crate::Result;
use crate::arguments::{Arguments, new_title, pick};
use crate::operation::Operation;
use crate::statements;

/// The name of the statement of an operation, and its parameters.
pub(crate) fn of(arguments: &Arguments, operation: Operation, at: usize) -> Result<(String, Params)> {
    let name = operation.name().to_owned();
    let by_id = |id: i64| Params::none().with("id", id);
    Ok(match operation {
        Operation::GetMovie => (name, by_id(*pick(&arguments.movies, at)?)),
        Operation::GetPerson => (name, by_id(*pick(&arguments.people, at)?)),
        Operation::GetUser => (name, by_id(*pick(&arguments.users, at)?)),
        Operation::InsertUser => {
            let user = pick(&arguments.new_users, at)?;
            (name, Params::none().with("name", user.name.as_str()).with("image", user.image.as_str()))
        }
        Operation::InsertMovie => {
            let movie = pick(&arguments.new_movies, at)?;
            let mut params = Params::none()
                .with("image", movie.image.as_str())
                .with("title", movie.title.as_str())
                .with("year", movie.year)
                .with("description", movie.description.as_str());
            for (letter, list) in [('d', &movie.directors), ('c', &movie.cast)] {
                for (at, person) in list.iter().enumerate() {
                    params = params.with(format!("{letter}{at}"), *person);
                }
            }
            (statements::insert_movie(movie), params)
        }
        Operation::UpdateMovie => {
            (name, by_id(*pick(&arguments.movies, at)?).with("title", new_title(arguments, at)?))
        }
    })
}
