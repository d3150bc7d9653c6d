use super::super::settings::Layers;
use super::*;
use crate::env::{Files, RealFiles};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/reference.properties");

#[test]
fn the_file_in_the_repository_is_up_to_date() {
    let path = std::path::Path::new(PATH);
    let expected = reference_properties();
    if std::env::var_os("HIGHWATER_WRITE_REFERENCE").is_some() {
        RealFiles.replace(path, expected.as_bytes()).expect("config/ can be written");
    }
    let found = RealFiles.read(path, 1 << 20).expect("config/reference.properties is there");
    assert!(
        String::from_utf8_lossy(&found) == expected,
        "config/reference.properties differs from the table; HIGHWATER_WRITE_REFERENCE=1 writes it again"
    );
}

#[test]
fn every_default_shown_can_be_set() {
    let shown = reference_properties();
    let broker = shown.split(TOPIC_HEADER).next().expect("the part before the topic keys");
    let set = |line: &str| {
        line.strip_prefix('#').filter(|l| !l.starts_with(' ') && !l.ends_with('=')).map(str::to_owned)
    };
    let lines: Vec<String> = broker.lines().filter_map(set).collect();
    assert!(lines.len() > 50, "{}", lines.len());
    let mut layers = Layers::default();
    layers.file("reference", &lines.join("\n")).expect("well formed");
    let (settings, warnings) = layers.resolve().expect("defaults are allowed");
    assert_eq!(warnings, []);
    super::super::ServerConfig::from_settings(settings).expect("defaults agree");
}

#[test]
fn words_are_kept_when_lines_are_broken() {
    for definition in BROKER.iter().chain(TOPIC.iter().map(|entry| &entry.definition)) {
        let lines = wrapped(definition.doc);
        assert_eq!(lines.join(" "), definition.doc.split_whitespace().collect::<Vec<_>>().join(" "));
        assert!(lines.iter().all(|line| line.len() <= LINE_CHARACTERS_MAX));
    }
}
