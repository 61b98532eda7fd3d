//! Schema text: parses or says where it is wrong; the formatter changes no meaning.

use ormdb::text::{format_schema, parse_schema};

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
];

pub(super) fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match parse_schema(&text) {
        Ok(_) => {
            let formatted = format_schema(&text).expect("what parses can be formatted");
            let again = format_schema(&formatted).expect("what is formatted parses");
            assert_eq!(formatted, again, "formatting is idempotent");
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "a refusal has a reason");
            for error in &errors {
                super::check_error(error, &text);
            }
        }
    }
}
