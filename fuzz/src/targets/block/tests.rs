use ormdb_proto::block::Block;
use ormdb_proto::bytes::AlignedBytes;
use ormdb_proto::result::Chunk;

use super::{read, reseal_chunk, seed_block, seed_chunk, shape};

/// Mutations of a seed that is refused at once reach nothing.
#[test]
fn the_seeds_are_sound_and_stay_so_when_sealed() {
    let block = AlignedBytes::copy_of(&seed_block().expect("the seed is a block"));
    assert!(Block::open(block).is_ok());

    let chunk = seed_chunk().expect("the seed is a chunk");
    let mut sealed = chunk.clone();
    reseal_chunk(&mut sealed);
    assert_eq!(chunk, sealed);
    let chunk = Chunk::open(&AlignedBytes::copy_of(&sealed), &shape()).expect("the seed opens");
    assert_eq!(read(chunk).expect("the seed is read"), 3 * 4 + 3);
}
