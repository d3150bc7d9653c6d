//! Tiered storage: what copying costs, how fast cold records are read, and what cold readers do to others.
//!
//! **Owns** the steps. **Does not own** loads (`raw`), how processor time is read (`measure`), or what is
//! made of the figures (`report`). **Invariants**: the bucket is a directory on the same disk, so that no
//! server's cost is in the figures (but for those of MinIO, which say so); before cold reads the page cache
//! is dropped and the broker started anew, so that neither has anything; requests are those that the broker
//! counts.

mod plain_reads;
pub mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context, Result, ensure};
use compat::broker::{self, Broker, Flavor, Settings, tied_to_this_process};
use compat::bucket::{Bucket, Kind};
use compat::process::{Process, run as run_program};
use compat::tools::Tools;
use compat::wait::eventually;

use crate::case::{Load, Scale};
use crate::client::Work;
use crate::figures::{Figures, HIGHWATER, Results, Run};
use crate::measure::{Amount, Before};
use crate::options::Options;
use crate::raw::percentiles;
use crate::sitting::preparation;
use crate::summary::spread;
use crate::{disk, render, topics};

const COLD: &str = "cold";
const HOT: &str = "hot";
const RECORD_BYTES: u32 = 1024;
/// Of the topic that is read cold: as many readers as the bound speaks of.
const COLD_PARTITIONS: u32 = 20;
const HOT_PARTITIONS: u32 = 4;
const READER_BYTES_PER_SECOND: u32 = 5 << 20;
const HOT_RATE: u32 = 10_000;
const HOT_PER_BATCH: u32 = 10;
const SEGMENT_BYTES: u64 = 64 << 20;
/// Nothing new in the bucket and on the disk for so long: all is copied.
const SETTLED: Duration = Duration::from_secs(4);
/// No request for so long, with retention at work twice a second: all was looked at.
const QUIET: Duration = Duration::from_secs(2);
/// What S3 calls GET, and PUT or POST, by the broker's words for requests (`store::Operation`).
const GETS: &[&str] = &["get"];
const PUTS: &[&str] = &["put", "create", "begin_parts", "part", "complete_parts"];
const COPY_DEADLINE: Duration = Duration::from_secs(600);
const DEADLINE: Duration = Duration::from_secs(300);

/// How much is done.
struct Amounts {
    cold_records: u64,
    hot_records: u64,
    segment_bytes: u64,
    syncs: usize,
    /// A producer alone and beside readers, so often in turn.
    turns: usize,
    /// MiB of each partition of the cold topic that goes to an S3 server; 0: none is started.
    s3_mib: u64,
}

impl Amounts {
    fn of(scale: Scale) -> Amounts {
        match scale {
            // Three closed segments and a little of each partition: 4.06 GiB.
            Scale::Full => Amounts {
                cold_records: u64::from(COLD_PARTITIONS) * 208 * 1024,
                // In two runs less than a segment of each partition: nothing of it is copied.
                hot_records: 110_000,
                segment_bytes: SEGMENT_BYTES,
                syncs: 7000,
                turns: 3,
                // One closed segment, of which readers at their rate read most while the producer is at it.
                s3_mib: 72,
            },
            Scale::Quick => Amounts {
                cold_records: u64::from(COLD_PARTITIONS) * 13 * 1024,
                hot_records: 20_000,
                segment_bytes: 4 << 20,
                syncs: 200,
                turns: 1,
                s3_mib: 0,
            },
        }
    }
}

/// One round: the broker, its bucket, and what was found.
struct Round<'a> {
    tools: &'a Tools,
    folder: PathBuf,
    bucket: Bucket,
    amounts: Amounts,
    figures: Figures,
}

