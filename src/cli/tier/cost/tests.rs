use super::super::status::tests::{partition, status};
use super::*;

const PRICES: Prices = Prices { put_price: 0.005, get_price: 0.0004, read_price: 0.0, storage_price: 0.023 };

fn requests(operation: &str, result: &str, count: u64, bytes: u64) -> TierRequests {
    TierRequests { operation: operation.to_owned(), result: result.to_owned(), count, bytes }
}

fn of(requests: Vec<TierRequests>, prices: &Prices) -> Cost {
    let partitions = vec![partition("a", 0), TierStatus::clone(&status()).partitions.remove(0)];
    Cost::of(&TierStatus { requests, partitions, ..status() }, prices)
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-9
}

#[test]
fn requests_are_paid_for_by_class_and_those_that_fail_too() {
    let told = vec![
        requests("put", "done", 15, 2 << 30),
        requests("put", "unavailable", 5, 0),
        requests("create", "done", 10, 0),
        requests("list", "done", 10, 0),
        requests("get", "done", 40, 1 << 29),
        requests("head", "not_found", 10, 0),
        requests("delete", "done", 1_000, 0),
        requests("abort_parts", "done", 1_000, 0),
    ];
    let cost = of(told, &PRICES);
    assert!(near(cost.requests_cost, 0.040 * 0.005 + 0.050 * 0.0004), "{cost:?}");
    assert_eq!((cost.written_bytes, cost.read_bytes), (2 << 30, 1 << 29));
    assert!(near(cost.puts_per_gib_written.unwrap(), 20.0), "{cost:?}");
    assert!(near(cost.cost_per_gib_written.unwrap(), 0.040 * 0.005 / 2.0), "{cost:?}");
    assert!(near(cost.gets_per_gib_read.unwrap(), 100.0), "{cost:?}");
    assert_eq!((cost.kinds[0].count, cost.kinds[0].not_done), (20, 5));
    assert!(near(cost.read_cost, 0.0));
    let dearer = of(vec![requests("get", "done", 0, 3 << 30)], &Prices { read_price: 0.09, ..PRICES });
    assert!(near(dearer.read_cost, 0.27) && near(dearer.cost_per_gib_read.unwrap(), 0.09), "{dearer:?}");
}

#[test]
fn every_kind_of_request_has_a_class() {
    let classes: Vec<_> = Operation::ALL.iter().map(|kind| (kind.name(), Class::of(kind.name()))).collect();
    let of_class = |class| {
        let names = classes.iter().filter(|(_, its)| *its == class).map(|(name, _)| *name);
        names.collect::<Vec<_>>()
    };
    assert_eq!(of_class(Class::Put), ["put", "begin_parts", "part", "complete_parts", "create", "list"]);
    assert_eq!(of_class(Class::Get), ["get", "head"]);
    assert_eq!(of_class(Class::Free), ["abort_parts", "delete"]);
    assert_eq!(Class::of("teleport"), Class::Put);
}

#[test]
fn what_lies_there_costs_by_the_month_and_what_nobody_knows_is_said() {
    let cost = of(vec![], &PRICES);
    assert!(near(cost.storage_cost_per_month, cost.stored_bytes as f64 / GIB * 0.023));
    assert!(cost.stored_bytes > 0);
    assert_eq!(cost.puts_per_gib_written, None);
    let words = cost.words(&PRICES);
    assert!(words.contains("written   0 B: too little to tell"), "{words}");
    let little = of(vec![requests("put", "done", 3, (64 << 20) - 1)], &PRICES);
    assert_eq!(little.puts_per_gib_written, None);
    assert!(words.contains("0.005 for 1,000 of class PUT, 0.0004 of GET"), "{words}");
    assert!(words.contains("S3 Standard in us-east-1, as listed in 2025"), "{words}");
    let unknown = TierStatus {
        partitions: vec![crate::broker::TierPartition { remote_bytes: None, ..partition("b", 0) }],
        ..status()
    };
    let words = Cost::of(&unknown, &PRICES).words(&PRICES);
    assert!(words.contains("of 1 more partitions it is not known yet"), "{words}");
}
