//! The differences that are meant.

use anyhow::{Context, Result, bail, ensure};

/// The list: how many fields may differ, and which.
#[derive(Debug)]
pub struct Allowed {
    /// Fields that differ, counted over all calls. Only ever lowered.
    pub fields_count: usize,
    /// What may differ.
    pub entries: Vec<Entry>,
}

/// Calls and fields that may differ, with a reason. In each part `*` stands for anything; of several fields,
/// with commas between them, any one.
#[derive(Debug)]
pub struct Entry {
    /// The line of the file.
    pub line: String,
    call: String,
    field: String,
    kafka: String,
    highwater: String,
}

impl Allowed {
    /// Reads `fields: N` and `call | field | kafka | highwater | reason`, one to a line.
    pub fn parse(text: &str) -> Result<Allowed> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let count = lines.next().and_then(|line| line.strip_prefix("fields: "));
        let fields_count = count.context("the list begins with the number of fields that differ")?.parse()?;
        let entries = lines.map(|line| Entry::parse(line).with_context(|| line.to_owned()));
        Ok(Allowed { fields_count, entries: entries.collect::<Result<_>>()? })
    }
}

impl Entry {
    fn parse(line: &str) -> Result<Entry> {
        let parts: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [call, field, kafka, highwater, reason] = parts[..] else { bail!("five parts are expected") };
        ensure!(!reason.is_empty(), "a difference needs a reason");
        let [line, call, field, kafka, highwater] = [line, call, field, kafka, highwater].map(str::to_owned);
        Ok(Entry { line, call, field, kafka, highwater })
    }

    /// Whether this field of this call may differ so.
    pub fn allows(&self, call: &str, field: &str, kafka: &str, highwater: &str) -> bool {
        matches(&self.call, call)
            && self.field.split(", ").any(|pattern| matches(pattern, field))
            && matches(&self.kafka, kafka)
            && matches(&self.highwater, highwater)
    }
}

/// Whether a text fits a pattern, in which `*` stands for any text, the empty one too.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| matches(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_allows_what_it_names() {
        let allowed =
            Allowed::parse("# comment\nfields: 2\n\na: * v* | *.code, *.text | 3 | \"*\" | why\n").unwrap();
        assert_eq!(allowed.fields_count, 2);
        let [entry] = &allowed.entries[..] else { panic!("one entry") };
        assert!(entry.allows("a: b c v12", "x.y.code", "3", "\"text\""));
        assert!(!entry.allows("b: c v12", "x.code", "3", "\"text\""));
        assert!(!entry.allows("a: c v12", "x.codes", "3", "\"text\""));
        assert!(!entry.allows("a: c v12", "x.code", "33", "\"text\""));
        assert!(!entry.allows("a: c v12", "x.code", "3", "text"));
    }

    #[test]
    fn a_list_without_number_or_reason_is_refused() {
        for text in ["", "a | b | c | d | e\n", "fields: 1\na | b | c | d\n", "fields: 1\na | b | c | d | \n"]
        {
            assert!(Allowed::parse(text).is_err(), "{text}");
        }
    }
}
