//! Fetch sessions through the handler. Kafka 4.3.1 and the same: `compat fetch-wire`.

use kafka_protocol::messages::fetch_request::ForgottenTopic;

use super::*;

/// A consumer that fetches `t` in one session.
struct Consumer<'a> {
    test: &'a TestBroker,
    version: i16,
    topic: (&'static str, Uuid),
    session: (i32, i32),
}

/// Index, code and number of batches of each partition that was told of.
type Told = Vec<(i32, i16, usize)>;

impl<'a> Consumer<'a> {
    fn new(test: &'a TestBroker, version: i16, topic: (&'static str, Uuid)) -> Consumer<'a> {
        Consumer { test, version, topic, session: (0, 0) }
    }

    fn request(&self, partitions: Vec<FetchPartition>) -> FetchRequest {
        let mut asked = request(self.version, self.topic, partitions);
        asked.topics.retain(|topic| !topic.partitions.is_empty());
        asked.with_session_id(self.session.0).with_session_epoch(self.session.1)
    }

    async fn send(&mut self, request: FetchRequest) -> Result<Told, i16> {
        let answer = self.test.ask(self.version, &request).await;
        if answer.error_code != 0 {
            assert!(answer.responses.is_empty());
            return Err(answer.error_code);
        }
        self.session = (answer.session_id, request.session_epoch + 1);
        let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
        Ok(partitions.map(|found| (found.partition_index, found.error_code, batches(found).len())).collect())
    }

    /// The next fetch, which names these partitions and offsets.
    async fn next(&mut self, partitions: &[(i32, i64)]) -> Result<Told, i16> {
        let partitions = partitions.iter().map(|(index, offset)| partition(*index, *offset)).collect();
        self.send(self.request(partitions)).await
    }

    async fn forget(&mut self, partitions: &[i32]) -> Result<Told, i16> {
        let forgotten = ForgottenTopic::default().with_partitions(partitions.to_vec());
        let forgotten = match self.version >= 13 {
            true => forgotten.with_topic_id(self.topic.1),
            false => forgotten.with_topic(TopicName(str_bytes(self.topic.0))),
        };
        self.send(self.request(vec![]).with_forgotten_topics_data(vec![forgotten])).await
    }
}

fn named(told: &Told) -> Vec<i32> {
    told.iter().map(|(partition, _, _)| *partition).collect()
}

#[tokio::test]
async fn trap_50_a_session_tells_what_is_new() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 3, &[]).await);
    for version in 7..=18 {
        let mut consumer = Consumer::new(&test, version, topic);
        let end = i64::from(version - 7);
        let full = consumer.next(&[(0, end), (1, end), (2, 0), (9, 0)]).await;
        assert_eq!(full, Ok(vec![(0, 0, 0), (1, 0, 0), (2, 0, 0), (9, 3, 0)]), "version {version}");
        assert!(consumer.session.0 > 0);
        assert_eq!(consumer.next(&[]).await, Ok(vec![(9, 3, 0)]), "what is wrong is told every time");
        assert_eq!(consumer.forget(&[9]).await, Ok(vec![]));
        assert_eq!(consumer.next(&[]).await, Ok(vec![]), "nothing is new");
        for index in [0, 1] {
            produce(&test, "t", index, batch(&[1])).await;
        }
        assert_eq!(consumer.next(&[]).await, Ok(vec![(0, 0, 1), (1, 0, 1)]));
        assert_eq!(consumer.next(&[(0, end + 1), (1, end + 1)]).await, Ok(vec![]));
        assert_eq!(consumer.next(&[(1, -1)]).await, Ok(vec![(1, 1, 0)]), "out of range");
        assert_eq!(consumer.next(&[(1, end + 1)]).await, Ok(vec![(1, 0, 0)]), "in range again");
        assert_eq!(consumer.next(&[]).await, Ok(vec![]));
    }
}

