//! What a scenario saw, with everything that differs from run to run replaced by a word in angle brackets.

use crate::process::Outcome;

/// The lines a scenario saw, normalised.
#[derive(Default)]
pub struct Transcript {
    lines: Vec<String>,
    replacements: Vec<(String, String)>,
}

impl Transcript {
    /// From now on `text` is written as `<word>`. Longer texts should be told before their parts.
    pub fn replace(&mut self, text: impl Into<String>, word: &str) {
        self.replacements.push((text.into(), format!("<{word}>")));
    }

    /// A heading.
    pub fn section(&mut self, title: &str) {
        self.lines.push(format!("## {title}"));
    }

    /// Text as it was seen, line by line.
    pub fn add(&mut self, text: &str) {
        for line in text.lines() {
            let line = self.normalised(line);
            self.lines.push(line.trim_end().to_owned());
        }
    }

    /// Text in which nothing is to be replaced.
    pub fn add_as_it_is(&mut self, text: &str) {
        self.lines.extend(text.lines().map(str::to_owned));
    }

    /// What a program wrote to its standard output, and its exit code where that is not 0.
    pub fn outcome(&mut self, outcome: &Outcome) {
        self.add(&outcome.stdout);
        match outcome.status.code() {
            Some(0) => {}
            Some(code) => self.lines.push(format!("exit {code}")),
            None => self.lines.push("ended by a signal".to_owned()),
        }
    }

    /// The whole, one line feed after every line.
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    fn normalised(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (text, word) in &self.replacements {
            line = line.replace(text, word);
        }
        replace_topic_ids(&replace_times(&line))
    }
}

/// Thirteen digits that start with a 1 are milliseconds of this century.
fn replace_times(line: &str) -> String {
    const DIGITS: usize = 13;
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, digits) = rest.split_at(start);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let (number, after) = digits.split_at(end);
        out.push_str(before);
        out.push_str(if number.len() == DIGITS && number.starts_with('1') { "<time>" } else { number });
        rest = after;
    }
    out + rest
}

/// Kafka prints an id as 22 characters of base64 after this label.
fn replace_topic_ids(line: &str) -> String {
    const LABEL: &str = "TopicId: ";
    let Some(start) = line.find(LABEL).map(|at| at + LABEL.len()) else { return line.to_owned() };
    let end = line[start..].find(char::is_whitespace).map_or(line.len(), |length| start + length);
    format!("{}<topic id>{}", &line[..start], &line[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_replaced() {
        let mut transcript = Transcript::default();
        transcript.replace("127.0.0.1:4242", "broker");
        for (seen, kept) in [
            ("at 127.0.0.1:4242 (id 1)", "at <broker> (id 1)"),
            ("CreateTime: 1709251200000 size: 77", "CreateTime: <time> size: 77"),
            ("offset 2709251200000 17092512000001", "offset 2709251200000 17092512000001"),
            ("a\tTopicId: MkU3OEVBNTcwNTJENDM2Qk\tConfigs: ", "a\tTopicId: <topic id>\tConfigs: "),
            ("TopicId: x", "TopicId: <topic id>"),
        ] {
            assert_eq!(transcript.normalised(seen), kept);
        }
    }
}
