use super::*;

#[test]
fn numbers_survive_a_round_trip() {
    for n in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
        let mut bytes = Vec::new();
        push_u64(&mut bytes, n);
        assert_eq!(take_u64(&mut bytes.as_slice()), Some(n));
        bytes.pop();
        assert_eq!(take_u64(&mut bytes.as_slice()), None);
    }
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    assert_eq!(take_u64(&mut [0xff; 11].as_slice()), None);
    assert_eq!(take_u64(&mut [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2].as_slice()), None);
    assert_eq!(take_u32(&mut [0xff, 0xff, 0xff, 0xff, 0x1f].as_slice()), None);
    assert_eq!(take_bytes(&mut [3, 1, 2].as_slice()), None);
}
