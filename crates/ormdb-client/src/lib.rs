//! ormdb-client.
