//! The `ormdb` binary.
fn main() {}
