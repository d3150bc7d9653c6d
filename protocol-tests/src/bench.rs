//! What a case works with: a running broker by its address, and topics of its own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use highwater::env::Env;
use highwater::protocol::ErrorCode;
use kafka_protocol::messages::create_topics_request::CreatableTopic;

use crate::client::{Client, PATIENCE};
use crate::requests::{
    CREATE_TOPICS, DELETE_TOPICS, LATEST, LIST_OFFSETS, Topic, create_topics, delete_topics, expect_code,
    list_offsets, new_topic,
};

/// A broker, and what a case made there.
pub struct Bench {
    /// The broker's address.
    pub broker: SocketAddr,
    prefix: String,
    client: Client,
    env: Env,
    topics: Vec<String>,
}

impl Bench {
    /// For one case, whose topics' names begin with `prefix`.
    pub fn new(broker: SocketAddr, prefix: &str) -> Result<Bench> {
        let client = Client::connect(broker)?;
        // Kafka allows 249 characters; so many tell which case it was.
        let prefix = prefix.chars().take(80).collect();
        Ok(Bench { broker, prefix, client, env: Env::real(), topics: Vec::new() })
    }

    /// A new connection.
    pub fn client(&self) -> Result<Client> {
        Client::connect(self.broker)
    }

    /// Time since some start, to measure how long the broker waited.
    pub fn now(&self) -> Duration {
        self.env.clock.monotonic()
    }

    /// A name for a topic of this case. A topic of that name is deleted in the end, and now if an earlier run
    /// was cut off.
    pub fn name(&mut self) -> Result<String> {
        let name = format!("{}-{}", self.prefix, self.topics.len());
        self.topics.push(name.clone());
        self.delete(&name)?;
        Ok(name)
    }

    /// Makes a topic and waits until its partitions take requests.
    pub fn topic(&mut self, partitions: i32) -> Result<Topic> {
        self.topic_with(partitions, &[])
    }

    /// The same with settings.
    pub fn topic_with(&mut self, partitions: i32, configs: &[(&str, &str)]) -> Result<Topic> {
        let name = self.name()?;
        self.create(new_topic(&name, partitions, configs))
    }

    /// Creates what is described there, under a name from [`Bench::name`].
    pub fn create(&mut self, topic: CreatableTopic) -> Result<Topic> {
        let name = topic.name.to_string();
        let answer = self.client.ask(CREATE_TOPICS, &create_topics(vec![topic]))?;
        let created = answer.topics.into_iter().next().context("no topic in the answer")?;
        expect_code(created.error_code, ErrorCode::None, "a new topic")?;
        ensure!(!created.topic_id.is_nil(), "a topic without an id");
        self.ready(&name, created.num_partitions)?;
        Ok(Topic { name, id: created.topic_id })
    }

    /// Asks until a condition holds; the connection is this bench's own.
    pub fn until<T>(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&mut Client) -> Result<Option<T>>,
    ) -> Result<T> {
        let start = self.now();
        while self.now() < start + PATIENCE {
            if let Some(value) = condition(&mut self.client)? {
                return Ok(value);
            }
        }
        bail!("waited {} s in vain for {what}", PATIENCE.as_secs())
    }

    /// Waits until all partitions of a topic take requests: a broker may learn of a topic after whoever
    /// created it.
    pub fn ready(&mut self, topic: &str, partitions: i32) -> Result<()> {
        let asked: Vec<_> = (0..partitions).map(|index| (index, LATEST)).collect();
        self.until("a new topic's leaders", |client| {
            let known = client.topic(topic)?.error_code == 0;
            let answer = client.ask(LIST_OFFSETS, &list_offsets(topic, &asked))?;
            let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            Ok((known && partitions.all(|partition| partition.error_code == 0)).then_some(()))
        })
    }

    /// Deletes a topic if it is there, and waits until it is unknown.
    pub fn delete(&mut self, topic: &str) -> Result<()> {
        let request = delete_topics(DELETE_TOPICS, &[topic]);
        let answer = self.client.ask(DELETE_TOPICS, &request)?;
        let code = answer.responses.first().context("no topic in the answer")?.error_code;
        let unknown = ErrorCode::UnknownTopicOrPartition.code();
        if code != unknown {
            expect_code(code, ErrorCode::None, "a deletion")?;
        }
        self.until("a deleted topic to go", |client| {
            Ok((client.topic(topic)?.error_code == unknown).then_some(()))
        })
    }

    /// Deletes what the case made.
    pub fn clean(&mut self) -> Result<()> {
        let topics = std::mem::take(&mut self.topics);
        topics.iter().try_for_each(|topic| self.delete(topic))
    }
}
