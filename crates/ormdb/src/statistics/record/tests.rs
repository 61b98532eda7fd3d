#![allow(clippy::indexing_slicing, reason = "test data")]

use ormdb_proto::schema::FieldId;

use super::*;

#[test]
fn a_record_reads_as_it_was_written_and_damage_as_nothing() {
    let mut figures = EntityFigures::default();
    let common = vec![(vec![1, 2], 0.25), (vec![9; 100], 0.5)];
    let field = FieldFigures { nulls: 0.1, distinct: 12.0, common, bounds: vec![vec![3], vec![4, 5]] };
    figures.fields.insert(FieldId(7), field);
    figures.combined.push((vec![FieldId(7), FieldId(8)], 99.0));
    let bytes = encode(-5, Some(&figures));
    let (rows, read) = decode(&bytes).unwrap();
    let read = read.unwrap();
    assert_eq!(rows, -5);
    assert_eq!(read.combined, figures.combined);
    assert_eq!(read.fields[&FieldId(7)].common[0], (vec![1, 2], 0.25));
    assert_eq!(decode(&encode(3, None)), Some((3, None)));
    for end in 0..bytes.len() {
        assert!(decode(&bytes[..end]).is_none(), "cut at {end}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        let _ = decode(&damaged);
    }
}