#[tokio::test]
async fn trap_50_requests_that_do_not_fit_their_session_are_refused() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 1, &[]).await);
    for version in 7..=18 {
        let mut consumer = Consumer::new(&test, version, topic);
        for session in [(5, 1), (0, 3), (-5, 1), (i32::MIN, 7), (i32::MAX, -2)] {
            consumer.session = session;
            assert_eq!(consumer.next(&[(0, 0)]).await, Err(70), "{session:?}");
        }
        consumer.session = (0, 0);
        consumer.next(&[(0, 0)]).await.unwrap();
        let (id, _) = consumer.session;
        for session_epoch in [2, 17, -2, i32::MAX] {
            consumer.session.1 = session_epoch;
            assert_eq!(consumer.next(&[]).await, Err(71), "epoch {session_epoch}");
        }
        consumer.session.1 = 1;
        consumer.version = if version >= 13 { 12 } else { 13 };
        assert_eq!(consumer.next(&[]).await, Err(106), "topic ids come and go");
        consumer.version = version;
        assert_eq!(consumer.next(&[]).await, Ok(vec![]));
        // It ends when it is told to, when nothing is left of it, and when another begins in its place.
        consumer.session.1 = -1;
        assert_eq!(consumer.next(&[]).await, Ok(vec![]));
        assert_eq!(consumer.session.0, 0);
        consumer.session = (id, 2);
        assert_eq!(consumer.next(&[]).await, Err(70));
        consumer.session = (0, 0);
        consumer.next(&[(0, 0)]).await.unwrap();
        assert_eq!(consumer.forget(&[0]).await, Ok(vec![]));
        assert_eq!(consumer.session.0, 0);
    }
    for version in 4..7 {
        let mut consumer = Consumer::new(&test, version, topic);
        consumer.session = (0, -1);
        assert_eq!(consumer.next(&[(0, 0)]).await, Ok(vec![(0, 0, 0)]));
    }
}

/// KIP-74 and KIP-227: whoever gave goes to the back, so that a full first partition starves nobody.
#[tokio::test]
async fn trap_48_a_session_serves_its_partitions_in_turn() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 3, &[]).await);
    for index in [0, 1, 2] {
        for _ in 0..4 {
            produce(&test, "t", index, batch(&[1])).await;
        }
    }
    let mut consumer = Consumer::new(&test, 12, topic);
    let mut offsets = [0_i64; 3];
    let first = consumer.request(vec![partition(0, 0), partition(1, 0), partition(2, 0)]).with_max_bytes(1);
    assert_eq!(consumer.send(first).await.unwrap(), [(0, 0, 1), (1, 0, 0), (2, 0, 0)]);
    let mut turns = Vec::new();
    for _ in 0..11 {
        let changed = turns.last().copied().unwrap_or(0);
        offsets[changed] += 1;
        let index = i32::try_from(changed).unwrap();
        let request = consumer.request(vec![partition(index, offsets[changed])]).with_max_bytes(1);
        let told = consumer.send(request).await.unwrap();
        let [(index, 0, 1)] = told[..] else { panic!("{told:?}") };
        turns.push(usize::try_from(index).unwrap());
    }
    // The full fetch does not count as a turn, as in Kafka.
    assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0, 1, 2, 1, 2]);
}

async fn delete(test: &TestBroker, topic_id: Uuid) {
    test.broker.delete_topic(crate::model::TopicId(topic_id)).await.unwrap();
}

