//! Made-up histories: a sound one, and one for each fault.

use std::collections::BTreeMap;

use super::super::model::{Command, effects};
use super::*;

/// Command 0 moves 100 from account 0 to 8, command 1 moves 950 from 0 to 16 (not covered, so nothing),
/// command 2 moves 200 from 8 to 0.
fn audit() -> Audit {
    let command = |id, from, to, amount| Command { id, from, to, amount };
    Audit::new(effects(&[vec![command(0, 0, 8, 100), command(1, 0, 16, 950), command(2, 8, 0, 200)]]))
}

const SOUND: [&str; 10] = [
    "ends",
    "entry a 4 0 0 -100 900",
    "entry a 4 1 0 0 900",
    "ends",
    "entry a 4 0 8 100 1100",
    "entry a 4 1 16 0 1000",
    "reached",
    "entry b 2 2 8 -200 900",
    "entry b 2 2 0 200 1100",
    "reached",
];

/// `Ok` of how many commands, or what is wrong.
fn judge(lines: &[&str], told: &[(&str, bool)]) -> Result<usize> {
    let mut audit = audit();
    lines.iter().try_for_each(|line| audit.hear(line))?;
    let told: BTreeMap<String, bool> = told.iter().map(|(name, how)| ((*name).to_owned(), *how)).collect();
    audit.finish(&told)?;
    Ok(audit.commands())
}

#[test]
fn a_sound_history_passes() {
    assert_eq!(judge(&SOUND, &[("a", true), ("b", true), ("c", false)]).unwrap(), 3);
    // Told nothing: killed in time.
    assert_eq!(judge(&SOUND, &[]).unwrap(), 3);
}

/// The sound history with lines `from` to `to` replaced.
fn with(from: usize, to: usize, lines: &[&'static str]) -> Vec<&'static str> {
    [&SOUND[..from], lines, &SOUND[to..]].concat()
}

#[test]
fn each_fault_is_found() {
    for (fault, history, expected) in [
        ("a credit is lost", with(8, 9, &[]), "torn"),
        ("a debit is lost", with(7, 8, &[]), "torn"),
        ("a transaction is lost", with(7, 9, &[]), "lost"),
        (
            "half of a transaction comes later than it may",
            with(5, 6, &[]),
            "of the 4 entries of transaction a, 3",
        ),
        ("an entry twice", with(8, 8, &["entry b 2 2 8 -200 900"]), "applied to the account before"),
        (
            "a command in two transactions",
            with(9, 9, &["entry c 2 2 8 -200 700", "entry c 2 2 0 200 1300"]),
            "applied to the account before",
        ),
        (
            "a command on a balance of long ago",
            with(7, 9, &["entry b 2 2 8 -200 800", "entry b 2 2 0 200 1200"]),
            "next entry must be",
        ),
        (
            "a command not covered and carried out",
            with(2, 3, &["entry a 4 1 0 -950 -50"]),
            "next entry must be",
        ),
        ("two commands the wrong way round", with(1, 3, &[SOUND[2], SOUND[1]]), "next entry must be"),
        ("more than the whole", with(7, 7, &["entry a 4 2 8 -200 900"]), "whole before"),
        ("two sizes of one transaction", with(4, 5, &["entry a 3 0 8 100 1100"]), "disagree"),
        ("an entry of no command", with(9, 9, &["entry d 1 3 16 5 1005"]), "next entry must be None"),
        ("a line of no meaning", with(9, 9, &["entry"]), "said"),
    ] {
        let found = format!("{:#}", judge(&history, &[]).expect_err(fault));
        assert!(found.contains(expected), "{fault}: {found}");
    }
}

#[test]
fn what_tellers_were_told_is_compared() {
    let aborted = judge(&SOUND, &[("a", false)]).unwrap_err();
    assert!(aborted.to_string().contains("aborted, and can be read"), "{aborted:#}");
    let lost = judge(&SOUND, &[("c", true)]).unwrap_err();
    assert!(lost.to_string().contains("is not there"), "{lost:#}");
}

#[test]
fn the_total_is_counted_after_every_transaction() {
    let mut audit = audit();
    // Debit and credit of different commands: each entry is right, the transaction is not.
    let lines = ["entry a 3 0 0 -100 900", "entry a 3 1 0 0 900", "entry a 3 1 16 0 1000"];
    let found = lines.iter().try_for_each(|line| audit.hear(line)).unwrap_err();
    assert!(format!("{found:#}").contains("the total is 99900"), "{found:#}");
}

#[test]
fn a_transaction_seen_in_part_may_wait_for_the_next_checkpoint() {
    let mut audit = audit();
    for line in ["ends", "entry a 2 0 0 -100 900", "reached", "ends", "entry a 2 0 8 100 1100", "reached"] {
        audit.hear(line).unwrap();
    }
    assert_eq!((audit.commands(), audit.checkpoints(), audit.transactions()), (1, 2, 1));
    audit.hear("entry b 2 1 0 0 900").unwrap();
    audit.hear("ends").unwrap();
    assert!(audit.hear("reached").is_err());
}
