//! Settings that are altered while the broker runs, and through a crash.

use kafka_protocol::messages::IncrementalAlterConfigsRequest;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};

use crate::batches::batch;
use crate::client::{Client, text};
use crate::process::Process;
use crate::requests::{PRODUCE, Topic, error_name, produce, produced};

pub const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Sets a key; the code of the answer.
pub fn set(client: &mut Client, resource_type: i8, name: &str, key: &str, value: &str) -> i16 {
    let config = AlterableConfig::default().with_name(text(key)).with_value(Some(text(value)));
    let resource = AlterConfigsResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(text(name))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    client.ask(1, &request).responses[0].error_code
}

#[test]
fn an_altered_bound_holds_at_once_and_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start(directory.path());
    let mut client = process.client();
    let topic = client.create_topic("bounded", 1, &[]);
    let tell = |client: &mut Client, topic: &Topic, bytes: usize| {
        let request = produce(PRODUCE, topic, 0, -1, batch(&["x".repeat(bytes).as_str()]));
        error_name(produced(client.ask(PRODUCE, &request)).error_code)
    };
    assert_eq!(tell(&mut client, &topic, 3_000), "NONE");
    assert_eq!(set(&mut client, BROKER, "", "message.max.bytes", "2000"), 0);
    assert_eq!(tell(&mut client, &topic, 3_000), "MESSAGE_TOO_LARGE");
    assert_eq!(set(&mut client, TOPIC, "bounded", "max.message.bytes", "1000"), 0);
    for _ in 0..2 {
        assert_eq!(tell(&mut client, &topic, 1_500), "MESSAGE_TOO_LARGE");
        assert_eq!(tell(&mut client, &topic, 500), "NONE");
        process.kill();
        process = Process::start(directory.path());
        client = process.client();
    }
}

#[test]
fn connections_are_bounded_anew_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path());
    let mut first = process.client();
    assert_eq!(set(&mut first, BROKER, "1", "max.connections.per.ip", "1"), 0);
    assert!(process.client().is_closed_by_broker());
    assert_eq!(set(&mut first, BROKER, "1", "max.connections.per.ip", "2"), 0);
    assert_eq!(process.client().topic_names(), Vec::<String>::new());
}
