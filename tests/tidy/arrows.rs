//! Which room may name which, and what only some rooms may name.

use crate::source::{Source, parse};

/// Rooms that this file names without being allowed to.
pub fn check_rooms(source: &Source, rooms: &[(&str, &[&str])]) -> Vec<String> {
    let Some(room) = source.room() else { return Vec::new() };
    let Some((_, below)) = rooms.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{}: the room {room} is not listed", source.path)];
    };
    let mut findings = Vec::new();
    for path in source.paths() {
        let mut words = path.split("::");
        if words.next() == Some("crate")
            && let Some(other) = words.next()
            && other != room
            && !below.contains(&other)
        {
            findings.push(format!("{}: {room} may not touch {other} ({path})", source.path));
        }
        if climbs_out(source, &path) {
            findings.push(format!("{}: {path} leaves the room; write crate::", source.path));
        }
    }
    findings
}

/// Whether a path of `super`s reaches the crate's root. One more is allowed for an inline `mod tests`.
fn climbs_out(source: &Source, path: &str) -> bool {
    let folders = source.path.matches('/').count();
    let depth = if source.path.ends_with("/mod.rs") { folders - 1 } else { folders };
    let supers = path.split("::").take_while(|word| *word == "super").count();
    supers > depth
}

/// Names that only some rooms may use. Tests answer to the lints alone.
pub fn check_restricted(source: &Source, restricted: &[(&str, &[&str])]) -> Vec<String> {
    let Some(room) = source.room().filter(|_| !source.is_test()) else { return Vec::new() };
    let mut findings = Vec::new();
    for path in source.paths() {
        for (name, allowed) in restricted {
            let named = path == *name || path.starts_with(&format!("{name}::"));
            if named && !allowed.contains(&room) {
                findings.push(format!("{}: {room} may not name {name}", source.path));
            }
        }
    }
    findings
}

#[test]
fn an_arrow_that_is_not_listed_is_found() {
    let rooms: &[(&str, &[&str])] = &[("model", &[]), ("log", &["model"])];
    let count = |path: &str, text: &str| check_rooms(&parse(path, text), rooms).len();
    assert_eq!(count("src/log/a.rs", "use crate::model::Offset; use crate::log::b; use super::c;"), 0);
    assert_eq!(count("src/model/a.rs", "use crate::log::Segment;"), 1);
    assert_eq!(count("src/model/a.rs", "use crate::{log::Segment, model::X};"), 1);
    assert_eq!(count("src/model/a.rs", "fn f() { debug_assert!(crate::log::sound()); }"), 1);
    assert_eq!(count("src/model/a.rs", "use super::super::super::log::Segment;"), 1);
    assert_eq!(count("src/cellar/a.rs", ""), 1);
}

#[test]
fn a_restricted_name_is_found_outside_of_its_rooms() {
    let restricted: &[(&str, &[&str])] = &[("std::fs", &["env"]), ("kafka_protocol", &["handlers"])];
    let count = |path: &str, text: &str| check_restricted(&parse(path, text), restricted).len();
    assert_eq!(count("src/env/a.rs", "use std::fs::File;"), 0);
    assert_eq!(count("src/log/a.rs", "use std::{fs, io};"), 1);
    assert_eq!(count("src/log/a.rs", "fn f() { std::fs::read(p); }"), 1);
    assert_eq!(count("src/log/a.rs", "use kafka_protocol::messages;"), 1);
    assert_eq!(count("src/log/a.rs", "use std::format; mod fs {}"), 0);
    assert_eq!(count("tests/broker/a.rs", "use std::fs;"), 0);
    assert_eq!(count("src/server/tests/memory.rs", "use std::fs;"), 0);
}
