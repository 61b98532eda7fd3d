//! Query text: parses or says where it is wrong; what is printed reads back as itself.

use ormdb::text::{is_complete, parse_expr, parse_statement, parse_statements, print_expr, print_statement};

pub(super) const DICTIONARY: &[&str] = &[
    "where ",
    "order by ",
    "limit ",
    "offset ",
    "create ",
    "update ",
    "upsert ",
    "delete ",
    "set {",
    "return {",
    "connect [",
    "disconnect ",
    "connectOrCreate [",
    "skip duplicates",
    "explain ",
    "analyze ",
    " and ",
    " or ",
    "not ",
    " in ",
    " in [",
    " is null",
    " is not null",
    " is (",
    " is not (",
    " between ",
    " like ",
    " ilike ",
    " contains ",
    " startsWith ",
    " matches ",
    " insensitive",
    " some (",
    " every (",
    " none",
    "count(",
    "count(distinct ",
    "sum(",
    "avg(",
    "min(",
    "max(",
    "*",
    "+",
    "-",
    "/",
    "%",
    "||",
    "=",
    "!=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "+=",
    "-=",
    "*=",
    "/=",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ": ",
    ", ",
    ".",
    "; ",
    "$p",
    "$1",
    "\"",
    "`",
    "x\"",
    "date\"",
    "uuid\"",
    "datetime\"",
    "\\u{",
    " asc",
    " desc",
    " nulls first",
    " nulls last",
    "null",
    "true",
    "1.5e10",
    "0x",
    "//",
    "Artist",
    "albums",
    "name",
    "id",
    "distinct ",
    "if(",
    "coalesce(",
    "now()",
    "as of ",
    "group ",
    "watch ",
    "for update",
];

pub(super) fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match parse_statements(&text) {
        Ok(all) => all.iter().for_each(|parsed| check_statement(&print_statement(&parsed.statement))),
        Err(error) => super::check_error(&error, &text),
    }
    match parse_expr(&text) {
        Ok(expr) => {
            let printed = print_expr(&expr);
            let again = parse_expr(&printed).unwrap_or_else(|error| unreachable!("{printed}: {error}"));
            assert_eq!(print_expr(&again), printed, "printing is stable");
        }
        Err(error) => super::check_error(&error, &text),
    }
    // Any answer is right; it must come.
    std::hint::black_box(is_complete(&text));
}

/// What was printed of a statement reads back as the same statement.
fn check_statement(printed: &str) {
    let again = parse_statement(printed).unwrap_or_else(|error| unreachable!("{printed}: {error}"));
    assert_eq!(print_statement(&again.statement), printed, "printing is stable");
}
