use super::{Form, input, tokens};
use crate::corpus::INPUT_BYTES_MAX;

#[test]
fn a_seed_and_a_number_make_the_same_input_again() {
    let corpus = vec![Vec::new(), b"entity A { id int64 @id }".to_vec()];
    for form in [Form::Binary, Form::Text] {
        for number in 0..500 {
            let once = input(&corpus, &["entity", "@id"], form, 7, number);
            assert_eq!(once, input(&corpus, &["entity", "@id"], form, 7, number));
            assert!(once.len() <= INPUT_BYTES_MAX);
        }
    }
}

#[test]
fn inputs_differ_from_each_other() {
    let corpus = vec![b"entity A { id int64 @id }".to_vec()];
    let inputs: std::collections::BTreeSet<Vec<u8>> =
        (0..500).map(|number| input(&corpus, &["entity"], Form::Text, 1, number)).collect();
    assert!(inputs.len() > 400, "{} different inputs", inputs.len());
}

#[test]
fn tokens_are_words_blanks_and_marks() {
    assert_eq!(tokens("a1 >= \"ü\"\n"), ["a1", " ", ">", "=", " ", "\"", "ü", "\"", "\n"]);
    assert_eq!(tokens(""), Vec::<&str>::new());
}
