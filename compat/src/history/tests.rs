use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::made_up::{self, key};
use super::*;

/// A fault, and what it must be called.
type Planted = (&'static str, fn(&mut Vec<Operation>), Kind);

const OPERATIONS: usize = 3_000;

fn kinds(history: &[Operation]) -> BTreeSet<Kind> {
    check(history).unwrap().anomalies.keys().copied().collect()
}

/// An acknowledged plain send from the middle that is not the first of its key: its place, and it.
fn some_send(history: &[Operation]) -> (usize, Sent) {
    let plain = |(place, operation): (usize, &Operation)| match &operation.did {
        Did::Alone(Step::Send(sent)) if operation.outcome == Outcome::Ok && sent.offset > Some(5) => {
            Some((place, sent.clone()))
        }
        _ => None,
    };
    history.iter().enumerate().skip(OPERATIONS / 3).find_map(plain).unwrap()
}

fn change_send(history: &mut [Operation], place: usize, change: impl FnOnce(&mut Sent)) {
    let Did::Alone(Step::Send(sent)) = &mut history[place].did else { panic!("no plain send") };
    change(sent);
}

/// A transaction with this outcome that wrote twice or more, and did nothing else: a reader that did would go
/// on from elsewhere with another outcome.
fn some_transaction(history: &[Operation], outcome: Outcome) -> usize {
    let places = history.iter().enumerate().skip(OPERATIONS / 3);
    let wanted = |(_, operation): &(usize, &Operation)| {
        let is_one = matches!(operation.did, Did::Transaction(_)) && operation.outcome == outcome;
        is_one && operation.sends().count() > 1 && operation.sends().count() == operation.steps().len()
    };
    places.into_iter().find(wanted).unwrap().0
}

/// Changes what was told of a key in every poll.
fn change_polls(history: &mut [Operation], key: &str, mut change: impl FnMut(&mut Vec<(i64, u64)>)) {
    for operation in history {
        let steps = match &mut operation.did {
            Did::Alone(step) => std::slice::from_mut(step),
            Did::Transaction(steps) => steps,
            _ => continue,
        };
        for step in steps {
            if let Step::Poll(keys) = step
                && let Some(records) = keys.get_mut(key)
            {
                change(records);
            }
        }
    }
}

fn hide(history: &mut [Operation], sent: &Sent) {
    change_polls(history, &sent.key, |records| records.retain(|(_, value)| *value != sent.value));
}

/// The place of the first poll of `process` at the end, and of at least two records of a key.
fn last_poll_with_two(history: &[Operation]) -> (usize, String) {
    let with_two = |(place, operation): (usize, &Operation)| match &operation.did {
        Did::Alone(Step::Poll(keys)) => {
            let found = keys.iter().find(|(_, records)| records.len() > 3)?;
            Some((place, found.0.clone()))
        }
        _ => None,
    };
    history.iter().enumerate().rev().find_map(with_two).unwrap()
}

fn records_at<'a>(history: &'a mut [Operation], place: usize, key: &str) -> &'a mut Vec<(i64, u64)> {
    let Did::Alone(Step::Poll(keys)) = &mut history[place].did else { panic!("no poll") };
    keys.get_mut(key).unwrap()
}

fn add(history: &mut Vec<Operation>, did: Did) {
    let now = history.iter().map(|operation| operation.ended).max().unwrap_or_default();
    history.push(Operation { process: 50, began: now + 1, ended: now + 2, outcome: Outcome::Ok, did });
}

fn watermarks(last_stable: i64, high: i64) -> Did {
    Did::Watermarks { key: key(0), last_stable, high }
}

fn poll(records: &[(&str, i64, u64)]) -> Step {
    let mut keys: BTreeMap<String, Vec<(i64, u64)>> = BTreeMap::new();
    for (key, offset, value) in records {
        keys.entry((*key).to_owned()).or_default().push((*offset, *value));
    }
    Step::Poll(keys)
}

/// What the broker tells last of a group and key that are told of more than once.
fn some_committed(history: &[Operation]) -> (String, String, i64) {
    let committed = |operation: &Operation| match &operation.did {
        Did::Committed { group, key, next } if *next > 20 => Some((group.clone(), key.clone(), *next)),
        _ => None,
    };
    history.iter().rev().find_map(committed).unwrap()
}