/// Takes the figures, prints their table, and writes it beside them and their plots.
pub fn run(options: &Options) -> Result<ExitCode> {
    let folder = preparation::data_folder(options)?;
    let out = render::folder(options)?;
    let tools = Tools::find_or_install()?;
    let mut results: Results = preparation::describe(options, &folder)?;
    results.versions.retain(|name, _| ["highwater", "rustc"].contains(&name.as_str()));
    for number in 1..=options.rounds {
        let folder = folder.join(number.to_string());
        let amounts = Amounts::of(options.scale);
        let bucket = Bucket::in_directory(&folder)?;
        let mut round = Round { tools: &tools, folder, bucket, amounts, figures: Figures::new() };
        round.take().with_context(|| format!("round {number}"))?;
        eprintln!("{number}/{}: {}", options.rounds, serde_json::to_string(&round.figures)?);
        fs::remove_dir_all(&round.folder)?;
        results.runs.push(Run {
            case: report::CASE.to_owned(),
            label: HIGHWATER.to_owned(),
            round: number,
            attempt: 1,
            disturbed: false,
            error: None,
            figures: round.figures,
        });
    }
    fs::remove_dir_all(&folder)?;
    results.write(&out, report::RESULTS)?;
    render::write_tier(&results, &out)?;
    println!("{}", report::table(&results));
    eprintln!("figures are in {}", out.display());
    Ok(ExitCode::SUCCESS)
}

