use super::*;
use crate::env::simulated::SimulatedWorld;
use crate::model::{LeaderEpoch, Offset, Timestamp};
use crate::protocol::ErrorCode;
use crate::protocol::fetch_response::FetchedPartition;

struct Fixture {
    world: SimulatedWorld,
    metrics: Arc<Metrics>,
    sessions: FetchSessions,
}

type ToFetch = Vec<(FetchKey, PartitionAsk)>;

fn key(topic: &str, partition: i32) -> FetchKey {
    FetchKey { topic: FetchTopic::Named(topic.into()), partition }
}

fn ask(key: FetchKey, offset: i64) -> (FetchKey, PartitionAsk) {
    let none = LeaderEpoch::NONE;
    let offset = Offset(offset);
    (key, PartitionAsk { offset, bytes_max: 1, current_leader_epoch: none, last_fetched_epoch: none })
}

fn asks(topic: &str, partitions: i32) -> ToFetch {
    (0..partitions).map(|partition| ask(key(topic, partition), 0)).collect()
}

impl Fixture {
    fn new(slots: usize) -> Fixture {
        let world = SimulatedWorld::new(1);
        let metrics = Metrics::new(Timestamp(0), 10);
        let sessions = FetchSessions::new(world.env(), metrics.clone(), slots);
        Fixture { world, metrics, sessions }
    }

    fn begin(
        &self,
        (id, session_epoch): (i32, i32),
        asked: &[(FetchKey, PartitionAsk)],
        forgotten: &[FetchKey],
    ) -> Result<(FetchContext, ToFetch), SessionError> {
        let change = SessionChange { session_epoch, by_id: false, asked, forgotten };
        self.sessions.begin(id, &change, |_| None)
    }

    /// An answer without records and with the same offsets always.
    fn finish(&self, context: FetchContext, fetched: ToFetch) -> SessionAnswer {
        let answered = fetched.into_iter().map(|(key, ask)| {
            let fetched = FetchedPartition {
                high_watermark: Offset(5),
                ..FetchedPartition::failed(key.partition, ErrorCode::None)
            };
            AnsweredPartition { key, ask: Some(ask), fetched }
        });
        self.sessions.finish(context, answered.collect())
    }

    /// A full fetch; the session that it got.
    fn session(&self, id: i32, asked: &[(FetchKey, PartitionAsk)]) -> i32 {
        let (context, fetched) = self.begin((id, 0), asked, &[]).unwrap();
        assert!(context.begins_session());
        let answer = self.finish(context, fetched);
        assert_eq!(answer.answered.unwrap().len(), asked.len(), "a full fetch gets a full answer");
        answer.session_id
    }

    /// The next fetch of a session: its id and how many partitions it was told of.
    fn next(&self, id: i32, session_epoch: i32) -> Result<(i32, usize), SessionError> {
        let (context, fetched) = self.begin((id, session_epoch), &[], &[])?;
        let answer = self.finish(context, fetched);
        Ok((answer.session_id, answer.answered?.len()))
    }

    /// Sessions, partitions, evictions.
    fn counted(&self) -> Vec<String> {
        let rendered = self.metrics.render();
        let lines = rendered.lines().filter_map(|line| line.strip_prefix("highwater_fetch_session"));
        lines.map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
    }
}

#[test]
fn a_session_lives_until_it_is_closed_or_begun_anew() {
    let fixture = Fixture::new(10);
    let id = fixture.session(0, &asks("t", 3));
    assert!(id > 0);
    assert_eq!(fixture.next(id, 1), Ok((id, 0)));
    assert_eq!(fixture.next(id, 2), Ok((id, 0)));
    assert_eq!(fixture.next(id, 2), Err(SessionError::InvalidEpoch));
    assert_eq!(fixture.counted(), ["1", "3", "0"]);
    // A full fetch that names it ends it, whatever else comes of it.
    let other = fixture.session(id, &asks("t", 2));
    assert_ne!(other, id);
    assert_eq!(fixture.next(id, 3), Err(SessionError::NotFound));
    assert_eq!(fixture.counted(), ["1", "2", "0"]);
    let (context, fetched) = fixture.begin((other, -1), &asks("t", 1), &[]).unwrap();
    assert!(!context.begins_session());
    assert_eq!(fixture.finish(context, fetched).session_id, NO_SESSION);
    assert_eq!(fixture.next(other, 1), Err(SessionError::NotFound));
    assert_eq!(fixture.counted(), ["0", "0", "0"]);
}

#[test]
fn a_session_without_partitions_is_over_and_the_request_goes_on_without() {
    let fixture = Fixture::new(10);
    let id = fixture.session(0, &asks("t", 1));
    let (context, fetched) =
        fixture.begin((id, 1), &[ask(key("u", 0), 4)], &[key("t", 0), key("u", 0)]).unwrap();
    assert_eq!(fetched, [ask(key("u", 0), 4)]);
    let answer = fixture.finish(context, fetched);
    assert_eq!((answer.session_id, answer.answered.unwrap().len()), (NO_SESSION, 1));
    assert_eq!(fixture.next(id, 2), Err(SessionError::NotFound));
    // One that is begun empty may be filled.
    let id = fixture.session(0, &[]);
    let (context, fetched) = fixture.begin((id, 1), &asks("t", 2), &[]).unwrap();
    assert_eq!(fixture.finish(context, fetched).answered.unwrap().len(), 2);
    assert_eq!(fixture.next(id, 2), Ok((id, 0)));
    assert_eq!(fixture.counted(), ["1", "2", "0"]);
}

