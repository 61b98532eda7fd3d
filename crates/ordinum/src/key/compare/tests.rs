#![allow(clippy::indexing_slicing, reason = "test")]

use super::*;

/// All pairs of some bytes that are alike in many ways.
#[test]
fn the_order_is_that_of_bytes() {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for len in (0..=26).chain([63, 64, 65, 72, 80]) {
        let zeros = vec![0u8; len];
        all.push(zeros.clone());
        for at in (0..len).filter(|at| at % 3 == len % 3 || *at + 9 > len) {
            for byte in [1, 0x7f, 0x80, 0xff] {
                let mut bytes = zeros.clone();
                bytes[at] = byte;
                all.push(bytes);
            }
        }
    }
    for a in &all {
        for b in &all {
            assert_eq!(order(a, b), a.cmp(b), "{a:?} {b:?}");
            assert_eq!(same(a, b), a == b, "{a:?} {b:?}");
            assert_eq!(starts_with(a, b), a.starts_with(b), "{a:?} {b:?}");
        }
    }
}