fn send(key: &str, offset: i64, value: u64) -> Step {
    Step::Send(Sent { key: key.to_owned(), value, offset: Some(offset) })
}

/// A send whose offset nobody was told.
fn quiet_send(key: &str, value: u64) -> Step {
    Step::Send(Sent { key: key.to_owned(), value, offset: None })
}

const PLANTED: &[Planted] = &[
    (
        "an acknowledged record that nobody finds",
        |history| {
            let sent = some_send(history).1;
            hide(history, &sent);
        },
        Kind::LostWrite,
    ),
    (
        "the last record that was acknowledged is gone",
        |history| {
            let is_plain = |operation: &&Operation| {
                operation.outcome == Outcome::Ok && matches!(&operation.did, Did::Alone(Step::Send(_)))
            };
            let mut last = BTreeMap::new();
            for sent in history.iter().flat_map(|operation| operation.sends().cloned().collect::<Vec<_>>()) {
                last.insert(sent.key.clone(), sent.value);
            }
            let sent = history.iter().rev().filter(is_plain).flat_map(Operation::sends);
            let sent = sent.into_iter().find(|sent| last[&sent.key] == sent.value).cloned().unwrap();
            hide(history, &sent);
        },
        Kind::UnseenWrite,
    ),
    (
        "half of a transaction",
        |history| {
            let sent = history[some_transaction(history, Outcome::Ok)].sends().next().unwrap().clone();
            hide(history, &sent);
        },
        Kind::TornTransaction,
    ),
    (
        "half of a transaction whose end nobody knows",
        |history| {
            let place = some_transaction(history, Outcome::Ok);
            history[place].outcome = Outcome::Unknown;
            let sent = history[place].sends().last().unwrap().clone();
            hide(history, &sent);
        },
        Kind::TornTransaction,
    ),
    (
        "a record of an aborted transaction is read",
        |history| {
            let place = some_transaction(history, Outcome::Ok);
            history[place].outcome = Outcome::Failed;
        },
        Kind::AbortedRead,
    ),
    (
        "a record is there twice",
        |history| {
            let sent = some_send(history).1;
            add(history, Did::Alone(poll(&[(&sent.key, 1_000_000, sent.value)])));
        },
        Kind::Duplicate,
    ),
    (
        "two records at one offset",
        |history| {
            let (_, sent) = some_send(history);
            let value = 1_000_000;
            add(history, Did::Alone(quiet_send(&sent.key, value)));
            add(history, Did::Alone(poll(&[(&sent.key, sent.offset.unwrap(), value)])));
        },
        Kind::InconsistentOffset,
    ),
    (
        "a reader is not told of a record",
        |history| {
            let (place, key) = last_poll_with_two(history);
            let records = records_at(history, place, &key);
            let (offset, value) = records.remove(1);
            // Somebody else has seen it.
            add(history, Did::Alone(poll(&[(&key, offset, value)])));
        },
        Kind::PollSkip,
    ),
    (
        "a member of a group is not told of a record",
        |history| {
            let (place, key) = last_poll_with_two(history);
            let records = records_at(history, place, &key).clone();
            let [first, _, third] = [0, 1, 2].map(|at| (key.as_str(), records[at].0, records[at].1));
            add(history, Did::Subscribe);
            add(history, Did::Alone(poll(&[first, third])));
        },
        Kind::PollSkip,
    ),
    (
        "a reader is told of records in the wrong order",
        |history| {
            let (place, key) = last_poll_with_two(history);
            let records = records_at(history, place, &key);
            let twice = records[0];
            records.insert(1, twice);
        },
        Kind::NonmonotonicPoll,
    ),
    (
        "a group's offset goes back",
        |history| {
            let (group, key, _) = some_committed(history);
            let first = history.iter().find_map(|operation| {
                operation.offsets().find(|sent| (sent.0, sent.1) == (&*group, &*key)).map(|sent| sent.2)
            });
            add(history, Did::Committed { group, key, next: first.unwrap() });
        },
        Kind::CommittedWentBack,
    ),
    (
        "a group's offset is confirmed and lost",
        |history| {
            let (group, key, next) = some_committed(history);
            let sent =
                SentOffsets { group: group.clone(), next: BTreeMap::from([(key.clone(), next + 100)]) };
            add(history, Did::Alone(Step::Offsets(sent)));
            add(history, Did::Committed { group, key, next });
        },
        Kind::CommittedWentBack,
    ),
    (
        "a transaction whose end nobody knows is committed without its offsets",
        |history| {
            let (group, key, next) = some_committed(history);
            let sent =
                SentOffsets { group: group.clone(), next: BTreeMap::from([(key.clone(), next + 100)]) };
            let steps = vec![send("elsewhere", 0, 1_000_000), Step::Offsets(sent)];
            add(history, Did::Transaction(steps));
            history.last_mut().unwrap().outcome = Outcome::Unknown;
            add(history, Did::Alone(poll(&[("elsewhere", 0, 1_000_000)])));
            add(history, Did::Committed { group, key, next });
        },
        Kind::CommittedWentBack,
    ),
    (
        "the offset of an aborted transaction is committed",
        |history| {
            let (group, key, next) = some_committed(history);
            let sent =
                SentOffsets { group: group.clone(), next: BTreeMap::from([(key.clone(), next + 100)]) };
            add(history, Did::Transaction(vec![Step::Offsets(sent)]));
            history.last_mut().unwrap().outcome = Outcome::Failed;
            add(history, Did::Committed { group, key, next: next + 100 });
        },
        Kind::StrayCommitted,
    ),
    (
        "a record that nobody wrote",
        |history| add(history, Did::Alone(poll(&[("elsewhere", 3, 1_000_000)]))),
        Kind::Phantom,
    ),
    (
        "an acknowledgement says 0",
        |history| {
            let (place, _) = some_send(history);
            change_send(history, place, |sent| sent.offset = Some(0));
        },
        Kind::ZeroOffset,
    ),
    (
        "an acknowledgement tells an offset that was taken",
        |history| {
            let (place, _) = some_send(history);
            change_send(history, place, |sent| sent.offset = Some(1));
        },
        Kind::RealtimeOffset,
    ),
    (
        "a transaction reads what it writes",
        |history| {
            let place = some_transaction(history, Outcome::Ok);
            let sent = history[place].sends().next().unwrap().clone();
            // Whoever reads for the first time may begin anywhere.
            history[place].process = 60;
            let Did::Transaction(steps) = &mut history[place].did else { panic!("no transaction") };
            steps.retain(|step| matches!(step, Step::Send(_)));
            steps.push(poll(&[(&sent.key, sent.offset.unwrap(), sent.value)]));
        },
        Kind::PrecommittedRead,
    ),
    (
        "two transactions read from each other",
        |history| {
            add(history, Did::Transaction(vec![quiet_send("a", 1), poll(&[("b", 0, 1)])]));
            add(history, Did::Transaction(vec![quiet_send("b", 1), poll(&[("a", 0, 1)])]));
        },
        Kind::Cycle,
    ),
    (
        "a record is read before it is sent",
        |history| {
            let (place, _) = some_send(history);
            let mut operation = history.remove(place);
            let now = history.iter().map(|operation| operation.ended).max().unwrap();
            // By a process of its own, which knows no offset: it would be too low.
            operation.process = 60;
            (operation.began, operation.ended) = (now + 1, now + 2);
            let Did::Alone(Step::Send(sent)) = &mut operation.did else { panic!("no plain send") };
            sent.offset = None;
            history.push(operation);
        },
        Kind::RealtimeCycle,
    ),
    (
        "a transaction sees one that began after another that saw it",
        |history| {
            add(history, Did::Transaction(vec![quiet_send("a", 1), poll(&[("b", 0, 1)])]));
            let late = history.last().unwrap().ended;
            add(history, Did::Alone(poll(&[("a", 0, 1)])));
            add(history, Did::Transaction(vec![quiet_send("b", 1)]));
            let count = history.len();
            // The first one is still in progress when the others are.
            history[count - 3].ended = late + 100;
            let first = history.remove(count - 3);
            history.push(first);
        },
        Kind::RealtimeCycle,
    ),
    (
        "what is stable is beyond the end",
        |history| add(history, watermarks(9_001, 9_000)),
        Kind::LastStableAboveHigh,
    ),
    (
        "what was stable is not",
        |history| {
            add(history, watermarks(9_000, 9_000));
            add(history, watermarks(8_999, 9_000));
        },
        Kind::LastStableWentBack,
    ),
    (
        "what was read is not stable",
        |history| {
            add(history, Did::Alone(quiet_send(&key(0), 1_000_000)));
            add(history, Did::Alone(poll(&[(&key(0), 9_000, 1_000_000)])));
            add(history, watermarks(9_000, 9_001));
        },
        Kind::LastStableWentBack,
    ),
    (
        "the end comes before what was acknowledged",
        |history| {
            add(history, Did::Alone(send("a", 9, 1)));
            add(history, Did::Alone(poll(&[("a", 9, 1)])));
            add(history, Did::Watermarks { key: "a".to_owned(), last_stable: 10, high: 10 });
            let Some(Did::Watermarks { high, last_stable, .. }) =
                history.last_mut().map(|last| &mut last.did)
            else {
                panic!("no watermarks")
            };
            (*last_stable, *high) = (9, 9);
        },
        Kind::HighWatermarkWentBack,
    ),
    (
        "a writer's records change places",
        |history| {
            // The first one was held up, and nobody told so: each is alone right by the clock.
            add(history, Did::Alone(quiet_send("a", 1)));
            add(history, Did::Alone(send("a", 3, 2)));
            add(history, Did::Alone(poll(&[("a", 3, 2), ("a", 4, 1)])));
        },
        Kind::NonmonotonicSend,
    ),
];

