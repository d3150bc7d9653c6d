//! Highwater's transcript against the one recorded from Apache Kafka, and the list of allowed differences.

use anyhow::{Context, Result, bail};
use protocol_tests::differential::matches;

/// Which transcript a line stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Only in the transcript recorded from Apache Kafka.
    Kafka,
    /// Only in Highwater's transcript.
    Highwater,
}

/// A difference that is meant, with its reason.
#[derive(Debug)]
pub struct Allowed {
    scenario: String,
    side: Side,
    pattern: String,
    /// The line of the file, to name an entry that nothing needs any more.
    pub entry: String,
}

/// Reads `scenario | kafka or highwater | line, where * stands for anything | reason`, one to a line.
pub fn parse_allowed(text: &str) -> Result<Vec<Allowed>> {
    let entries = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    entries.map(|entry| parse_entry(entry).with_context(|| format!("in differences.txt: {entry}"))).collect()
}

fn parse_entry(entry: &str) -> Result<Allowed> {
    let fields: Vec<&str> = entry.split(" | ").map(str::trim).collect();
    let [scenario, side, pattern, reason] = fields[..] else { bail!("four fields are expected") };
    let side = match side {
        "kafka" => Side::Kafka,
        "highwater" => Side::Highwater,
        other => bail!("a side is kafka or highwater, not {other}"),
    };
    if reason.is_empty() || pattern.is_empty() {
        bail!("a difference needs a pattern and a reason");
    }
    Ok(Allowed { scenario: scenario.to_owned(), side, pattern: pattern.to_owned(), entry: entry.to_owned() })
}

/// Lines that stand in one transcript only, in order.
pub fn differences(kafka: &str, highwater: &str) -> Vec<(Side, String)> {
    let kafka: Vec<&str> = kafka.lines().collect();
    let highwater: Vec<&str> = highwater.lines().collect();
    let common = common_lengths(&kafka, &highwater);
    let (mut k, mut h) = (0, 0);
    let mut found = Vec::new();
    while k < kafka.len() || h < highwater.len() {
        if k < kafka.len() && h < highwater.len() && kafka[k] == highwater[h] {
            (k, h) = (k + 1, h + 1);
        } else if h == highwater.len() || (k < kafka.len() && common[k + 1][h] >= common[k][h + 1]) {
            found.push((Side::Kafka, kafka[k].to_owned()));
            k += 1;
        } else {
            found.push((Side::Highwater, highwater[h].to_owned()));
            h += 1;
        }
    }
    found
}

/// `[k][h]`: length of the longest common subsequence of what follows `k` and `h`.
fn common_lengths(kafka: &[&str], highwater: &[&str]) -> Vec<Vec<usize>> {
    let mut lengths = vec![vec![0; highwater.len() + 1]; kafka.len() + 1];
    for k in (0..kafka.len()).rev() {
        for h in (0..highwater.len()).rev() {
            lengths[k][h] = if kafka[k] == highwater[h] {
                lengths[k + 1][h + 1] + 1
            } else {
                lengths[k + 1][h].max(lengths[k][h + 1])
            };
        }
    }
    lengths
}

/// The index of the first entry that allows this line.
pub fn allowing(allowed: &[Allowed], scenario: &str, side: Side, line: &str) -> Option<usize> {
    let fits = |entry: &Allowed| {
        entry.scenario == scenario && entry.side == side && matches(&entry.pattern, line.trim())
    };
    allowed.iter().position(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_found() {
        let kafka = "a\nb\nc\nd\n";
        assert!(differences(kafka, kafka).is_empty());
        let found = differences(kafka, "a\nx\nc\nd\ne\n");
        let line = |side, text: &str| (side, text.to_owned());
        let expected = [line(Side::Kafka, "b"), line(Side::Highwater, "x"), line(Side::Highwater, "e")];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_entry_allows_its_scenario_side_and_pattern_only() {
        let allowed = parse_allowed("# comment\n\ntopics | kafka | Elr: * | not kept\n").unwrap();
        let index = |scenario, side, line| allowing(&allowed, scenario, side, line);
        assert_eq!(index("topics", Side::Kafka, "Elr: 1"), Some(0));
        assert_eq!(index("topics", Side::Highwater, "Elr: 1"), None);
        assert_eq!(index("kcat", Side::Kafka, "Elr: 1"), None);
        assert_eq!(index("topics", Side::Kafka, "an Elr: 1"), None);
    }

    #[test]
    fn an_entry_without_a_reason_is_refused() {
        for text in ["topics | kafka | Elr: * |  ", "topics | kafka | Elr: *", "topics | nobody | a | b"] {
            assert!(parse_allowed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, expected) in [
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "acd", false),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("abc", "abcd", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
