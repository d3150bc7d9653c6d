//! The pipeline's programs while they run.

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use anyhow::Result;

use super::DEADLINE;
use super::Program;
use crate::broker::{Broker, tied_to_this_process};
use crate::process::Process;
use crate::scenario::{Context, create_topics};
use crate::wait::eventually;

/// Two tasks, several instances of each, and a sink.
pub struct UnderWay<'a> {
    /// The first task's, the second one's, and so on by turns.
    pub instances: Vec<Program>,
    folder: &'a Path,
    sources: u32,
    /// Killed when dropped.
    _sink: Process,
    lines: Receiver<String>,
    results: Vec<String>,
}

impl<'a> UnderWay<'a> {
    /// Makes the topics and starts everything but a source.
    pub fn start(
        context: &Context,
        broker: &Broker,
        folder: &'a Path,
        partitions: u32,
        micros: u32,
    ) -> Result<UnderWay<'a>> {
        let topics = ["readings", "converted", "counted"].map(|topic| format!("{topic} {partitions}"));
        create_topics(context, broker, &topics.join(" , "))?;
        let mut instances = Vec::new();
        for (number, task) in (0..partitions).flat_map(|number| [(number, "convert"), (number, "count")]) {
            let name = format!("{task}-{number}");
            let mut command = context.tools.streams("Pipeline")?;
            command.args([broker.bootstrap(), task]).arg(folder.join(&name)).arg(micros.to_string());
            instances.push(Program::start(&command, folder.join(format!("{name}.log")))?);
        }
        let (sink, lines) = start_sink(context, broker)?;
        for instance in &mut instances {
            instance.wait_until_it_says("running")?;
        }
        Ok(UnderWay { instances, folder, sources: 0, _sink: sink, lines, results: Vec::new() })
    }

    /// Starts a source of these readings.
    pub fn send(&mut self, context: &Context, broker: &Broker, readings: Range<u32>) -> Result<Program> {
        let mut command = context.tools.streams("Pipeline")?;
        command.args([broker.bootstrap(), "source"]);
        command.args([readings.start.to_string(), (readings.end - readings.start).to_string()]);
        self.sources += 1;
        Program::start(&command, self.folder.join(format!("source-{}.log", self.sources)))
    }

    /// Waits until as many results came out of both tasks together as so many readings give.
    pub fn wait_for_results_of(&mut self, broker: &mut Broker, readings: u32) -> Result<()> {
        eventually(DEADLINE, "results", || {
            broker.check_alive()?;
            self.results.extend(self.lines.try_iter());
            Ok((self.results.len() >= 2 * readings as usize).then_some(()))
        })
    }

    /// What the sink has seen when it was last asked.
    pub fn results(&self) -> &[String] {
        &self.results
    }
}

fn start_sink(context: &Context, broker: &Broker) -> Result<(Process, Receiver<String>)> {
    let mut command = context.tools.streams("Pipeline")?;
    command.args([broker.bootstrap(), "sink"]);
    let mut command = tied_to_this_process(&command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut sink = Process::spawn(command)?;
    let output = sink.take_stdout()?;
    let (sender, lines) = channel();
    thread::spawn(move || {
        // Ends with the sink, or with whoever listens.
        BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    Ok((sink, lines))
}
