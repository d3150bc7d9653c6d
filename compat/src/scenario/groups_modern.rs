//! Groups of KIP-848 as tools and members see them: kafka-consumer-groups and kafka-groups look at one,
//! members subscribe by regular expressions, static members come back and are fenced.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::group_members::{JAVA, Member, Said};
use super::{Context, create_topics, kcat_command};
use crate::broker::{Broker, Settings, tied_to_this_process};
use crate::process::{Outcome, Process};
use crate::tools::Tools;
use crate::wait::eventually;

const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const LISTED: &str = "org.apache.kafka.tools.GroupsCommand";
const TOPIC: &str = "words";
const PARTITIONS: u32 = 4;
const RECORDS: u32 = 5;
/// What patterns find at first, and what they find later, whose second partition is the only one.
const BORN: [(&str, u32); 2] = [("born-first", 1), ("born-later", 2)];
const PATTERN: &str = "^born-.*";
/// Joins of many members at once, and Kafka's ten seconds between two looks at patterns.
const DEADLINE: Duration = Duration::from_secs(90);
/// A member that starts anew must be back before.
const SESSION: &str = "session.timeout.ms=45000";
/// Members' ids are this long: a UUID in base64.
const MEMBER_ID_LENGTH: usize = 22;

/// A client that is told its protocol.
type Client = (&'static str, fn(&Tools) -> std::process::Command);

const JAVA_MEMBER: Client = ("java", |tools| tools.java(JAVA));
const LIBRDKAFKA: Client = ("confluent-kafka", |tools| tools.python("member_confluent_kafka.py"));
const PATTERN_MEMBER: Client = ("java", |tools| tools.java("PatternMember"));

/// All at the same time.
pub fn run(context: &mut Context) -> Result<()> {
    let settings = Settings::default()
        .with("group.initial.rebalance.delay.ms", "500")
        .with("group.consumer.min.heartbeat.interval.ms", "500")
        .with("group.consumer.heartbeat.interval.ms", "500");
    let broker = context.start_with(&settings)?;
    create_topics(context, &broker, &format!("{TOPIC} {PARTITIONS} , {} {}", BORN[0].0, BORN[0].1))?;
    produce(context, &broker, TOPIC, PARTITIONS)?;
    produce(context, &broker, BORN[0].0, BORN[0].1)?;
    let patterns = Patterns::start(context, &broker)?;
    static_members(context, &broker)?;
    patterns.expect_later_topic(context, &broker)?;
    look(context, &broker)
}

fn produce(context: &Context, broker: &Broker, topic: &str, partitions: u32) -> Result<()> {
    for partition in 0..partitions {
        let lines: String = (0..RECORDS).map(|record| format!("{record}\n")).collect();
        context.kcat(broker, &format!("-P -t {topic} -p {partition}"), &lines)?.success()?;
    }
    Ok(())
}

fn start(
    context: &Context,
    broker: &Broker,
    client: Client,
    (group, topic): (&str, &str),
    words: &[&str],
) -> Result<Member> {
    let mut command = client.1(context.tools);
    command.args([broker.bootstrap(), group, topic]).args(words);
    Member::start(&command)
}

/// Members that subscribe by a pattern: resolved on the server by Java and by librdkafka with the newer
/// protocol, by the client itself with the classic one.
struct Patterns {
    members: Vec<(&'static str, Member)>,
    /// Ends when it was given all records.
    kcat: Process,
}

impl Patterns {
    fn start(context: &Context, broker: &Broker) -> Result<Patterns> {
        let refresh = "topic.metadata.refresh.interval.ms=500";
        let mut members = Vec::new();
        for (name, client, words) in [
            ("java, resolved on the server", PATTERN_MEMBER, &["consumer"][..]),
            ("confluent-kafka, resolved on the server", LIBRDKAFKA, &["consumer"]),
            ("confluent-kafka, by itself", LIBRDKAFKA, &["classic", refresh]),
        ] {
            let group = format!("pattern-{}", members.len());
            members.push((name, start(context, broker, client, (&group, PATTERN), words)?));
        }
        let records = RECORDS * BORN.iter().map(|(_, partitions)| partitions).sum::<u32>();
        let words = format!("-G pattern-kcat -q -c {records} -X {refresh} -X auto.offset.reset=earliest");
        let mut kcat = tied_to_this_process(kcat_command(broker, &words).arg(PATTERN));
        kcat.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Patterns { members, kcat: Process::spawn(kcat)? })
    }

    fn expect_later_topic(mut self, context: &mut Context, broker: &Broker) -> Result<()> {
        for (name, member) in &self.members {
            expect_records(member, 0, RECORDS).with_context(|| (*name).to_owned())?;
        }
        let (topic, partitions) = BORN[1];
        create_topics(context, broker, &format!("{topic} {partitions}"))?;
        produce(context, broker, topic, partitions)?;
        context.transcript.section("subscribed by a regular expression");
        for (name, member) in &mut self.members {
            expect_records(member, partitions - 1, RECORDS).with_context(|| (*name).to_owned())?;
            expect_records(member, 0, 2 * RECORDS).with_context(|| (*name).to_owned())?;
            member.leave()?;
            context.transcript.add(&format!("{name}: given the topic that was made later"));
        }
        let ended = self.kcat.wait(DEADLINE)?;
        ensure!(ended.success(), "kcat with a pattern: {ended}");
        context.transcript.add("kcat: given the topic that was made later");
        Ok(())
    }
}

/// So many at least from a partition of any topic: what was given before a rebalance, and not committed yet,
/// is given again.
fn expect_records(member: &Member, number: u32, wanted: u32) -> Result<()> {
    let mut seen = 0;
    let given = eventually(DEADLINE, "records", || {
        let is_one = |said: &Said| matches!(said, Said::Record { partition, .. } if *partition == number);
        seen = member.said()?.iter().filter(|(_, said)| is_one(said)).count();
        Ok((seen >= wanted as usize).then_some(()))
    });
    given.with_context(|| format!("{seen} of {wanted} records; it said {:?}", member.complaints()))
}

/// Two static members of each client and protocol.
fn static_members(context: &mut Context, broker: &Broker) -> Result<()> {
    let mut told = Vec::new();
    let shared: &Context = context;
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for client in [JAVA_MEMBER, LIBRDKAFKA] {
            for protocol in ["classic", "consumer"] {
                threads.push(scope.spawn(move || {
                    let name = format!("{}, {protocol}", client.0);
                    static_story(shared, broker, client, protocol).with_context(|| name.clone())
                }));
            }
        }
        for thread in threads {
            told.push(thread.join().unwrap_or_else(|_| Err(anyhow!("a client's thread panicked")))?);
        }
        anyhow::Ok(())
    })?;
    context.transcript.section("static members");
    told.iter().for_each(|told| context.transcript.add(told));
    Ok(())
}

