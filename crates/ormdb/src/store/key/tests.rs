#![allow(clippy::indexing_slicing, reason = "test data")]

use std::cmp::Ordering;

use ormdb_proto::value::compare;

use super::super::random::{random_value, scalar_ref};
use super::*;

/// The order of two columns: nulls last, values by `compare`.
fn column_order(a: &ValueRef<'_>, b: &ValueRef<'_>) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (false, false) => compare(a, b).unwrap(),
        (a, b) => a.cmp(&b),
    }
}

fn column(value: &ValueRef<'_>, direction: Direction) -> Vec<u8> {
    let mut out = Vec::new();
    push_column(&mut out, value, direction);
    out
}

#[test]
fn bytes_sort_as_values_do() {
    let seed = 0x5eed_0001;
    let mut rng = fastrand::Rng::with_seed(seed);
    for scalar in super::super::row::every_scalar() {
        for ty in [FieldType::Scalar(scalar), FieldType::Array(scalar)] {
            for _ in 0..1_500 {
                let (a, b) = (random_value(&mut rng, ty), random_value(&mut rng, ty));
                let (a, b) = (scalar_ref(&a), scalar_ref(&b));
                let want = column_order(&a, &b);
                let up = column(&a, Direction::Ascending).cmp(&column(&b, Direction::Ascending));
                let down = column(&a, Direction::Descending).cmp(&column(&b, Direction::Descending));
                assert_eq!(up, want, "seed {seed}: {a:?} {b:?}");
                assert_eq!(down, want.reverse(), "seed {seed}: {a:?} {b:?}");
            }
        }
    }
}

/// What stands in one key is made a part of another without a look at the value.
#[test]
fn encoded_values_go_from_key_to_key() {
    let seed = 0x5eed_0003;
    let mut rng = fastrand::Rng::with_seed(seed);
    let directions = [Direction::Ascending, Direction::Descending];
    for scalar in super::super::row::every_scalar() {
        for ty in [FieldType::Scalar(scalar), FieldType::Array(scalar)] {
            for _ in 0..100 {
                let value = random_value(&mut rng, ty);
                let value = scalar_ref(&value);
                if value.is_null() {
                    continue;
                }
                let mut field = Vec::new();
                push_key_field(&mut field, &value).unwrap();
                let mut reader = KeyReader::new(&field);
                reader.skip_key_field(ty).unwrap();
                assert!(reader.rest().is_empty(), "seed {seed}: {value:?}");
                for from in directions {
                    let column_from = column(&value, from);
                    let (mut to_field, encoded) = (Vec::new(), &column_from[1..]);
                    push_encoded_key_field(&mut to_field, encoded, from);
                    assert_eq!(to_field, field, "seed {seed}: {value:?} from {from:?}");
                    for to in directions {
                        let mut to_column = Vec::new();
                        push_encoded_column(&mut to_column, encoded, from, to);
                        assert_eq!(to_column, column(&value, to), "seed {seed}: {value:?} {from:?} {to:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn columns_read_back() {
    let seed = 0x5eed_0002;
    let mut rng = fastrand::Rng::with_seed(seed);
    for scalar in super::super::row::every_scalar() {
        for direction in [Direction::Ascending, Direction::Descending] {
            for ty in [FieldType::Scalar(scalar), FieldType::Array(scalar)] {
                for _ in 0..200 {
                    let value = random_value(&mut rng, ty);
                    let value = scalar_ref(&value);
                    let mut bytes = column(&value, direction);
                    bytes.extend_from_slice(b"rest");
                    let mut reader = KeyReader::new(&bytes);
                    assert_eq!(reader.skip_column(ty, direction).unwrap(), value.is_null(), "seed {seed}");
                    assert_eq!(reader.rest(), b"rest");
                    if is_lossless(ty) {
                        let mut reader = KeyReader::new(&bytes);
                        let read = reader.column(ty, direction).unwrap();
                        assert_eq!(read.as_ref(), value, "seed {seed}");
                        assert_eq!(reader.rest(), b"rest");
                        if let (ValueRef::Decimal(read), ValueRef::Decimal(value)) = (read.as_ref(), &value) {
                            assert_eq!(read.scale(), value.scale(), "seed {seed}: {value}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn integers_of_all_widths_have_one_key() {
    let key = |v: ValueRef<'_>| column(&v, Direction::Ascending);
    assert_eq!(key(ValueRef::Int16(-7)), key(ValueRef::Int64(-7)));
    assert_eq!(key(ValueRef::Int32(7)), key(ValueRef::Int64(7)));
    assert_eq!(key(ValueRef::Float64(-0.0)), key(ValueRef::Float64(0.0)));
    assert_eq!(key(ValueRef::Float64(-f64::NAN)), key(ValueRef::Float64(f64::NAN)));
    let decimal = |t: &str| key(ValueRef::Decimal(t.parse().unwrap()));
    assert_eq!(decimal("1.50"), decimal("1.5"));
    assert_eq!(decimal("-100"), decimal("-100.000"));
    assert!(push_key_field(&mut Vec::new(), &ValueRef::Null).is_err());
}

#[test]
fn arbitrary_bytes_give_answers() {
    let seed = 0x5eed_0003;
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..rng.usize(0..60))
            .map(|_| if rng.bool() { rng.u8(..) } else { [0, 1, 2, 255, 254, 253][rng.usize(0..6)] })
            .collect();
        crate::fuzz_targets::fuzz_row(&bytes);
    }
}
