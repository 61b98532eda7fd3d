use super::operands::{Base, Entry, encode};

#[test]
fn a_merge_entry_reads_back_and_nothing_else_is_one() {
    for base in [Base::Below, Base::Absent, Base::Value(b""), Base::Value(&[7; 300])] {
        let operands: [&[u8]; 3] = [b"a", b"", &[9; 200]];
        let bytes = encode(base, operands.into_iter());
        let entry = Entry::parse(&bytes).unwrap();
        assert_eq!(entry.base, base);
        assert!(entry.operands().eq(operands));
        for cut in 0..bytes.len() {
            // What is cut between two operands is an entry with fewer.
            assert_ne!(Entry::parse(bytes.get(..cut).unwrap()), Some(entry), "{cut}");
        }
        assert_eq!(Entry::parse(&encode(base, std::iter::empty())), None);
    }
    assert_eq!(Entry::parse(b"\x03\x01a"), None);
}
