//! Schema text: parses and resolves, or says where it is wrong; the formatter changes no meaning; a schema that follows
//! another keeps what stays.

use ormdb::catalog::{Catalog, diff, resolve};
use ormdb::text::ast::SchemaAst;
use ormdb::text::{format_schema, parse_schema};
use ormdb_proto::schema::Schema;

pub(super) const DICTIONARY: &[&str] = &[
    "entity ",
    "enum ",
    "@id",
    "@default(",
    "@unique",
    "@check(",
    "@relation(",
    "@through(",
    "@was(\"",
    "@map(\"",
    "@updatedAt",
    "@@id(",
    "@@index(",
    "@@unique(",
    "@@check(",
    "@@map(",
    "@@was(",
    "@@order(",
    "covering (",
    " where ",
    "int64",
    "int16",
    "string",
    "string(",
    "decimal(38,38)",
    "datetime",
    "uuid",
    "json",
    "bytes",
    "[]",
    "?",
    "{",
    "}",
    "(",
    ")",
    " -> ",
    ": ",
    ",",
    ".",
    "=",
    "autoincrement()",
    "uuidv7()",
    "now()",
    "onDelete: cascade",
    "onUpdate: setNull",
    "nulls not distinct",
    "name: \"",
    "// ",
    "/// ",
    "\"",
    "\\",
    "\n",
    "desc",
    "count(",
    " and ",
    " or ",
    "not ",
    ">=",
    "null",
    "true",
    "User",
    "id",
    "\n----\n",
];

/// Stands between a schema and the one that follows it.
const SEPARATOR: &str = "\n----\n";

pub(super) fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut before = Schema::empty();
    // Two are enough for everything that one schema can do to the next.
    for text in text.splitn(2, SEPARATOR) {
        let Some(ast) = parse(text) else { return };
        match resolve(&ast, &before) {
            Ok(schema) => {
                check_schema(&ast, &before, &schema);
                before = schema;
            }
            Err(errors) => return check_errors(&errors, text),
        }
    }
}

fn parse(text: &str) -> Option<SchemaAst> {
    match parse_schema(text) {
        Ok(ast) => {
            let formatted = format_schema(text).expect("what parses can be formatted");
            let again = format_schema(&formatted).expect("what is formatted parses");
            assert_eq!(formatted, again, "formatting is idempotent");
            Some(ast)
        }
        Err(errors) => {
            check_errors(&errors, text);
            None
        }
    }
}

fn check_errors(errors: &[ormdb_proto::Error], text: &str) {
    assert!(!errors.is_empty(), "a refusal has a reason");
    for error in errors {
        super::check_error(error, text);
    }
}

fn check_schema(ast: &SchemaAst, before: &Schema, schema: &Schema) {
    std::hint::black_box(diff(before, schema));
    let changes = diff(schema, schema);
    assert!(changes.is_empty(), "a schema does not differ from itself: {changes:?}");
    let built = Catalog::build(schema.clone(), "");
    assert!(built.is_ok(), "what resolves compiles: {built:?}");
    // The same text once more: a rename that was done is done, and everything keeps its id.
    if let Ok(again) = resolve(ast, schema) {
        let changes = diff(schema, &again);
        assert!(changes.is_empty(), "the same text changes nothing: {changes:?}");
    }
}
