use std::path::PathBuf;

use super::{IndexFile, IndexSummary, OffsetEntry, SCAN_ENTRIES, TimeEntry};
use crate::env::simulated::SimulatedWorld;
use crate::log::handles::{FileKey, FileKind, HandleCache};
use crate::model::Timestamp;

const KEY: FileKey = FileKey { generation: 0, base_offset: 0, kind: FileKind::OffsetIndex };

fn entry(at: u32) -> OffsetEntry {
    OffsetEntry { relative_offset: at as i32 * 10 + 5, position: at as i32 * 100 + 1 }
}

#[test]
fn look_ups_find_the_last_entry_that_belongs() {
    let world = SimulatedWorld::new(1);
    let handles = HandleCache::new(10);
    for count in [0, 1, 2, SCAN_ENTRIES - 1, SCAN_ENTRIES, SCAN_ENTRIES + 1, 5 * SCAN_ENTRIES + 3] {
        let path = PathBuf::from(format!("/{count}.index"));
        let index = IndexFile::new(FileKey { generation: u64::from(count), ..KEY }, path);
        let entries: Vec<OffsetEntry> = (0..count).map(entry).collect();
        index.append(&world.files, &handles, &entries).unwrap();
        assert_eq!(index.entries_count(), count);
        for target in -1..=count as i32 * 10 + 9 {
            let found = index
                .last_where(&world.files, &handles, |entry: &OffsetEntry| entry.relative_offset <= target)
                .unwrap();
            let expected = entries.iter().rev().find(|entry| entry.relative_offset <= target);
            assert_eq!(found.as_ref(), expected, "{target} in {count} entries");
        }
        assert_eq!(index.last(&world.files, &handles).unwrap().as_ref(), entries.last());
    }
}

#[test]
fn a_file_is_adopted_only_with_its_checksum() {
    let world = SimulatedWorld::new(1);
    let handles = HandleCache::new(10);
    let path = PathBuf::from("/0.timeindex");
    let index = IndexFile::new(KEY, path.clone());
    let time = |at: i32| TimeEntry { timestamp: Timestamp(i64::from(at) * 7), relative_offset: at };
    index.append(&world.files, &handles, &[time(1), time(2)]).unwrap();
    let two = index.summary();
    index.append(&world.files, &handles, &[time(3)]).unwrap();
    let adopt = |summary| index.adopt(&world.files, &handles, summary).unwrap();
    assert!(!adopt(IndexSummary { entries: 4, ..two }), "too short");
    assert!(!adopt(IndexSummary { crc: two.crc ^ 1, ..two }), "another checksum");
    assert_eq!(index.entries_count(), 0, "nothing of it counts now");
    assert!(adopt(two));
    assert_eq!(index.last(&world.files, &handles).unwrap(), Some(time(2)));
    index.append(&world.files, &handles, &[time(4)]).unwrap();
    assert_eq!(index.last(&world.files, &handles).unwrap(), Some(time(4)), "written over the third");
    let good = index.summary();
    assert!(adopt(good));
    world.files.flip_bit(&path, 20, 3).unwrap();
    assert!(!adopt(good));
}
