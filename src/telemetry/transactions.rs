//! Metrics of the transaction coordinators, read when somebody scrapes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::names::{self, Name};
use super::series::{gauge, gauges, signed};

/// What is told of transactions at a scrape.
pub trait TransactionsVisitor {
    /// A transactional id: Kafka's name of its state, and for how long its transaction has been open, if one
    /// is.
    fn transaction(&mut self, state: &'static str, open_for: Option<Duration>);
    /// Transactions that were aborted by their time-out, since the start.
    fn timed_out(&mut self, count: u64);
}

/// Calls back for every transactional id.
pub(super) type VisitTransactions = Box<dyn Fn(&mut dyn TransactionsVisitor) + Send + Sync>;

/// Where transactions are learned from; empty until the broker is there.
#[derive(Default)]
pub(super) struct TransactionsSource(OnceLock<VisitTransactions>);

impl fmt::Debug for TransactionsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransactionsSource")
    }
}

#[derive(Default)]
struct Scrape {
    by_state: BTreeMap<&'static str, usize>,
    open: usize,
    oldest: Duration,
    timed_out: u64,
}

impl TransactionsVisitor for Scrape {
    fn transaction(&mut self, state: &'static str, open_for: Option<Duration>) {
        *self.by_state.entry(state).or_default() += 1;
        self.open += usize::from(open_for.is_some());
        self.oldest = self.oldest.max(open_for.unwrap_or_default());
    }

    fn timed_out(&mut self, count: u64) {
        self.timed_out = count;
    }
}

impl TransactionsSource {
    /// The first one set stays.
    pub fn set(&self, visit: VisitTransactions) {
        let _ = self.0.set(visit);
    }
}

impl Collector for TransactionsSource {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut scrape = Scrape::default();
        if let Some(visit) = self.0.get() {
            visit(&mut scrape);
        }
        let encoder = &mut encoder;
        gauge(encoder, names::TRANSACTIONS_OPEN, signed(scrape.open))?;
        gauge(encoder, names::TRANSACTIONS_OLDEST, signed(scrape.oldest.as_secs()))?;
        let Name { name, help } = names::TRANSACTIONS_TIMED_OUT;
        let timed_out = ConstCounter::new(scrape.timed_out);
        timed_out.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        let mut family = gauges(encoder, names::TRANSACTIONAL_IDS)?;
        for (state, count) in &scrape.by_state {
            ConstGauge::new(signed(*count)).encode(family.encode_family(&[("state", *state)])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
