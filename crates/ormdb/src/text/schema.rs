//! The schema language: text to tree, and tree to canonical text.

pub mod ast;
mod attribute;
mod format;
mod parser;

pub use format::{format_schema, print_entity, print_struct};
pub use parser::parse_schema;
