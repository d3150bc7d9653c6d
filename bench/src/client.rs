//! The clients: what each is started with, and what it prints.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, bail};
use compat::tools::Tools;

use crate::case::{Case, Load};
use crate::figures::Figures;
use crate::{groups, raw};

/// For Java clients: what a busy producer needs, from the start on.
const JAVA_OPTIONS: [&str; 2] = ["-Xmx1g", "-Xms1g"];
/// What librdkafka's load generator is asked for: acknowledgements from all, a table of figures.
const RDKAFKA_OPTIONS: [&str; 3] = ["-a", "all", "-u"];
const RAW_IN_FLIGHT: u32 = 5;
const RAW_FETCH_BYTES_MAX: u32 = 1 << 20;
const TUNED: [&str; 2] = ["batch.size=262144", "linger.ms=5"];

/// One load: a case's kind and how much of it, on a topic.
pub struct Work<'a> {
    /// The outside programs.
    pub tools: &'a Tools,
    /// `host:port`.
    pub bootstrap: &'a str,
    /// The topic's name.
    pub topic: &'a str,
    /// Its partitions.
    pub partitions: u32,
    /// How many records.
    pub records: u64,
    /// How large.
    pub record_bytes: u32,
}

impl Work<'_> {
    /// The command that makes a load.
    pub fn command(&self, load: Load) -> Result<Command> {
        match load {
            Load::RawProduce { per_batch, rate } => self.raw(raw::PRODUCE, &[per_batch, RAW_IN_FLIGHT, rate]),
            Load::RawFetch { rate } => self.raw(raw::FETCH, &[RAW_FETCH_BYTES_MAX, rate]),
            Load::JavaProduce { tuned, rate, warmup, transaction_ms } => {
                let mut command = self.java_producer(tuned, rate, warmup);
                if transaction_ms > 0 {
                    command.args(["--transactional-id", "bench"]);
                    command.arg("--transaction-duration-ms").arg(transaction_ms.to_string());
                }
                Ok(command)
            }
            Load::JavaConsume => {
                let mut command = self.java("LoadConsumer");
                command.args(["--bootstrap-server", self.bootstrap, self.topic]);
                command.args([self.partitions.to_string(), self.records.to_string()]);
                Ok(command)
            }
            Load::RdkafkaProduce => {
                let mut command = self.rdkafka("-P")?;
                command.arg("-s").arg(self.record_bytes.to_string());
                Ok(command)
            }
            Load::RdkafkaConsume => {
                let mut command = self.rdkafka("-C")?;
                command.args(["-o", "beginning"]);
                for partition in 0..self.partitions {
                    command.arg("-p").arg(partition.to_string());
                }
                Ok(command)
            }
            Load::Groups { groups } => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg(groups::COMMAND).arg(self.tools.rdkafka_performance()?.get_program());
                command.args([self.bootstrap, self.topic]);
                command.args([groups.to_string(), self.records.to_string(), self.record_bytes.to_string()]);
                Ok(command)
            }
            Load::EndToEnd => {
                let mut command = self.tools.python("end_to_end.py");
                command.args([self.bootstrap, self.topic]);
                command.args([self.records.to_string(), self.record_bytes.to_string()]);
                Ok(command)
            }
            Load::Create => bail!("a creation has no client"),
        }
    }

    fn raw(&self, kind: &str, numbers: &[u32]) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([kind, self.bootstrap, self.topic]);
        let sizes = [u64::from(self.partitions), self.records, u64::from(self.record_bytes)];
        command.args(sizes.map(|number| number.to_string()));
        command.args(numbers.iter().map(u32::to_string));
        Ok(command)
    }

    fn java(&self, main_class: &str) -> Command {
        self.tools.java_with(&JAVA_OPTIONS.map(str::to_owned), main_class)
    }

    fn java_producer(&self, tuned: bool, rate: u32, warmup: u64) -> Command {
        let mut command = self.java("org.apache.kafka.tools.ProducerPerformance");
        command.args(["--bootstrap-server", self.bootstrap, "--topic", self.topic]);
        command.arg("--num-records").arg(self.records.to_string());
        command.arg("--record-size").arg(self.record_bytes.to_string());
        command.arg("--throughput").arg(if rate > 0 { rate.to_string() } else { "-1".to_owned() });
        command.args(["--command-property", "acks=all"]);
        if tuned {
            command.args(TUNED);
        }
        // What is asked for less than it would have no steady state to report.
        if warmup > 0 {
            command.arg("--warmup-records").arg(warmup.min(self.records / 4).to_string());
        }
        command
    }

    fn rdkafka(&self, mode: &str) -> Result<Command> {
        let mut command = self.tools.rdkafka_performance()?;
        command.args([mode, "-t", self.topic, "-b", self.bootstrap]);
        command.arg("-c").arg(self.records.to_string()).args(RDKAFKA_OPTIONS);
        Ok(command)
    }
}

