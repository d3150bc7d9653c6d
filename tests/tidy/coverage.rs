//! Tests that `docs/coverage.md` names exist, and every behaviour has its row.

use std::ops::RangeInclusive;

use crate::source::{Source, parse};

const SCENARIO: &str = "compat ";

/// Names in backticks, in the part about behaviours, that no test function and no scenario bears.
pub fn check(document: &str, sources: &[Source]) -> Vec<String> {
    let Some((_, behaviours)) = document.split_once("\n### ") else {
        return vec!["docs/coverage.md names no behaviours".to_owned()];
    };
    let named = behaviours.split('`').skip(1).step_by(2);
    let missing = named.filter(|name| !sources.iter().any(|source| bears(source, name)));
    missing.map(|name| format!("docs/coverage.md: there is no test `{name}`")).collect()
}

/// Numbers of behaviours that have no row under the heading of their section.
pub fn check_rows(document: &str, sections: &[(&str, RangeInclusive<u32>)]) -> Vec<String> {
    let missing = sections.iter().flat_map(|(heading, numbers)| {
        let section = document.split("\n### ").find(|section| section.lines().next() == Some(heading));
        let rows = section.unwrap_or_default().lines().filter_map(|line| line.strip_prefix("| "));
        let there: Vec<u32> = rows.filter_map(|row| row.split(" |").next()?.parse().ok()).collect();
        numbers.clone().filter(move |number| !there.contains(number)).map(move |number| (number, *heading))
    });
    let words = |(number, heading)| format!("docs/coverage.md: \"{heading}\" has no row {number}");
    missing.map(words).collect()
}

fn bears(source: &Source, name: &str) -> bool {
    match name.strip_prefix(SCENARIO) {
        Some(scenario) => {
            source.path == "compat/src/scenario/mod.rs"
                && source.text.contains(&format!("name: \"{scenario}\","))
        }
        None => source.text.contains(&format!("fn {name}(")),
    }
}

#[test]
fn a_test_that_is_not_there_is_found() {
    let sources = [
        parse("compat/src/scenario/mod.rs", "const A: &[Scenario] = &[Scenario { name: \"kcat-acks\", f }];"),
        parse("src/log/tests.rs", "fn a_gap_is_refused() {}"),
    ];
    let count = |row: &str| check(&format!("## Keys `none`\n\n### Fetch\n| 1 | {row} |\n"), &sources).len();
    assert_eq!(count("`compat kcat-acks`, `a_gap_is_refused`"), 0);
    assert_eq!(count("`compat kcat-offsets`, `a_gap`, with groups"), 2);
    assert_eq!(check("", &sources).len(), 1);
}

#[test]
fn a_behaviour_without_a_row_is_found() {
    let document = "# D\n\n### Fetch\n\n| 1 | a | `t` |\n| 12 | b | 2 |\n\n### Groups\n| 3 | c | `t` |\n";
    let missing = |heading, numbers| check_rows(document, &[(heading, numbers)]).len();
    assert_eq!(missing("Fetch", 1..=1) + missing("Groups", 3..=3), 0);
    assert_eq!(missing("Fetch", 1..=3), 2);
    assert_eq!(missing("Groups", 12..=12), 1);
    assert_eq!(missing("Transactions", 1..=2), 2);
}
