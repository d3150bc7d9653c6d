//! The same log over a real disk, with real threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::support::*;
use crate::env::Env;
use crate::wal::{NewIncarnation, OpenedWal, Wake, WalAppender, WalOptions, create, replay};

const APPENDERS: u64 = 4;
const ENTRIES_EACH: u64 = 400;
const PATIENCE: Duration = Duration::from_secs(60);

/// Appends numbers `from..from + ENTRIES_EACH`, waiting for credit where there is none.
fn append_all(appender: &WalAppender<u64>, from: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for number in from..from + ENTRIES_EACH {
        let length = if number % 100 == 7 { 40 << 10 } else { 20 + (number * 37 % 3000) as usize };
        let bytes = payload(number, length);
        let mut credit = runtime.block_on(async {
            loop {
                let grown = appender.credit_available();
                match appender.try_reserve(bytes.len() as u64) {
                    Ok(credit) => return credit,
                    Err(_) => crate::env::time::timeout(PATIENCE, grown).await.expect("credit grows"),
                }
            }
        });
        appender.append(&mut credit, header(0), &bytes, |_| {}, number);
    }
}

#[test]
fn many_threads_append_while_one_commits_and_one_pre_writes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wal");
    let options = WalOptions { capacity_bytes: 64 << 20, ..options() };
    let OpenedWal { appender, mut writer, mut provisioner, replay_start } =
        create(&Env::real(), &path, options, NewIncarnation::first(WAL_ID)).unwrap();
    let appender = &appender;
    let stop = AtomicBool::new(false);
    let mut committed: Vec<u64> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                while provisioner.step().unwrap() {}
                provisioner.wait(PATIENCE);
            }
        });
        let commits = scope.spawn(move || {
            let mut members = Vec::new();
            while writer.wait(PATIENCE) == Wake::Work {
                while let Some(written) = writer.write_next().unwrap() {
                    members.extend(writer.sync(written).unwrap().members);
                }
            }
            members
        });
        let appends: Vec<_> = (0..APPENDERS)
            .map(|index| scope.spawn(move || append_all(appender, index * ENTRIES_EACH)))
            .collect();
        appends.into_iter().for_each(|thread| thread.join().unwrap());
        stop.store(true, Ordering::Relaxed);
        appender.shut_down();
        commits.join().unwrap()
    });
    let mut replayed = Vec::new();
    replay::<String>(&Env::real(), &path, &replay_start, &mut |entry| {
        replayed.push(number_of(&entry.payload));
        Ok(())
    })
    .unwrap();
    assert_eq!(replayed, committed, "replay has the order of the commits");
    committed.sort_unstable();
    assert_eq!(committed, (0..APPENDERS * ENTRIES_EACH).collect::<Vec<_>>());
}
