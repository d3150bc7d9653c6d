//! usage: rust-rdkafka BOOTSTRAP < COMMANDS: librdkafka through the crate `rdkafka`.

mod contract;

use std::time::Duration;

use contract::{Client, Failure, Produced, Record};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::sync::{Arc, Mutex};

const TIMEOUT: Duration = Duration::from_secs(30);
/// The broker's limit is what is looked at, not the client's.
const REQUEST_BYTES_MAX: &str = "8388608";

struct Rdkafka {
    bootstrap: String,
}

/// Keeps the first error that a delivery report tells.
#[derive(Clone, Default)]
struct Reports {
    error: Arc<Mutex<Option<String>>>,
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        if let Err((error, _)) = result {
            let name = error.rdkafka_error_code().map(|code| format!("{code:?}"));
            self.error.lock().expect("no thread panics").get_or_insert(name.unwrap_or_default());
        }
    }
}

impl Rdkafka {
    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    fn consumer(&self) -> Result<BaseConsumer, KafkaError> {
        self.config()
            .set("group.id", "none")
            .set("enable.auto.commit", "false")
            .set("check.crcs", "true")
            .create()
    }
}

impl Client for Rdkafka {
    fn produce(
        &self,
        topic: &str,
        codec: &str,
        idempotent: bool,
        records: &[Record],
    ) -> Result<Produced, Failure> {
        let reports = Reports::default();
        let producer: ThreadedProducer<Reports> = self
            .config()
            .set("compression.type", codec)
            .set("enable.idempotence", idempotent.to_string())
            .set("message.max.bytes", REQUEST_BYTES_MAX)
            .create_with_context(reports.clone())?;
        for record in records {
            let mut headers = OwnedHeaders::new();
            for (name, value) in &record.headers {
                headers = headers.insert(Header { key: name, value: value.as_ref() });
            }
            let mut out: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic)
                .partition(record.partition)
                .timestamp(record.timestamp)
                .headers(headers);
            out.key = record.key.as_deref();
            out.payload = record.value.as_deref();
            producer.send(out).map_err(|(error, _)| error)?;
        }
        producer.flush(TIMEOUT)?;
        let refused = reports.error.lock().expect("no thread panics").take();
        Ok(refused.map_or(Produced::Acked, Produced::Refused))
    }

    fn consume(&self, topic: &str, count: i32) -> Result<(Vec<Record>, Vec<i64>), Failure> {
        let consumer = self.consumer()?;
        let mut assigned = TopicPartitionList::new();
        let mut ends = Vec::new();
        for partition in 0..count {
            assigned.add_partition_offset(topic, partition, Offset::Beginning)?;
            ends.push(consumer.fetch_watermarks(topic, partition, TIMEOUT)?.1);
        }
        consumer.assign(&assigned)?;
        let left = usize::try_from(ends.iter().sum::<i64>())?;
        let mut seen = Vec::new();
        while seen.len() < left {
            let message = consumer.poll(TIMEOUT).ok_or("no record came")??;
            seen.push(convert(&message));
        }
        Ok((seen, ends))
    }

    fn time(&self, topic: &str, partition: i32, timestamp: i64) -> Result<i64, Failure> {
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_offset(topic, partition, Offset::Offset(timestamp))?;
        let found = self.consumer()?.offsets_for_times(wanted, TIMEOUT)?;
        let place = found.find_partition(topic, partition).ok_or("no such partition")?;
        Ok(place.offset().to_raw().unwrap_or(-1))
    }

    fn partitions(&self, topic: &str) -> Result<usize, Failure> {
        let metadata = self.consumer()?.fetch_metadata(Some(topic), TIMEOUT)?;
        Ok(metadata.topics().first().map_or(0, |topic| topic.partitions().len()))
    }
}

fn convert(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    Record {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().unwrap_or(-1),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect(),
    }
}

fn main() -> Result<(), Failure> {
    let bootstrap = std::env::args().nth(1).ok_or("usage: rust-rdkafka BOOTSTRAP < COMMANDS")?;
    contract::run(&Rdkafka { bootstrap })
}
