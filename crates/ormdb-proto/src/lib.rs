//! ormdb-proto.
