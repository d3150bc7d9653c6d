//! How single values are shown.

use serde_json::{Value, json};

use crate::model::Timestamp;
use crate::protocol::batch::BatchHeader;

/// Characters of a key, value or header that are shown to people; JSON has all.
const TEXT_MAX: usize = 200;

/// A timestamp in milliseconds as people write it, in UTC.
pub(super) fn time(ms: i64) -> String {
    if ms < 0 {
        return "no time".to_owned();
    }
    Timestamp(ms).utc_milliseconds()
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
    fn bytes_are_text_or_digits_and_the_front_of_them() {
        assert_eq!(text(None), "null");
        assert_eq!(text(Some(b"a\"b\n")), "\"a\\\"b\\n\"");
        assert_eq!(text(Some(&[0xff, 1])), "0xff01");
        assert_eq!(text(Some(&[b'x'; 300])), format!("\"{}\"... (300 bytes)", "x".repeat(200)));
        assert_eq!(json_of(Some(&[0xff, 1])), json!({"hex": "ff01"}));
        assert_eq!((json_of(None), json_of(Some(b"a"))), (Value::Null, json!("a")));
    }
}
