//! The kept corpus passes every target, and belongs to one.

use std::collections::BTreeSet;
use std::path::Path;

use ormdb_fuzz::allocation::Counting;
use ormdb_fuzz::targets::TARGETS;
use ormdb_fuzz::{corpus, worker};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn every_kept_input_passes() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in TARGETS {
        let inputs = corpus::load(&directory, target).expect("the corpus can be read");
        assert!(inputs.len() > 1, "{} has no seeds", target.name);
        for (number, input) in inputs.iter().enumerate() {
            assert_eq!(worker::check(target, input), Ok(()), "{} {number}", target.name);
        }
    }
}

#[test]
fn every_directory_belongs_to_a_target() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    for entry in std::fs::read_dir(directory).expect("the corpus can be read") {
        let name = entry.expect("the corpus can be read").file_name();
        assert!(name.to_str().is_some_and(|name| names.contains(name)), "{} has no target", name.display());
    }
}

/// If the format of tables changes, the seeds must follow: mutations of a table that is refused at once reach nothing.
#[test]
fn the_seeds_of_tables_are_sound() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/table");
    let seed = |name: &str| std::fs::read(directory.join(name)).expect("the seed can be read");
    // Those without a number are of the first format.
    for name in ["block", "index_block", "block_2", "index_block_2"] {
        let result = ordinum::fuzz_targets::fuzz_block(&seed(name)[1..]);
        assert!(result.is_ok(), "{name}: {result:?}");
    }
    for name in ["sealed", "sealed_2"] {
        let result = ordinum::fuzz_targets::fuzz_sealed_table(&seed(name)[1..]);
        assert!(result.is_ok(), "{name}: {result:?}");
    }
}

/// Likewise of texts: what is kept as sound must parse.
#[test]
fn the_seeds_of_texts_are_sound() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let seed = |path: &str| std::fs::read_to_string(corpus.join(path)).expect("the seed can be read");
    for name in ["blog", "chinook", "every_attribute", "blog_then_changed"] {
        let mut schema = ormdb_proto::schema::Schema::empty();
        for text in seed(&format!("schema_text/{name}")).split("\n----\n") {
            let parsed = ormdb::text::parse_schema(text);
            assert!(parsed.is_ok(), "{name}: {parsed:?}");
            let resolved = ormdb::catalog::resolve(&parsed.expect("it parses"), &schema);
            assert!(resolved.is_ok(), "{name}: {resolved:?}");
            schema = resolved.expect("it resolves");
        }
    }
    for name in ["fetch", "fetch_more", "writes"] {
        let parsed = ormdb::text::parse_statements(&seed(&format!("query_text/{name}")));
        assert!(parsed.is_ok(), "{name}: {parsed:?}");
    }
    for name in ["expression", "expression_more"] {
        let parsed = ormdb::text::parse_expr(&seed(&format!("query_text/{name}")));
        assert!(parsed.is_ok(), "{name}: {parsed:?}");
    }
}
