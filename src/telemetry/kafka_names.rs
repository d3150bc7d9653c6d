//! Our counters once more, by the names that dashboards made for Kafka look for.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::api_names::API_NAMES;
use super::metrics::Counters;
use super::names::{self, Name};

pub(super) struct KafkaNames(pub Arc<Counters>);

impl fmt::Debug for KafkaNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KafkaNames")
    }
}

impl KafkaNames {
    fn requests(&self, api: &'static str) -> Option<u64> {
        self.0.requests.get(&[("api", api)]).map(|counter| counter.get())
    }
}

impl Collector for KafkaNames {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let counters = &self.0;
        let by_name: [(Name, u64); 8] = [
            (names::KAFKA_MESSAGES_IN, counters.records_appended.get()),
            (names::KAFKA_BYTES_IN, counters.bytes_appended.get()),
            (names::KAFKA_BYTES_OUT, counters.bytes_fetched.get()),
            (names::KAFKA_PRODUCE_REQUESTS, self.requests("Produce").unwrap_or(0)),
            (names::KAFKA_FETCH_REQUESTS, self.requests("Fetch").unwrap_or(0)),
            (names::KAFKA_PRODUCE_FAILED, counters.produce_failed.get()),
            (names::KAFKA_FETCH_FAILED, counters.fetch_failed.get()),
            (names::KAFKA_FETCH_SESSION_EVICTIONS, counters.fetch_session_evictions.get()),
        ];
        for (Name { name, help }, value) in by_name {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        for (Name { name, help }, value) in [
            (names::KAFKA_FETCH_SESSIONS, counters.fetch_sessions.get()),
            (names::KAFKA_FETCH_SESSION_PARTITIONS, counters.fetch_session_partitions.get()),
            (names::KAFKA_CLEANER_RECOPY, counters.cleaner.recopy_percent.get()),
            (names::KAFKA_CLEANER_BUFFER, counters.cleaner.buffer_percent.get()),
            (names::KAFKA_CLEANER_TIME, counters.cleaner.seconds.get()),
            (names::KAFKA_CLEANER_DELAY, counters.cleaner.delay_seconds.get()),
            (names::KAFKA_CLEANER_DIRTY, counters.cleaner.dirty_percent.get()),
            (names::KAFKA_CLEANER_UNCLEANABLE, counters.cleaner.uncleanable.get()),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        let Name { name, help } = names::KAFKA_REQUESTS;
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for api in API_NAMES {
            if let Some(value) = self.requests(api) {
                ConstCounter::new(value).encode(family.encode_family(&[("request", *api)])?)?;
            }
        }
        Ok(())
    }
}