#[test]
fn a_partition_that_is_named_twice_counts_once() {
    let fixture = Fixture::new(10);
    let twice = [ask(key("t", 0), 1), ask(key("t", 1), 2), ask(key("t", 0), 3)];
    for session_epoch in [-1, 0] {
        let (context, fetched) = fixture.begin((0, session_epoch), &twice, &[]).unwrap();
        assert_eq!(fetched, [ask(key("t", 0), 3), ask(key("t", 1), 2)]);
        fixture.finish(context, fetched);
    }
    assert_eq!(fixture.counted(), ["1", "2", "0"]);
}

#[test]
fn without_a_slot_answers_are_full_and_without_session() {
    let fixture = Fixture::new(0);
    assert_eq!(fixture.session(0, &asks("t", 3)), NO_SESSION);
    assert_eq!(fixture.next(NO_SESSION, 1), Err(SessionError::NotFound));
    let fixture = Fixture::new(1);
    let id = fixture.session(0, &asks("t", 1));
    assert_eq!(fixture.session(0, &asks("t", 1)), NO_SESSION);
    fixture.world.clock.advance(UNUSED_MIN + Duration::from_millis(1));
    let other = fixture.session(0, &asks("t", 1));
    assert!(other > 0);
    assert_eq!(fixture.next(id, 1), Err(SessionError::NotFound));
    assert_eq!(fixture.counted(), ["1", "1", "1"]);
}

#[test]
fn two_requests_of_one_session_at_once_are_told_apart() {
    let fixture = Fixture::new(10);
    let id = fixture.session(0, &asks("t", 2));
    let (first, fetched_first) = fixture.begin((id, 1), &[], &[]).unwrap();
    let (second, fetched_second) = fixture.begin((id, 2), &[], &[key("t", 0)]).unwrap();
    assert_eq!((fetched_first.len(), fetched_second.len()), (2, 1));
    let late = fixture.finish(first, fetched_first);
    assert_eq!((late.session_id, late.answered.err()), (id, Some(SessionError::InvalidEpoch)));
    assert!(fixture.finish(second, fetched_second).answered.is_ok());
    assert_eq!(fixture.next(id, 3), Ok((id, 0)));
}

#[test]
fn an_answer_to_a_session_that_went_meanwhile_is_given_all_the_same() {
    let fixture = Fixture::new(10);
    let id = fixture.session(0, &asks("t", 2));
    let (context, fetched) = fixture.begin((id, 1), &[], &[]).unwrap();
    fixture.begin((id, -1), &[], &[]).unwrap();
    assert_eq!(fixture.finish(context, fetched).session_id, id);
    assert_eq!(fixture.next(id, 2), Err(SessionError::NotFound));
}

#[test]
fn sessions_that_outgrow_their_memory_are_gone_and_too_big_ones_never_come() {
    let fixture = Fixture::new(10);
    let fits = i32::try_from(BYTES_MAX / (partitions::PARTITION_BYTES + 1)).unwrap();
    assert_eq!(fixture.session(0, &asks("t", fits + 1)), NO_SESSION);
    let id = fixture.session(0, &asks("t", fits));
    assert!(id > 0);
    let more = [ask(key("u", 0), 0), ask(key("u", 1), 0)];
    assert_eq!(fixture.begin((id, 1), &more, &[]).err(), Some(SessionError::NotFound));
    assert_eq!(fixture.next(id, 2), Err(SessionError::NotFound));
    assert_eq!(fixture.counted(), ["0", "0", "1"]);
}

#[test]
fn many_threads_use_one_session_and_its_epochs_are_given_out_once() {
    const THREADS: usize = 4;
    const ROUNDS: i32 = 200;
    let fixture = Fixture::new(10);
    let id = fixture.session(0, &asks("t", 5));
    let won = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (fixture, won) = (&fixture, &won);
            scope.spawn(move || {
                for session_epoch in 1..=ROUNDS {
                    // Each adds and forgets one of its own.
                    let own = key("own", i32::try_from(thread).unwrap());
                    let begun = match session_epoch % 2 {
                        0 => fixture.begin((id, session_epoch), &[], &[own]),
                        _ => fixture.begin((id, session_epoch), &[ask(own, 0)], &[]),
                    };
                    if let Ok((context, fetched)) = begun {
                        won.fetch_add(1, Ordering::Relaxed);
                        fixture.finish(context, fetched);
                    }
                }
            });
        }
    });
    assert!(won.into_inner() <= usize::try_from(ROUNDS).unwrap(), "an epoch was given out twice");
    let shared = fixture.sessions.cache.lock().get(id).cloned().unwrap();
    let partitions = shared.session.lock().size().partitions;
    assert_eq!(fixture.counted(), ["1".to_owned(), partitions.to_string(), "0".to_owned()]);
}
