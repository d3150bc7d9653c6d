//! One client: asked for one thing after the other, and what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::recorder::Recorder;
use super::{KEYS_AT_ONCE, Plan, SHARED_GROUP, keys, own_group};
use crate::history::{Did, Outcome, Polled, Sent, SentOffsets, Step};
use crate::scenario::transactions::Program as Running;
use crate::stream::LogStream;
use crate::tools::Tools;
use crate::wait::eventually;

/// Values of one client.
const VALUES: u64 = 1_000_000_000;
const POLL_MS: u32 = 50;
/// Sends and polls of a transaction.
const STEPS_MAX: u64 = 4;
/// How often a client that turns to other keys takes those that lag behind.
const UNSEEN_ONE_IN: u64 = 3;
/// For a client that begins anew.
const OPEN_DEADLINE: Duration = Duration::from_secs(240);
/// For the last polls.
const READ_DEADLINE: Duration = Duration::from_secs(60);

/// A client's program.
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// How it is started.
    pub command: fn(&Tools) -> Result<Command>,
    /// How long it waits for an answer before it asks again; without it, as long as a transaction may take.
    pub patience: Option<Duration>,
}

/// One of those that take part.
pub struct Client<'a> {
    program: &'static Program,
    tools: &'a Tools,
    bootstrap: String,
    plan: Plan,
    number: u32,
    random: LogStream,
    recorder: Arc<Recorder>,
    /// None while it is not known to be well.
    running: Option<Running>,
    reading: Reading,
    /// What was sent of offsets to its own group.
    sent_offsets: BTreeMap<String, i64>,
    /// The next offset to read of each key, by what was committed or needed no commit.
    positions: BTreeMap<String, i64>,
    values_count: u64,
    complaints: BTreeMap<String, u32>,
}

/// What a client reads.
#[derive(Clone)]
enum Reading {
    /// These keys.
    Assigned(Vec<String>),
    /// What its group gives it of these topics.
    Subscribed(BTreeSet<String>),
}

/// What a client answered before `ok`, or before it failed.
struct Told {
    lines: Vec<String>,
    is_ok: bool,
}

