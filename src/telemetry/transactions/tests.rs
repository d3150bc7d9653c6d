use std::time::Duration;

use crate::model::Timestamp;
use crate::telemetry::Metrics;

#[test]
fn transactions_are_counted_by_state_and_the_oldest_is_told() {
    let metrics = Metrics::new(Timestamp(0), 10);
    metrics.set_transactions(|visitor| {
        visitor.transaction("Ongoing", Some(Duration::from_millis(7_900)));
        visitor.transaction("Ongoing", Some(Duration::from_secs(3)));
        visitor.transaction("PrepareAbort", Some(Duration::from_secs(5)));
        visitor.transaction("Empty", None);
        visitor.timed_out(5);
    });
    let rendered = metrics.render();
    for line in [
        "highwater_transactional_ids{state=\"Ongoing\"} 2",
        "highwater_transactional_ids{state=\"PrepareAbort\"} 1",
        "highwater_transactional_ids{state=\"Empty\"} 1",
        "highwater_transactions_open 3",
        "highwater_transactions_oldest_seconds 7",
        "highwater_transactions_timed_out_total 5",
    ] {
        assert!(rendered.lines().any(|other| other == line), "{line} is not in\n{rendered}");
    }
}

#[test]
fn without_transactions_the_sums_are_zero() {
    let rendered = Metrics::new(Timestamp(0), 10).render();
    for line in ["highwater_transactions_open 0", "highwater_transactions_oldest_seconds 0"] {
        assert!(rendered.lines().any(|other| other == line), "{line} is not in\n{rendered}");
    }
    assert!(!rendered.contains("highwater_transactional_ids{"), "{rendered}");
}
