//! Regular expressions that members subscribe to (ADR 20), and that administrators list transactions by.

use regex::bytes::{Regex, RegexBuilder};

/// The longest expression that is taken.
pub(super) const EXPRESSION_BYTES_MAX: usize = 4096;
/// The longest one with classes of Unicode: each takes long to compile.
pub(super) const UNICODE_EXPRESSION_BYTES_MAX: usize = 256;
/// What a compiled expression may take in memory: enough for any that a person writes. The time that it takes
/// on a name grows with it.
const COMPILED_BYTES_MAX: usize = LARGE_COST * SMALL_BYTES_MAX;
/// What most expressions come out with. One of that size has the cost of 1.
const SMALL_BYTES_MAX: usize = 4 << 10;
const MEDIUM_COST: usize = 8;
const LARGE_COST: usize = 64;

/// An expression that has to match whole names.
#[derive(Debug)]
pub struct Expression {
    regex: Regex,
    /// What one byte of a name costs at worst, by the size of the expression.
    pub(super) cost: usize,
}

impl Expression {
    /// Compiles an expression of RE2's syntax. The error says what is wrong with it.
    pub fn compile(expression: &str) -> Result<Expression, String> {
        compile(expression)
    }

    /// Whether it stands for a name.
    pub fn is_match(&self, name: &str) -> bool {
        self.regex.is_match(name.as_bytes())
    }
}

/// Compiles an expression. The error says what is wrong with it.
pub(super) fn compile(expression: &str) -> Result<Expression, String> {
    if expression.len() > EXPRESSION_BYTES_MAX {
        return Err(format!("longer than {EXPRESSION_BYTES_MAX} bytes"));
    }
    let expression = without_quotes(expression);
    // Names are ASCII, and RE2's `\w` and `\d` are too: without Unicode they take a fraction. What only
    // Unicode has, such as `\pL`, is an error first.
    match compile_as(&expression, false) {
        Err(_) if expression.len() <= UNICODE_EXPRESSION_BYTES_MAX => compile_as(&expression, true),
        compiled => compiled,
    }
}

fn compile_as(expression: &str, unicode: bool) -> Result<Expression, String> {
    // Alone first: `a)(b` is not valid, though it is between parentheses.
    build(expression, unicode, COMPILED_BYTES_MAX)?;
    let whole = format!(r"\A(?:{expression})\z");
    // The size is not told: the least bound that holds it is found.
    let of_cost = |cost| {
        let regex = build(&whole, unicode, cost * SMALL_BYTES_MAX)?;
        Ok(Expression { regex, cost })
    };
    of_cost(1).or_else(|_: String| of_cost(MEDIUM_COST)).or_else(|_: String| of_cost(LARGE_COST))
}

fn build(expression: &str, unicode: bool, compiled_bytes_max: usize) -> Result<Regex, String> {
    let built = RegexBuilder::new(expression).unicode(unicode).size_limit(compiled_bytes_max).build();
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
