//! Kafka's recorded answers against Highwater's, field by field.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail, ensure};

use super::allowed::Allowed;
use super::transcript::Transcript;

/// What stands for a field that is not there: because it holds 0, nothing, or null.
const ABSENT: &str = "-";
/// The field that stands for a whole answer that is none.
const WHOLE: &str = "answer";

/// What a setting of our own is called: Kafka has nothing that it could differ from.
const OWN_SETTING: &str = "configs[highwater.";

/// A field that differs.
struct Difference {
    call: String,
    field: String,
    kafka: String,
    highwater: String,
}

/// Fails with every difference that is not allowed, with every allowed one that nothing needs, and if their
/// number is not the one that is told.
pub fn compare(kafka: &str, highwater: &str, allowed: &str) -> Result<()> {
    let (kafka, highwater) = (Transcript::parse(kafka)?.by_call(), Transcript::parse(highwater)?.by_call());
    let missing: Vec<_> = kafka.keys().filter(|call| !highwater.contains_key(*call)).collect();
    let added: Vec<_> = highwater.keys().filter(|call| !kafka.contains_key(*call)).collect();
    ensure!(
        missing.is_empty() && added.is_empty(),
        "the script has changed (make oracle): {missing:?} {added:?}"
    );
    let mut found = Vec::new();
    for (call, expected) in &kafka {
        let call_name = format!("{} v{}", call.0, call.1);
        found.extend(differences(&call_name, expected, &highwater[call]));
    }
    judge(&found, &Allowed::parse(allowed)?)
}

fn differences(
    call: &str,
    kafka: &BTreeMap<String, String>,
    highwater: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let (whole_kafka, whole_highwater) = (kafka.get(WHOLE), highwater.get(WHOLE));
    let difference = |field: &str, kafka: &str, highwater: &str| Difference {
        call: call.to_owned(),
        field: field.to_owned(),
        kafka: kafka.to_owned(),
        highwater: highwater.to_owned(),
    };
    if whole_kafka != whole_highwater {
        let word = |whole: Option<&String>| whole.map_or("an answer".to_owned(), String::clone);
        return vec![difference(WHOLE, &word(whole_kafka), &word(whole_highwater))];
    }
    let paths: BTreeSet<&String> = kafka.keys().chain(highwater.keys()).collect();
    let value = |fields: &BTreeMap<String, String>, path: &str| {
        fields.get(path).map_or(ABSENT.to_owned(), String::clone)
    };
    let pairs = paths.into_iter().map(|path| (path, value(kafka, path), value(highwater, path)));
    pairs
        .filter(|(path, one, other)| one != other && !(one == ABSENT && path.contains(OWN_SETTING)))
        .map(|(path, one, other)| difference(path, &one, &other))
        .collect()
}

fn judge(found: &[Difference], allowed: &Allowed) -> Result<()> {
    const LINES_MAX: usize = 400;
    let mut used = vec![false; allowed.entries.len()];
    let mut faults = Vec::new();
    for Difference { call, field, kafka, highwater } in found {
        let mut fitting = allowed.entries.iter().zip(&mut used);
        match fitting.find(|(entry, _)| entry.allows(call, field, kafka, highwater)) {
            Some((_, used)) => *used = true,
            None => faults.push(format!("{call} | {field} | {kafka} | {highwater}")),
        }
    }
    if faults.is_empty() {
        let stale = allowed.entries.iter().zip(&used).filter(|(_, used)| !**used);
        faults.extend(stale.map(|(entry, _)| format!("nothing needs this entry any more: {}", entry.line)));
        if found.len() != allowed.fields_count {
            faults.push(format!("{} fields differ, and the list says {}", found.len(), allowed.fields_count));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    let count = faults.len();
    faults.truncate(LINES_MAX);
    bail!("{count} faults (call | field | kafka | highwater):\n{}", faults.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KAFKA: &str = "## a: b\nv1-v2\n  code = 1\n  x = 2\nv3-v3\n  answer = closed\n";

    #[test]
    fn answers_that_are_the_same_pass() {
        compare(KAFKA, KAFKA, "fields: 0\n").unwrap();
    }

    #[test]
    fn every_field_that_differs_must_be_allowed_and_counted() {
        let highwater = "## a: b\nv1-v1\n  code = 1\n  x = 2\nv2-v2\n  code = 3\nv3-v3\n  code = 0\n";
        let entries = "a: b v2 | code | 1 | 3 | r\na: b v2 | x | 2 | - | r\n\
                       a: b v3 | answer | closed | an answer | r\n";
        compare(KAFKA, highwater, &format!("fields: 3\n{entries}")).unwrap();
        for (allowed, expected) in [
            (format!("fields: 4\n{entries}"), "3 fields differ, and the list says 4"),
            (
                format!("fields: 3\n{entries}a: c v1 | x | 1 | 2 | r\n"),
                "nothing needs this entry any more: a: c",
            ),
            ("fields: 3\n* | code | * | * | r\n".to_owned(), "a: b v3 | answer | closed | an answer"),
        ] {
            let error = compare(KAFKA, highwater, &allowed).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn settings_of_our_own_are_no_difference() {
        let answer = |fields: &str| format!("## d: e\nv4-v4\n  error_code = 0\n{fields}");
        let own = answer("  results[0].configs[highwater.tail.bytes].name = 1\n");
        compare(&answer(""), &own, "fields: 0\n").unwrap();
        assert!(compare(&own, &answer(""), "fields: 0\n").is_err(), "Kafka had it");
        let other = answer("  results[0].configs[tail.bytes].name = 1\n");
        assert!(compare(&answer(""), &other, "fields: 0\n").is_err());
    }

    #[test]
    fn a_call_on_one_side_only_is_a_changed_script() {
        let highwater = "## a: b\nv1-v2\n  code = 1\n";
        assert!(compare(KAFKA, highwater, "fields: 0\n").is_err());
        assert!(compare(highwater, KAFKA, "fields: 0\n").is_err());
    }
}
