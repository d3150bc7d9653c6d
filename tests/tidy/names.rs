//! Kafka's words, spelled out; no names that say nothing; what test code may not name.

use syn::visit::{self, Visit};

use crate::source::{Source, parse};

/// Words that say nothing about a type.
const EMPTY_WORDS: &[&str] =
    &["Manager", "Helper", "Helpers", "Util", "Utils", "Impl", "Service", "Info", "Data"];
/// Abbreviations that the field uses for two things, or that hide what is meant.
const ABBREVIATIONS: &[&str] = &["lso", "hw", "hwm", "leo", "isr_size"];
/// Words that need another one before them.
const NEVER_ALONE: &[&str] = &["epoch"];

#[derive(Default)]
struct Defined {
    types: Vec<String>,
    others: Vec<String>,
}

impl<'a> Visit<'a> for Defined {
    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        self.types.push(item.ident.to_string());
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        self.types.push(item.ident.to_string());
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        self.types.push(item.ident.to_string());
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'a syn::ItemType) {
        self.types.push(item.ident.to_string());
        visit::visit_item_type(self, item);
    }

    fn visit_signature(&mut self, signature: &'a syn::Signature) {
        self.others.push(signature.ident.to_string());
        visit::visit_signature(self, signature);
    }

    fn visit_field(&mut self, field: &'a syn::Field) {
        self.others.extend(field.ident.as_ref().map(ToString::to_string));
        visit::visit_field(self, field);
    }

    fn visit_pat_ident(&mut self, pattern: &'a syn::PatIdent) {
        self.others.push(pattern.ident.to_string());
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_item_const(&mut self, item: &'a syn::ItemConst) {
        self.others.push(item.ident.to_string().to_lowercase());
        visit::visit_item_const(self, item);
    }
}

/// Definitions whose names the dictionary does not allow.
pub fn check(source: &Source) -> Vec<String> {
    let mut defined = Defined::default();
    defined.visit_file(&source.syntax);
    let empty = |name: &&String| EMPTY_WORDS.contains(&last_word(name));
    let unclear = |name: &&String| {
        NEVER_ALONE.contains(&name.as_str()) || name.split('_').any(|word| ABBREVIATIONS.contains(&word))
    };
    let types = defined.types.iter().filter(empty).map(|name| format!("{}: the type {name}", source.path));
    let others =
        defined.others.iter().filter(unclear).map(|name| format!("{}: the name {name}", source.path));
    types.chain(others).collect()
}

/// `Batch` of `RecordBatch`: what the type claims to be.
fn last_word(name: &str) -> &str {
    &name[name.rfind(char::is_uppercase).unwrap_or_default()..]
}

/// Tests that sleep or are switched off, wherever they stand.
pub fn check_tests(source: &Source, may_sleep: &[&str]) -> Vec<String> {
    let mut findings = Vec::new();
    for path in source.paths() {
        let last = path.rsplit("::").next().unwrap_or_default();
        if source.is_test() && last == "sleep" && !may_sleep.contains(&source.path.as_str()) {
            findings.push(format!("{}: a test sleeps", source.path));
        }
    }
    if source.text.lines().any(|line| line.trim_start().starts_with("#[ignore")) {
        findings.push(format!("{}: a test is ignored", source.path));
    }
    findings
}

#[test]
fn a_name_that_says_nothing_is_found() {
    let count = |text: &str| check(&parse("src/log/a.rs", text)).len();
    for (text, expected) in [
        ("struct SegmentManager;", 1),
        ("enum TopicData {}", 1),
        ("trait Service {}", 1),
        ("type FetchInfo = u8;", 1),
        ("struct Metadata; struct Database; struct Information; struct DataDirectory;", 0),
        ("fn f(hw: u64) {}", 1),
        ("fn f(high_watermark: u64, epoch: u32) {}", 1),
        ("fn f(leader_epoch: u32) {}", 0),
        ("struct S { partition_lso: u64 }", 1),
        ("fn f() { let epoch = 1; }", 1),
        ("fn f() { g(response.epoch); }", 0),
        ("const HW_MAX: u8 = 1;", 1),
    ] {
        assert_eq!(count(text), expected, "{text}");
    }
}

#[test]
fn a_test_that_sleeps_or_is_ignored_is_found() {
    let count = |path: &str, text: &str| check_tests(&parse(path, text), &["tests/wait.rs"]).len();
    let sleeping = "fn f() { std::thread::sleep(d); }";
    assert_eq!(count("src/log/tests.rs", sleeping), 1);
    assert_eq!(count("tests/wait.rs", sleeping), 0);
    assert_eq!(count("src/server/accept.rs", "async fn f() { time::sleep(d).await; }"), 0);
    assert_eq!(count("src/log/tests.rs", "#[test]\n#[ignore]\nfn f() {}"), 1);
}
