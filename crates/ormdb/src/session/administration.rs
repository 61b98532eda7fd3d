//! What a session does to its database as a whole, if its user may write.

use ormdb_proto::scram::Verifier;
use ormdb_proto::{Error, Result, User};

use super::Session;
use crate::catalog::Applied;

impl Session {
    /// Changes the schema: [`Database::apply_schema`](crate::Database::apply_schema).
    ///
    /// # Errors
    /// As there, and [`ErrorCode::PermissionDenied`](crate::ErrorCode::PermissionDenied).
    pub fn apply_schema(&self, text: &str) -> std::result::Result<Applied, Vec<Error>> {
        self.context.check_may_write().map_err(|error| vec![error])?;
        self.database.apply_schema(text)
    }

    /// The text of the schema; empty if none was applied.
    pub fn schema_text(&self) -> String {
        self.database.catalog().text().to_owned()
    }

    /// The users of the database: [`Database::users`](crate::Database::users).
    ///
    /// # Errors
    /// As there, and [`ErrorCode::PermissionDenied`](crate::ErrorCode::PermissionDenied).
    pub fn users(&self) -> Result<Vec<User>> {
        self.context.check_may_write()?;
        self.database.users()
    }

    /// Adds a user: [`Database::add_user`](crate::Database::add_user).
    ///
    /// # Errors
    /// As there, and [`ErrorCode::PermissionDenied`](crate::ErrorCode::PermissionDenied).
    pub fn add_user(&self, new: &User, verifier: &Verifier) -> Result<()> {
        self.context.check_may_write()?;
        self.database.add_user(new, verifier)
    }

    /// Gives a user another password: [`Database::set_password`](crate::Database::set_password).
    ///
    /// # Errors
    /// As there, and [`ErrorCode::PermissionDenied`](crate::ErrorCode::PermissionDenied).
    pub fn set_password(&self, name: &str, verifier: &Verifier) -> Result<()> {
        self.context.check_may_write()?;
        self.database.set_password(name, verifier)
    }

    /// Takes a user away: [`Database::drop_user`](crate::Database::drop_user).
    ///
    /// # Errors
    /// As there, and [`ErrorCode::PermissionDenied`](crate::ErrorCode::PermissionDenied).
    pub fn drop_user(&self, name: &str) -> Result<()> {
        self.context.check_may_write()?;
        self.database.drop_user(name)
    }
}
