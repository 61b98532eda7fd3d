use ormdb_proto::frame::{FrameHeader, HEADER_LEN};
use ormdb_proto::fuzzing;

use super::seed_frames;

/// Mutations of a seed that is refused at once reach nothing.
#[test]
fn the_seeds_are_sound_and_stay_so_when_sealed() {
    for frame in seed_frames().expect("the seeds are frames") {
        let mut sealed = frame.clone();
        fuzzing::reseal_frame(&mut sealed);
        assert_eq!(frame, sealed);
        let (header, payload) = sealed.split_first_chunk::<HEADER_LEN>().expect("a frame has a header");
        let header = FrameHeader::decode(header, 1 << 20).expect("the header is sound");
        assert_eq!(header.check_payload(payload), Ok(()));
    }
}
