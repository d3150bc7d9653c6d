use std::path::Path;

use super::super::tests::fixture::MadeSegment;
use super::*;
use crate::env::simulated::SimulatedWorld;
use crate::env::{Files, OpenMode};
use crate::log::CarriedState;

#[test]
fn blocks_are_those_of_the_walk_or_none() {
    let mut made = MadeSegment::new(7);
    for at in 0..5 {
        made.push_records(&[at], 700_000);
    }
    let (world, path) = (SimulatedWorld::new(1), Path::new("/a.log"));
    let file = world.files.open(path, OpenMode::Create).unwrap();
    // In the middle of a file.
    file.write_all_at(&made.bytes, 10).unwrap();
    let extent = FileExtent { file, offset: 10, length: made.bytes.len() as u64 };
    let scan = SegmentScan::new(made.source(), CarriedState::default()).unwrap();
    let scanned = scan_file(scan, &extent, Offset(7)).unwrap();
    assert_eq!(scanned.blocks.len(), 4);

    let mut blocks = SegmentBlocks::new(extent.clone(), Offset(7), scanned.blocks.clone());
    let mut read = Vec::new();
    while let Some(block) = blocks.next_block().unwrap() {
        read.extend_from_slice(&block);
    }
    assert!(read == made.bytes);

    world.files.flip_bit(path, (1 << 20) + 500, 3).unwrap();
    let mut blocks = SegmentBlocks::new(extent, Offset(7), scanned.blocks);
    blocks.next_block().unwrap();
    let error = blocks.next_block().unwrap_err().to_string();
    assert!(error.contains("has changed since"), "{error}");
}
