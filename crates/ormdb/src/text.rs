//! The two text languages: schemas and queries. docs/QUERY.md has both grammars.
//!
//! Knows no catalog: a parse gives names with the places where they stand, and the catalog or the planner says what
//! they mean. One lexer and one expression grammar serve both languages.
//!
//! Invariants: (1) no text panics, overflows the stack or allocates more than a small multiple of its length: texts are
//! bounded by [`TEXT_BYTES_MAX`] and nesting by [`DEPTH_MAX`](ormdb_proto::ir::DEPTH_MAX); (2) every error carries the
//! span that it is about; (3) formatting is idempotent, keeps every comment, and changes no meaning.

mod cursor;
mod expr;
mod lexer;
mod literal;
mod operand;
mod print;
mod query;
mod schema;

pub use lexer::{TEXT_BYTES_MAX, is_keyword};
pub use print::{print_expr, print_name, print_order, print_statement, print_value};
pub use query::{ParsedStatement, PlanFormat, is_complete, parse_expr, parse_statement, parse_statements};
pub use schema::ast;
pub use schema::{format_schema, parse_schema, print_entity, print_struct};
