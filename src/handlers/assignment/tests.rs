use kafka_protocol::messages::BrokerId;

use super::check;

/// Words as measured against Kafka 4.3, of a node with number 1.
#[test]
fn the_first_fault_in_the_order_of_broker_ids_is_told() {
    let unknown = |broker| format!("includes broker {broker}, but no such broker is registered.");
    let twice = "includes the broker 1 more than once.".to_owned();
    let cases: [(&[i32], Option<String>); 8] = [
        (&[1], None),
        (&[], Some("includes an empty replica list.".to_owned())),
        (&[2], Some(unknown(2))),
        (&[1, 1], Some(twice.clone())),
        (&[1, 2], Some(unknown(2))),
        (&[0, 1, 1], Some(unknown(0))),
        (&[1, 2, 1], Some(twice)),
        (&[-1], Some(unknown(-1))),
    ];
    for (brokers, words) in cases {
        let ids: Vec<_> = brokers.iter().map(|id| BrokerId(*id)).collect();
        let expected = words.map_or(Ok(()), |words| Err(format!("The manual partition assignment {words}")));
        assert_eq!(check(1, &ids), expected, "{brokers:?}");
    }
}
