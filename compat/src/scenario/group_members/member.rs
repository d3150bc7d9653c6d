use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use crate::process::{Process, again};

const END_DEADLINE: Duration = Duration::from_secs(60);

/// What a member said once.
#[derive(Clone, PartialEq, Debug)]
pub enum Said {
    Assigned(Vec<u32>),
    Revoked(Vec<u32>),
    Record { partition: u32, offset: u64 },
    Committed { partition: u32, offset: u64 },
    Left,
}

/// A line: the member's own time, in milliseconds, and what it says.
pub fn parse(line: &str) -> Result<(u64, Said)> {
    let mut words = line.split_whitespace();
    let time_ms = words.next().context("an empty line")?.parse()?;
    let word = words.next().context("a line without a word")?;
    let numbers: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>()?;
    let partitions =
        || numbers.iter().map(|number| Ok(u32::try_from(*number)?)).collect::<Result<Vec<u32>>>();
    let said = match (word, &numbers[..]) {
        ("assigned", _) => Said::Assigned(partitions()?),
        ("revoked", _) => Said::Revoked(partitions()?),
        ("record", [partition, offset]) => {
            Said::Record { partition: u32::try_from(*partition)?, offset: *offset }
        }
        ("committed", [partition, offset]) => {
            Said::Committed { partition: u32::try_from(*partition)?, offset: *offset }
        }
        ("left", []) => Said::Left,
        _ => anyhow::bail!("a line that means nothing"),
    };
    Ok((time_ms, said))
}

/// Collects lines until there are no more.
fn listen(from: impl Read + Send + 'static) -> (Arc<Mutex<Vec<String>>>, thread::JoinHandle<()>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let heard = lines.clone();
    let reader = thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
    (lines, reader)
}

/// Fails if a partition had two owners at a time, from a moment on.
pub fn expect_one_owner(members: &[Member], since_ms: u64) -> Result<()> {
    let mut tenures = Vec::new();
    for (place, member) in members.iter().enumerate() {
        let since = member.tenures()?.into_iter().filter(|(_, _, until_ms)| *until_ms > since_ms);
        tenures.extend(
            since.map(|(partition, from_ms, until_ms)| ((partition, from_ms.max(since_ms), until_ms), place)),
        );
    }
    tenures.sort_unstable();
    for pair in tenures.windows(2) {
        let ((first, _, until_ms), one) = pair[0];
        let ((second, from_ms, _), other) = pair[1];
        ensure!(
            first != second || one == other || until_ms <= from_ms,
            "members {one} and {other} both had partition {first}: until {until_ms}, from {from_ms}"
        );
    }
    Ok(())
}

/// Fails if a member gave up partitions since a moment that it has again, or kept none of those it had.
pub fn expect_kept(member: &Member, before: &BTreeSet<u32>, since_ms: u64) -> Result<()> {
    let owned = member.owned()?;
    let kept: BTreeSet<u32> = owned.intersection(before).copied().collect();
    ensure!(!kept.is_empty(), "of {before:?} it has none any more, but {owned:?}");
    for (partition, from_ms, _) in member.tenures()? {
        let is_kept = from_ms <= since_ms || !kept.contains(&partition);
        ensure!(is_kept, "partition {partition} was given up and given back at {from_ms}");
    }
    Ok(())
}

/// The wall clock's time, as members say it.
pub fn now_ms() -> Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

/// One running program, or one that has ended.
pub struct Member {
    process: Process,
    /// Open for as long as it is to be a member.
    input: Option<ChildStdin>,
    lines: Arc<Mutex<Vec<String>>>,
    complaints: Arc<Mutex<Vec<String>>>,
    readers: Vec<thread::JoinHandle<()>>,
    /// When it was killed, in milliseconds.
    killed_ms: Option<u64>,
}

impl Member {
    /// Starts it.
    pub fn start(command: &Command) -> Result<Member> {
        let mut copy = again(command);
        copy.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(copy)?;
        let input = Some(process.take_stdin()?);
        let (lines, output) = listen(process.take_stdout()?);
        let (complaints, errors) = listen(process.take_stderr()?);
        Ok(Member { process, input, lines, complaints, readers: vec![output, errors], killed_ms: None })
    }