impl<'a> Client<'a> {
    /// Its program is started.
    pub fn start(
        tools: &'a Tools,
        program: &'static Program,
        (number, plan): (u32, Plan),
        bootstrap: &str,
        recorder: Arc<Recorder>,
    ) -> Result<Client<'a>> {
        let random = LogStream::new(plan.seed ^ (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut client = Client {
            program,
            tools,
            bootstrap: bootstrap.to_owned(),
            plan,
            number,
            random,
            recorder,
            running: None,
            reading: Reading::Assigned(Vec::new()),
            sent_offsets: BTreeMap::new(),
            positions: BTreeMap::new(),
            values_count: 0,
            complaints: BTreeMap::new(),
        };
        client.running = Some(client.spawn()?);
        Ok(client)
    }

    fn spawn(&self) -> Result<Running> {
        let mut command = (self.program.command)(self.tools)?;
        command.arg(&self.bootstrap);
        Running::start(command).context(self.program.name)
    }

    /// One thing after the other until it is over; nothing is left open then.
    pub fn work(&mut self, is_over: &AtomicBool) -> Result<()> {
        self.turn()?;
        while !is_over.load(Ordering::Acquire) {
            match self.random.below(100) {
                0..30 => self.send()?,
                30..60 => self.poll_alone()?,
                60..94 => self.transaction()?,
                94..97 => self.turn()?,
                97 => {
                    // As with a machine that dies.
                    self.running = None;
                    self.reopen()?;
                }
                _ => self.reopen()?,
            }
        }
        self.reopen()
    }

    /// Reads all from the start, until past what is known to be there.
    pub fn read_everything(&mut self, last: &BTreeMap<String, i64>) -> Result<()> {
        self.reading = Reading::Assigned(keys());
        self.positions.clear();
        self.reopen()?;
        let began = self.recorder.now();
        self.note_reading(began, true);
        let start = Instant::now();
        let passed = |positions: &BTreeMap<String, i64>| {
            last.iter().all(|(key, last)| positions.get(key).is_some_and(|next| next > last))
        };
        while !passed(&self.positions) {
            let (name, positions) = (self.program.name, &self.positions);
            ensure!(
                start.elapsed() < READ_DEADLINE,
                "{name} read up to {positions:?}, and there is {last:?}"
            );
            self.poll_alone()?;
        }
        Ok(())
    }

    /// Asks; a program that has ended, or is silent for too long, is given up.
    fn ask(&mut self, command: &str) -> Told {
        let answer = self.running.as_mut().and_then(|running| running.ask(command).ok());
        let Some(answer) = answer else {
            self.running = None;
            self.complain(command, "gone");
            return Told { lines: Vec::new(), is_ok: false };
        };
        if answer.last != "ok" {
            self.complain(command, &answer.last);
        }
        Told { is_ok: answer.last == "ok", lines: answer.lines }
    }

    fn complain(&mut self, command: &str, error: &str) {
        let word = command.split(' ').next().unwrap_or_default();
        *self.complaints.entry(format!("{word}: {error}")).or_default() += 1;
    }

    /// What it was refused, and how often.
    pub fn complaints(&self) -> String {
        format!("{}: {:?}", self.program.name, self.complaints)
    }

    /// New clients, which go on where the last ones were.
    fn reopen(&mut self) -> Result<()> {
        let began = self.recorder.now();
        let timeout_ms = self.plan.timeout.as_millis();
        let patience_ms = self.program.patience.unwrap_or(self.plan.timeout).as_millis();
        let open = format!("open history-{} {timeout_ms} {patience_ms} {}", self.number, self.group());
        eventually(OPEN_DEADLINE, self.program.name, || {
            if self.running.is_none() {
                self.running = Some(self.spawn()?);
            }
            Ok((self.ask(&open).is_ok && self.place()).then_some(()))
        })?;
        self.recorder.note(self.number, began, Outcome::Ok, Did::Restart);
        Ok(())
    }

    fn group(&self) -> String {
        match &self.reading {
            Reading::Assigned(_) => own_group(self.number),
            Reading::Subscribed(_) => SHARED_GROUP.to_owned(),
        }
    }

    /// Has it read from where this client, or its group, is; whether that went well.
    fn place(&mut self) -> bool {
        let command = match &self.reading {
            Reading::Assigned(keys) => {
                let next = |key: &String| self.positions.get(key).copied().unwrap_or(0);
                keys.iter().fold("assign".to_owned(), |words, key| format!("{words} {key}:{}", next(key)))
            }
            Reading::Subscribed(topics) => {
                topics.iter().fold("subscribe".to_owned(), |words, topic| format!("{words} {topic}"))
            }
        };
        self.ask(&command).is_ok
    }

    /// Goes back to where it was before a transaction that was aborted, by new clients if need be.
    fn place_again(&mut self) -> Result<()> {
        let is_placed = match self.reading {
            Reading::Assigned(_) => self.place(),
            Reading::Subscribed(_) => self.ask("rewind").is_ok,
        };
        if is_placed { Ok(()) } else { self.reopen() }
    }

    fn note_reading(&self, began: u64, from_start: bool) {
        let did = match &self.reading {
            Reading::Assigned(keys) => Did::Assign { keys: keys.clone(), from_start },
            Reading::Subscribed(_) => Did::Subscribe,
        };
        self.recorder.note(self.number, began, Outcome::Ok, did);
    }

    /// The keys that it writes now: the oldest one is replaced when it has written so often.
    fn window(&self) -> Vec<String> {
        let keys = keys();
        let replaced = self.values_count / self.plan.writes_per_key;
        let first = usize::try_from(replaced).unwrap_or(usize::MAX).min(keys.len() - KEYS_AT_ONCE);
        keys[first..first + KEYS_AT_ONCE].to_vec()
    }

    fn any_key(&mut self) -> Result<String> {
        let keys = self.window();
        let place = usize::try_from(self.random.below(keys.len() as u64))?;
        Ok(keys[place].clone())
    }

    /// It reads something else: some of the keys, or those with records that nobody has polled yet; seldom
    /// from the start; or what a group gives it.
    fn turn(&mut self) -> Result<()> {
        let began = self.recorder.now();
        let group = self.group();
        let mut chosen: Vec<String> =
            self.window().into_iter().filter(|_| self.random.below(3) > 0).collect();
        if self.random.below(UNSEEN_ONE_IN) == 0 {
            chosen = self.recorder.unseen();
        }
        let from_start = self.random.below(8) == 0;
        if self.random.below(2) == 0 {
            let window = self.window();
            let topics = window.iter().filter_map(|key| key.rsplit_once('-'));
            self.reading = Reading::Subscribed(topics.map(|(topic, _)| topic.to_owned()).collect());
        } else {
            if from_start {
                self.positions.retain(|key, _| !chosen.contains(key));
            }
            self.reading = Reading::Assigned(if chosen.is_empty() { self.window() } else { chosen });
        }
        // The first time there is nothing yet.
        if self.group() != group || self.values_count == 0 || !self.place() {
            self.reopen()?;
        }
        self.note_reading(began, from_start);
        Ok(())
    }

    fn sent(&mut self) -> Result<(String, u64)> {
        self.values_count += 1;
        Ok((self.any_key()?, u64::from(self.number) * VALUES + self.values_count))
    }

    /// A record, by the producer without transactions (`send`) or the other one (`put`).
    fn write(&mut self, word: &str) -> Result<(Sent, bool)> {
        let (key, value) = self.sent()?;
        let told = self.ask(&format!("{word} {key} {value}"));
        let offset = told.lines.first().filter(|_| told.is_ok).map(|line| line.parse()).transpose()?;
        Ok((Sent { key, value, offset }, told.is_ok))
    }

    fn send(&mut self) -> Result<()> {
        let began = self.recorder.now();
        let (sent, is_ok) = self.write("send")?;
        let outcome = if is_ok { Outcome::Ok } else { Outcome::Unknown };
        self.recorder.note(self.number, began, outcome, Did::Alone(Step::Send(sent)));
        if is_ok { Ok(()) } else { self.reopen() }
    }

    fn poll(&mut self) -> Result<(Polled, bool)> {
        let told = self.ask(&format!("poll {POLL_MS}"));
        let mut polled = Polled::new();
        for line in &told.lines {
            let [key, offset, value] = line.split(' ').collect::<Vec<_>>()[..] else {
                bail!("{} polled {line:?}", self.program.name)
            };
            polled.entry(key.to_owned()).or_default().push((offset.parse()?, value.parse()?));
        }
        Ok((polled, told.is_ok))
    }

    fn poll_alone(&mut self) -> Result<()> {
        let began = self.recorder.now();
        let (polled, is_ok) = self.poll()?;
        let outcome = if is_ok { Outcome::Ok } else { Outcome::Unknown };
        let is_member = matches!(self.reading, Reading::Subscribed(_));
        if is_ok && !is_member {
            advance(&mut self.positions, &polled);
        }
        let next = if is_ok && is_member { self.next_offsets(&polled) } else { BTreeMap::new() };
        self.recorder.note(self.number, began, outcome, Did::Alone(Step::Poll(polled)));
        if !is_ok {
            return self.reopen();
        }
        if !next.is_empty() { self.consumed(next) } else { Ok(()) }
    }

    /// Commits what was polled as a member. It may not be one any more: then it goes back.
    fn consumed(&mut self, next: BTreeMap<String, i64>) -> Result<()> {
        let began = self.recorder.now();
        let is_ok = self.ask(&format!("consumed{}", words(&next))).is_ok;
        let outcome = if is_ok { Outcome::Ok } else { Outcome::Unknown };
        let sent = SentOffsets { group: self.group(), next };
        self.recorder.note(self.number, began, outcome, Did::Alone(Step::Offsets(sent)));
        if is_ok { Ok(()) } else { self.place_again() }
    }

    /// What follows a poll, for its group. Of its own group nothing below what it sent there before, as after
    /// it began anew: nobody but this client sees to it that commits do not go back.
    fn next_offsets(&mut self, polled: &Polled) -> BTreeMap<String, i64> {
        let mut next = BTreeMap::new();
        for (key, records) in polled {
            let Some((offset, _)) = records.last() else { continue };
            if matches!(self.reading, Reading::Assigned(_)) {
                let sent = self.sent_offsets.entry(key.clone()).or_default();
                if *sent > offset + 1 {
                    continue;
                }
                *sent = offset + 1;
            }
            next.insert(key.clone(), offset + 1);
        }
        next
    }

    fn transaction(&mut self) -> Result<()> {
        let began = self.recorder.now();
        if !self.ask("begin").is_ok {
            return self.reopen();
        }
        let mut steps = Vec::new();
        let mut positions = self.positions.clone();
        let is_well = self.steps(&mut steps, &mut positions)?;
        let committed = is_well && self.random.below(10) > 0;
        let told = self.ask(if committed { "commit" } else { "abort" });
        let outcome = match (committed, told.is_ok) {
            (true, true) => Outcome::Ok,
            (true, false) => Outcome::Unknown,
            // Nobody has asked for a commit.
            (false, _) => Outcome::Failed,
        };
        self.recorder.note(self.number, began, outcome, Did::Transaction(steps));
        if !told.is_ok {
            return self.reopen();
        }
        if committed {
            if matches!(self.reading, Reading::Assigned(_)) {
                self.positions = positions;
            }
            return Ok(());
        }
        self.place_again()
    }

    /// Whether all of them went well.
    fn steps(&mut self, steps: &mut Vec<Step>, positions: &mut BTreeMap<String, i64>) -> Result<bool> {
        for _ in 0..=self.random.below(STEPS_MAX) {
            if self.random.below(3) > 0 {
                let (sent, is_ok) = self.write("put")?;
                steps.push(Step::Send(sent));
                if !is_ok {
                    return Ok(false);
                }
                continue;
            }
            let (polled, is_ok) = self.poll()?;
            advance(positions, &polled);
            let next = self.next_offsets(&polled);
            steps.push(Step::Poll(polled));
            if !is_ok {
                return Ok(false);
            }
            if !next.is_empty() {
                let is_ok = self.ask(&format!("offsets{}", words(&next))).is_ok;
                steps.push(Step::Offsets(SentOffsets { group: self.group(), next }));
                if !is_ok {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// For a command.
fn words(next: &BTreeMap<String, i64>) -> String {
    next.iter().map(|(key, next)| format!(" {key}:{next}")).collect()
}

fn advance(positions: &mut BTreeMap<String, i64>, polled: &Polled) {
    for (key, records) in polled {
        if let Some((offset, _)) = records.last() {
            positions.insert(key.clone(), offset + 1);
        }
    }
}
