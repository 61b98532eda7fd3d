//! Writes, driven by schema and statement texts over an engine in memory; every test ends with an audit of all rows,
//! index entries and foreign keys.

mod bench;
mod fields;
mod nested;
mod races;
mod random;
mod references;
