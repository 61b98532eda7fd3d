use super::*;
use crate::generate::{Plan, generate};

#[test]
fn a_script_is_its_text() {
    for seed in 0..50 {
        let script = generate(seed, &Plan::default());
        let text = script.to_string();
        let read: Script = text.parse().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(read.to_string(), text, "seed {seed}");
        assert_eq!(read, script, "seed {seed}");
    }
}

#[test]
fn what_is_no_script_is_refused() {
    for line in [
        "jump",
        "write",
        "write sometimes",
        "get 0",
        "put:0:k1:v1x1",
        "flush 0 0",
        "crash torn:x",
        "open no=1",
    ] {
        assert!(line.parse::<Script>().is_err(), "{line}");
    }
    assert!("# nothing\n\n".parse::<Script>().unwrap().ops.is_empty());
}
