//! Timestamps for people.

use chrono::{DateTime, SecondsFormat};

use super::Timestamp;

impl Timestamp {
    /// As `2026-11-26T09:30:00Z`.
    pub fn utc_seconds(self) -> String {
        self.utc(SecondsFormat::Secs)
    }

    /// As `2026-11-26T09:30:00.125Z`.
    pub fn utc_milliseconds(self) -> String {
        self.utc(SecondsFormat::Millis)
    }

    /// Clients may send any number: beyond the years that have a date it is shown as it is.
    fn utc(self, precision: SecondsFormat) -> String {
        match DateTime::from_timestamp_millis(self.0) {
            Some(time) => time.to_rfc3339_opts(precision, true),
            None => format!("{} ms since 1970", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_dates_in_utc_and_never_a_panic() {
        for (ms, seconds, milliseconds) in [
            (0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999Z"),
            (951_782_399_999, "2000-02-28T23:59:59Z", "2000-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z", "2100-03-01T00:00:00.000Z"),
            (i64::MAX, "9223372036854775807 ms since 1970", "9223372036854775807 ms since 1970"),
            (i64::MIN, "-9223372036854775808 ms since 1970", "-9223372036854775808 ms since 1970"),
        ] {
            assert_eq!(Timestamp(ms).utc_seconds(), seconds);
            assert_eq!(Timestamp(ms).utc_milliseconds(), milliseconds);
        }
    }
}
