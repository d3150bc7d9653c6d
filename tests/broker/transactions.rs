//! Transactions as an operator sees them: `highwater txn list`, and metrics.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};

use bytes::BytesMut;
use highwater::model::{ProducerEpoch, ProducerId};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseBroker;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, BrokerId, EndTxnRequest, FindCoordinatorRequest, InitProducerIdRequest,
    MetadataRequest, ProduceRequest, ProducerId as WireProducerId, TopicName, TransactionalId,
};
use kafka_protocol::protocol::Encodable;
use serde_json::Value;

use crate::batches::{SOME_TIME, batch_with};
use crate::client::{Client, text};
use crate::eventually::eventually;
use crate::process::{DEADLINE, Process};
use crate::requests::{Topic, produce};

/// The type of FindCoordinator's keys that are transactional ids.
const TRANSACTION: i8 = 1;

/// What `highwater txn list` says.
fn txn_list(bootstrap: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.env_clear().args(["txn", "list", "--bootstrap-server", bootstrap]).args(more);
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn listed(process: &Process) -> Vec<Value> {
    let (code, out, error) = txn_list(&process.address().to_string(), &["--json"]);
    assert_eq!(code, Some(0), "{error}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

struct Writer {
    id: TransactionalId,
    producer_id: i64,
    producer_epoch: i16,
}

impl Writer {
    fn init(client: &mut Client, id: &str, timeout_ms: i32) -> Writer {
        let id = TransactionalId(text(id));
        client.ask(2, &FindCoordinatorRequest::default().with_key(id.0.clone()).with_key_type(TRANSACTION));
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id.clone()))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(WireProducerId(-1))
            .with_producer_epoch(-1);
        let answer = eventually(DEADLINE, "a transactional producer", || {
            let answer = client.ask(4, &request);
            (answer.error_code == 0).then_some(answer)
        });
        Writer { id, producer_id: answer.producer_id.0, producer_epoch: answer.producer_epoch }
    }

    fn add(&self, client: &mut Client, topic: &Topic, partitions: &[i32]) {
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(TopicName(text(&topic.name)))
            .with_partitions(partitions.to_vec());
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.id.clone())
            .with_v3_and_below_producer_id(WireProducerId(self.producer_id))
            .with_v3_and_below_producer_epoch(self.producer_epoch)
            .with_v3_and_below_topics(vec![topic]);
        let answer = client.ask(3, &request);
        let mut codes = answer.results_by_topic_v3_and_below[0].results_by_partition.iter();
        assert!(codes.all(|partition| partition.partition_error_code == 0), "{answer:?}");
    }

    fn write(&self, client: &mut Client, topic: &Topic, partition: i32) {
        let batch = batch_with(&["x", "y"], SOME_TIME, |builder| {
            builder.producer_id = ProducerId(self.producer_id);
            builder.producer_epoch = ProducerEpoch(self.producer_epoch);
            builder.base_sequence = 0;
            builder.is_transactional = true;
        });
        let request: ProduceRequest = produce(9, topic, partition, -1, batch);
        let answer = client.ask(9, &request.with_transactional_id(Some(self.id.clone())));
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }

    fn commit(&self, client: &mut Client) {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id.clone())
            .with_producer_id(WireProducerId(self.producer_id))
            .with_producer_epoch(self.producer_epoch)
            .with_committed(true);
        assert_eq!(client.ask(3, &request).error_code, 0);
    }
}

#[test]
fn txn_list_says_which_transaction_holds_a_last_stable_offset_since_when_and_whose_it_is() {
    let directory = tempfile::tempdir().unwrap();
    // Only so can a transaction hang: nobody asks its coordinator.
    let process = Process::start_with(directory.path(), &["transaction.partition.verification.enable=false"]);
    let mut client = process.client();
    let topic = client.create_topic("orders", 3, &[]);
    assert_eq!(listed(&process), [Value::Null; 0]);
    let open = Writer::init(&mut client, "open", 60_000);
    let behind = Writer::init(&mut client, "behind", 60_000);
    let hanging = Writer::init(&mut client, "hanging", 60_000);
    open.add(&mut client, &topic, &[0, 2]);
    behind.add(&mut client, &topic, &[0]);
    open.write(&mut client, &topic, 0);
    behind.write(&mut client, &topic, 0);
    hanging.write(&mut client, &topic, 1);
    let found = listed(&process);
    let shown: Vec<_> = found
        .iter()
        .map(|found| {
            let number = |name: &str| found[name].as_i64().unwrap();
            (
                number("partition"),
                number("last_stable_offset"),
                number("high_watermark"),
                number("producer_id"),
            )
        })
        .collect();
    assert_eq!(shown, [(0, 0, 4, open.producer_id), (1, 0, 2, hanging.producer_id)]);
    assert_eq!(found[0]["topic"], "orders");
    assert_eq!(found[0]["transactional_id"], "open");
    assert_eq!((&found[0]["state"], &found[0]["hanging"]), (&"Ongoing".into(), &false.into()));
    assert_eq!((&found[0]["timeout_ms"], &found[0]["partitions"]), (&60_000.into(), &2.into()));
    assert!(found[0]["open_ms"].as_i64().unwrap() < 60_000, "{found:?}");
    assert_eq!((&found[1]["state"], &found[1]["hanging"]), (&"Empty".into(), &true.into()));
    let producer_id = hanging.producer_id;
    let series = "highwater_partition_oldest_transaction_seconds";
    let place = format!("topic=\"orders\",partition=\"1\",producer_id=\"{producer_id}\"");
    eventually(DEADLINE, "the metric to say whose transaction hangs", || {
        process.metric(&format!("{series}{{{place},transactional_id=\"hanging\"}}"))
    });
    let (_, table, _) = txn_list(&process.address().to_string(), &[]);
    assert!(
        table.lines().nth(1).is_some_and(|line| line.contains("open") && line.contains("Ongoing")),
        "{table}"
    );
    assert!(table.lines().nth(2).is_some_and(|line| line.contains("hanging")), "{table}");
    open.commit(&mut client);
    eventually(DEADLINE, "the one behind to hold it", || {
        let found = listed(&process);
        (found[0]["transactional_id"] == "behind" && found[0]["last_stable_offset"] == 2).then_some(())
    });
}

