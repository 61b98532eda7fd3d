//! The life of rows, driven by text files: stored computed fields, soft delete, retention, and changes of the schema
//! that touch them. `REWRITE=1 cargo test -p ormdb --test lifecycle` rewrites the outputs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod driven;

#[test]
fn lives() {
    driven::walk("tests/lifecycle");
}
