//! The repository tests its own shape: rooms and their arrows, sizes, names, heads.
//!
//! The tables stand here; the rules under `tests/tidy/`, each with tests that show it can fail.

#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/coverage.rs"]
mod coverage;
#[path = "tidy/dependencies.rs"]
mod dependencies;
#[path = "tidy/heads.rs"]
mod heads;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/source.rs"]
mod source;

use source::Source;

/// A room of `src/` and the rooms it may touch: arrows point down only. A new room or arrow comes with an
/// ADR.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("env", &["model"]),
    ("config", &["model", "env"]),
    ("telemetry", &["model"]),
    // `env` for one type: the extent of an open file in a zero-copy response.
    ("protocol", &["model", "env"]),
    ("metadata", &["model"]),
    ("wire", &[]),
    ("group", &["model", "metadata", "wire"]),
    // `group` for one type: regular expressions as Kafka's users write them.
    ("transaction", &["model", "wire", "group"]),
    ("log", &["model", "env", "protocol"]),
    ("wal", &["model", "env"]),
    ("store", &["model", "env"]),
    // `log` for what segments are made of: producer state, leader epochs, aborted transactions.
    ("tier", &["model", "env", "protocol", "log", "store"]),
    ("partition", &["model", "env", "protocol", "log", "wal"]),
    ("coordinator", &["model", "env", "protocol", "metadata", "group", "transaction", "partition"]),
    // `log` for one type: the settings of a topic's logs, which it hands to `partition`.
    ("cluster", &["model", "env", "metadata", "log", "wal", "partition"]),
    ("inspect", &["model", "env", "protocol", "metadata", "log", "wal", "partition", "cluster"]),
    // `inspect` for its tests: what crashes of the simulated storage leave must be found whole.
    ("broker", &BELOW_BROKER),
    ("handlers", &BELOW_HANDLERS),
    ("server", &["model", "env", "config", "telemetry", "protocol", "broker", "handlers"]),
    ("admin", &["model", "env", "config", "telemetry", "broker"]),
    // `handlers` because `serve` gives the server what answers requests; `inspect` for `dump` and `verify`;
    // `protocol` for what is a client; `store` and `tier` to look at a bucket without a broker (ADR 34).
    (
        "cli",
        &[
            "model",
            "env",
            "config",
            "telemetry",
            "protocol",
            "store",
            "tier",
            "inspect",
            "broker",
            "handlers",
            "server",
            "admin",
        ],
    ),
];

const BELOW_BROKER: [&str; 16] = [
    "model",
    "env",
    "config",
    "telemetry",
    "protocol",
    "metadata",
    "log",
    "wal",
    "store",
    "partition",
    "group",
    "transaction",
    "coordinator",
    "cluster",
    "inspect",
    "tier",
];
const BELOW_HANDLERS: [&str; 14] = [
    "model",
    "env",
    "config",
    "telemetry",
    "protocol",
    "metadata",
    "log",
    "wal",
    "partition",
    "group",
    "transaction",
    "coordinator",
    "cluster",
    "broker",
];

/// What only some rooms may name: the crate or module, and the rooms.
const RESTRICTED: &[(&str, &[&str])] = &[
    ("kafka_protocol", &["protocol", "handlers", "server", "cli"]),
    ("std::fs", &["env"]),
    ("tokio::fs", &[]),
    ("tokio::time", &["env"]),
    ("std::time::SystemTime", &["env"]),
    ("std::time::Instant", &["env"]),
    ("getrandom", &["env"]),
    // `protocol` because the codec crate's encoders fail with it.
    ("anyhow", &["cli", "protocol"]),
];

/// Files that are tables of data: they, their functions and their lines may be long.
const DATA_TABLES: &[&str] = &[
    "src/config/definitions.rs",
    "src/protocol/error_code.rs",
    "src/protocol/layouts.rs",
    "src/protocol/versions.rs",
];

/// Traps of clients, by the sections of `docs/coverage.md`: each has a row there, whatever holds it.
const TRAPS: &[(&str, std::ops::RangeInclusive<u32>)] = &[
    ("Framing, negotiation, errors", 1..=20),
    ("Metadata and topic identity", 21..=32),
    ("Produce and record batches", 33..=46),
    ("Fetch", 47..=59),
    ("Offsets and groups", 60..=77),
    ("Transactions", 78..=85),
];

