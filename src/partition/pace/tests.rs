use super::*;

fn after_commit(entries: u64, micros: u64, waiting: u32) -> Option<(u32, u64)> {
    let commit = CommitObservation { duration: Duration::from_micros(micros), bytes: 4096, entries };
    after(commit, waiting).map(|gathering| (gathering.entries, gathering.patience.as_micros() as u64))
}

#[test]
fn who_is_alone_does_not_wait() {
    assert_eq!(after_commit(1, 100, 0), None);
    assert_eq!(after_commit(1, 100, 1), None, "two that take turns do not wait for each other");
    assert_eq!(after_commit(2, 100, 0), None);
}

#[test]
fn most_of_those_in_flight_are_waited_for() {
    assert_eq!(after_commit(10, 100, 0), Some((7, 100)));
    assert_eq!(after_commit(10, 100, 10), Some((14, 100)));
    assert_eq!(after_commit(10, 100, 30), None, "enough have come while the last commit ran");
}

#[test]
fn no_longer_than_the_disk_takes_and_never_long() {
    assert_eq!(after_commit(100, 40, 0), Some((70, 40)));
    assert_eq!(after_commit(100, 20_000, 0), Some((70, 150)));
    assert_eq!(after_commit(u64::MAX, 40, 0), Some((u32::MAX, 40)));
}
