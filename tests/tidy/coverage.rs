//! Tests that `docs/coverage.md` names exist.

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

fn bears(source: &Source, name: &str) -> bool {
    match name.strip_prefix(SCENARIO) {
        Some(scenario) => {
            source.path == "compat/src/scenario/mod.rs"
                && source.text.contains(&format!("Scenario {{ name: \"{scenario}\","))
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
