//! Java's properties format, as `java.util.Properties.load` reads it: that is what `server.properties` is.

use std::iter::Peekable;
use std::str::Chars;

/// One key with its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Property {
    /// The key, unescaped.
    pub key: String,
    /// The value, unescaped; blanks at its end are part of it.
    pub value: String,
    /// Line on which it begins, from 1.
    pub line: u32,
}

/// A `\u` that four hexadecimal digits do not follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: \\u must be followed by four hexadecimal digits")]
pub struct MalformedEscape {
    /// Line of the property it stands in, from 1.
    pub line: u32,
}

/// Reads every property of a text, in order; a key may come more than once.
pub fn parse(text: &str) -> Result<Vec<Property>, MalformedEscape> {
    let mut properties = Vec::new();
    let mut lines = Lines { rest: text, line: 0 };
    while let Some((line, logical)) = lines.next_logical() {
        let (key, value) = split(&logical);
        let unescape = |text| unescape(text).ok_or(MalformedEscape { line });
        properties.push(Property { key: unescape(key)?, value: unescape(value)?, line });
    }
    Ok(properties)
}

/// Blank in this format: Java's `Character.isWhitespace` is wider, `load` is not.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{c}')
}

struct Lines<'a> {
    rest: &'a str,
    line: u32,
}

impl<'a> Lines<'a> {
    /// One line of the file without blanks at its start. `\r`, `\n` and `\r\n` all end a line.
    fn next_natural(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        self.line += 1;
        let end = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
        let (line, tail) = self.rest.split_at(end);
        self.rest = tail.strip_prefix("\r\n").or(tail.get(1..)).unwrap_or("");
        Some(line.trim_start_matches(is_blank))
    }

    /// The next line that holds a property, with its continuation lines joined on.
    fn next_logical(&mut self) -> Option<(u32, String)> {
        loop {
            let first = self.next_natural()?;
            if first.is_empty() || first.starts_with(['#', '!']) {
                continue;
            }
            let line = self.line;
            let mut logical = first.to_owned();
            while continues(&logical) {
                logical.pop();
                match self.next_natural() {
                    Some(more) => logical.push_str(more),
                    None => break,
                }
            }
            return Some((line, logical));
        }
    }
}

/// An odd number of backslashes at its end: the last one escapes the line's end.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Key and value, both still escaped. The key ends at the first unescaped `=`, `:` or blank; blanks around
/// one separator belong to neither.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|character| {
        let ends = !escaped && (is_blank(character) || matches!(character, '=' | ':'));
        escaped = !escaped && character == '\\';
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(is_blank))
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => plain.push(unicode(&mut characters)?),
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Some(plain)
}

/// The character of a `\uXXXX`; two of them where Java writes a surrogate pair.
fn unicode(characters: &mut Peekable<Chars<'_>>) -> Option<char> {
    let first = hexadecimal(characters)?;
    let mut units = vec![first];
    if (0xd800..0xdc00).contains(&first) && characters.next_if_eq(&'\\').is_some() {
        characters.next_if_eq(&'u')?;
        units.push(hexadecimal(characters)?);
    }
    let mut decoded = char::decode_utf16(units);
    let character = decoded.next()?.ok()?;
    decoded.next().is_none().then_some(character)
}

fn hexadecimal(characters: &mut Peekable<Chars<'_>>) -> Option<u16> {
    let mut unit = 0;
    for _ in 0..4 {
        let digit = characters.next()?.to_digit(16)?;
        unit = unit << 4 | u16::try_from(digit).expect("a hexadecimal digit is below 16");
    }
    Some(unit)
}

#[cfg(test)]
mod tests;
