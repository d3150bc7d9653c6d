use std::time::Duration;

use super::{Reason, SegmentSummary, next_log_start};
use crate::log::LogConfig;
use crate::model::Offset;

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