#[tokio::test]
async fn trap_23_a_session_outlives_its_topic() {
    let test = TestBroker::start();
    let mut topic = ("t", test.topic("t", 2, &[]).await);
    for version in [12, 13, 18] {
        let by_id = version >= 13;
        produce(&test, "t", 0, batch(&[1, 2])).await;
        let mut consumer = Consumer::new(&test, version, topic);
        consumer.next(&[(0, 2)]).await.unwrap();
        delete(&test, topic.1).await;
        assert_eq!(consumer.next(&[]).await, Ok(vec![(0, 3, 0)]), "version {version}");
        // One that is named now has an id of which nobody knows a name.
        let told = consumer.next(&[(1, 0)]).await.unwrap();
        assert_eq!(told, if by_id { [(1, 100, 0), (0, 3, 0)] } else { [(0, 3, 0), (1, 3, 0)] });
        topic.1 = test.topic("t", 2, &[]).await;
        let told = consumer.next(&[]).await.unwrap();
        assert_eq!(told, if by_id { [(0, 103, 0), (1, 100, 0)] } else { [(0, 1, 0), (1, 0, 0)] });
        assert_eq!(consumer.forget(&[0, 1]).await, Ok(vec![]));
        consumer.topic = topic;
        consumer.session = (0, 0);
        assert_eq!(consumer.next(&[(0, 0), (1, 0)]).await, Ok(vec![(0, 0, 0), (1, 0, 0)]));
    }
}

/// The other topic of that name is no news of this one, so nothing is waited for.
#[tokio::test]
async fn a_topic_of_another_id_ends_the_wait() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 1, &[]).await);
    let mut consumer = Consumer::new(&test, 18, topic);
    consumer.next(&[(0, 0)]).await.unwrap();
    delete(&test, topic.1).await;
    test.topic("t", 1, &[]).await;
    let before = test.broker.env().clock.monotonic();
    let told = consumer.send(consumer.request(vec![]).with_max_wait_ms(60_000)).await;
    assert_eq!(told, Ok(vec![(0, 103, 0)]));
    assert!(test.broker.env().clock.monotonic() - before < Duration::from_secs(30));
}

#[tokio::test]
async fn an_incremental_fetch_waits_and_wakes() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 2, &[]).await);
    let mut consumer = Consumer::new(&test, 18, topic);
    consumer.next(&[(0, 0), (1, 0)]).await.unwrap();
    let patient = consumer.request(vec![]).with_max_wait_ms(60_000);
    let (told, ()) = tokio::join!(consumer.send(patient), produce(&test, "t", 1, batch(&[1])));
    assert_eq!(told, Ok(vec![(1, 0, 1)]));
}

#[tokio::test]
async fn what_is_not_foreseen_leaves_the_session_usable() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 1, &[]).await);
    let mut consumer = Consumer::new(&test, 12, topic);
    consumer.next(&[(0, 0)]).await.unwrap();
    let (id, session_epoch) = consumer.session;
    let odd = test.ask(12, &consumer.request(vec![]).with_isolation_level(9)).await;
    assert_eq!((odd.error_code, odd.session_id, odd.responses.len()), (-1, id, 0));
    consumer.session.1 = session_epoch + 1;
    assert_eq!(consumer.next(&[]).await, Ok(vec![]));
}

#[tokio::test]
async fn without_slots_every_answer_is_a_full_one() {
    let test = TestBroker::with(&[("max.incremental.fetch.session.cache.slots", "0")]);
    let topic = ("t", test.topic("t", 2, &[]).await);
    let mut consumer = Consumer::new(&test, 18, topic);
    for _ in 0..3 {
        consumer.session = (0, 0);
        assert_eq!(named(&consumer.next(&[(0, 0), (1, 0)]).await.unwrap()), [0, 1]);
        assert_eq!(consumer.session.0, 0);
    }
}

#[tokio::test]
async fn sessions_are_gone_after_a_restart() {
    let test = TestBroker::start();
    let topic = ("t", test.topic("t", 1, &[]).await);
    let mut consumer = Consumer::new(&test, 18, topic);
    consumer.next(&[(0, 0)]).await.unwrap();
    let session = consumer.session;
    let test = test.restart().await;
    let mut consumer = Consumer { session, ..Consumer::new(&test, 18, topic) };
    assert_eq!(consumer.next(&[]).await, Err(70));
}
