//! Regular expressions that members subscribe to (ADR 20).

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::metadata::ClusterImage;

/// The longest expression that is taken.
pub(super) const EXPRESSION_BYTES_MAX: usize = 4096;
/// What a compiled expression may take in memory: enough for any that a person writes, and little enough that
/// searching thousands of topic names stays a matter of milliseconds.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// Compiles an expression that has to match whole names. The error says what is wrong with it.
pub(super) fn compile(expression: &str) -> Result<Regex, String> {
    if expression.len() > EXPRESSION_BYTES_MAX {
        return Err(format!("longer than {EXPRESSION_BYTES_MAX} bytes"));
    }
    let expression = without_quotes(expression);
    // Alone first: `a)(b` is not valid, though it is between parentheses.
    build(&expression)?;
    build(&format!(r"\A(?:{expression})\z"))
}

fn build(expression: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(expression).size_limit(COMPILED_BYTES_MAX).build();
    built.map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        last.trim_start_matches("error: ").to_owned()
    })
}

/// RE2 takes what stands between `\Q` and `\E` literally, and the end of the expression for a `\E`.
fn without_quotes(expression: &str) -> String {
    let mut rest = expression;
    let mut plain = String::with_capacity(expression.len());
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        plain.push_str(before);
        if let Some(quoted) = escape.strip_prefix(r"\Q") {
            let (quoted, after) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
            plain.push_str(&regex::escape(quoted));
            rest = after;
        } else {
            let escaped = escape.chars().take(2).map(char::len_utf8).sum();
            plain.push_str(&escape[..escaped]);
            rest = &escape[escaped..];
        }
    }
    plain + rest
}

/// Names of the topics that an expression stands for, ascending. An expression that this version cannot read
/// stands for none: it was checked when it came, so another broker wrote it.
pub(super) fn resolve(expression: &str, image: &ClusterImage) -> Vec<Arc<str>> {
    let Ok(regex) = compile(expression) else { return Vec::new() };
    let names = image.topics().map(|topic| &topic.name);
    names.filter(|name| regex.is_match(name)).cloned().collect()
}
