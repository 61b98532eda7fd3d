use ormdb_proto::ir::{Fetch, Statement};

use super::{Shape, lift};
use crate::text::parse_statement;

fn fetch(text: &str) -> Fetch {
    match parse_statement(text).unwrap().statement {
        Statement::Fetch(fetch) => fetch,
        other => panic!("{other:?} is no fetch"),
    }
}

/// What is lifted of a text; its shape is that of the fetch without it.
fn lifted(text: &str) -> String {
    let (mut whole, shape) = (fetch(text), Shape::of(&fetch(text)));
    lift(&mut whole);
    let without = Shape::of(&whole);
    assert_eq!(without.bytes, shape.bytes, "{text}");
    assert!(without.lifted.is_empty(), "{text}");
    shape.lifted.iter().map(ormdb_proto::Value::to_text).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_conditions_compare_with_is_no_part_of_the_shape() {
    assert_eq!(lifted("User[7] { name }"), "7");
    assert_eq!(lifted("User[email: \"a\"] { name }"), "a");
    assert_eq!(lifted("User where age > 3 and not (name = \"x\" or id between 4 and 5) { name }"), "3 x 4 5");
    assert_eq!(lifted("User where posts some (score >= 10 and tags none (name = \"a\")) { id }"), "10 a");
    assert_eq!(lifted("User where count(posts) > 2 { id, posts where score = 1 { id } }"), "2 1");
}

#[test]
fn everything_else_belongs_to_the_shape() {
    assert_eq!(lifted("User where id in (1, 2) limit 3 { x: age + 4 }"), "");
    assert_eq!(lifted("User where name = null and name startsWith \"a\" { id }"), "");
    assert_eq!(lifted("User order by age * 2 { id }"), "");
}

#[test]
fn shapes_differ_where_fetches_mean_something_else() {
    let texts = [
        "User where id = 1 { id }",
        "User where id > 1 { id }",
        "User where 1 = id { id }",
        "User where id = $a { id }",
        "User where id = $b { id }",
        "User where id = 1 { id } ",
        "User where id = 1 limit 1 { id }",
        "User where id = 1 limit 2 { id }",
        "User where id = 1 offset 1 { id }",
        "User where id = 1 order by id { id }",
        "User where id = 1 order by id desc { id }",
        "User where id = 1 { id, name }",
        "User where id = 1 { n: id }",
        "User where id = 1 { posts { id } }",
        "User where id = 1 { posts where id = 1 { id } }",
        "User where id = 1 { posts order by id { id } }",
        "User where not (id = 1) { id }",
        "User[1] { id }",
        "Post where id = 1 { id }",
    ];
    let shapes: Vec<Vec<u8>> = texts.iter().map(|text| Shape::of(&fetch(text)).bytes).collect();
    for (at, shape) in shapes.iter().enumerate() {
        let same: Vec<usize> = (0..shapes.len()).filter(|other| shapes[*other] == *shape).collect();
        // The sixth is the first with a space behind it.
        assert_eq!(same, if at == 0 || at == 5 { vec![0, 5] } else { vec![at] }, "{}", texts[at]);
    }
}