/// Fields in which answers differ from Apache Kafka's, as `protocol-tests/differences.txt` has it, and why it
/// was ever raised: the newest number last. It is lowered in place, together with the list's; who has to
/// raise it adds a line.
const FIELDS_THAT_DIFFER: &[(usize, &str)] = &[
    (3_644, "as of issue 8, without our own settings"),
    (3_702, "records under the numbers of an aborted batch, which are not confirmed here (ADR 36)"),
];

/// The helpers that wait for a condition: the only test code that may sleep.
const MAY_SLEEP: &[&str] = &["compat/src/wait.rs", "tests/broker/eventually.rs"];

/// The tidy rules' own examples of what is forbidden stand in string literals, so no file is exempt from the
/// rest.
fn sources() -> Vec<Source> {
    source::read_all(&["src", "tests", "compat/src", "bench/src", "protocol-tests"])
}

/// Fails with every finding at once.
fn expect_none(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn the_table_lists_the_rooms_that_are_there() {
    let library =
        sources().into_iter().find(|source| source.path == "src/lib.rs").expect("there is a library");
    let mut declared = library.declared_modules();
    let mut listed: Vec<String> = ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect();
    declared.sort_unstable();
    listed.sort_unstable();
    assert_eq!(declared, listed);
}

#[test]
fn arrows_point_down_only() {
    expect_none(sources().iter().flat_map(|source| arrows::check_rooms(source, ROOMS)).collect());
}

#[test]
fn the_table_of_arrows_has_no_cycle() {
    for (place, (room, below)) in ROOMS.iter().enumerate() {
        for other in *below {
            let other_place = ROOMS.iter().position(|(name, _)| name == other).expect("a listed room");
            assert!(other_place < place, "{room} stands below {other}, which it touches");
        }
    }
}

#[test]
fn the_outside_world_is_named_where_it_is_owned() {
    expect_none(sources().iter().flat_map(|source| arrows::check_restricted(source, RESTRICTED)).collect());
}

#[test]
fn sizes_keep_their_bounds() {
    let sources = sources();
    let mut findings: Vec<String> =
        sources.iter().flat_map(|source| sizes::check(source, DATA_TABLES)).collect();
    findings.extend(sizes::check_all(&sources, DATA_TABLES));
    expect_none(findings);
}

#[test]
fn names_are_the_fields_own() {
    expect_none(sources().iter().flat_map(names::check).collect());
}

#[test]
fn tests_neither_sleep_nor_are_ignored() {
    expect_none(sources().iter().flat_map(|source| names::check_tests(source, MAY_SLEEP)).collect());
}

#[test]
fn every_room_says_what_it_owns() {
    expect_none(sources().iter().flat_map(heads::check).collect());
}

#[test]
fn tests_named_in_the_coverage_document_exist() {
    expect_none(coverage::check(include_str!("../docs/coverage.md"), &sources()));
}

#[test]
fn every_trap_has_a_row_in_the_coverage_document() {
    expect_none(coverage::check_rows(include_str!("../docs/coverage.md"), TRAPS));
}

#[test]
fn answers_differ_from_kafkas_in_no_more_fields_than_before() {
    let list = include_str!("../protocol-tests/differences.txt");
    let fields = list.lines().find_map(|line| line.strip_prefix("fields: ")).expect("the list says how many");
    let fields: usize = fields.parse().expect("a number");
    let (known, _) = FIELDS_THAT_DIFFER.last().expect("there is a number");
    assert_eq!(
        fields, *known,
        "protocol-tests/differences.txt and FIELDS_THAT_DIFFER (tests/tidy.rs) say different numbers: if \
         fewer fields differ now, lower the number here too; if more do, mend the answers, or add a line \
         with the reason"
    );
}

#[test]
fn every_dependency_has_its_reason() {
    expect_none(dependencies::check(include_str!("../Cargo.toml"), include_str!("../docs/dependencies.md")));
}
