//! The crash tests once more, against the optimised library as users run it: `make test-crash`.
//!
//! The same files are unit tests of their rooms, where debug assertions are on. What they call `crate::` is
//! the library here.

#![allow(dead_code, reason = "fixtures serve other unit tests too")]
#![expect(clippy::unwrap_used, reason = "they are tests")]

use highwater::{
    broker, cluster, config, coordinator, env, group, inspect, log, metadata, model, partition, protocol,
    telemetry, transaction, wal,
};

// Storage, WAL and segments together.
#[path = "../../src/broker/tests/bucket.rs"]
mod bucket;
#[path = "../../src/broker/tests/compaction.rs"]
mod compaction;
#[path = "../../src/broker/tests/crash_points.rs"]
mod crash_points;
#[path = "../../src/broker/tests/faults.rs"]
mod faults;
#[path = "../../src/broker/tests/group_crashes.rs"]
mod group_crashes;
#[path = "../../src/broker/tests/machine.rs"]
mod machine;
#[path = "../../src/broker/tests/transaction_crashes.rs"]
mod transaction_crashes;
#[path = "../../src/broker/tests/transactions.rs"]
mod transactions;
#[path = "../../src/broker/tests/verify.rs"]
mod verify;

// One partition's log.
#[path = "../../src/log/tests/cleaning_crashes.rs"]
mod cleaning_crashes;
#[path = "../../src/log/tests/cleaning_fixture.rs"]
mod cleaning_fixture;
#[path = "../../src/log/tests/crashes.rs"]
mod crashes;
#[path = "../../src/log/tests/fixture.rs"]
mod fixture;

// The WAL alone.
#[path = "../../src/wal/tests/crash.rs"]
mod crash;
#[path = "../../src/wal/tests/life.rs"]
mod life;
#[path = "../../src/wal/tests/support.rs"]
mod support;

/// These tests prove something else than the unit tests only if they are built otherwise.
#[test]
fn this_is_the_optimised_build() {
    let has_debug_assertions = cfg!(debug_assertions);
    assert!(!has_debug_assertions, "to be run with --release");
}
