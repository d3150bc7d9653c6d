//! Subscriptions by regular expression.

use std::time::Duration;

use super::client::{Client, settle};
use super::driver::Driver;
use crate::group::GroupError;
use crate::group::consumer::expression::{EXPRESSION_BYTES_MAX, UNICODE_EXPRESSION_BYTES_MAX, compile};

#[test]
fn trap_76_expressions_match_whole_names_in_the_syntax_of_re2() {
    for (expression, matching, other) in [
        ("topic", "topic", "topics"),
        ("a|ab", "ab", "abc"),
        ("t.*", "topic", "atopic"),
        (r"orders-\d+", "orders-12", "orders-x"),
        (r"[[:alpha:]]+\.[^.]+", "a.b", "a.b.c"),
        (r"\Qa.b\E.*", "a.bc", "axbc"),
        (r"\\Qx|\Q+", "+", "Q"),
        ("(?i)TOPIC", "topic", "topi"),
        (r"(?P<name>a)\pL", "ab", "a1"),
        (r"^a$", "a", "aa"),
        (".*", "anything", "\n"),
    ] {
        let regex = compile(expression).unwrap();
        assert!(regex.is_match(matching), "{expression} and {matching}");
        assert!(!regex.is_match(other), "{expression} and {other}");
    }
    for (expression, problem) in [
        ("(", "unclosed group"),
        ("a)(b", "unopened group"),
        ("[z-a]", "invalid character class range"),
        ("*", "repetition operator missing expression"),
        (r"(a)\1", "backreferences are not supported"),
        ("(?=a)", "look-around"),
        ("(((a{1000}){1000}){1000})", "size limit"),
    ] {
        let error = compile(expression).unwrap_err();
        assert!(error.contains(problem), "{expression}: {error}");
    }
    assert!(compile(&"a".repeat(EXPRESSION_BYTES_MAX)).is_ok());
    assert!(compile(r"\w{1,100}").is_ok(), "ASCII, as in RE2");
    assert!(compile(&r"\pL".repeat(UNICODE_EXPRESSION_BYTES_MAX / 3 + 1)).is_err());
    assert!(compile(&"a".repeat(EXPRESSION_BYTES_MAX + 1)).is_err());
}

#[test]
fn trap_76_topics_of_an_expression_come_with_a_later_heartbeat() {
    let mut driver = Driver::new();
    driver.topic("topic-1", 2);
    driver.topic("topic-2", 3);
    driver.topic("other", 3);
    let mut client = Client::with_regex("a", "topic-.*");
    let reply = client.beat(&mut driver).unwrap();
    // Measured against Kafka 4.3: the first answer gives epoch 1 and nothing else.
    assert_eq!((reply.member_epoch, reply.assignment), (1, Some(vec![])));
    driver.advance(Duration::ZERO);
    client.beat(&mut driver).unwrap();
    assert_eq!((client.member_epoch, client.count()), (2, 5));
    driver.fail_over();
    client.beat(&mut driver).unwrap();
    assert_eq!(driver.written.len(), 0);
}

#[test]
fn new_topics_are_found_once_the_last_search_is_old_enough() {
    let mut driver = Driver::new();
    driver.topic("topic-1", 2);
    let mut client = Client::with_regex("a", "topic-.*");
    client.beat(&mut driver).unwrap();
    driver.advance(Duration::ZERO);
    client.beat(&mut driver).unwrap();
    driver.topic("topic-2", 3);
    for _ in 0..10 {
        driver.advance(Duration::from_secs(1));
        client.beat(&mut driver).unwrap();
        assert_eq!(client.count(), 2);
    }
    driver.advance(Duration::from_secs(1));
    client.beat(&mut driver).unwrap();
    driver.advance(Duration::ZERO);
    client.beat(&mut driver).unwrap();
    assert_eq!(client.count(), 5);
    // A topic that does not match makes a search, but no record.
    driver.topic("other", 3);
    driver.advance(Duration::from_secs(11));
    client.beat(&mut driver).unwrap();
    driver.advance(Duration::ZERO);
    assert_eq!(driver.written.len(), 0);
    // One that matches and comes while nobody looks is found after a fail-over.
    driver.topic("topic-3", 1);
    driver.fail_over();
    client.beat(&mut driver).unwrap();
    driver.advance(Duration::ZERO);
    client.beat(&mut driver).unwrap();
    assert_eq!(client.count(), 6);
    driver.delete_topic("topic-1");
    client.beat(&mut driver).unwrap();
    client.beat(&mut driver).unwrap();
    assert_eq!(client.count(), 4);
}

