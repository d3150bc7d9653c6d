//! Classic consumer groups: kcat and the console consumer as members, kafka-consumer-groups and kafka-groups
//! as those who look at them and change their offsets.

use std::process::Command;
use std::thread::park_timeout;
use std::time::Duration;

use anyhow::Result;

use super::groups_modern::ask_at_once;
use super::{CLIENT_DEADLINE, Context, create_topic, kcat_command};
use crate::broker::{Broker, tied_to_this_process};
use crate::process::{Outcome, Process, run as run_program};
use crate::wait::eventually;

const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const LISTED: &str = "org.apache.kafka.tools.GroupsCommand";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const PARTITIONS: u32 = 3;
const RECORDS_PER_PARTITION: u32 = 10;
/// Their virtual machines need memory and processors.
const TOOLS_AT_ONCE: usize = 4;
/// Longest wait for a member to have its partitions.
const JOIN_DEADLINE: Duration = Duration::from_secs(60);
/// Between two records, so that a time lies between them.
const APART: Duration = Duration::from_millis(20);

/// Groups that have read, one that reads, and what becomes of them.
pub fn run(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    let broker = &broker;
    create_topic(context, broker, "words", PARTITIONS)?;
    for partition in 0..PARTITIONS {
        let records: String =
            (0..RECORDS_PER_PARTITION).map(|record| format!("{partition}-{record}\n")).collect();
        context.kcat(broker, &format!("-P -t words -p {partition}"), &records)?.success()?;
    }
    read(context, broker)?;
    look(context, broker)?;
    reset(context, broker)?;
    live(context, broker)?;
    delete(context, broker)
}

/// Two groups read everything, each at its own pace; reading again they find nothing.
fn read(context: &mut Context, broker: &Broker) -> Result<()> {
    for _ in 0..2 {
        let words = "-G by-kcat -X auto.offset.reset=earliest -e -q words";
        sorted(context, words, |context| Ok(context.kcat(broker, words, "")?.success()?.stdout))?;
    }
    let words = "--topic words --group by-console --from-beginning --max-messages 30 --timeout-ms 30000";
    sorted(context, words, |context| Ok(context.java(broker, CONSUMER, words, "")?.success()?.stdout))
}

/// Partitions are read in any order: what was read is written down sorted.
fn sorted(
    context: &mut Context,
    words: &str,
    read: impl FnOnce(&mut Context) -> Result<String>,
) -> Result<()> {
    let seen = read(context)?;
    let mut lines: Vec<&str> = seen.lines().collect();
    lines.sort_unstable();
    context.transcript.section(words);
    context.transcript.add(&lines.join("\n"));
    Ok(())
}

fn see_sorted(context: &mut Context, broker: &Broker, tool: &str, words: &str) -> Result<()> {
    let outcome = context.java(broker, tool, words, "")?;
    tell_sorted(context, words, &outcome);
    Ok(())
}

/// The same of several that change nothing, some side by side.
fn see_all(context: &mut Context, broker: &Broker, tool: &str, all: &[&str]) -> Result<()> {
    for some in all.chunks(TOOLS_AT_ONCE) {
        let asked: Vec<(&str, &str)> = some.iter().map(|words| (tool, *words)).collect();
        for (words, outcome) in some.iter().zip(ask_at_once(context, broker, &asked)?) {
            tell_sorted(context, words, &outcome);
        }
    }
    Ok(())
}

/// kafka-consumer-groups prints groups and partitions in no order.
fn tell_sorted(context: &mut Context, words: &str, outcome: &Outcome) {
    let mut lines: Vec<&str> = outcome.stdout.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.sort_unstable();
    context.transcript.section(words);
    context.transcript.add(&lines.join("\n"));
    if let Some(code) = outcome.status.code().filter(|code| *code != 0) {
        context.transcript.add(&format!("exit {code}"));
    }
}

fn look(context: &mut Context, broker: &Broker) -> Result<()> {
    let groups = [
        "--list",
        "--list --state",
        "--list --state stable",
        "--list --type",
        "--list --type consumer",
        "--describe --group by-kcat",
        "--describe --group by-kcat --offsets --verbose",
        "--describe --group by-console --state",
        "--describe --group by-console --members",
        "--describe --group by-console --members --verbose",
        "--describe --all-groups --state",
        "--describe --group absent",
        "--describe --group absent --state",
    ];
    see_all(context, broker, GROUPS, &groups)?;
    let listed = ["--list", "--list --consumer", "--list --group-type classic", "--list --protocol consumer"];
    see_all(context, broker, LISTED, &listed)
}