impl Round<'_> {
    fn take(&mut self) -> Result<()> {
        // Nothing is copied while this one runs.
        let mut broker = self.start("before", "3600000")?;
        topics::create(broker.bootstrap(), COLD, COLD_PARTITIONS)?;
        self.produce(&broker)?;
        let read = self.read(&broker)?;
        drop(read);
        let hot = self.read(&broker)?;
        self.keep("hot_read", &hot, &["throughput_mib_s", "cpu_s_per_gib"]);
        broker.stop()?;

        let mut broker = self.start("copying", "500")?;
        self.copy(&broker)?;
        broker.stop()?;

        drop_page_cache()?;
        let own = self.read_bucket()?;
        self.figures.insert("store_mib_s".to_owned(), own);
        drop_page_cache()?;
        let mut broker = self.start("reading", "500")?;
        let cold = self.read(&broker)?;
        self.keep("cold_read", &cold, &["throughput_mib_s", "cpu_s_per_gib", "rss_peak_mib"]);
        broker.stop()?;
        self.read_alone()?;
        self.beside_readers()?;
        self.disk_beside_readers()?;
        if self.amounts.s3_mib > 0 { self.beside_readers_of_s3() } else { Ok(()) }
    }

    /// A producer alone and beside the readers of a bucket on an S3 server that has the same processors and
    /// the same disk: what comes of it is the server's as much as the broker's.
    fn beside_readers_of_s3(&mut self) -> Result<()> {
        let folder = self.folder.join("s3");
        fs::create_dir_all(&folder)?;
        let bucket = Bucket::on(Kind::Minio, self.tools, &folder)?;
        let amounts = Amounts {
            cold_records: u64::from(COLD_PARTITIONS) * self.amounts.s3_mib * 1024,
            turns: 1,
            s3_mib: 0,
            ..self.amounts
        };
        let figures = Figures::new();
        let mut round = Round { tools: self.tools, folder, bucket, amounts, figures };
        let mut broker = round.start("before", "3600000")?;
        topics::create(broker.bootstrap(), COLD, COLD_PARTITIONS)?;
        round.produce(&broker)?;
        broker.stop()?;
        let mut broker = round.start("copying", "500")?;
        round.copy(&broker)?;
        broker.stop()?;
        round.beside_readers()?;
        for name in [
            "copy_mib_s",
            "alone_p99_ms",
            "beside_readers_p99_ms",
            "beside_readers_p99_ratio",
            "beside_readers_read_mib_s",
        ] {
            self.figures.insert(format!("s3_{name}"), round.figures[name]);
        }
        Ok(())
    }

    /// One partition by one reader from its beginning, and what that asks the store for.
    fn read_alone(&mut self) -> Result<()> {
        drop_page_cache()?;
        let mut broker = self.start("alone", "500")?;
        let all = self.work(&broker, COLD);
        let work = Work { partitions: 1, records: all.records / u64::from(COLD_PARTITIONS), ..all };
        let command = work.command(Load::RawFetch { rate: 0 })?;
        // Retention looks once at what each partition has.
        let counted = || Ok(Some(Counted::by(&broker, GETS)?));
        let (before, _) = unchanged(DEADLINE, "the broker to ask for nothing", QUIET, counted)?;
        let outcome = run_program(tied_to_this_process(&command), b"", DEADLINE)?.success()?;
        let read: Figures = serde_json::from_str(&outcome.stdout)?;
        let after = Counted::by(&broker, GETS)?;
        let gib = (after.read_bytes - before.read_bytes) / f64::from(1 << 30);
        ensure!(gib > 0.0, "the reader had nothing from the tier");
        self.keep("alone_read", &read, &["throughput_mib_s"]);
        self.figures.insert("alone_read_gets_per_gib".to_owned(), (after.requests - before.requests) / gib);
        broker.stop()
    }

    /// Where its objects lie on the disk; MinIO's folder is as large as what lies in it.
    fn objects(&self) -> PathBuf {
        match &self.bucket {
            Bucket::Directory(directory) => directory.clone(),
            Bucket::S3 { .. } => self.folder.join("s3-tier"),
        }
    }

    fn start(&self, name: &str, interval_ms: &str) -> Result<Broker> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        let mut settings = Settings { log_dir: Some(self.folder.join("data")), ..self.bucket.store() };
        for (key, value) in [
            ("highwater.tier.default.enable", "true"),
            ("remote.log.manager.task.interval.ms", interval_ms),
            ("log.segment.bytes", &self.amounts.segment_bytes.to_string()),
            ("log.retention.check.interval.ms", "500"),
            ("log.local.retention.bytes", "1"),
        ] {
            settings = settings.with(key, value);
        }
        broker::start(Flavor::Highwater, self.tools, &folder, &settings)
    }

    fn work<'b>(&'b self, broker: &'b Broker, topic: &'b str) -> Work<'b> {
        let (partitions, records) = match topic {
            COLD => (COLD_PARTITIONS, self.amounts.cold_records),
            _ => (HOT_PARTITIONS, self.amounts.hot_records),
        };
        let (tools, bootstrap) = (self.tools, broker.bootstrap());
        Work { tools, bootstrap, topic, partitions, records, record_bytes: RECORD_BYTES }
    }

    fn produce(&self, broker: &Broker) -> Result<()> {
        let command = self.work(broker, COLD).command(Load::RawProduce { per_batch: 64, rate: 0 })?;
        run_program(tied_to_this_process(&command), b"", DEADLINE)?.success()?;
        Ok(())
    }

    /// All of the cold topic, each partition by one reader, as fast as it comes.
    fn read(&self, broker: &Broker) -> Result<Figures> {
        let command = self.work(broker, COLD).command(Load::RawFetch { rate: 0 })?;
        let before = Before::look(broker.id())?;
        let outcome = run_program(tied_to_this_process(&command), b"", DEADLINE)?.success()?;
        let mut figures: Figures = serde_json::from_str(&outcome.stdout)?;
        let read = figures["records"];
        ensure!(read as u64 >= self.amounts.cold_records, "{read} records of {}", self.amounts.cold_records);
        before.add_difference(&mut figures, &self.amount(self.amounts.cold_records))?;
        Ok(figures)
    }

    fn amount(&self, records: u64) -> Amount {
        Amount { records, record_bytes: RECORD_BYTES }
    }

    fn keep(&mut self, prefix: &str, figures: &Figures, names: &[&str]) {
        for name in names {
            self.figures.insert(format!("{prefix}_{name}"), figures[*name]);
        }
    }

    /// From the start until everything that can leave the disk has left it.
    fn copy(&mut self, broker: &Broker) -> Result<()> {
        let before = Before::look(broker.id())?;
        let start = Instant::now();
        let copied = || {
            let starts = topics::local_starts(broker.bootstrap(), COLD, COLD_PARTITIONS)?;
            let contents = Contents::of(&self.objects())?;
            Ok(starts.iter().all(|start| *start > 0).then_some((starts, contents)))
        };
        let what = "closed segments to be copied";
        let ((_, contents), changed) = unchanged(COPY_DEADLINE, what, SETTLED, copied)?;
        let seconds = (changed - start).as_secs_f64();
        let bytes = contents.bytes;
        let puts = Counted::by(broker, PUTS)?.requests;
        let mut figures = Figures::new();
        before.add_difference(&mut figures, &self.amount(0))?;
        let gib = bytes as f64 / f64::from(1 << 30);
        for (name, value) in [
            ("copied_gib", gib),
            ("copy_mib_s", gib * 1024.0 / seconds),
            ("copy_cpu_s_per_gib", figures["cpu_s"] / gib),
            ("copy_puts_per_gib", puts / gib),
            ("copy_rss_peak_mib", figures["rss_peak_mib"]),
        ] {
            self.figures.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// MiB a second of plain reads of all objects, as many at a time as there are readers.
    fn read_bucket(&self) -> Result<f64> {
        let files = files_below(&self.objects())?;
        let start = Instant::now();
        let bytes = plain_reads::all(&files, COLD_PARTITIONS as usize)?;
        Ok(bytes as f64 / f64::from(1 << 20) / start.elapsed().as_secs_f64())
    }

    /// A producer at a steady rate, alone and beside the cold readers, in turn: the medians of the turns,
    /// since a disk that other guests share stands still for half a second now and then.
    fn beside_readers(&mut self) -> Result<()> {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for turn in 1..=self.amounts.turns {
            // A topic of its own: in two runs less than a segment of each partition.
            let topic = format!("{HOT}-{turn}");
            let mut broker = self.start("beside", "500")?;
            topics::create(broker.bootstrap(), &topic, HOT_PARTITIONS)?;
            alone.push(self.produce_hot(&broker, &topic)?);
            broker.stop()?;
            drop_page_cache()?;
            let mut broker = self.start("beside", "500")?;
            let readers =
                self.work(&broker, COLD).command(Load::RawFetch { rate: READER_BYTES_PER_SECOND })?;
            let mut readers =
                Process::spawn_logged(tied_to_this_process(&readers), &self.folder.join("readers.log"))?;
            let start = Instant::now();
            let mut produced = self.produce_hot(&broker, &topic)?;
            let read = Counted::by(&broker, GETS)?.read_bytes / f64::from(1 << 20);
            produced.insert("read_mib_s".to_owned(), read / start.elapsed().as_secs_f64());
            beside.push(produced);
            ensure!(readers.exited()?.is_none(), "the cold readers were through before the producer");
            readers.kill()?;
            broker.stop()?;
        }
        let (alone, beside) = (medians(&alone), medians(&beside));
        self.keep("alone", &alone, &["p50_ms", "p99_ms"]);
        self.keep("beside_readers", &beside, &["p50_ms", "p99_ms", "read_mib_s"]);
        let ratio = beside["p99_ms"] / alone["p99_ms"];
        self.figures.insert("beside_readers_p99_ratio".to_owned(), ratio);
        Ok(())
    }

    /// What the disk's own syncs do, as many a second as the producer sends requests, beside the same reads
    /// of the same files as files are usually read: a broker may make better or worse of the same disk.
    fn disk_beside_readers(&mut self) -> Result<()> {
        let files = files_below(&self.objects())?;
        let per_second = f64::from(HOT_RATE) / f64::from(HOT_PER_BATCH);
        let syncs = || disk::overwritten(&self.folder, self.amounts.syncs, Some(per_second));
        drop_page_cache()?;
        let alone = syncs()?;
        drop_page_cache()?;
        let (readers, rate) = (COLD_PARTITIONS as usize, u64::from(READER_BYTES_PER_SECOND));
        let beside = plain_reads::beside(&files, readers, rate, syncs)??;
        percentiles(&mut self.figures, "disk_alone_", alone);
        percentiles(&mut self.figures, "disk_beside_readers_", beside);
        let ratio = self.figures["disk_beside_readers_p99_ms"] / self.figures["disk_alone_p99_ms"];
        self.figures.insert("disk_beside_readers_p99_ratio".to_owned(), ratio);
        Ok(())
    }

    fn produce_hot(&self, broker: &Broker, topic: &str) -> Result<Figures> {
        let load = Load::RawProduce { per_batch: HOT_PER_BATCH, rate: HOT_RATE };
        let command = self.work(broker, topic).command(load)?;
        let outcome = run_program(tied_to_this_process(&command), b"", DEADLINE)?.success()?;
        Ok(serde_json::from_str(&outcome.stdout)?)
    }
}

/// Of each figure the median.
fn medians(turns: &[Figures]) -> Figures {
    let names = turns.first().into_iter().flat_map(Figures::keys);
    let median = |name: &String| {
        let values = turns.iter().filter_map(|figures| figures.get(name).copied()).collect();
        Some((name.clone(), spread(values)?.median))
    };
    names.filter_map(median).collect()
}

/// Waits until `look` has given the same for as long as `quiet`, not counting when it gives nothing: that,
/// and since when.
fn unchanged<T: PartialEq>(
    deadline: Duration,
    what: &str,
    quiet: Duration,
    look: impl Fn() -> Result<Option<T>>,
) -> Result<(T, Instant)> {
    let mut last: Option<(T, Instant)> = None;
    eventually(deadline, what, || {
        let seen = look()?;
        match (&last, seen) {
            (Some((same, since)), Some(seen)) if seen == *same => {
                Ok((since.elapsed() > quiet).then_some((seen, *since)))
            }
            (_, seen) => {
                last = seen.map(|seen| (seen, Instant::now()));
                Ok(None)
            }
        }
    })
}

/// What the broker has counted since its start.
#[derive(PartialEq)]
struct Counted {
    /// Of some kinds, repetitions too.
    requests: f64,
    /// Of record batches that came from the tier.
    read_bytes: f64,
}

impl Counted {
    fn by(broker: &Broker, operations: &[&str]) -> Result<Counted> {
        let text = broker.metrics()?;
        let counted = Counted::of(&text, operations);
        ensure!(counted.requests > 0.0 || operations == GETS, "no request in {text}");
        Ok(counted)
    }

    fn of(metrics: &str, operations: &[&str]) -> Counted {
        let sum = |is_wanted: &dyn Fn(&str) -> bool| {
            let lines = metrics.lines().filter_map(|line| line.rsplit_once(' '));
            lines.filter(|(name, _)| is_wanted(name)).filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
        };
        let is_request = |name: &str| {
            let labels = name.strip_prefix("highwater_tier_requests_total{");
            let of = |operation: &&str| name.contains(&format!("operation=\"{operation}\""));
            labels.is_some() && operations.iter().any(of)
        };
        Counted {
            requests: sum(&is_request),
            read_bytes: sum(&|name| name == "highwater_tier_read_bytes_total"),
        }
    }
}

/// What lies in a bucket.
#[derive(Default, PartialEq, Debug)]
struct Contents {
    files: u64,
    bytes: u64,
}

impl Contents {
    fn of(bucket: &Path) -> Result<Contents> {
        let files = files_below(bucket)?;
        let bytes = files.iter().map(|file| fs::metadata(file).map_or(0, |metadata| metadata.len())).sum();
        Ok(Contents { files: files.len() as u64, bytes })
    }
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            // It went with its last file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let list = if entry.file_type()?.is_dir() { &mut folders } else { &mut files };
            list.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn drop_page_cache() -> Result<()> {
    rustix::fs::sync();
    match fs::write("/proc/sys/vm/drop_caches", "3") {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            eprintln!("only root may drop the page cache: what is called cold is read from memory");
            Ok(())
        }
        dropped => Ok(dropped?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_kind_and_whatever_came_of_them() {
        let metrics = "# TYPE highwater_tier_requests counter\n\
                       highwater_tier_requests_total{operation=\"get\",result=\"done\"} 5\n\
                       highwater_tier_requests_total{operation=\"get\",result=\"not_found\"} 2\n\
                       highwater_tier_requests_total{operation=\"put\",result=\"done\"} 11\n\
                       highwater_tier_request_bytes_total{operation=\"get\",result=\"done\"} 700\n\
                       highwater_tier_read_bytes_total 640\n";
        let gets = Counted::of(metrics, GETS);
        assert_eq!((gets.requests, gets.read_bytes), (7.0, 640.0));
        assert_eq!(Counted::of(metrics, PUTS).requests, 11.0);
    }
}
