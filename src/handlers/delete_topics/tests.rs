use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, TopicName};
use uuid::Uuid;

use crate::handlers::testing::{TestBroker, str_bytes};

fn by_names(names: &[&str]) -> DeleteTopicsRequest {
    let names = names.iter().map(|name| TopicName(str_bytes(name))).collect();
    DeleteTopicsRequest::default().with_topic_names(names).with_timeout_ms(30_000)
}

fn state(name: Option<&str>, topic_id: Uuid) -> DeleteTopicState {
    let name = name.map(|name| TopicName(str_bytes(name)));
    DeleteTopicState::default().with_name(name).with_topic_id(topic_id)
}

async fn delete(test: &TestBroker, topics: Vec<DeleteTopicState>) -> Vec<(Option<String>, Uuid, i16)> {
    let request = DeleteTopicsRequest::default().with_topics(topics).with_timeout_ms(30_000);
    let mut shown: Vec<_> = test.ask(6, &request).await.responses.iter().map(shown).collect();
    shown.sort();
    shown
}

fn shown(result: &DeletableTopicResult) -> (Option<String>, Uuid, i16) {
    (result.name.as_ref().map(|name| name.to_string()), result.topic_id, result.error_code)
}

#[tokio::test]
async fn deletes_by_name_and_frees_the_name() {
    let test = TestBroker::start();
    for version in 1..=5 {
        let first = test.topic("t", 2, &[]).await;
        let response = test.ask(version, &by_names(&["t"])).await;
        assert_eq!(
            response.responses.iter().map(shown).collect::<Vec<_>>(),
            [(Some("t".to_owned()), Uuid::nil(), 0)]
        );
        assert!(test.broker.image().topic("t").is_none(), "version {version}");
        let again = test.topic("t", 1, &[]).await;
        assert_ne!(first, again);
        test.broker.delete_topic(crate::model::TopicId(again)).await.unwrap();
    }
}

#[tokio::test]
async fn trap_93_deletes_by_id_and_by_name() {
    let test = TestBroker::start();
    let (a, b) = (test.topic("a", 1, &[]).await, test.topic("b", 1, &[]).await);
    let deleted = delete(&test, vec![state(None, a), state(Some("b"), Uuid::nil())]).await;
    assert_eq!(deleted, [(Some("a".to_owned()), a, 0), (Some("b".to_owned()), b, 0)]);
    assert_eq!(test.broker.image().topics_count(), 0);
}

#[tokio::test]
async fn what_is_refused() {
    let test = TestBroker::start();
    let a = test.topic("a", 1, &[]).await;
    let (stranger, none) = (Uuid::from_u128(3), Uuid::nil());
    let named = |name: &str| Some(name.to_owned());
    let cases = [
        (vec![state(None, stranger)], vec![(None, stranger, 100)]),
        (vec![state(Some("x"), none)], vec![(named("x"), none, 3)]),
        (vec![state(None, none)], vec![(None, none, 42)]),
        (vec![state(Some("a"), a)], vec![(named("a"), a, 42)]),
        (vec![state(Some("a"), none); 2], vec![(named("a"), none, 42)]),
        (vec![state(None, a); 2], vec![(None, a, 42)]),
        (vec![state(None, a), state(Some("a"), none)], vec![(named("a"), a, 42)]),
    ];
    for (asked, expected) in cases {
        assert_eq!(delete(&test, asked.clone()).await, expected, "{asked:?}");
    }
    assert!(test.broker.image().topic("a").is_some());
}

#[tokio::test]
async fn messages_since_version_5() {
    let test = TestBroker::start();
    for version in 1..=5 {
        let response = test.ask(version, &by_names(&["x", "x"])).await;
        let [result] = &response.responses[..] else { panic!("{response:?}") };
        let words = result.error_message.as_ref().map(|words| words.as_str());
        assert_eq!((result.error_code, words), (42, (version >= 5).then_some("Duplicate topic name.")));
    }
}

#[tokio::test]
async fn the_broker_may_forbid_deletion() {
    let test = TestBroker::with(&[("delete.topic.enable", "false")]);
    test.topic("t", 1, &[]).await;
    for (version, code) in [(1, 42), (2, 42), (3, 73), (5, 73)] {
        let response = test.ask(version, &by_names(&["t"])).await;
        assert_eq!(response.responses[0].error_code, code, "version {version}");
    }
    assert!(test.broker.image().topic("t").is_some());
}