fn reset(context: &mut Context, broker: &Broker) -> Result<()> {
    for words in [
        "--topic words --to-earliest --dry-run",
        "--topic words --to-earliest --execute",
        "--topic words --to-latest --execute",
        "--topic words --to-offset 5 --execute",
        "--topic words:1 --shift-by 2 --execute",
        "--topic words:1,2 --shift-by -100 --execute",
        "--topic words:0 --to-offset 1000 --execute",
        "--all-topics --by-duration P1D --execute",
        "--topic words --to-datetime 2100-01-01T00:00:00.000 --execute",
        "--topic words --to-current --execute",
        "--topic words --to-offset 3 --export",
        "--topic absent --to-earliest --execute",
    ] {
        see_sorted(context, broker, GROUPS, &format!("--reset-offsets --group by-kcat {words}"))?;
    }
    let plan = context.folder.join("plan.csv");
    std::fs::write(&plan, "words,0,1\nwords,1,2\nwords,2,3\n")?;
    context.transcript.replace(plan.display().to_string(), "plan");
    let words = format!("--reset-offsets --group by-kcat --from-file {} --execute", plan.display());
    let outcome = context.java(broker, GROUPS, &words, "")?;
    context.transcript.section("--reset-offsets --group by-kcat --from-file plan.csv --execute");
    let mut lines: Vec<&str> = outcome.stdout.lines().collect();
    lines.sort_unstable();
    context.transcript.add(&lines.join("\n"));
    see_sorted(context, broker, GROUPS, "--describe --group by-kcat")?;
    // A group that nobody knew before.
    see_sorted(
        context,
        broker,
        GROUPS,
        "--reset-offsets --group made --topic words --to-offset 4 --execute",
    )?;
    see_sorted(context, broker, GROUPS, "--describe --group made")?;
    reset_to_a_time(context, broker)
}

/// A time between two records of a partition.
fn reset_to_a_time(context: &mut Context, broker: &Broker) -> Result<()> {
    create_topic(context, broker, "timed", 1)?;
    context.kcat(broker, "-P -t timed -p 0", "a\nb\nc\n")?.success()?;
    // Records have the time of their milliseconds.
    park_timeout(APART);
    let mut date = Command::new("date");
    date.args(["-u", "+%Y-%m-%dT%H:%M:%S.%3N"]);
    let between = run_program(date, b"", CLIENT_DEADLINE)?.success()?.stdout.trim().to_owned();
    park_timeout(APART);
    context.kcat(broker, "-P -t timed -p 0", "d\ne\n")?.success()?;
    let words =
        |time: &str| format!("--reset-offsets --group made --topic timed --to-datetime {time} --dry-run");
    let outcome = context.java(broker, GROUPS, &words(&between), "")?;
    tell_sorted(context, &words("<between>"), &outcome);
    Ok(())
}

/// A member that stays, whose id is told once it has one.
fn live(context: &mut Context, broker: &Broker) -> Result<()> {
    let command = kcat_command(broker, "-G live -X client.id=member -q words");
    let mut command = tied_to_this_process(&command);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut member = Process::spawn(command)?;
    let shown = eventually(JOIN_DEADLINE, "the member to have its partitions", || {
        let outcome = context.java(broker, GROUPS, "--describe --group live --members --verbose", "")?;
        Ok(outcome.stdout.contains("words").then_some(outcome.stdout))
    })?;
    let id = shown.split_whitespace().find(|word| word.starts_with("member-")).unwrap_or("no member id");
    context.transcript.replace(id, "member id");
    let looks = [
        "--list --state stable",
        "--describe --group live --members",
        "--describe --group live --members --verbose",
        "--describe --group live --state",
        "--describe --group live --offsets",
    ];
    see_all(context, broker, GROUPS, &looks)?;
    for words in [
        "--reset-offsets --group live --topic words --to-earliest --execute",
        "--delete-offsets --group live --topic words",
        "--delete --group live",
    ] {
        see_sorted(context, broker, GROUPS, words)?;
    }
    member.terminate(JOIN_DEADLINE)?;
    Ok(())
}

fn delete(context: &mut Context, broker: &Broker) -> Result<()> {
    for words in [
        "--delete-offsets --group by-console --topic words:0",
        "--describe --group by-console",
        "--delete-offsets --group by-console --topic words --topic absent",
        "--delete --group by-console --group by-kcat",
        "--delete --group absent",
        "--delete --group live --group made",
        "--list",
    ] {
        see_sorted(context, broker, GROUPS, words)?;
    }
    Ok(())
}
