//! Files, functions, lines, parameters.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::source::{Source, parse};

const LINE_CHARACTERS_MAX: usize = 110;
const FILE_LINES_MAX: usize = 700;
const FILE_LINES_MEDIAN_MAX: usize = 200;
const HANDLER_LINES_MAX: usize = 300;
const FUNCTION_LINES_MAX: usize = 80;
const FUNCTION_LINES_P95_MAX: usize = 40;
const PARAMETERS_MAX: usize = 6;

struct Function {
    name: String,
    lines: usize,
    parameters: usize,
}

#[derive(Default)]
struct Functions(Vec<Function>);

impl Functions {
    fn add(&mut self, signature: &syn::Signature, end: Span) {
        let lines = end.end().line + 1 - signature.span().start().line;
        let parameters = signature.inputs.len();
        self.0.push(Function { name: signature.ident.to_string(), lines, parameters });
    }
}

impl<'a> Visit<'a> for Functions {
    fn visit_item_fn(&mut self, function: &'a syn::ItemFn) {
        self.add(&function.sig, function.block.span());
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        self.add(&function.sig, function.block.span());
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'a syn::TraitItemFn) {
        self.add(&function.sig, function.span());
        visit::visit_trait_item_fn(self, function);
    }
}

fn functions(source: &Source) -> Vec<Function> {
    let mut functions = Functions::default();
    functions.visit_file(&source.syntax);
    functions.0
}

/// Lines of a file without those of inline test modules.
fn lines_without_tests(source: &Source) -> usize {
    let is_tests = |item: &&syn::Item| matches!(item, syn::Item::Mod(module) if module.ident == "tests");
    let span_lines = |item: &syn::Item| item.span().end().line + 1 - item.span().start().line;
    let tests: usize = source.syntax.items.iter().filter(is_tests).map(span_lines).sum();
    source.text.lines().count() - tests
}

/// What is too large in one file.
pub fn check(source: &Source, data_tables: &[&str]) -> Vec<String> {
    let path = &source.path;
    let mut findings = Vec::new();
    if data_tables.contains(&path.as_str()) {
        return findings;
    }
    for (number, line) in source.text.lines().enumerate() {
        let characters = line.chars().count();
        if characters > LINE_CHARACTERS_MAX {
            findings.push(format!("{path}:{}: a line of {characters} characters", number + 1));
        }
    }
    let lines = lines_without_tests(source);
    let lines_max = if path.starts_with("src/handlers/") { HANDLER_LINES_MAX } else { FILE_LINES_MAX };
    if lines > lines_max && !source.is_test() {
        findings.push(format!("{path}: {lines} lines, more than {lines_max}"));
    }
    for function in functions(source) {
        if function.lines > FUNCTION_LINES_MAX {
            findings.push(format!("{path}: {} has {} lines", function.name, function.lines));
        }
        if function.parameters > PARAMETERS_MAX {
            findings.push(format!("{path}: {} has {} parameters", function.name, function.parameters));
        }
    }
    findings
}

/// What is too large in the whole of `src/`, tests aside.
pub fn check_all(sources: &[Source], data_tables: &[&str]) -> Vec<String> {
    let ours: Vec<&Source> = sources
        .iter()
        .filter(|source| !source.is_test() && !data_tables.contains(&source.path.as_str()))
        .collect();
    let function_lines =
        ours.iter().flat_map(|source| functions(source)).map(|function| function.lines).collect();
    let file_lines = ours.iter().map(|source| lines_without_tests(source)).collect();
    let mut findings = Vec::new();
    let p95 = quantile(function_lines, 95);
    if p95 > FUNCTION_LINES_P95_MAX {
        findings.push(format!(
            "the 95th percentile of functions has {p95} lines, more than {FUNCTION_LINES_P95_MAX}"
        ));
    }
    let median = quantile(file_lines, 50);
    if median > FILE_LINES_MEDIAN_MAX {
        findings.push(format!("the median file has {median} lines, more than {FILE_LINES_MEDIAN_MAX}"));
    }
    findings
}

fn quantile(mut values: Vec<usize>, percent: usize) -> usize {
    values.sort_unstable();
    let place = (values.len() * percent / 100).min(values.len().saturating_sub(1));
    values.get(place).copied().unwrap_or_default()
}

#[test]
fn what_is_too_large_is_found() {
    let findings = |path: &str, text: &str| check(&parse(path, text), &["src/config/table.rs"]);
    let long_function = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(FUNCTION_LINES_MAX - 2));
    let too_long_function = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(FUNCTION_LINES_MAX - 1));
    let long_file = "// a\n".repeat(FILE_LINES_MAX + 1);
    let with_tests = format!("mod tests {{\n{long_file}}}\n");
    for (path, text, expected) in [
        ("src/log/a.rs", &long_function, 0),
        ("src/log/a.rs", &too_long_function, 1),
        ("src/config/table.rs", &too_long_function, 0),
        ("src/log/a.rs", &"/".repeat(LINE_CHARACTERS_MAX), 0),
        ("src/log/a.rs", &"/".repeat(LINE_CHARACTERS_MAX + 1), 1),
        ("src/log/a.rs", &long_file, 1),
        ("src/log/a.rs", &with_tests, 0),
        ("src/log/a/tests.rs", &long_file, 0),
        ("src/handlers/fetch.rs", &"// a\n".repeat(HANDLER_LINES_MAX + 1), 1),
        ("src/log/a.rs", &"fn f(a: A, b: B, c: C, d: D, e: E, f: F) {}".to_owned(), 0),
        ("src/log/a.rs", &"trait T { fn f(a: A, b: B, c: C, d: D, e: E, f: F, g: G); }".to_owned(), 1),
    ] {
        let text: &str = text;
        // A comment of slashes only is no Rust outside of a comment's text.
        assert_eq!(findings(path, text).len(), expected, "{path}: {}", text.lines().count());
    }
}

#[test]
fn the_whole_is_measured_without_tests() {
    let long = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(FUNCTION_LINES_P95_MAX));
    let short = "fn f() {}\n".repeat(10);
    assert_eq!(check_all(&[parse("src/log/a.rs", &long)], &[]).len(), 1);
    assert_eq!(check_all(&[parse("src/log/tests.rs", &long)], &[]).len(), 0);
    assert_eq!(
        check_all(&[parse("src/log/a.rs", &long), parse("src/log/b.rs", &short.repeat(3))], &[]).len(),
        0
    );
}
