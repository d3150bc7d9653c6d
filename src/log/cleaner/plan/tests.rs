use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn compaction() -> Compaction {
    Compaction::default()
}

/// Segments of ten offsets and 100 bytes each, the first one the oldest; ages in minutes.
fn row(ages: &[u32]) -> Vec<ClosedSegment> {
    let segment = |(at, age): (i64, &u32)| ClosedSegment {
        base_offset: Offset(at * 10),
        end_offset: Offset(at * 10 + 10),
        bytes: 100,
        age: MINUTE * *age,
        first_age: Some(MINUTE * (*age + 1)),
        index_bytes: 8,
    };
    (0..).zip(ages).map(segment).collect()
}

#[test]
fn how_far_a_log_can_be_cleaned() {
    let lag = |minutes: u32| Compaction { min_compaction_lag: MINUTE * minutes, ..compaction() };
    let five = row(&[50, 40, 30, 20, 10]);
    let jumbled = row(&[50, 5, 30, 20, 10]);
    for (what, segments, compaction, first_dirty, end_max, expected) in [
        ("all of it", &five, compaction(), 0, 50, (50, 0, 500)),
        ("some of it was cleaned", &five, compaction(), 20, 50, (50, 200, 300)),
        ("all was", &five, compaction(), 50, 50, (50, 500, 0)),
        ("a map that ended within a segment", &five, compaction(), 25, 50, (50, 200, 300)),
        ("up to the last segment that is whole", &five, compaction(), 0, 49, (40, 0, 400)),
        ("nothing", &five, compaction(), 0, 5, (0, 0, 0)),
        ("young segments", &five, lag(20), 0, 50, (30, 0, 300)),
        ("no segment behind a young one", &jumbled, lag(20), 0, 50, (10, 0, 100)),
        ("a young one that was cleaned before", &jumbled, lag(20), 20, 50, (30, 200, 100)),
        ("no segments", &row(&[]), compaction(), 7, 50, (7, 0, 0)),
    ] {
        let found = cleanable(segments, &compaction, Offset(first_dirty), Offset(end_max));
        let numbers = (found.first_uncleanable_offset.0, found.clean_bytes, found.cleanable_bytes);
        assert_eq!(numbers, expected, "{what}");
        assert_eq!(found.first_dirty_offset, Offset(first_dirty), "{what}");
    }
}

#[test]
fn when_a_log_is_due() {
    let segments = row(&[50, 40, 30, 20, 10]);
    let of = |first_dirty, end, ratio, max_minutes: u32| {
        let compaction = Compaction {
            min_cleanable_dirty_ratio: ratio,
            max_compaction_lag: MINUTE * max_minutes,
            ..compaction()
        };
        let found = cleanable(&segments, &compaction, Offset(first_dirty), Offset(end));
        (found.is_due(&compaction), found.overdue.as_secs() / 60)
    };
    assert_eq!(of(20, 50, 0.59, 1000), (true, 0), "three in five are dirty");
    assert_eq!(of(20, 50, 0.6, 1000), (false, 0), "more than the ratio, not as much");
    assert_eq!(of(50, 50, 0.0, 1000), (false, 0), "nothing is dirty");
    assert_eq!(of(20, 50, 1.0, 31), (false, 0), "the first dirty batch is 31 minutes old");
    assert_eq!(of(20, 50, 1.0, 30), (true, 1));
    assert_eq!(of(20, 20, 1.0, 1), (false, 0), "overdue, and none of it can be cleaned");
    let nothing = cleanable(&[], &compaction(), Offset(0), Offset(0));
    assert!(!nothing.is_due(&Compaction { min_cleanable_dirty_ratio: 0.0, ..compaction() }));
}

/// Begin and end of each group.
fn ranges(segments: &[ClosedSegment], limits: GroupLimits) -> Vec<(usize, usize)> {
    groups(segments, limits).into_iter().map(|group| (group.start, group.end)).collect()
}

#[test]
fn neighbours_become_one_as_far_as_they_fit() {
    let segments = row(&[9; 5]);
    let roomy = GroupLimits { bytes: 1000, index_bytes: 1000 };
    type Case = (&'static str, GroupLimits, &'static [(usize, usize)]);
    let cases: [Case; 4] = [
        ("all", roomy, &[(0, 5)]),
        ("by bytes", GroupLimits { bytes: 250, ..roomy }, &[(0, 2), (2, 4), (4, 5)]),
        ("by index", GroupLimits { index_bytes: 24, ..roomy }, &[(0, 3), (3, 5)]),
        ("each is large", GroupLimits { bytes: 10, ..roomy }, &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
    ];
    for (what, limits, expected) in cases {
        assert_eq!(ranges(&segments, limits), expected, "{what}");
    }
    let mut far = segments;
    far[4].end_offset = Offset(i64::from(i32::MAX) + 1);
    assert_eq!(ranges(&far, roomy), [(0, 5)], "2^31 offsets still fit");
    far[4].end_offset = Offset(i64::from(i32::MAX) + 2);
    assert_eq!(ranges(&far, roomy), [(0, 4), (4, 5)]);
    let many = row(&[9; 130]);
    let limits = GroupLimits { bytes: u64::MAX, index_bytes: u64::MAX };
    assert_eq!(ranges(&many, limits), [(0, 64), (64, 128), (128, 130)]);
    assert!(groups(&[], limits).is_empty());
}
