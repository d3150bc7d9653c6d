//! `highwater restore`: what it prints while a node is restored, and with what number it ends.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use super::arguments::RestoreArguments;
use super::configuration;
use super::exit::Exit;
use crate::broker::{
    RestoreOptions, RestoreWatcher, Restored, RestoredPartition, restore as restore_node, store_options,
};
use crate::config::ServerConfig;
use crate::env::Env;
use crate::model::TransactionResult;
use crate::store::{self, NoObserver, Variables};

/// Restores, or tells what would be restored.
pub fn restore(arguments: &RestoreArguments) -> Exit {
    let env = Env::real();
    let config = match configured(&env, arguments) {
        Ok(config) => config,
        Err(message) => return told(Exit::Configuration, &message),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(&env, &config, arguments)),
        Err(error) => told(Exit::Failed, &format!("no thread: {error}")),
    }
}

fn told(exit: Exit, message: &str) -> Exit {
    eprintln!("highwater: {message}");
    exit
}

fn configured(env: &Env, arguments: &RestoreArguments) -> Result<ServerConfig, String> {
    let mut overrides = arguments.overrides.clone();
    overrides.push(("highwater.tier.store".to_owned(), arguments.from.clone()));
    if let Some(directory) = &arguments.data_dir {
        let directory = directory.to_str().ok_or("--data-dir is not text")?;
        overrides.push(("log.dirs".to_owned(), directory.to_owned()));
    }
    let loaded = configuration::load(env, arguments.config.as_deref(), &overrides);
    loaded.map(|(config, _)| config).map_err(|error| error.to_string())
}

async fn run(env: &Env, config: &ServerConfig, arguments: &RestoreArguments) -> Exit {
    let Some(options) = store_options(&config.tier, Variables::of_process()) else {
        return told(Exit::Configuration, "--from names no store");
    };
    let store = match store::open(&options, env, Arc::new(NoObserver)) {
        Ok(store) => store,
        Err(error) => return told(Exit::Configuration, &error.to_string()),
    };
    let RestoreArguments { take_over, old_node_is_dead, allow_empty, .. } = arguments.clone();
    let options = RestoreOptions { take_over, old_node_is_dead, allow_empty };
    let mut teller =
        Teller { shows_progress: io::stderr().is_terminal(), is_shown: false, torn: 0, mute: None };
    let restored = restore_node(env, &store, config, &options, &mut teller).await;
    teller.clear();
    match restored {
        Ok(restored) => {
            teller.print(&words(config, &restored, teller.torn));
            match teller.mute {
                Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    told(Exit::Storage, &format!("cannot write what was restored: {error}"))
                }
                _ => Exit::Stopped,
            }
        }
        Err(error) => told(Exit::of_code(error.exit_code()), &error.to_string()),
    }
}

/// Prints partitions as they come, and how far it is.
struct Teller {
    shows_progress: bool,
    is_shown: bool,
    torn: usize,
    /// Why nothing more can be printed, if anything.
    mute: Option<io::Error>,
}

impl Teller {
    /// Prints a line; `println!` would panic where nobody reads any more.
    fn print(&mut self, line: &str) {
        if self.mute.is_none() {
            self.mute = writeln!(io::stdout(), "{line}").err();
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            eprint!("\r\x1b[K");
        }
    }
}

impl RestoreWatcher for Teller {
    fn note(&mut self, words: &str) {
        self.clear();
        eprintln!("highwater: {words}");
    }

    fn partition(&mut self, partition: &RestoredPartition, done: usize, all: usize) {
        self.clear();
        self.print(&partition_words(partition));
        self.torn += partition.ended.len();
        if self.shows_progress {
            self.is_shown = true;
            eprint!("\r{} {done} of {all} partitions ", bar(done, all));
        }
    }
}

