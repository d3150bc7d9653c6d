use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// Segments of ten offsets each: bytes, age in hours.
fn check(
    segments: &[(u64, u32)],
    hours_max: Option<u32>,
    bytes_max: Option<u64>,
    end_max: i64,
    expected: Option<(i64, Reason)>,
) {
    let summary = |(at, &(bytes, hours)): (usize, &(u64, u32))| SegmentSummary {
        base_offset: Offset(at as i64 * 10),
        end_offset: Offset(at as i64 * 10 + 10),
        bytes,
        age: HOUR * hours,
    };
    let all: Vec<SegmentSummary> = segments.iter().enumerate().map(summary).collect();
    let config = LogConfig {
        retention_age_max: hours_max.map(|hours| HOUR * hours),
        retention_bytes: bytes_max,
        ..LogConfig::default()
    };
    let expected = expected.map(|(offset, reason)| (Offset(offset), reason));
    let what = format!("{segments:?}, {hours_max:?} hours, {bytes_max:?} bytes, up to {end_max}");
    assert_eq!(next_log_start(&all, &config, Offset(end_max)), expected, "{what}");
    let compacted = LogConfig { delete_by_retention: false, ..config };
    assert_eq!(next_log_start(&all, &compacted, Offset(end_max)), None, "{what}");
}

#[test]
fn plans() {
    use Reason::{Age, Size};
    let four = [(100, 9), (100, 6), (100, 3), (50, 0)];
    check(&four, None, None, 99, None);
    check(&four, Some(9), None, 99, None);
    check(&four, Some(8), None, 99, Some((10, Age)));
    check(&four, Some(2), None, 99, Some((30, Age)));
    // Old ones behind a young one stay: only whole fronts go.
    check(&[(100, 1), (100, 9)], Some(5), None, 99, None);
    // All of it, the active segment too.
    check(&[(100, 9), (50, 8)], Some(5), None, 99, Some((20, Age)));
    // An empty active segment has nothing to lose.
    check(&[(0, 9)], Some(5), None, 99, None);
    // Not above the high watermark.
    check(&four, Some(2), None, 25, Some((20, Age)));
    check(&four, Some(2), None, 9, None);
    // As many as leave at least the bound.
    check(&four, None, Some(350), 99, None);
    check(&four, None, Some(251), 99, None);
    check(&four, None, Some(250), 99, Some((10, Size)));
    check(&four, None, Some(0), 99, Some((40, Size)));
    check(&four, None, Some(0), 25, Some((20, Size)));
    check(&four, Some(8), Some(150), 99, Some((20, Size)));
    check(&[], Some(1), Some(0), 99, None);
}

/// The oldest segments of the tier, and those on disk: base, bytes, age in hours; each ends where the next
/// one begins.
fn row(segments: &[(i64, u64, u32)], end: i64) -> Vec<SegmentSummary> {
    let ends = segments.iter().skip(1).map(|(base, ..)| *base).chain([end]);
    let summary = |(&(base, bytes, hours), end): (&(i64, u64, u32), i64)| SegmentSummary {
        base_offset: Offset(base),
        end_offset: Offset(end),
        bytes,
        age: HOUR * hours,
    };
    segments.iter().zip(ends).map(summary).collect()
}

