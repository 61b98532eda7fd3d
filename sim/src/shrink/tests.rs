use super::*;
use crate::generate::{Plan, generate};

/// Of hundreds of operations, those stay that it takes, and of those the parts that it takes.
#[test]
fn what_is_left_is_what_it_takes() {
    let puts = |op: &Op| match op {
        Op::Write { writes, .. } => writes.iter().filter(|write| write.family == 0).count(),
        _ => 0,
    };
    let fails = |script: &Script| {
        let flush = script.ops.iter().position(|op| matches!(op, Op::Flush { .. }));
        let behind = flush.and_then(|at| script.ops.get(at..)).unwrap_or_default();
        behind.iter().any(|op| puts(op) > 0)
    };
    for seed in 0..10 {
        let script = generate(seed, &Plan::default());
        assert!(fails(&script), "seed {seed}");
        let short = shrink(&script, fails);
        assert!(fails(&short), "seed {seed}");
        let [Op::Flush { .. }, Op::Write { writes, .. }] = short.ops.as_slice() else {
            unreachable!("seed {seed}: {short}");
        };
        assert_eq!(writes.len(), 1, "seed {seed}: {short}");
        // What a person is given is text, which says the same.
        assert_eq!(short.to_string().parse(), Ok(short), "seed {seed}");
    }
}
