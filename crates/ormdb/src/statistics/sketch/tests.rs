use super::Sketch;

#[test]
fn counts_are_near_at_every_size() {
    for size in [0u32, 1, 7, 100, 3000, 10_000, 200_000] {
        let mut sketch = Sketch::new();
        // What is added twice counts once.
        for value in (0..size).chain(0..size) {
            sketch.add(&value.to_le_bytes());
        }
        let (told, size) = (sketch.count(), f64::from(size));
        assert!((told - size).abs() <= size * 0.06, "{told} of {size}");
    }
}
