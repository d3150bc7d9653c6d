//! usage: rust-rdkafka-member BOOTSTRAP GROUP TOPIC classic|consumer, until its standard input ends: librdkafka through
//! the crate `rdkafka`. compat/src/scenario/group_members.rs tells the contract.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

const SESSION_TIMEOUT_MS: &str = "6000";
const HEARTBEAT_INTERVAL_MS: &str = "500";
const POLL: Duration = Duration::from_millis(100);
/// Records that are committed together at most.
const RECORDS_MAX: usize = 100;

/// Says what it is given and what it gives up.
struct Teller;

impl ClientContext for Teller {}

impl ConsumerContext for Teller {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            say("revoked", &numbers(partitions));
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance {
            say("assigned", &numbers(partitions));
        }
    }
}

fn numbers(partitions: &TopicPartitionList) -> Vec<i64> {
    partitions.elements().iter().map(|element| i64::from(element.partition())).collect()
}

fn say(word: &str, numbers: &[i64]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis();
    let numbers: String = numbers.iter().map(|number| format!(" {number}")).collect();
    println!("{now} {word}{numbers}");
}

fn consume(consumer: &BaseConsumer<Teller>, topic: &str) -> Result<(), Box<dyn Error>> {
    let mut following = BTreeMap::new();
    let mut patience = POLL;
    for _ in 0..RECORDS_MAX {
        let Some(message) = consumer.poll(patience) else { break };
        let message = message?;
        say("record", &[i64::from(message.partition()), message.offset()]);
        following.insert(message.partition(), message.offset() + 1);
        patience = Duration::ZERO;
    }
    if following.is_empty() {
        return Ok(());
    }
    let mut offsets = TopicPartitionList::new();
    for (partition, offset) in &following {
        offsets.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    consumer.commit(&offsets, CommitMode::Sync)?;
    for (partition, offset) in following {
        say("committed", &[i64::from(partition), offset]);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, group, topic, protocol] = &words[..] else {
        return Err("usage: rust-rdkafka-member BOOTSTRAP GROUP TOPIC classic|consumer".into());
    };
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("group.protocol", protocol)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false");
    if protocol == "classic" {
        // The newer protocol leaves these to the broker.
        config
            .set("session.timeout.ms", SESSION_TIMEOUT_MS)
            .set("heartbeat.interval.ms", HEARTBEAT_INTERVAL_MS);
    }
    let consumer: BaseConsumer<Teller> = config.create_with_context(Teller)?;
    consumer.subscribe(&[topic])?;
    let closing = Arc::new(AtomicBool::new(false));
    let ended = closing.clone();
    std::thread::spawn(move || {
        // Nothing is ever said there; an error is as good as its end.
        drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        ended.store(true, Ordering::Relaxed);
    });
    while !closing.load(Ordering::Relaxed) {
        if let Err(error) = consume(&consumer, topic) {
            // Another generation, or a broker that is away: the client goes on by itself.
            eprintln!("{error}");
        }
    }
    // Leaves the group.
    drop(consumer);
    say("left", &[]);
    Ok(())
}
