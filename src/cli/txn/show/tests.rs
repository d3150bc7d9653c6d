use super::*;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn holder(partition: i32, transaction: Option<Transaction>) -> Holder {
    Holder {
        topic: "orders".to_owned(),
        partition,
        last_stable_offset: 40,
        high_watermark: 1_040,
        producer_id: 7,
        producer_epoch: 3,
        last_timestamp: NOW.0 - 4_250,
        is_nobodys: transaction.is_none(),
        transaction,
    }
}

fn transaction(state: &str) -> Option<Transaction> {
    Some(Transaction {
        transactional_id: "bank-1".to_owned(),
        state: state.to_owned(),
        start_timestamp: NOW.0 - 200_000,
        timeout_ms: 900_000,
        partitions_count: 2,
    })
}

#[test]
fn a_table_says_which_since_when_and_whose() {
    let holders = [holder(0, transaction("Ongoing")), holder(12, None), holder(3, transaction("Empty"))];
    let rows = [
        (
            "TOPIC   PARTITION  LAST STABLE  BEHIND  TRANSACTIONAL ID  ",
            "STATE    SINCE                  OPEN  TIME-OUT  PRODUCER  EPOCH",
        ),
        (
            "orders          0           40    1000  bank-1            ",
            "Ongoing  2027-01-15T07:56:40Z  3m20s    15m00s         7      3",
        ),
        (
            "orders         12           40    1000  -                 ",
            "hanging  2027-01-15T07:59:55Z   4.2s         -         7      3",
        ),
        (
            "orders          3           40    1000  bank-1            ",
            "hanging  2027-01-15T07:59:55Z   4.2s    15m00s         7      3",
        ),
    ];
    let hint = "\nhanging: no coordinator will end it; kafka-transactions abort can.\n";
    let expected = rows.map(|(left, right)| format!("{left}{right}\n")).concat() + hint;
    assert_eq!(table(&holders, NOW), expected);
    assert!(!table(&holders[..1], NOW).contains("hanging"));
    assert_eq!(table(&[], NOW), "No open transaction holds back a last stable offset.\n");
}

/// A broker that does not answer may know whose it is.
#[test]
fn what_not_all_were_asked_about_is_not_said_to_hang() {
    let holders = [Holder { is_nobodys: false, ..holder(0, None) }];
    let shown = table(&holders, NOW);
    assert!(shown.contains("unknown  2027-01-15T07:59:55Z  4.2s ") && !shown.contains("hanging"), "{shown}");
    let shown: serde_json::Value = serde_json::from_str(&json(&holders, NOW).unwrap()).unwrap();
    assert_eq!((&shown["hanging"], &shown["state"]), (&serde_json::Value::Null, &serde_json::Value::Null));
}

#[test]
fn json_has_an_object_for_each() {
    let holders = [holder(0, transaction("Ongoing")), holder(1, None)];
    let shown = json(&holders, NOW).unwrap();
    let lines: Vec<serde_json::Value> =
        shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["transactional_id"], "bank-1");
    assert_eq!(lines[0]["since"], "2027-01-15T07:56:40Z");
    assert_eq!((&lines[0]["open_ms"], &lines[0]["timeout_ms"]), (&200_000.into(), &900_000.into()));
    assert_eq!((&lines[0]["hanging"], &lines[0]["partitions"]), (&false.into(), &2.into()));
    assert_eq!((&lines[1]["hanging"], &lines[1]["state"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!((&lines[1]["open_ms"], &lines[1]["producer_id"]), (&4_250.into(), &7.into()));
}

/// An id is whatever its client chose, and a broker may say anything.
#[test]
fn text_from_elsewhere_stays_in_its_cell() {
    let mut odd = holder(0, transaction("Ongoing"));
    (odd.last_stable_offset, odd.high_watermark) = (-1, i64::MAX);
    if let Some(transaction) = &mut odd.transaction {
        transaction.transactional_id = "x\n\u{1b}[2J".to_owned() + &"y".repeat(100_000);
    }
    let shown = table(&[odd], NOW);
    assert_eq!(shown.lines().count(), 2, "{shown}");
    assert!(!shown.contains('\u{1b}') && shown.contains(r"x\n\u{1b}[2Jy"), "{shown}");
    assert!(shown.lines().all(|line| line.len() < 400), "{shown}");
}