#[test]
fn planted_faults_are_found_and_named_rightly() {
    let whole = made_up::history(OPERATIONS, 1);
    for (name, plant, kind) in PLANTED {
        let mut history = whole.clone();
        plant(&mut history);
        let findings = check(&history).unwrap();
        let mut found: BTreeSet<Kind> = findings.anomalies.keys().copied().collect();
        // What was read and is not below the last stable offset is not below the high watermark either.
        if *kind == Kind::HighWatermarkWentBack {
            found.remove(&Kind::LastStableWentBack);
        }
        assert_eq!(found, BTreeSet::from([*kind]), "{name}\n{findings}");
        assert!(findings.to_string().contains(&format!("{kind}: ")), "{findings}");
        let anomalies = &findings.anomalies[kind];
        assert!(anomalies.iter().all(|anomaly| !anomaly.operations.is_empty()), "{name}");
    }
}

#[test]
fn histories_of_a_sound_log_show_nothing() {
    for seed in 0..20 {
        let history = made_up::history(OPERATIONS, seed);
        let findings = check(&history).unwrap();
        assert!(findings.is_sound(), "seed {seed}\n{findings}");
        assert_eq!(history, made_up::history(OPERATIONS, seed), "a seed gives one history");
    }
    assert_ne!(made_up::history(OPERATIONS, 1), made_up::history(OPERATIONS, 2));
}

#[test]
fn a_history_goes_through_a_file() {
    let history = made_up::history(OPERATIONS, 3);
    assert_eq!(parse(&to_text(&history).unwrap()).unwrap(), history);
    let error = parse("{\"process\":1}").unwrap_err().to_string();
    assert!(error.contains("line 1"), "{error}");
}

#[test]
fn what_is_no_history_is_refused() {
    let mut history = made_up::history(100, 1);
    add(&mut history, Did::Alone(send("a", 0, 1)));
    add(&mut history, Did::Alone(send("a", 1, 1)));
    let error = check(&history).err().unwrap().to_string();
    assert!(error.contains("again"), "{error}");
    let mut history = made_up::history(100, 1);
    history[7].began = history[7].ended + 1;
    assert!(check(&history).is_err());
}

/// In the slow build, with other tests around it; the optimised one takes a tenth.
#[test]
fn a_hundred_thousand_operations_are_checked_in_seconds() {
    let history = made_up::history(100_000, 7);
    let start = Instant::now();
    assert!(kinds(&history).is_empty());
    let seconds = start.elapsed().as_secs();
    assert!(seconds < 60, "{seconds} s");
}