/// The figures in what the case's client printed; `records` among them is what it claims to have done.
pub fn figures(case: &Case, printed: &str) -> Result<Figures> {
    let found = match case.load {
        Load::JavaProduce { .. } => producer_performance(printed),
        Load::RdkafkaProduce => rdkafka_performance(printed, case.record_bytes, 4),
        Load::RdkafkaConsume => rdkafka_performance(printed, case.record_bytes, 1),
        _ => json(printed),
    };
    found.with_context(|| format!("{} printed:\n{printed}", case.name))
}

/// The last line that is a JSON object.
fn json(printed: &str) -> Result<Figures> {
    let line = printed.lines().rev().find(|line| line.starts_with('{')).context("no figures")?;
    Ok(serde_json::from_str::<BTreeMap<String, f64>>(line)?)
}

/// The last line of percentiles of ProducerPerformance: with a warm-up, that of the steady state.
fn producer_performance(printed: &str) -> Result<Figures> {
    let line = printed.lines().rev().find(|line| line.contains("99.9th")).context("no figures")?;
    let mut figures = Figures::new();
    for part in line.split(", ") {
        let words: Vec<&str> = part.trim_end_matches('.').split_whitespace().collect();
        let [number, unit, ..] = words[..] else { bail!("`{part}` is no figure") };
        let value: f64 = number.parse().with_context(|| format!("`{part}` begins with no number"))?;
        let name = match (unit, words.get(2).copied()) {
            (_, _) if words.last() == Some(&"sent") => "records",
            ("records/sec", _) => {
                let megabytes = words.get(2).map(|word| word.trim_start_matches('('));
                let throughput = megabytes.and_then(|word| word.parse().ok()).context("no throughput")?;
                figures.insert("throughput_mib_s".to_owned(), throughput);
                "records_per_s"
            }
            ("ms", Some("avg")) => "mean_ms",
            ("ms", Some("max")) => "max_ms",
            ("ms", Some("50th")) => "p50_ms",
            ("ms", Some("95th")) => "p95_ms",
            ("ms", Some("99th")) => "p99_ms",
            ("ms", Some("99.9th")) => "p999_ms",
            _ => bail!("`{part}` is no figure"),
        };
        figures.insert(name.to_owned(), value);
    }
    Ok(figures)
}

/// The last row of the table of rdkafka_performance: milliseconds, then counts.
pub fn rdkafka_performance(printed: &str, record_bytes: u32, records_column: usize) -> Result<Figures> {
    let row = |line: &str| -> Option<Vec<f64>> {
        let cells = line.strip_prefix('|')?.split('|').map(str::trim).filter(|cell| !cell.is_empty());
        cells.map(|cell| cell.parse().ok()).take_while(Option::is_some).collect()
    };
    let rows = printed.lines().rev().filter_map(row);
    let cells = rows.into_iter().find(|cells| cells.len() > records_column).context("no figures")?;
    let (seconds, records) = (cells[0] / 1e3, cells[records_column]);
    Ok(Figures::from([
        ("records".to_owned(), records),
        ("records_per_s".to_owned(), records / seconds),
        ("throughput_mib_s".to_owned(), records * f64::from(record_bytes) / 1_048_576.0 / seconds),
    ]))
}

#[cfg(test)]
mod tests;
