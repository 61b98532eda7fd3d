use super::check;
use crate::mutator::Form;
use crate::targets::Target;

fn outcome(run: fn(&[u8])) -> Result<(), String> {
    let target = Target {
        name: "planted",
        form: Form::Binary,
        dictionary: &[],
        allocation_bytes_max: 1 << 20,
        seeds: Vec::new,
        run,
    };
    check(&target, &[3, 200])
}

#[test]
fn a_panic_is_a_failure() {
    assert_eq!(outcome(|input| assert!(input.len() > 2)), Err("panic".to_owned()));
}

#[test]
fn an_allocation_over_the_limit_is_a_failure() {
    let failure = outcome(|input| drop(Vec::<u8>::with_capacity(usize::from(input[1]) << 20)));
    let failure = failure.expect_err("200 MiB are over the limit of 1 MiB");
    assert!(failure.ends_with("bytes allocated at once, more than 1048576"), "{failure}");
}

#[test]
fn what_returns_passes() {
    assert_eq!(outcome(|input| drop(input.to_vec())), Ok(()));
}