/// One goes and comes back to its partitions, and the other hears nothing of it. Then another one comes under
/// the same name.
fn static_story(context: &Context, broker: &Broker, client: Client, protocol: &str) -> Result<String> {
    let group = format!("static-{}-{protocol}", client.0);
    let mut words = vec![protocol];
    // The newer protocol leaves it to the broker.
    words.extend(Some(SESSION).filter(|_| protocol == "classic"));
    let start = |name: &str| {
        let instance = format!("group.instance.id={name}");
        let words: Vec<&str> = words.iter().copied().chain([instance.as_str()]).collect();
        start(context, broker, client, (&group, TOPIC), &words)
    };
    let (mut first, mut other) = (start("first")?, start("other")?);
    let mut had = BTreeSet::new();
    eventually(DEADLINE, "each to have its share", || {
        had = first.owned()?;
        let both = (had.len(), other.owned()?.len());
        Ok((both == (PARTITIONS as usize / 2, PARTITIONS as usize / 2)).then_some(()))
    })?;
    let before = other.rebalances()?;
    first.leave()?;
    let mut first = start("first")?;
    eventually(DEADLINE, "the first one to have its partitions again", || {
        Ok((first.owned()? == had).then_some(()))
    })?;
    ensure!(other.rebalances()? == before, "the other one heard of it: {:?}", other.said()?);

    let mut second = start("first")?;
    let mut fenced = None;
    eventually(DEADLINE, "one of the two to be fenced", || {
        for (who, member) in [("the first", &first), ("the second", &second)] {
            let word = member.complaints().iter().find_map(|line| instance_error(line));
            fenced = fenced.take().or(word.map(|word| format!("{who} one is told {word}")));
        }
        Ok(fenced.is_some().then_some(()))
    })
    .with_context(|| format!("{:?} {:?}", first.complaints(), second.complaints()))?;
    for member in [&mut first, &mut second, &mut other] {
        member.let_go();
    }
    let told = fenced.unwrap_or_default();
    Ok(format!("{}, {protocol}: came back without a rebalance; of two with one name {told}", client.0))
}