#[test]
fn txn_list_says_what_it_cannot_reach() {
    // Bound and closed again: nobody listens there.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (bootstrap, words) in [(closed.as_str(), "cannot connect to"), ("nonsense", "is no host:port")] {
        let (code, out, error) = txn_list(bootstrap, &[]);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{error}");
        assert!(error.contains(words), "{error}");
    }
}

/// Tells of a broker that knows another one, which nobody can reach, and goes away.
fn bootstrap_with_another(client: &mut Client) -> (String, std::thread::JoinHandle<()>) {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let all = MetadataRequest::default().with_topics(None);
    let mut metadata = client.ask(12, &all);
    let other = MetadataResponseBroker::default().with_node_id(BrokerId(99)).with_host(text("127.0.0.1"));
    metadata.brokers.push(other.with_port(closed.port().into()));
    let orders = metadata.topics.iter_mut().find(|topic| topic.name == Some(TopicName(text("orders"))));
    orders.unwrap().partitions[1].leader_id = BrokerId(99);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut request = vec![0; i32::from_be_bytes(length) as usize];
        stream.read_exact(&mut request).unwrap();
        let mut body = BytesMut::from(&request[4..8]);
        body.extend_from_slice(&[0]);
        metadata.encode(&mut body, 12).unwrap();
        stream.write_all(&(body.len() as i32).to_be_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        // Until whoever asked has gone.
        let _ = stream.read(&mut [0]);
    });
    (address, server)
}

/// What the others tell is shown; what only it may know is not made up.
#[test]
fn a_broker_that_is_away_hides_nothing_of_what_others_tell() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start_with(directory.path(), &["transaction.partition.verification.enable=false"]);
    let mut client = process.client();
    let topic = client.create_topic("orders", 3, &[]);
    let open = Writer::init(&mut client, "open", 60_000);
    let alone = Writer::init(&mut client, "alone", 60_000);
    open.add(&mut client, &topic, &[0, 1]);
    open.write(&mut client, &topic, 0);
    open.write(&mut client, &topic, 1);
    alone.write(&mut client, &topic, 2);
    let (bootstrap, server) = bootstrap_with_another(&mut client);
    let (code, out, error) = txn_list(&bootstrap, &["--json"]);
    server.join().unwrap();
    assert_eq!(code, Some(1), "{error}");
    let told =
        error.lines().filter(|line| line.contains("broker 99 does not tell of its partitions")).count();
    assert_eq!((told, error.lines().count()), (1, 1), "{error}");
    let found: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown: Vec<_> = found
        .iter()
        .map(|found| (&found["partition"], &found["transactional_id"], &found["hanging"]))
        .collect();
    assert_eq!(
        shown,
        [(&0.into(), &"open".into(), &false.into()), (&2.into(), &"alone".into(), &true.into()),]
    );
}

#[test]
fn what_answers_and_is_no_broker_is_told_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\0\0\0\x0a\0\0\0\x01\0\0\0\0\0\xff"] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4];
            std::io::Read::read_exact(&mut stream, &mut request).unwrap();
            std::io::Write::write_all(&mut stream, answer).unwrap();
        }
    });
    for words in ["longer than", "does not answer as a broker does"] {
        let (code, out, error) = txn_list(&address, &[]);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{error}");
        assert!(error.contains(words), "{error}");
    }
    server.join().unwrap();
}

#[test]
fn metrics_count_transactions_and_time_outs() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("orders", 1, &[]);
    let wait_for = |series: &str, expected: f64| {
        eventually(DEADLINE, &format!("{series} to be {expected}"), || {
            (process.metric(series)? == expected).then_some(())
        });
    };
    let slow = Writer::init(&mut client, "slow", 60_000);
    slow.add(&mut client, &topic, &[0]);
    slow.write(&mut client, &topic, 0);
    Writer::init(&mut client, "idle", 60_000);
    wait_for("highwater_transactional_ids{state=\"Ongoing\"}", 1.0);
    wait_for("highwater_transactional_ids{state=\"Empty\"}", 1.0);
    wait_for("highwater_transactions_open", 1.0);
    // Its age in whole seconds.
    wait_for("highwater_transactions_oldest_seconds", 1.0);
    let (whose, producer_id) = ("highwater_partition_oldest_transaction_seconds", slow.producer_id);
    let place = format!("topic=\"orders\",partition=\"0\",producer_id=\"{producer_id}\"");
    wait_for(&format!("{whose}{{{place},transactional_id=\"slow\"}}"), 1.0);
    wait_for("highwater_transactions_timed_out_total", 0.0);
    wait_for("kafka_server_replicamanager_partitionswithlatetransactionscount", 0.0);
    let late = Writer::init(&mut client, "late", 100);
    late.add(&mut client, &topic, &[0]);
    late.write(&mut client, &topic, 0);
    wait_for("highwater_transactions_timed_out_total", 1.0);
    wait_for("highwater_transactional_ids{state=\"CompleteAbort\"}", 1.0);
    slow.commit(&mut client);
    wait_for("highwater_transactions_open", 0.0);
    wait_for("highwater_transactional_ids{state=\"CompleteCommit\"}", 1.0);
}
