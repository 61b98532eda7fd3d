use super::{Error, ErrorCode, SHOWN_MAX, Span};

/// What is shown of an error about `count` characters of a text of one line, from this column on.
#[track_caller]
fn check(line: &str, column: u32, count: u32, shown: &[&str]) {
    let span = Span { start: column - 1, end: column - 1 + count, line: 1, column };
    let error = Error::new(ErrorCode::InvalidQuery, "no").span(span);
    let rendered = error.render(Some(line));
    let lines: Vec<&str> = rendered.lines().skip(3).collect();
    assert_eq!(lines, shown);
}

#[test]
fn a_short_line_is_shown_whole_with_carets_under_the_place() {
    check("User { idd }", 8, 3, &["1 | User { idd }", "  |        ^^^"]);
}

/// A statement that a program wrote had 74 KB in its only line, and the error showed them all.
#[test]
fn of_a_long_line_the_part_around_the_place_is_shown() {
    let values = "1, ".repeat(1_000);
    let line = format!("{values}oops, {values}");
    let around =
        |front: &str, back: &str| format!("1 | {front}{}oops, {}{back}", "1, ".repeat(20), "1, ".repeat(18));
    let caret = format!("  | {}^^^^", " ".repeat(61));
    check(&line, 3_001, 4, &[&around("…", "…"), &caret]);
    assert_eq!(around("", "").chars().count() - 4, SHOWN_MAX);
}

#[test]
fn a_long_line_is_cut_where_it_begins_and_ends() {
    let values = "1, ".repeat(100);
    let begin = format!("oops {values}");
    check(&begin, 1, 4, &[&format!("1 | oops {}1…", "1, ".repeat(38)), "  | ^^^^"]);
    let end = format!("{values}oops");
    let shown = format!("1 | …, {}oops", "1, ".repeat(38));
    check(&end, 301, 4, &[&shown, &format!("  | {}^^^^", " ".repeat(117))]);
}
