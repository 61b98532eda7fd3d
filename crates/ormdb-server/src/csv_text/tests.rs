use std::io::BufReader;

use super::*;

/// The records of a text behind the first: the line, the cells as they would be written, and whether they are closed.
fn records(text: &str) -> Vec<(u64, Vec<String>, bool)> {
    // A buffer of a few bytes, so that records lie across its ends.
    let (mut records, _) = Records::new(BufReader::with_capacity(3, text.as_bytes())).unwrap();
    let mut record = Record::default();
    let mut all = Vec::new();
    while records.read(&mut record).unwrap() {
        let shown = record.cells().map(|cell| {
            let content = std::str::from_utf8(cell.content).unwrap();
            if cell.quoted { format!("\"{content}\"") } else { content.to_owned() }
        });
        all.push((record.line, shown.collect(), record.closed));
    }
    assert_eq!(records.bytes_read(), text.len() as u64);
    all
}

fn row(line: u64, cells: &[&str]) -> (u64, Vec<String>, bool) {
    (line, cells.iter().map(|cell| (*cell).to_owned()).collect(), true)
}

#[test]
fn quotes_are_told() {
    assert_eq!(
        records("a,b\n,\"\"\n\"x, \"\"y\"\"\nz\",q\"r\n\"s\"t,\n"),
        [row(2, &["", "\"\""]), row(3, &["\"x, \"y\"\nz\"", "q\"r"]), row(5, &["\"st\"", ""])]
    );
}

#[test]
fn lines_end_in_three_ways_and_empty_ones_are_passed_over() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["a,b", "", "1,2", "", "", "\"3\",4"].join(end);
        assert_eq!(records(&text), [row(3, &["1", "2"]), row(6, &["\"3\"", "4"])], "{end:?}");
        assert_eq!(records(&["\u{feff}a", "1", "", "2", ""].join(end)).len(), 3, "{end:?}");
    }
    assert_eq!(records(""), []);
    assert_eq!(records("a,b"), []);
}

#[test]
fn a_quote_that_is_not_closed_is_told() {
    let rows = records("a,b\n1,\"x\n2,y\n");
    assert_eq!(rows, [(2, vec!["1".to_owned(), "\"x\n2,y\n\"".to_owned()], false)]);
}

#[test]
fn what_is_written_reads_back() {
    let cells = [None, Some(""), Some("a"), Some("a,b"), Some("\""), Some("\r"), Some("\n")];
    let mut out = b"a,b\n".to_vec();
    write(&mut out, cells.iter().map(|cell| cell.map(str::to_owned)));
    let (mut records, _) = Records::new(out.as_slice()).unwrap();
    let mut record = Record::default();
    assert!(records.read(&mut record).unwrap());
    let read: Vec<Option<&str>> = record
        .cells()
        .map(|cell| {
            (cell.quoted || !cell.content.is_empty()).then(|| std::str::from_utf8(cell.content).unwrap())
        })
        .collect();
    assert_eq!(read, cells);
}
