#[test]
fn sums_are_those_of_the_crate() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for len in 0..1100 {
        let bytes: Vec<u8> = (0..len).map(|_| random.u8(..)).collect();
        let sum = random.u32(..);
        assert_eq!(super::crc32c_append(sum, &bytes), crc32c::crc32c_append(sum, &bytes), "{len} bytes");
        assert_eq!(super::crc32c(&bytes), crc32c::crc32c(&bytes), "{len} bytes");
    }
    assert_eq!(super::crc32c(b"123456789"), 0xe306_9283);
}
