//! Entries that share a commit.

use std::time::Duration;

use super::support::{Driven, open_first, options};
use crate::env::simulated::SimulatedWorld;
use crate::wal::Wake;

/// A writer that is free takes what it finds: not from a group that is held.
#[test]
fn a_group_that_is_held_is_not_taken_before_it_is_let_go() {
    let mut wal = open_first(&SimulatedWorld::new(1));
    let appender = wal.appender.clone();
    let together = appender.together(3, 100);
    for number in 0..3 {
        wal.append(number, 100);
        assert!(wal.commit().is_empty(), "half of them were committed");
        assert_eq!(appender.wait(Duration::ZERO), Wake::TimedOut, "the writer spins");
    }
    drop(together);
    assert_eq!(appender.wait(Duration::ZERO), Wake::Work);
    let written = wal.writer.write_next().unwrap().expect("there is a group");
    assert_eq!(wal.writer.sync(written).unwrap().members, [0, 1, 2], "in one group");
}

/// What stands in the group already must not have them begin another one in their midst.
#[test]
fn entries_that_would_not_fit_begin_a_group_of_their_own() {
    let mut wal = open_first(&SimulatedWorld::new(2));
    let filler = options().group_bytes_max - 300;
    wal.append(0, filler);
    let appender = wal.appender.clone();
    let together = appender.together(4, 100);
    (1..5).for_each(|number| drop(wal.append(number, 100)));
    // The one before is closed, and nobody holds it.
    let written = wal.writer.write_next().unwrap().expect("the group before");
    assert_eq!(wal.writer.sync(written).unwrap().members, [0]);
    drop(together);
    let written = wal.writer.write_next().unwrap().expect("theirs");
    assert_eq!(wal.writer.sync(written).unwrap().members, [1, 2, 3, 4]);
}

/// Two commits of transactions at once: the later one lets go.
#[test]
fn a_group_may_be_held_by_several() {
    let mut wal = open_first(&SimulatedWorld::new(3));
    let appender = wal.appender.clone();
    let (first, second) = (appender.together(1, 100), appender.together(1, 100));
    wal.append(0, 100);
    drop(first);
    wal.append(1, 100);
    assert!(wal.commit().is_empty());
    drop(second);
    assert_eq!(wal.commit(), [0, 1]);
}
