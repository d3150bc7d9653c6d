//! Two groups: one had read to the end, of which the tier has not all; one was in the middle.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::Told;
use crate::broker::Broker;
use crate::process::Process;
use crate::scenario::{Context, committed};

pub const TOPIC: &str = "grouped";
pub const PARTITIONS: u32 = 2;
/// Offsets of both groups.
pub const COMMITTED: u32 = 2 * PARTITIONS;
/// Java's, with the protocol of KIP-848.
const ENDED: &str = "ended";
/// librdkafka's.
const HALF: &str = "half";
/// Of a value; a segment has some hundred of them.
const VALUE_BYTES: usize = 10_000;
const VALUES: i64 = 500;
/// Of both partitions.
const HALF_VALUES: i64 = 400;
/// Of each partition, once more.
const LATER_VALUES: i64 = 150;
const DEADLINE: Duration = Duration::from_secs(60);

/// Where they are.
pub struct Groups {
    half: Vec<i64>,
}

impl Groups {
    /// Writes the topic, and has them read.
    pub fn start(context: &Context, broker: &Broker) -> Result<Groups> {
        produce(context, broker, VALUES)?;
        let seen = read_by_java(context, broker, &[VALUES; PARTITIONS as usize])?;
        ensure!(seen.iter().all(|offsets| offsets.iter().copied().eq(0..VALUES)), "{ENDED}: {seen:?}");
        read_by_kcat(context, broker, HALF_VALUES)?;
        let half = offsets(context, broker, HALF)?;
        ensure!(half.iter().sum::<i64>() == HALF_VALUES, "{HALF} committed {half:?}");
        Ok(Groups { half })
    }

    /// They are where they were, get what the tier has from there on, and then what comes behind the gap.
    pub fn go_on(&mut self, context: &Context, broker: &Broker, told: &[Told]) -> Result<()> {
        let (ended, half) = (offsets(context, broker, ENDED)?, offsets(context, broker, HALF)?);
        ensure!(ended.iter().all(|offset| *offset == VALUES), "{ENDED} is at {ended:?}");
        ensure!(half == self.half, "{HALF} is at {half:?}, and was at {:?}", self.half);
        produce(context, broker, LATER_VALUES)?;
        let later = |told: &Told| told.goes_on..told.goes_on + LATER_VALUES;
        let ends: Vec<i64> = told.iter().map(|told| later(told).end).collect();
        for (partition, seen) in read_by_java(context, broker, &ends)?.into_iter().enumerate() {
            ensure!(seen.iter().copied().eq(later(&told[partition])), "{ENDED}, {partition}: {seen:?}");
        }
        // That one may have been in the part that is lost.
        let expected: Vec<Vec<i64>> = told
            .iter()
            .zip(&half)
            .map(|(told, half)| (*half..=told.newest).chain(later(told)).collect())
            .collect();
        let count = i64::try_from(expected.iter().map(Vec::len).sum::<usize>())?;
        let seen = read_by_kcat(context, broker, count)?;
        ensure!(seen == expected, "{HALF}: {seen:?}, not {expected:?}");
        Ok(())
    }
}

fn produce(context: &Context, broker: &Broker, values: i64) -> Result<()> {
    let lines = format!("{}\n", "g".repeat(VALUE_BYTES)).repeat(usize::try_from(values)?);
    for partition in 0..PARTITIONS {
        context.kcat(broker, &format!("-P -t {TOPIC} -p {partition}"), &lines)?.success()?;
    }
    Ok(())
}

fn offsets(context: &Context, broker: &Broker, group: &str) -> Result<Vec<i64>> {
    let printed = committed(context, broker, group, (TOPIC, PARTITIONS))?;
    Ok(printed.lines().map(str::parse).collect::<Result<_, _>>()?)
}

/// The only member of its group, until it has committed `ends`; the offsets that it saw of each partition.
fn read_by_java(context: &Context, broker: &Broker, ends: &[i64]) -> Result<Vec<Vec<i64>>> {
    let mut java = context.tools.java("GroupMember");
    java.args([broker.bootstrap(), ENDED, TOPIC, "consumer"]);
    java.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut member = Process::spawn(java)?;
    let input = member.take_stdin()?;
    let lines = BufReader::new(member.take_stdout()?).lines();
    let (says, heard) = channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| says.send(line)));
    let (mut seen, mut committed) = (vec![Vec::new(); ends.len()], vec![0; ends.len()]);
    while committed != ends {
        let line =
            heard.recv_timeout(DEADLINE).with_context(|| format!("{ENDED}: {committed:?} of {ends:?}"))?;
        let words: Vec<&str> = line.split(' ').collect();
        if let [_, what @ ("record" | "committed"), partition, offset] = words[..] {
            let (partition, offset): (usize, i64) = (partition.parse()?, offset.parse()?);
            match what {
                "record" => seen.get_mut(partition).context("a partition")?.push(offset),
                _ => *committed.get_mut(partition).context("a partition")? = offset,
            }
        }
    }
    drop(input);
    ensure!(member.wait(DEADLINE)?.success(), "{ENDED} did not leave");
    Ok(seen)
}

/// The same of the other group, until it has had so many records.
fn read_by_kcat(context: &Context, broker: &Broker, count: i64) -> Result<Vec<Vec<i64>>> {
    let words = format!(r"-G {HALF} -c {count} -q -X auto.offset.reset=earliest -f %p\x20%o\n {TOPIC}");
    let printed = context.kcat(broker, &words, "")?.success()?.stdout;
    let mut seen = vec![Vec::new(); PARTITIONS as usize];
    for line in printed.lines() {
        let (partition, offset) = line.split_once(' ').with_context(|| line.to_owned())?;
        seen.get_mut(partition.parse::<usize>()?).context("a partition")?.push(offset.parse()?);
    }
    Ok(seen)
}
