//! What a client program said, for readers: text where bytes are text.

use anyhow::{Context, Result};

/// The same lines with every field that is text written as text.
pub fn readable(said: &str) -> Result<String> {
    let mut readable = String::new();
    for line in said.lines() {
        let words: Result<Vec<String>> = line.split(' ').map(readable_word).collect();
        readable += &words?.join(" ");
        readable.push('\n');
    }
    Ok(readable)
}

fn readable_word(word: &str) -> Result<String> {
    let Some(field) = word.strip_prefix('=') else { return Ok(word.to_owned()) };
    if let Some((length, checksum)) = field.split_once('#') {
        return Ok(format!("<{length} bytes, CRC {checksum}>"));
    }
    let byte = |at: usize| {
        let digits = field.get(at..at + 2).context("two digits to a byte")?;
        Ok(u8::from_str_radix(digits, 16)?)
    };
    let bytes: Vec<u8> = (0..field.len()).step_by(2).map(byte).collect::<Result<_>>()?;
    let text = String::from_utf8(bytes).ok();
    let plain = text.filter(|text| text.chars().all(|c| c.is_alphanumeric() || c == ' '));
    Ok(plain.map_or_else(|| format!("0x{field}"), |text| format!("\"{text}\"")))
}

#[test]
fn fields_are_text_where_they_can_be() {
    for (said, expected) in [
        ("> produce a none plain", "> produce a none plain\n"),
        ("0 7 null =6b6579 =", "0 7 null \"key\" \"\"\n"),
        ("=ff00 =0a =67726fcc88c39f65", "0xff00 0x0a 0x67726fcc88c39f65\n"),
        ("=67726fc39f", "\"groß\"\n"),
        ("=1048576#0000abcd", "<1048576 bytes, CRC 0000abcd>\n"),
    ] {
        assert_eq!(readable(said).unwrap(), expected);
    }
    assert!(readable("=6").is_err());
}