/// The code by which a client says that another one has its name.
fn instance_error(line: &str) -> Option<&'static str> {
    const FENCED: &str = "FENCED_INSTANCE_ID";
    const UNRELEASED: &str = "UNRELEASED_INSTANCE_ID";
    let words = [
        ("FencedInstanceIdException", FENCED),
        ("Static consumer fenced by other consumer", FENCED),
        ("UnreleasedInstanceIdException", UNRELEASED),
        ("The instance ID is still used by another member", UNRELEASED),
    ];
    words.into_iter().find(|(words, _)| line.contains(words)).map(|(_, code)| code)
}

/// Kafka's tools on a group with a member that stays.
fn look(context: &mut Context, broker: &Broker) -> Result<()> {
    let words = ["consumer", "client.id=reader"];
    let member = start(context, broker, LIBRDKAFKA, ("modern", TOPIC), &words)?;
    let end = u64::from(RECORDS);
    let committed = || {
        let is_end =
            |(_, said): &(u64, Said)| matches!(said, Said::Committed { offset, .. } if *offset == end);
        Ok((member.said()?.iter().filter(|said| is_end(said)).count() == PARTITIONS as usize).then_some(()))
    };
    eventually(DEADLINE, "everything to be committed", committed)?;
    let asked = [
        (GROUPS, "--list --type"),
        (GROUPS, "--list --type consumer"),
        (GROUPS, "--describe --group modern --offsets --verbose"),
        (GROUPS, "--describe --group modern --members"),
        (GROUPS, "--describe --group modern --members --verbose"),
        (GROUPS, "--describe --group modern --state"),
        (GROUPS, "--describe --group modern --state --verbose"),
        (LISTED, "--list"),
        (LISTED, "--list --group-type consumer"),
        (LISTED, "--list --protocol consumer"),
    ];
    asked.chunks(3).try_for_each(|chunk| see_all(context, broker, chunk))?;
    change(context, broker, member)
}

/// What tools change in a group: nothing while it has a member, and all of it once that has left.
fn change(context: &mut Context, broker: &Broker, mut member: Member) -> Result<()> {
    let refused = [
        (GROUPS, "--reset-offsets --group modern --topic words --to-earliest --execute"),
        (GROUPS, "--delete-offsets --group modern --topic words"),
        (GROUPS, "--delete --group modern"),
    ];
    see_all(context, broker, &refused)?;
    member.leave()?;
    for words in [
        "--reset-offsets --group modern --topic words --to-earliest --execute",
        "--reset-offsets --group modern --topic words:1 --to-offset 3 --execute",
        "--reset-offsets --group modern --topic words:1,2 --shift-by 1 --execute",
        "--delete-offsets --group modern --topic words:3",
        "--describe --group modern --offsets",
        "--describe --group modern --state",
        "--delete --group modern",
        "--describe --group modern",
    ] {
        see_all(context, broker, &[(GROUPS, words)])?;
    }
    Ok(())
}

fn see_all(context: &mut Context, broker: &Broker, asked: &[(&str, &str)]) -> Result<()> {
    for ((_, words), outcome) in asked.iter().zip(ask_at_once(context, broker, asked)?) {
        context.transcript.section(words);
        tell(context, &outcome);
    }
    Ok(())
}

/// Runs tools side by side: most of what one takes is the start of its virtual machine.
pub fn ask_at_once(context: &Context, broker: &Broker, asked: &[(&str, &str)]) -> Result<Vec<Outcome>> {
    thread::scope(|scope| {
        let start = |(tool, words)| scope.spawn(move || context.java(broker, tool, words, ""));
        let threads: Vec<_> = asked.iter().copied().map(start).collect();
        let joined = |thread: thread::ScopedJoinHandle<'_, Result<Outcome>>| {
            thread.join().unwrap_or_else(|_| Err(anyhow!("a tool's thread panicked")))
        };
        threads.into_iter().map(joined).collect()
    })
}

/// Lines in order, and ids of members as one word.
fn tell(context: &mut Context, outcome: &Outcome) {
    let is_id = |word: &str| {
        word.len() == MEMBER_ID_LENGTH
            && word.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_/+".contains(letter))
            && word.chars().any(|letter| letter.is_ascii_uppercase())
    };
    let known = |word: &str| if is_id(word) { "<member id>".to_owned() } else { word.to_owned() };
    let line = |line: &str| line.split_whitespace().map(known).collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = outcome.stdout.lines().map(line).filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    context.transcript.add(&lines.join("\n"));
    if !outcome.status.success() {
        context.transcript.add(&format!("{}\n{}", outcome.status, outcome.stderr));
    }
}