/// How much of it is done, in twenty parts.
fn bar(done: usize, all: usize) -> String {
    const PARTS: usize = 20;
    let filled = done * PARTS / all.max(1);
    format!("[{}{}]", "#".repeat(filled), ".".repeat(PARTS - filled))
}

fn partition_words(partition: &RestoredPartition) -> String {
    let RestoredPartition { topic, id, log_start_offset, restored_end_offset, log_end_offset, .. } =
        partition;
    let held = match restored_end_offset > log_start_offset {
        true => format!("offsets {log_start_offset} to {}", restored_end_offset.0 - 1),
        false => "no record".to_owned(),
    };
    let mut words = format!("{topic}-{}: {held} restored; goes on at {log_end_offset}", id.partition);
    if let Some(lost) = partition.lost_end_offset {
        words += &format!("\n  lost: offsets up to {lost} were in the store, and nothing of them is left");
    }
    for ended in &partition.ended {
        let how = match (ended.result, ended.is_known) {
            (TransactionResult::Commit, _) => "committed, as it was",
            (TransactionResult::Abort, true) => "aborted, as it was",
            (TransactionResult::Abort, false) => "aborted: nobody knows how it had ended",
        };
        words += &format!(
            "\n  torn: the transaction of producer {} from offset {} on has no end in the store; {how}",
            ended.producer_id, ended.first_offset
        );
    }
    words
}

fn words(config: &ServerConfig, restored: &Restored, torn: usize) -> String {
    let Restored { cluster_id, topics, partitions, offsets, .. } = restored;
    let what = format!(
        "cluster {cluster_id}: {topics} topics with {partitions} partitions, {offsets} committed offsets; \
         {torn} transactions were torn. Partitions are as of different moments: the store is no consistent \
         cut."
    );
    let directory = config.log_dir.display();
    match restored.owner {
        Some(owner) => format!(
            "restored into {directory} as owner {owner} of the store: {what}\nstart it with the same \
             highwater.tier.store and log.dirs={directory}"
        ),
        None => {
            format!("nothing was changed. With --take-over this would be restored into {directory}: {what}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::EndedHere;
    use crate::model::{LeaderEpoch, Offset, ProducerId, TopicId, TopicPartition};

    #[test]
    fn a_partition_is_told_with_its_newest_record_and_what_was_torn() {
        let ended = EndedHere {
            producer_id: ProducerId(7),
            first_offset: Offset(12),
            result: TransactionResult::Abort,
            is_known: false,
        };
        let mut partition = RestoredPartition {
            topic: "orders".into(),
            id: TopicPartition { topic_id: TopicId::ZERO, partition: 3 },
            log_start_offset: Offset(5),
            restored_end_offset: Offset(20),
            leader_epoch: LeaderEpoch(1),
            log_end_offset: Offset(1_048_600),
            tier: None,
            ended: vec![ended],
            lost_end_offset: None,
        };
        assert_eq!(
            partition_words(&partition),
            "orders-3: offsets 5 to 19 restored; goes on at 1048600\n  torn: the transaction of producer 7 \
             from offset 12 on has no end in the store; aborted: nobody knows how it had ended"
        );
        (partition.restored_end_offset, partition.ended) = (Offset(5), Vec::new());
        assert_eq!(partition_words(&partition), "orders-3: no record restored; goes on at 1048600");
        partition.lost_end_offset = Some(Offset(20));
        assert_eq!(
            partition_words(&partition),
            "orders-3: no record restored; goes on at 1048600\n  lost: offsets up to 20 were in the store, \
             and nothing of them is left"
        );
    }

    #[test]
    fn the_bar_fills() {
        assert_eq!(bar(0, 4), format!("[{}]", ".".repeat(20)));
        assert_eq!(bar(2, 4), format!("[{}{}]", "#".repeat(10), ".".repeat(10)));
        assert_eq!(bar(0, 0), format!("[{}]", ".".repeat(20)));
        assert_eq!(bar(9, 9), format!("[{}]", "#".repeat(20)));
    }
}
