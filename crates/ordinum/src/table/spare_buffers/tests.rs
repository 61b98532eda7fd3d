use super::{BUFFER_BYTES_MAX, BUFFERS_MAX, SPARE, give_back, take};

#[test]
fn a_buffer_is_taken_again_by_a_block_of_its_size() {
    let first = take(4000);
    let place = first.as_ptr();
    give_back(first);
    let (shorter, longer) = (take(1000), take(4097));
    assert_ne!(shorter.as_ptr(), place, "much too long for it");
    assert_ne!(longer.as_ptr(), place, "too short for it");
    let again = take(4090);
    assert_eq!((again.as_ptr(), again.len()), (place, 4090));
}

#[test]
fn a_thread_keeps_no_more_than_it_may() {
    for _ in 0..3 * BUFFERS_MAX {
        give_back(vec![0; 4096]);
    }
    give_back(vec![0; BUFFER_BYTES_MAX + 1]);
    SPARE.with_borrow(|spares| {
        assert_eq!(spares.len(), BUFFERS_MAX);
        assert!(spares.iter().all(|spare| spare.capacity() <= BUFFER_BYTES_MAX));
    });
}
