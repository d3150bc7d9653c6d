//! A conversation with a broker in one version: calls whose answers are written down, and what prepares them.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::{Buf, Bytes};
use kafka_protocol::messages::{ApiKey, FetchResponse};
use kafka_protocol::protocol::Request;

use super::names::Names;
use super::transcript::{Fields, Transcript};
use super::{answer, batches};
use crate::bench::Bench;
use crate::client::{Client, Heard, PATIENCE, decode_response, frame};
use crate::requests::{Topic, new_topic};
use crate::schema::{self, Schema};

static SCHEMAS: LazyLock<Vec<Schema>> = LazyLock::new(schema::all);

/// What a call without an answer may take until the next call's answer comes: none is expected.
const SILENCE: Duration = Duration::from_millis(20);

/// How long a broker may take to make what a coordinator needs.
const SETTLE: Duration = Duration::from_secs(1);

/// A case in one version.
pub struct Talk<'a> {
    /// The version of the calls.
    pub version: i16,
    /// The broker, and the topics of this case.
    pub bench: Bench,
    case: &'static str,
    client: Client,
    names: Names,
    topics_count: usize,
    groups_count: usize,
    transactional_ids_count: usize,
    transcript: &'a mut Transcript,
}

impl Talk<'_> {
    /// Begins.
    pub fn new<'a>(
        broker: SocketAddr,
        case: &'static str,
        version: i16,
        transcript: &'a mut Transcript,
    ) -> Result<Talk<'a>> {
        let bench = Bench::new(broker, &format!("{case}-v{version}"))?;
        let client = bench.client()?;
        let names = Names::new(&broker.to_string());
        Ok(Talk {
            version,
            bench,
            case,
            client,
            names,
            topics_count: 0,
            groups_count: 0,
            transactional_ids_count: 0,
            transcript,
        })
    }

    /// Ends; leaves no topic behind.
    pub fn finish(mut self) -> Result<()> {
        self.bench.clean()
    }

    /// A topic's name, which is written as `topic-N`.
    pub fn name(&mut self) -> Result<String> {
        let name = self.bench.name()?;
        self.names.topic(&name, &format!("topic-{}", self.topics_count));
        self.topics_count += 1;
        Ok(name)
    }

    /// A new topic.
    pub fn topic(&mut self, partitions: i32, configs: &[(&str, &str)]) -> Result<Topic> {
        let name = self.name()?;
        let topic = self.bench.create(new_topic(&name, partitions, configs))?;
        self.know(&topic);
        Ok(topic)
    }

    /// From now on the topic's id is written as such.
    pub fn know(&mut self, topic: &Topic) {
        let shown = self.names.text(&topic.name);
        self.names.id(topic.id, &shown);
    }

    /// A group's name, which is written as `group-N`.
    pub fn group(&mut self) -> String {
        let at = self.groups_count;
        let group = format!("{}-v{}-group-{at}", self.case, self.version);
        self.names.topic(&group, &format!("group-{at}"));
        self.groups_count += 1;
        group
    }

    /// A transactional id, which is written as `txn-N`.
    pub fn transactional_id(&mut self) -> String {
        let at = self.transactional_ids_count;
        let id = format!("{}-v{}-txn-{at}", self.case, self.version);
        self.names.topic(&id, &format!("txn-{at}"));
        self.transactional_ids_count += 1;
        id
    }

    /// Producers are written by numbers, in the order in which they are first known.
    pub fn know_producer(&mut self, producer_id: i64) {
        self.names.number("producer_id", producer_id);
    }

    /// From now on this text is written as that name.
    pub fn know_text(&mut self, text: &str, name: &str) {
        self.names.topic(text, name);
    }

    /// A call that is not written down, and must be answered.
    pub fn quiet<Q: Request>(&mut self, version: i16, request: &Q) -> Result<Q::Response> {
        self.client.ask(version, request)
    }

    /// A call whose answer is written down.
    pub fn ask<Q: Request>(&mut self, label: &str, request: &Q) -> Result<()> {
        self.ask_for(label, request).map(drop)
    }

    /// The same in a version of its own.
    pub fn ask_in<Q: Request>(&mut self, version: i16, label: &str, request: &Q) -> Result<()> {
        let case = std::mem::replace(&mut self.version, version);
        let asked = self.ask(label, request);
        self.version = case;
        asked
    }

    /// The same, with the answer.
    pub fn ask_for<Q: Request>(&mut self, label: &str, request: &Q) -> Result<Option<Q::Response>> {
        let request = frame(self.version, 1, request).with_context(|| label.to_owned())?;
        let Some(answer) = self.send(label, Q::KEY, &request)? else { return Ok(None) };
        Ok(decode_response::<Q>(self.version, answer).ok().map(|(_, answer)| answer))
    }

    /// A call on a connection of its own, whose answer may wait for others: [`Talk::hear_aside`] hears it.
    pub fn send_aside<Q: Request>(&mut self, version: i16, request: &Q) -> Result<Client> {
        let mut client = self.bench.client()?;
        client.send(version, request)?;
        Ok(client)
    }

    /// The answer to a call that was sent aside in this case's version.
    pub fn hear_aside<Q: Request>(&mut self, label: &str, mut sent: Client) -> Result<Q::Response> {
        let answer = sent.receive_frame()?;
        let fields = self.read(Q::KEY, answer.clone())?;
        self.write(label, fields);
        decode_response::<Q>(self.version, answer).map(|(_, answer)| answer)
    }

    /// A call that must not be answered; another one behind it shows that the connection is open.
    pub fn tell<Q: Request>(&mut self, label: &str, request: &Q) -> Result<()> {
        self.client.send(self.version, request)?;
        let heard = self.client.hear(SILENCE)?;
        let fields = match heard {
            Heard::Silence => said("silence"),
            Heard::Closed => self.closed()?,
            Heard::Frame(frame) => said(&format!("{} bytes", frame.len())),
        };
        self.write(label, fields);
        Ok(())
    }

    /// Asks until the answer is settled, for a while: a broker that never does so is asked no more after it.
    pub fn settle<Q: Request>(
        &mut self,
        request: &Q,
        is_settled: impl Fn(&Q::Response) -> bool,
    ) -> Result<()> {
        let start = self.bench.now();
        while self.bench.now() < start + SETTLE {
            if is_settled(&self.client.ask(self.version, request)?) {
                break;
            }
        }
        Ok(())
    }

    /// Something else that was seen.
    pub fn note(&mut self, label: &str, seen: &str) {
        self.write(label, vec![("seen".to_owned(), seen.to_owned())]);
    }

    /// The records of a fetch that was made quietly.
    pub fn records(&mut self, label: &str, fetched: FetchResponse) -> Result<()> {
        let records = fetched.responses.iter().flat_map(|topic| &topic.partitions).next();
        let records = records.and_then(|partition| partition.records.clone()).unwrap_or_default();
        let described = batches::describe(&records, &mut self.names).into_iter().enumerate();
        let fields = described.map(|(at, batch)| (format!("records[{at}]"), batch)).collect();
        self.write(label, fields);
        Ok(())
    }

    /// A call made of any bytes, a header among them, whose answer is read as one to this key and version.
    pub fn frame(&mut self, label: &str, api_key: i16, frame: &[u8]) -> Result<()> {
        self.send(label, api_key, frame).map(drop)
    }

    fn send(&mut self, label: &str, api_key: i16, request: &[u8]) -> Result<Option<Bytes>> {
        self.client.send_frame(request)?;
        let (fields, answer) = match self.client.hear(PATIENCE)? {
            Heard::Frame(frame) => (self.read(api_key, frame.clone())?, Some(frame)),
            Heard::Closed => (self.closed()?, None),
            Heard::Silence => bail!("{label}: neither answered nor closed"),
        };
        self.write(label, fields);
        Ok(answer)
    }

    fn closed(&mut self) -> Result<Fields> {
        self.client = self.bench.client()?;
        Ok(said("closed"))
    }

    fn write(&mut self, label: &str, fields: Fields) {
        self.transcript.add(format!("{}: {label}", self.case), self.version, fields);
    }

    /// The fields of an answer. ApiVersions answers unknown versions in version 0.
    fn read(&mut self, api_key: i16, frame: Bytes) -> Result<Fields> {
        let known = |version: i16| {
            let same = |schema: &&Schema| {
                !schema.is_request && schema.api_key == api_key && schema.versions.contains(&version)
            };
            SCHEMAS.iter().find(same)
        };
        let (version, schema) = match (known(self.version), known(0)) {
            (Some(schema), _) => (self.version, schema),
            (None, Some(schema)) => (0, schema),
            (None, None) => return Ok(said("an answer in a version that there is not")),
        };
        let key = ApiKey::try_from(api_key).map_err(|()| anyhow!("no key {api_key}"))?;
        let mut body = frame;
        // The correlation id, and the header's tagged fields.
        body.advance(if key.response_header_version(version) >= 1 { 5 } else { 4 });
        let read = std::panic::AssertUnwindSafe(|| answer::fields(schema, &body, &mut self.names));
        Ok(std::panic::catch_unwind(read).unwrap_or_else(|_| said("bytes that do not fit the schema")))
    }
}

/// What stands for a whole answer.
fn said(what: &str) -> Fields {
    vec![("answer".to_owned(), what.to_owned())]
}
