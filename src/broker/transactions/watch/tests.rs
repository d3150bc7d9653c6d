use std::io::Write;

use parking_lot::Mutex;

use super::*;
use crate::broker::testing::small_config;
use crate::broker::transactions::markers::tests::{ID, begun, t, written};
use crate::env::simulated::SimulatedClock;
use crate::env::{Clock, Env};
use crate::telemetry::Metrics;
use crate::transaction::{AddPartitions, TransactionReply, TransactionRequest, TransactionVersion};

/// What is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Of one look.
fn told(broker: &Broker, late: &mut LateTransactions) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || tell(broker, late));
    String::from_utf8(std::mem::take(&mut *lines.0.lock())).unwrap()
}

#[tokio::test]
async fn the_log_says_whose_transaction_holds_a_last_stable_offset_since_when_and_where() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(SimulatedClock::default());
    let env = Env { clock: clock.clone(), ..Env::real() };
    let config = small_config(directory.path(), [("transaction.state.log.num.partitions", "1")]);
    let broker = Broker::open(env, config, Metrics::new(Timestamp(0), 100)).unwrap();
    broker.ensure_transactions_topic().await.unwrap();
    let producer = begun(&broker).await;
    let add = AddPartitions {
        transactional_id: ID.into(),
        producer,
        partitions: t(),
        transaction_version: TransactionVersion::V2,
    };
    let since = clock.now();
    written(&broker, producer).await;
    let added = broker.ask_transaction(ID, TransactionRequest::AddPartitions(add)).unwrap().reply().await;
    assert_eq!(added, Ok(TransactionReply::AddPartitions(Ok(()))));

    let mut late = LateTransactions::default();
    assert_eq!(told(&broker, &mut late), "", "it is young");
    clock.advance(broker.transactions_are_late_after());
    let line = told(&broker, &mut late);
    for part in [
        " WARN ",
        "a transaction stays open: consumers of committed records wait at the last stable offset",
        "topic=t partition=0 transactional_id=\"transfers\" producer_id=7 producer_epoch=0",
        "first_offset=0 last_stable_offset=0",
        &format!("since_ms={} age=1200s", since.0),
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert_eq!(line.lines().count(), 1, "{line}");
    assert_eq!(told(&broker, &mut late), "", "it was told");
}
