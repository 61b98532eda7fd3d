//! The users of a server's database. Passwords are not sent: their keys are made here.

use ormdb_proto::frame::FrameType;
use ormdb_proto::message::{AddUser, DropUser, SetPassword};
use ormdb_proto::scram::{SALT_BYTES, Verifier};
use ormdb_proto::{Error, ErrorCode, Result, User};

use crate::client::Client;
use crate::pending::{Response, unexpected};

impl Client {
    /// The users, by name.
    ///
    /// # Errors
    /// As [`query`](Self::query); `PermissionDenied` for a user who only reads.
    pub async fn users(&self) -> Result<Vec<User>> {
        match self.send_empty(FrameType::ListUsers).await? {
            Response::Users(users) => Ok(users),
            _ => Err(unexpected("the users")),
        }
    }

    /// Adds a user. From the first one on the server lets users in only.
    ///
    /// # Errors
    /// As [`users`](Self::users); `DuplicateName` if there is one of this name; `InvalidValue` if name or password cannot be any.
    pub async fn add_user(&self, user: &User, password: &str) -> Result<()> {
        let verifier = verifier(password).await?;
        done(self.send(&AddUser { user: user.clone(), verifier }).await?)
    }

    /// Gives a user another password, for logins to come.
    ///
    /// # Errors
    /// As [`users`](Self::users); `RecordNotFound` if there is no such user; `InvalidValue` if the password cannot be one.
    pub async fn set_password(&self, user: &str, password: &str) -> Result<()> {
        let verifier = verifier(password).await?;
        done(self.send(&SetPassword { name: user.to_owned(), verifier }).await?)
    }

    /// Takes a user away; connections of the user that are open stay.
    ///
    /// # Errors
    /// As [`users`](Self::users); `RecordNotFound` if there is no such user.
    pub async fn drop_user(&self, user: &str) -> Result<()> {
        done(self.send(&DropUser { name: user.to_owned() }).await?)
    }
}

async fn verifier(password: &str) -> Result<Verifier> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt)
        .map_err(|e| Error::new(ErrorCode::Io, format!("the system gives no random bytes: {e}")))?;
    let password = password.to_owned();
    let made = tokio::task::spawn_blocking(move || Verifier::of_password(&password, salt)).await;
    made.map_err(|_| Error::new(ErrorCode::Internal, "hashing the password panicked"))?
}

fn done(response: Response) -> Result<()> {
    match response {
        Response::Done(_) => Ok(()),
        _ => Err(unexpected("that it is done")),
    }
}