    /// What it wrote to its standard error.
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything it has said. A line that was cut by its death is left out.
    pub fn said(&self) -> Result<Vec<(u64, Said)>> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut said = Vec::with_capacity(lines.len());
        for (place, line) in lines.iter().enumerate() {
            match parse(line) {
                Ok(parsed) => said.push(parsed),
                Err(_) if self.killed_ms.is_some() && place + 1 == lines.len() => {}
                Err(error) => return Err(error.context(format!("it said {line:?}"))),
            }
        }
        Ok(said)
    }

    /// What it has now.
    pub fn owned(&self) -> Result<BTreeSet<u32>> {
        if !self.stays() {
            return Ok(BTreeSet::new());
        }
        let mut owned = BTreeSet::new();
        for (_, said) in self.said()? {
            match said {
                Said::Assigned(partitions) => owned.extend(partitions),
                Said::Revoked(partitions) => owned.retain(|partition| !partitions.contains(partition)),
                _ => {}
            }
        }
        Ok(owned)
    }

    /// How often it was given partitions or gave some up.
    pub fn rebalances(&self) -> Result<usize> {
        let is_one = |said: &Said| match said {
            Said::Assigned(partitions) | Said::Revoked(partitions) => !partitions.is_empty(),
            _ => false,
        };
        Ok(self.said()?.iter().filter(|(_, said)| is_one(said)).count())
    }

    /// From when to when it had each partition, in milliseconds; to the end of time what it still has.
    pub fn tenures(&self) -> Result<Vec<(u32, u64, u64)>> {
        let mut tenures: Vec<(u32, u64, u64)> = Vec::new();
        let end_ms = self.killed_ms.unwrap_or(u64::MAX);
        for (time_ms, said) in self.said()? {
            let open = |tenure: &&mut (u32, u64, u64)| tenure.2 == end_ms;
            match said {
                Said::Assigned(partitions) => {
                    tenures.extend(partitions.into_iter().map(|partition| (partition, time_ms, end_ms)));
                }
                Said::Revoked(partitions) => {
                    let mut given_up = tenures.iter_mut().filter(open);
                    given_up
                        .by_ref()
                        .filter(|tenure| partitions.contains(&tenure.0))
                        .for_each(|tenure| tenure.2 = time_ms);
                }
                Said::Left => tenures.iter_mut().filter(open).for_each(|tenure| tenure.2 = time_ms),
                _ => {}
            }
        }
        Ok(tenures)
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.killed_ms = Some(now_ms()?);
        self.input = None;
        Ok(())
    }

    /// Whether it has not been killed.
    pub fn lives(&self) -> bool {
        self.killed_ms.is_none()
    }

    /// Whether it is to be a member still.
    pub fn stays(&self) -> bool {
        self.lives() && self.input.is_some()
    }

    /// Ends its input, and does not wait for what comes of it.
    pub fn let_go(&mut self) {
        self.input = None;
    }

    /// Whether its program has ended.
    pub fn ended(&mut self) -> Result<bool> {
        Ok(self.process.exited()?.is_some())
    }

    /// Ends its input: it leaves the group and exits.
    pub fn leave(&mut self) -> Result<()> {
        self.input = None;
        let status = self.process.wait(END_DEADLINE)?;
        ensure!(status.success(), "a member that left: {status}");
        for reader in self.readers.drain(..) {
            reader.join().map_err(|_| anyhow::anyhow!("the thread that listens to a member panicked"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood_or_refused() {
        for (line, said) in [
            ("5 assigned 1 2", Said::Assigned(vec![1, 2])),
            ("5 assigned", Said::Assigned(Vec::new())),
            ("5 revoked 3", Said::Revoked(vec![3])),
            ("5 record 1 70", Said::Record { partition: 1, offset: 70 }),
            ("5 committed 1 71", Said::Committed { partition: 1, offset: 71 }),
            ("5 left", Said::Left),
        ] {
            assert_eq!(parse(line).unwrap(), (5, said), "{line}");
        }
        for line in ["", "5", "x left", "5 went", "5 record 1", "5 record 1 x", "5 left 1"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
