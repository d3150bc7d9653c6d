//! How single values are shown.

use serde_json::{Value, json};

use crate::protocol::batch::BatchHeader;

/// Characters of a key, value or header that are shown to people; JSON has all.
const TEXT_MAX: usize = 200;
const MS_PER_DAY: i64 = 86_400_000;

/// A timestamp in milliseconds as people write it, in UTC.
pub(super) fn time(ms: i64) -> String {
    if ms < 0 {
        return "no time".to_owned();
    }
    let (days, ms) = (ms / MS_PER_DAY, ms % MS_PER_DAY);
    let (year, month, day) = date(days);
    let (hour, minute, second, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Year, month and day of a number of days after 1970-01-01. Years are counted from March, so that the day
/// that not every year has is the last.
fn date(days: i64) -> (i64, i64, i64) {
    const DAYS_PER_400_YEARS: i64 = 146_097;
    // 0000-03-01 lies 719,468 days before 1970-01-01.
    let days = days + 719_468;
    let (era, day_of_era) = (days / DAYS_PER_400_YEARS, days % DAYS_PER_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Bytes as text where they are some, else as hexadecimal digits; the front of long ones.
pub(super) fn text(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "null".to_owned() };
    let shown = match std::str::from_utf8(bytes) {
        Ok(text) => {
            format!("\"{}\"", text.chars().take(TEXT_MAX).flat_map(char::escape_debug).collect::<String>())
        }
        Err(_) => {
            bytes.iter().take(TEXT_MAX / 2).fold("0x".to_owned(), |hex, byte| format!("{hex}{byte:02x}"))
        }
    };
    if bytes.len() > TEXT_MAX { format!("{shown}... ({} bytes)", bytes.len()) } else { shown }
}

/// The same, whole: a string, an object with hexadecimal digits, or null.
pub(super) fn json_of(bytes: Option<&[u8]>) -> Value {
    let Some(bytes) = bytes else { return Value::Null };
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({"hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()}),
    }
}

/// Whether a file begins with a record batch.
pub(super) fn is_batch(begin: &[u8]) -> bool {
    BatchHeader::parse(begin).is_ok_and(|header| header.last_offset_delta >= 0 && header.records_count >= 0)
}

/// What a batch is compressed with.
pub(super) fn codec(header: &BatchHeader) -> String {
    header
        .attributes
        .compression()
        .map_or_else(|_| "unknown".to_owned(), |codec| format!("{codec:?}").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_in_utc() {
        for (ms, shown) in [
            (-1, "no time"),
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_632_157_454, "2026-11-25T18:42:37.454Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(time(ms), shown);
        }
    }

    #[test]
    fn bytes_are_text_or_digits_and_the_front_of_them() {
        assert_eq!(text(None), "null");
        assert_eq!(text(Some(b"a\"b\n")), "\"a\\\"b\\n\"");
        assert_eq!(text(Some(&[0xff, 1])), "0xff01");
        assert_eq!(text(Some(&[b'x'; 300])), format!("\"{}\"... (300 bytes)", "x".repeat(200)));
        assert_eq!(json_of(Some(&[0xff, 1])), json!({"hex": "ff01"}));
        assert_eq!((json_of(None), json_of(Some(b"a"))), (Value::Null, json!("a")));
    }
}
