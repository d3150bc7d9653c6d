//! Source files, read and parsed once.

#![expect(clippy::disallowed_methods, reason = "it reads the repository itself")]

use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One source file.
pub struct Source {
    /// From the repository's root, with `/`.
    pub path: String,
    /// As it is.
    pub text: String,
    /// Its items.
    pub syntax: syn::File,
    /// Its tokens: what stands inside macros too.
    pub tokens: TokenStream,
}

/// Every `.rs` file under these folders of the repository, by path.
pub fn read_all(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &mut paths);
    }
    paths.sort_unstable();
    let prefix = format!("{}/", root.display());
    let read = |path: &String| {
        let relative = path.strip_prefix(&prefix).expect("a path under the root");
        parse(relative, &fs::read_to_string(path).expect("a readable file"))
    };
    paths.iter().map(read).collect()
}

fn collect(folder: &Path, paths: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path.display().to_string());
        }
    }
}

/// A source from text, as the rules' own tests need it.
pub fn parse(path: &str, text: &str) -> Source {
    let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let tokens = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
    Source { path: path.to_owned(), text: text.to_owned(), syntax, tokens }
}

impl Source {
    /// `log` for `src/log/segment.rs`; none for what stands outside of `src/` or at its top.
    pub fn room(&self) -> Option<&str> {
        self.path.strip_prefix("src/")?.split_once('/').map(|(room, _)| room)
    }

    /// Whether the file holds tests only.
    pub fn is_test(&self) -> bool {
        !self.path.starts_with("src/") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Names of `mod x;` and `mod x { .. }` at the top.
    pub fn declared_modules(&self) -> Vec<String> {
        let module = |item: &syn::Item| match item {
            syn::Item::Mod(module) => Some(module.ident.to_string()),
            _ => None,
        };
        self.syntax.items.iter().filter_map(module).collect()
    }

    /// Every path written in the file, macros included, as far as it goes: `use a::{b, c::d}` gives `a::b`
    /// and `a::c::d`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        collect_paths(self.tokens.clone(), "", &mut paths);
        paths
    }
}

/// Collects paths of at least one identifier; `prefix` is what stands before a group, as in `a::{..}`.
fn collect_paths(tokens: TokenStream, prefix: &str, paths: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => {
                collect_paths(group.stream(), prefix, paths);
                at += 1;
            }
            TokenTree::Ident(first) => {
                let mut path = format!("{prefix}{first}");
                at += 1;
                while is_double_colon(&tokens, at) {
                    match tokens.get(at + 2) {
                        Some(TokenTree::Ident(next)) => {
                            path = format!("{path}::{next}");
                            at += 3;
                        }
                        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                            collect_paths(group.stream(), &format!("{path}::"), paths);
                            at += 3;
                        }
                        _ => at += 2,
                    }
                }
                paths.push(path);
            }
            _ => at += 1,
        }
    }
}

fn is_double_colon(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(at) && colon(at + 1)
}

#[test]
fn paths_are_found_in_uses_groups_and_macros() {
    let text = "use a::{b, c::{d, e as f}}; fn g(h: i::J) { k!(l::m(n)); }";
    let paths = parse("src/x/y.rs", text).paths();
    for expected in ["a::b", "a::c::d", "a::c::e", "i::J", "l::m", "n"] {
        assert!(paths.iter().any(|path| path == expected), "{expected} in {paths:?}");
    }
}

#[test]
fn a_room_is_the_first_folder() {
    assert_eq!(parse("src/log/segment.rs", "").room(), Some("log"));
    assert_eq!(parse("src/main.rs", "").room(), None);
    assert_eq!(parse("tests/tidy.rs", "").room(), None);
}
