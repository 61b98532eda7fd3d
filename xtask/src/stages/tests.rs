use super::sum_of;

#[test]
fn closing_lines_are_added_up() {
    let lines = [
        "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
    ];
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    assert_eq!(sum_of(&lines), "2 runners: 15 passed, 2 failed, 1 ignored");
    assert_eq!(sum_of(&[]), "0 runners: 0 passed, 0 failed, 0 ignored");
}
