//! ormdb.
