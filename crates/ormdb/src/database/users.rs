//! The users of a database, and their logins.
//!
//! Invariants: (1) a login of a name that no user has goes as one with a wrong password does, step by step, at the same cost;
//! (2) users are added, changed and taken away one after the other, and durably.

use ordinum::{Batch, Durability, KeyRange, Reader};
use ormdb_proto::scram::{ChannelBinding, NONCE_BYTES, SALT_BYTES, ServerChallenge, ServerLogin, Verifier};
use ormdb_proto::{Error, ErrorCode, Result, User};

use super::Database;
use crate::engine::EngineResult;
use crate::session::Session;
use crate::store::{identity, user};

/// The most users of a database.
const USERS_MAX: usize = 10_000;

/// A login that waits for the proof that its user knows the password.
#[derive(Debug)]
pub struct Login {
    database: Database,
    challenge: ServerChallenge,
    user: Option<User>,
}

impl Login {
    /// The server's first step, for the client.
    pub fn challenge(&self) -> &str {
        self.challenge.text()
    }

    /// Verifies the client's last step; gives the session of its user, and the server's last step.
    ///
    /// # Errors
    /// [`ErrorCode::AuthenticationFailed`] if the proof does not fit, [`ErrorCode::ProtocolViolation`] if it is none.
    pub fn finish(self, proof: &str) -> Result<(Session, String)> {
        let answer = self.challenge.finish(proof)?;
        // Nobody has the keys of nobody; a bug there shall let nobody in either.
        let user = self.user.ok_or_else(ormdb_proto::scram::refused)?;
        Ok((self.database.session().with_access(user.access), answer))
    }
}

impl Database {
    /// Begins a login with the client's first step: SCRAM-SHA-256 of RFC 5802 and 7677.
    ///
    /// # Errors
    /// [`ErrorCode::ProtocolViolation`] if the step is none, [`ErrorCode::AuthenticationFailed`] if it is bound to another
    /// connection; [`ErrorCode::Corrupt`] if the user cannot be read.
    pub fn login(&self, client_first: &str, binding: ChannelBinding) -> Result<Login> {
        let login = ServerLogin::open(client_first, binding)?;
        let families = self.families();
        let engine = &self.inner.engine;
        let record = engine.get(&families.system, &user::user_key(login.user())).engine()?;
        // Made for users who are there as well: they cost the same.
        let secret = engine.get(&families.system, user::SECRET_KEY).engine()?;
        let nobody = Verifier::of_nobody(login.user(), secret.as_deref().unwrap_or_default());
        let (user, verifier) = match record {
            Some(record) => {
                let (user, verifier) = user::decode(login.user().to_owned(), &record)?;
                (Some(user), verifier)
            }
            None => (None, nobody),
        };
        let challenge = login.challenge(verifier, self.random::<NONCE_BYTES>()?);
        Ok(Login { database: self.clone(), challenge, user })
    }

    /// Whether there are users: whoever is not one of them has no business here then.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn has_users(&self) -> Result<bool> {
        let range = KeyRange::prefix(user::USERS_PREFIX);
        self.inner.engine.snapshot().cursor(&self.families().system, range).engine()?.first().engine()
    }

    /// The users, by name.
    ///
    /// # Errors
    /// [`ErrorCode::Corrupt`] if one cannot be read.
    pub fn users(&self) -> Result<Vec<User>> {
        let snapshot = self.inner.engine.snapshot();
        let range = KeyRange::prefix(user::USERS_PREFIX);
        let mut cursor = snapshot.cursor(&self.families().system, range).engine()?;
        let mut users = Vec::new();
        let mut there = cursor.first().engine()?;
        while there {
            let name = user::name_of(cursor.key())?;
            users.push(user::decode(name, cursor.value().engine()?)?.0);
            there = cursor.next().engine()?;
        }
        Ok(users)
    }

    /// The keys of a new password, with a salt of their own.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidValue`] if the password cannot be one.
    pub fn verifier(&self, password: &str) -> Result<Verifier> {
        Verifier::of_password(password, self.random::<SALT_BYTES>()?)
    }

    /// Adds a user. Durable when this returns. From the first one on a server lets users in only, and older versions of ormDB
    /// do not open the database.
    ///
    /// # Errors
    /// [`ErrorCode::DuplicateName`] if there is one of this name, [`ErrorCode::InvalidValue`] if the name or the keys cannot be
    /// any, [`ErrorCode::LimitExceeded`] if there are too many.
    pub fn add_user(&self, new: &User, verifier: &Verifier) -> Result<()> {
        new.check_name()?;
        verifier.check()?;
        let _alone = self.inner.users.lock();
        let users = self.users()?;
        if users.iter().any(|user| user.name == new.name) {
            let message = format!("there is a user `{}` already", new.name);
            return Err(Error::new(ErrorCode::DuplicateName, message)
                .hint("`ormdb user password` gives it another password"));
        }
        if users.len() >= USERS_MAX {
            let message = format!("the database has its {USERS_MAX} users");
            return Err(Error::new(ErrorCode::LimitExceeded, message));
        }
        let families = self.families();
        let mut batch = Batch::new();
        identity::require_users(&mut batch, families)?;
        if self.inner.engine.get(&families.system, user::SECRET_KEY).engine()?.is_none() {
            let secret = self.random::<{ user::SECRET_BYTES }>()?;
            batch.put(&families.system, user::SECRET_KEY, &secret).engine()?;
        }
        let record = user::encode(new.access, verifier);
        batch.put(&families.system, &user::user_key(&new.name), &record).engine()?;
        self.write_users(batch)
    }

    /// Gives a user another password, for logins to come. Durable when this returns.
    ///
    /// # Errors
    /// [`ErrorCode::RecordNotFound`] if there is no such user, [`ErrorCode::InvalidValue`] if the keys cannot be any.
    pub fn set_password(&self, name: &str, verifier: &Verifier) -> Result<()> {
        verifier.check()?;
        let _alone = self.inner.users.lock();
        let access = self.user(name)?.access;
        let mut batch = Batch::new();
        let record = user::encode(access, verifier);
        batch.put(&self.families().system, &user::user_key(name), &record).engine()?;
        self.write_users(batch)
    }

    /// Takes a user away. Durable when this returns. Sessions of the user that are open stay.
    ///
    /// # Errors
    /// [`ErrorCode::RecordNotFound`] if there is no such user.
    pub fn drop_user(&self, name: &str) -> Result<()> {
        let _alone = self.inner.users.lock();
        self.user(name)?;
        let mut batch = Batch::new();
        batch.delete(&self.families().system, &user::user_key(name)).engine()?;
        self.write_users(batch)
    }

    fn user(&self, name: &str) -> Result<User> {
        let record = self.inner.engine.get(&self.families().system, &user::user_key(name)).engine()?;
        let record = record.ok_or_else(|| {
            Error::new(ErrorCode::RecordNotFound, format!("there is no user `{name}`"))
                .hint("`ormdb user list` shows them")
        })?;
        Ok(user::decode(name.to_owned(), &record)?.0)
    }

    fn write_users(&self, batch: Batch) -> Result<()> {
        self.inner.engine.write(batch, Durability::Synced).engine()?;
        Ok(())
    }

    fn random<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.options.engine.entropy.fill(&mut bytes).engine()?;
        Ok(bytes)
    }
}
