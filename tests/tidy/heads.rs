//! What each `mod.rs` of `src/` says about itself.

use crate::source::{Source, parse};

const HEAD_LINES_MAX: usize = 25;
const PARTS: [&str; 3] = ["**Owns**", "**Does not own**", "**Invariants**"];
/// All that an empty room may hold while it is being built.
const UNDER_CONSTRUCTION: &str = "//! (room under construction)";

/// Parts that the head of a `mod.rs` lacks.
pub fn check(source: &Source) -> Vec<String> {
    let path = &source.path;
    let is_head = path.starts_with("src/") && path.ends_with("/mod.rs") && !path.contains("/tests/");
    if !is_head || source.text.trim() == UNDER_CONSTRUCTION {
        return Vec::new();
    }
    let head: Vec<&str> = source.text.lines().take_while(|line| line.starts_with("//!")).collect();
    let text = head.join("\n");
    let missing = PARTS.iter().filter(|part| !text.contains(**part));
    let mut findings: Vec<String> = missing.map(|part| format!("{path}: the head lacks {part}")).collect();
    if head.len() > HEAD_LINES_MAX {
        findings.push(format!("{path}: a head of {} lines", head.len()));
    }
    findings
}

#[test]
fn a_head_without_its_parts_is_found() {
    let count = |path: &str, text: &str| check(&parse(path, text)).len();
    let whole = "//! Does.\n//! **Owns** a. **Does not own** b. **Invariants**: c.\n";
    assert_eq!(count("src/log/mod.rs", whole), 0);
    assert_eq!(count("src/log/mod.rs", "//! Does.\n"), 3);
    assert_eq!(count("src/log/mod.rs", &format!("{whole}{}", "//! more\n".repeat(HEAD_LINES_MAX))), 1);
    assert_eq!(count("src/log/segment.rs", "//! Does.\n"), 0);
    assert_eq!(count("src/log/mod.rs", UNDER_CONSTRUCTION), 0);
    assert_eq!(count("src/log/mod.rs", &format!("{UNDER_CONSTRUCTION}\nfn f() {{}}")), 3);
}
