//! usage: rust-rdkafka-transactions BOOTSTRAP < COMMANDS: librdkafka through the crate `rdkafka`.
//! compat/src/scenario/transactions.rs tells the contract.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

const TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_secs(1);
const PARTITIONS: i32 = 3;

/// Keeps how the last delivery ended.
#[derive(Clone, Default)]
struct Reports {
    error: Arc<Mutex<Option<KafkaError>>>,
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        *self.error.lock().expect("no thread panics") = result.as_ref().err().map(|(error, _)| error.clone());
    }
}

struct Client {
    bootstrap: String,
    producers: HashMap<String, (ThreadedProducer<Reports>, Reports)>,
    consumers: HashMap<String, BaseConsumer>,
}

impl Client {
    fn obey(&mut self, words: &[&str]) -> Result<(), KafkaError> {
        match *words {
            ["init", name, id, timeout_ms, _, _] => self.init(name, id, timeout_ms),
            ["begin", name] => self.producers[name].0.begin_transaction(),
            ["send", name, topic, partition, value] => self.send(name, topic, number(partition), value),
            ["offsets", name, group, topic, offset] => {
                self.offsets(name, group, topic, i64::from(number(offset)))
            }
            ["commit", name] => self.producers[name].0.commit_transaction(TIMEOUT),
            ["abort", name] => self.producers[name].0.abort_transaction(TIMEOUT),
            ["read", topic, isolation, last] => self.read(topic, isolation, last),
            _ => panic!("unknown command {words:?}"),
        }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    fn init(&mut self, name: &str, id: &str, timeout_ms: &str) -> Result<(), KafkaError> {
        let reports = Reports::default();
        let producer: ThreadedProducer<Reports> = self
            .config()
            .set("transactional.id", id)
            .set("transaction.timeout.ms", timeout_ms)
            .set("linger.ms", "0")
            .create_with_context(reports.clone())?;
        self.producers.insert(name.to_owned(), (producer, reports));
        self.producers[name].0.init_transactions(TIMEOUT)
    }

    fn send(&self, name: &str, topic: &str, partition: i32, value: &str) -> Result<(), KafkaError> {
        let (producer, reports) = &self.producers[name];
        let record: BaseRecord<'_, str, str> = BaseRecord::to(topic).partition(partition).payload(value);
        producer.send(record).map_err(|(error, _)| error)?;
        producer.flush(TIMEOUT)?;
        reports.error.lock().expect("no thread panics").take().map_or(Ok(()), Err)
    }

    fn offsets(&mut self, name: &str, group: &str, topic: &str, offset: i64) -> Result<(), KafkaError> {
        if !self.consumers.contains_key(group) {
            let consumer = self.consumer(group, "committed")?;
            consumer.subscribe(&[topic])?;
            self.consumers.insert(group.to_owned(), consumer);
        }
        let consumer = &self.consumers[group];
        let mut next = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            next.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        }
        while !is_at(consumer, offset)? {
            // Its errors tell of a broker that is away: the client goes on by itself.
            let _ = consumer.poll(POLL);
        }
        let metadata = consumer.group_metadata().expect("it is a member of a group");
        self.producers[name].0.send_offsets_to_transaction(&next, &metadata, TIMEOUT)
    }

    fn consumer(&self, group: &str, isolation: &str) -> Result<BaseConsumer, KafkaError> {
        self.config()
            .set("group.id", group)
            .set("isolation.level", format!("read_{isolation}"))
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("check.crcs", "true")
            .create()
    }

    fn read(&self, topic: &str, isolation: &str, last: &str) -> Result<(), KafkaError> {
        let consumer = self.consumer("none", isolation)?;
        let mut places = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            places.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&places)?;
        let mut seen = vec![Vec::new(); usize::try_from(PARTITIONS).expect("a few")];
        while !seen.iter().all(|values: &Vec<String>| values.iter().any(|value| value == last)) {
            let Some(Ok(message)) = consumer.poll(POLL) else { continue };
            let value = String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned();
            seen[usize::try_from(message.partition()).expect("a partition")].push(value);
        }
        for (partition, values) in seen.iter().enumerate() {
            println!("{partition} {}", values.join(" "));
        }
        Ok(())
    }
}

/// Whether it has every partition, and has read each up to there.
fn is_at(consumer: &BaseConsumer, offset: i64) -> Result<bool, KafkaError> {
    let positions = consumer.position()?;
    let there = |at: Offset| matches!(at, Offset::Offset(at) if at >= offset);
    let count = positions.elements().iter().filter(|place| there(place.offset())).count();
    Ok(i32::try_from(count) == Ok(PARTITIONS))
}

fn number(word: &str) -> i32 {
    word.parse().expect("a number")
}

fn main() {
    let bootstrap = std::env::args().nth(1).expect("usage: rust-rdkafka-transactions BOOTSTRAP < COMMANDS");
    let mut client = Client { bootstrap, producers: HashMap::new(), consumers: HashMap::new() };
    for line in std::io::stdin().lines() {
        let line = line.expect("standard input can be read");
        match client.obey(&line.split_whitespace().collect::<Vec<_>>()) {
            Ok(()) => println!("ok"),
            Err(error) => println!("error {}", named(&error)),
        }
    }
}

/// The client's own name for it.
fn named(error: &KafkaError) -> String {
    error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| format!("{code:?}"))
}
