use super::*;
use crate::options::parse;

/// The default sitting has to fit into a coffee break: see CONTRIBUTING.md.
const MINUTES_MAX: u32 = 55;

#[test]
fn brokers_take_turns_within_each_case_and_round() {
    let options = parse(&["--cases", "r1,r4", "--rounds", "2"]).unwrap();
    let shown: Vec<String> = steps(&options).iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "round 1 brokers ",
            "round 1 r1 highwater",
            "round 1 r1 highwater-os",
            "round 1 r1 kafka",
            "round 1 r4 highwater",
            "round 1 r4 kafka",
            "round 2 r1 highwater",
            "round 2 r1 highwater-os",
            "round 2 r1 kafka",
            "round 2 r4 highwater",
            "round 2 r4 kafka",
        ]
    );
}

#[test]
fn the_default_sitting_is_no_longer_than_promised() {
    let seconds: u32 = steps(&parse(&[]).unwrap()).iter().map(|step| step.seconds).sum();
    assert!(seconds <= MINUTES_MAX * 60, "{} minutes", seconds / 60);
}

#[test]
fn a_kafka_is_warmed_with_more_than_four_gib() {
    let bytes: u64 = warmups(&parse(&[]).unwrap())
        .iter()
        .filter(|case| matches!(case.load, Load::RawProduce { .. } | Load::JavaProduce { .. }))
        .map(|case| case.records * u64::from(case.record_bytes))
        .sum();
    assert!(bytes >= 4 << 30, "{bytes}");
}