#[test]
fn members_of_one_expression_share_and_the_last_takes_it_along() {
    let mut driver = Driver::new();
    driver.topic("topic", 4);
    driver.topic("named", 2);
    let mut clients = [Client::with_regex("a", "topic"), Client::with_regex("b", "topic")];
    settle(&mut driver, &mut clients);
    assert_eq!(clients.each_ref().map(Client::count), [2, 2]);
    assert!(driver.group().counts.is_homogeneous(2));
    let [one, other] = &mut clients;
    // One changes to a name: its expression is sent as an empty one.
    one.regex = Some("".into());
    let mut request = one.request();
    request.rebalance_timeout_ms = 30_000;
    request.subscribed_topic_regex = Some("".into());
    request.subscribed_topic_names = Some(vec!["named".into()]);
    let reply = driver.heartbeat(&request);
    one.take(&reply);
    assert!(!driver.group().counts.is_homogeneous(2));
    other.beat(&mut driver).unwrap();
    one.beat(&mut driver).unwrap();
    other.beat(&mut driver).unwrap();
    assert_eq!((one.count(), other.count()), (2, 4));
    driver.heartbeat(&super::client::request("b", -1)).unwrap();
    assert!(driver.group().resolved.is_empty() && !driver.group().is_subscribed_to("topic"));
    driver.fail_over();
}

#[test]
fn an_expression_that_cannot_be_read_is_refused() {
    let mut driver = Driver::new();
    let refused = Client::with_regex("a", "(").beat(&mut driver);
    let words = "SubscribedTopicRegex `(` is not a valid regular expression: unclosed group.".to_owned();
    assert_eq!(refused, Err(GroupError::InvalidRegularExpression(words)));
    assert!(driver.group.is_none() && driver.written.is_empty());
}

#[test]
fn many_expressions_are_searched_for_in_several_calls() {
    let mut driver = Driver::new();
    // One call compares 100,000 bytes of names: here those of less than one expression.
    let names: Vec<String> = (0..10_000).map(|number| format!("topic-{number:04}")).collect();
    driver.topics(&names);
    let mut clients: Vec<Client> = (0..12)
        .map(|number| Client::with_regex(&format!("m{number:02}"), &format!("topic-{number:04}")))
        .collect();
    for client in &mut clients {
        client.beat(&mut driver).unwrap();
    }
    let before = driver.group().metadata.group_epoch;
    driver.advance(Duration::ZERO);
    assert_eq!(driver.group().resolved.len(), 12);
    assert_eq!(driver.group().metadata.group_epoch, before + 12, "many calls, each with its own epoch");
    settle(&mut driver, &mut clients);
    assert!(clients.iter().all(|client| client.count() == 1));
    driver.fail_over();
}

#[test]
fn a_costly_expression_is_searched_for_in_pieces_while_topics_change() {
    let mut driver = Driver::new();
    let names: Vec<String> = (0..1_000).map(|number| format!("topic-{number:04}")).collect();
    driver.topics(&names);
    Client::with_regex("a", "(?:[a-z0-9-]{1,40}x?){1,20}").beat(&mut driver).unwrap();
    let mut calls = 0;
    // Bounded: what is left after so many calls fails below.
    while driver.group().resolved.is_empty() && calls < 50 {
        driver.topic(&format!("new-{calls}"), 1);
        driver.advance_once();
        calls += 1;
    }
    assert_eq!(calls, 7, "640,000 bytes at 100,000 a call");
    let resolved = driver.group().resolved.values().next().unwrap();
    assert_eq!(resolved.topics.len(), 1_001, "those that there were when the search began");
}

#[test]
fn an_expression_is_searched_for_again_after_the_interval() {
    let mut driver = Driver::new();
    driver.topic("topic", 1);
    let mut client = Client::with_regex("a", "t.*");
    client.beat(&mut driver).unwrap();
    driver.advance(Duration::ZERO);
    let searched = |driver: &mut Driver| driver.soft.group(&"group".into()).refreshed.unwrap().1;
    let first = searched(&mut driver);
    for _ in 0..20 {
        driver.advance(Duration::from_secs(30));
        client.beat(&mut driver).unwrap();
    }
    driver.advance(Duration::ZERO);
    assert_eq!(searched(&mut driver), first, "600 s are not over");
    driver.advance(Duration::from_secs(1));
    client.beat(&mut driver).unwrap();
    driver.advance(Duration::ZERO);
    assert!(searched(&mut driver) > first);
}
