//! Answers as text: one block for all versions in a row that answer alike, one line for each field.
//!
//! ```text
//! ## produce-batches: three records
//! v3-v4
//!   responses[topic-0].partition_responses[0].base_offset = 4
//! ```
//!
//! Fields that hold 0, false, nothing or null are left out; an empty text or list where null could be is not.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// The fields of an answer, by their path.
pub type Fields = Vec<(String, String)>;

/// A call: its name, and the version it was made in.
pub type Call = (String, i16);

/// Every call with what was answered, in order.
#[derive(Default)]
pub struct Transcript {
    calls: Vec<(Call, Fields)>,
}

impl Transcript {
    /// One more call.
    pub fn add(&mut self, name: String, version: i16, fields: Fields) {
        self.calls.push(((name, version), fields));
    }

    /// How many calls were made.
    pub fn calls_count(&self) -> usize {
        self.calls.len()
    }

    /// Every call with its fields.
    pub fn by_call(&self) -> BTreeMap<Call, BTreeMap<String, String>> {
        let fields = |fields: &Fields| fields.iter().cloned().collect();
        self.calls.iter().map(|(call, answer)| (call.clone(), fields(answer))).collect()
    }

    /// The whole as text.
    pub fn text(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        let mut by_name: BTreeMap<&str, Vec<(i16, &Fields)>> = BTreeMap::new();
        for ((name, version), fields) in &self.calls {
            let answers = by_name.entry(name).or_default();
            if answers.is_empty() {
                names.push(name);
            }
            answers.push((*version, fields));
        }
        let mut text = String::new();
        for name in names {
            text += &format!("## {name}\n");
            for block in by_name[name].chunk_by(|one, other| one.1 == other.1 && one.0 + 1 == other.0) {
                text += &format!("v{}-v{}\n", block[0].0, block[block.len() - 1].0);
                block[0].1.iter().for_each(|(path, value)| text += &format!("  {path} = {value}\n"));
            }
        }
        text
    }

    /// Reads what [`Transcript::text`] wrote.
    pub fn parse(text: &str) -> Result<Transcript> {
        let mut transcript = Transcript::default();
        let mut name = "";
        let mut block = 0;
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                name = heading;
            } else if let Some((path, value)) =
                line.strip_prefix("  ").and_then(|line| line.split_once(" = "))
            {
                for (_, fields) in &mut transcript.calls[block..] {
                    fields.push((path.to_owned(), value.to_owned()));
                }
            } else if let Some((first, last)) = line.strip_prefix('v').and_then(|line| line.split_once("-v"))
            {
                let number = |word: &str| word.parse::<i16>().context("a version");
                block = transcript.calls.len();
                for version in number(first)?..=number(last)? {
                    transcript.add(name.to_owned(), version, Fields::new());
                }
            } else {
                bail!("no line of a transcript: {line}");
            }
        }
        Ok(transcript)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_calls_are_the_same() {
        let mut transcript = Transcript::default();
        let fields = |code: &str| vec![("error_code".to_owned(), code.to_owned())];
        for version in [3, 4] {
            transcript.add("a: one".to_owned(), version, fields("7"));
            transcript.add("a: two".to_owned(), version, fields(&format!("v = {version}")));
        }
        transcript.add("a: one".to_owned(), 5, Fields::new());
        let text = transcript.text();
        let expected = "## a: one\nv3-v4\n  error_code = 7\nv5-v5\n\
                        ## a: two\nv3-v3\n  error_code = v = 3\nv4-v4\n  error_code = v = 4\n";
        assert_eq!(text, expected);
        let parsed = Transcript::parse(&text).unwrap();
        assert_eq!(parsed.by_call(), transcript.by_call());
        assert_eq!(parsed.text(), text);
        assert!(Transcript::parse("nothing\n").is_err());
    }
}