#[test]
fn local_retention_takes_what_was_copied_and_closes_what_is_in_its_way() {
    let tiering = |hours: Option<u32>, bytes| Tiering {
        local_retention_age_max: hours.map(|hours| HOUR * hours),
        local_retention_bytes: bytes,
        copies: true,
    };
    let all = row(&[(0, 100, 9), (10, 100, 6), (20, 50, 3)], 30);
    for (tiering, end_max, expected, is_due) in [
        (tiering(None, None), 30, None, false),
        (tiering(Some(8), None), 30, Some(10), false),
        (tiering(Some(5), None), 20, Some(20), false),
        (tiering(Some(5), None), 10, Some(10), false),
        (tiering(Some(5), None), 0, None, false),
        (tiering(Some(2), None), 20, Some(20), true),
        // What comes before it is to be copied first.
        (tiering(Some(2), None), 10, Some(10), false),
        (tiering(None, Some(150)), 20, Some(10), false),
        (tiering(None, Some(50)), 20, Some(20), false),
        (tiering(None, Some(0)), 20, Some(20), true),
        (Tiering { copies: false, ..tiering(Some(0), Some(0)) }, 20, None, false),
    ] {
        let found = next_local_log_start(&all, &tiering, Offset(end_max)).map(|(start, _)| start.0);
        assert_eq!(found, expected, "{tiering:?}, up to {end_max}");
        assert_eq!(is_active_due(&all, &tiering, Offset(end_max)), is_due, "{tiering:?}, up to {end_max}");
    }
    let only_active = row(&[(0, 100, 9)], 10);
    assert!(is_active_due(&only_active, &tiering(Some(5), None), Offset(0)));
    assert!(!is_active_due(&row(&[(0, 0, 9)], 0), &tiering(Some(5), Some(0)), Offset(0)), "it is empty");
}

#[test]
fn total_retention_counts_both_tiers_and_nothing_twice() {
    // The tier has 0..40, the disk 20..60.
    let remote = row(&[(0, 100, 9), (10, 100, 8), (20, 100, 7), (30, 100, 6)], 40);
    let local = row(&[(20, 100, 7), (30, 100, 6), (40, 100, 5), (50, 50, 1)], 60);
    let part = |count: usize| RemotePart { oldest: &remote[..count], bytes: 400, end_offset: Offset(40) };
    let config = |hours: Option<u32>, retention_bytes, copies| LogConfig {
        retention_age_max: hours.map(|hours| HOUR * hours),
        retention_bytes,
        tiering: Some(Tiering { copies, local_retention_age_max: None, local_retention_bytes: None }),
        ..LogConfig::default()
    };
    for (part, config, expected) in [
        (part(4), config(None, None, true), None),
        (part(4), config(Some(8), None, true), Some(10)),
        (part(4), config(Some(5), None, true), Some(40)),
        // What was not copied stays until it is, unless nothing is copied any more.
        (part(4), config(Some(4), None, true), Some(40)),
        (part(4), config(Some(4), None, false), Some(50)),
        (part(4), config(None, Some(0), true), Some(40)),
        (part(4), config(None, Some(0), false), Some(60)),
        // 550 bytes in all: what is in both counts once.
        (part(4), config(None, Some(550), true), None),
        (part(4), config(None, Some(450), true), Some(10)),
        (part(4), config(None, Some(350), true), Some(20)),
        (part(4), config(Some(8), Some(350), true), Some(20)),
        // Only the first ones are known: the others at the next look.
        (part(2), config(Some(0), None, false), Some(20)),
        (part(2), config(None, Some(0), false), Some(20)),
        (RemotePart::default(), config(Some(0), Some(0), true), None),
        (RemotePart::default(), config(Some(4), None, false), Some(50)),
    ] {
        let found = next_log_start_over_tiers(&part, &local, &config, Offset(60)).map(|(start, _)| start.0);
        // Without a part elsewhere the disk is all there is.
        assert_eq!(found, expected, "{config:?} with {} known", part.oldest.len());
        let kept = LogConfig { delete_by_retention: false, ..config };
        assert_eq!(next_log_start_over_tiers(&part, &local, &kept, Offset(60)), None);
    }
    let all = config(Some(0), Some(0), false);
    assert_eq!(
        next_log_start_over_tiers(&part(4), &local, &all, Offset(35)).map(|(start, _)| start.0),
        Some(30)
    );
}

#[test]
fn an_age_is_never_negative() {
    assert_eq!(SegmentSummary::age_at(Timestamp(5_000), Timestamp(2_000)), Duration::from_secs(3));
    assert_eq!(SegmentSummary::age_at(Timestamp(5_000), Timestamp(6_000)), Duration::ZERO);
    assert_eq!(
        SegmentSummary::age_at(Timestamp(i64::MAX), Timestamp(-1)),
        Duration::from_millis(i64::MAX as u64)
    );
}
