//! Tiered storage: what copying costs, how fast cold records are read, and what cold readers do to others.
//!
//! **Owns** the steps and their table. **Does not own** loads (`raw`) or how processor time is read
//! (`measure`). **Invariants**: the bucket is a directory on the same disk, so that no server's cost is in
//! the figures; before cold reads the page cache is dropped and the broker started anew, so that neither has
//! anything; objects are counted as files: nothing is removed within the hour of grace.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use compat::broker::{self, Broker, Flavor, Settings, tied_to_this_process};
use compat::process::{Process, run as run_program};
use compat::tools::Tools;
use compat::wait::eventually;

use crate::case::{Load, Scale};
use crate::client::Work;
use crate::figures::Figures;
use crate::measure::{Amount, Before};
use crate::options::Options;
use crate::sitting::preparation;
use crate::summary::{number, spread};
use crate::topics;

const COLD: &str = "cold";
const HOT: &str = "hot";
const RECORD_BYTES: u32 = 1024;
/// Of the topic that is read cold: as many readers as the bound speaks of.
const COLD_PARTITIONS: u32 = 20;
const HOT_PARTITIONS: u32 = 4;
const READER_BYTES_PER_SECOND: u32 = 5 << 20;
const HOT_RATE: u32 = 10_000;
const SEGMENT_BYTES: u64 = 64 << 20;
/// Nothing new in the bucket and on the disk for so long: all is copied.
const SETTLED: Duration = Duration::from_secs(4);
const COPY_DEADLINE: Duration = Duration::from_secs(600);
const DEADLINE: Duration = Duration::from_secs(300);

/// How much is done.
struct Amounts {
    cold_records: u64,
    hot_records: u64,
    segment_bytes: u64,
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
            },
            Scale::Quick => Amounts {
                cold_records: u64::from(COLD_PARTITIONS) * 13 * 1024,
                hot_records: 20_000,
                segment_bytes: 4 << 20,
            },
        }
    }
}

/// One round: the broker, its bucket, and what was found.
struct Round<'a> {
    tools: &'a Tools,
    folder: PathBuf,
    amounts: Amounts,
    figures: Figures,
}

/// Takes the figures and prints a table of medians.
pub fn run(options: &Options) -> Result<ExitCode> {
    let folder = preparation::data_folder(options)?;
    let tools = Tools::find_or_install()?;
    let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for number in 1..=options.rounds {
        let folder = folder.join(number.to_string());
        let amounts = Amounts::of(options.scale);
        let mut round = Round { tools: &tools, folder, amounts, figures: Figures::new() };
        round.take().with_context(|| format!("round {number}"))?;
        eprintln!("{number}/{}: {}", options.rounds, serde_json::to_string(&round.figures)?);
        for (name, value) in round.figures {
            all.entry(name).or_default().push(value);
        }
        fs::remove_dir_all(&round.folder)?;
    }
    fs::remove_dir_all(&folder)?;
    println!("| figure | median | from | to |\n| --- | --- | --- | --- |");
    for (name, values) in all {
        let spread = spread(values).context("a round without figures")?;
        println!("| {name} | {} | {} | {} |", number(spread.median), number(spread.min), number(spread.max));
    }
    Ok(ExitCode::SUCCESS)
}

impl Round<'_> {
    fn take(&mut self) -> Result<()> {
        fs::create_dir_all(self.bucket())?;
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
        self.beside_readers()
    }

    fn bucket(&self) -> PathBuf {
        self.folder.join("bucket")
    }

    fn start(&self, name: &str, interval_ms: &str) -> Result<Broker> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        let store = format!("file://{}", self.bucket().display());
        let mut settings = Settings { log_dir: Some(self.folder.join("data")), ..Settings::default() };
        for (key, value) in [
            ("highwater.tier.store", store.as_str()),
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
        let mut last = (Vec::new(), Contents::default());
        let mut changed = Instant::now();
        eventually(COPY_DEADLINE, "closed segments to be copied", || {
            let now = (
                topics::local_starts(broker.bootstrap(), COLD, COLD_PARTITIONS)?,
                Contents::of(&self.bucket())?,
            );
            if now != last {
                (last, changed) = (now, Instant::now());
            }
            let has_all = last.0.iter().all(|start| *start > 0);
            Ok((has_all && changed.elapsed() > SETTLED).then_some(()))
        })?;
        let seconds = (changed - start).as_secs_f64();
        let Contents { files, bytes } = last.1;
        let mut figures = Figures::new();
        before.add_difference(&mut figures, &self.amount(0))?;
        let gib = bytes as f64 / f64::from(1 << 30);
        for (name, value) in [
            ("copied_gib", gib),
            ("copy_mib_s", gib * 1024.0 / seconds),
            ("copy_cpu_s_per_gib", figures["cpu_s"] / gib),
            ("copy_puts_per_gib", files as f64 / gib),
            ("copy_rss_peak_mib", figures["rss_peak_mib"]),
        ] {
            self.figures.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// MiB a second of plain reads of all objects, as many at a time as there are readers.
    fn read_bucket(&self) -> Result<f64> {
        let files = files_below(&self.bucket())?;
        let start = Instant::now();
        let each = files.len().div_ceil(COLD_PARTITIONS as usize).max(1);
        let bytes = std::thread::scope(|scope| {
            let readers: Vec<_> =
                files.chunks(each).map(|files| scope.spawn(move || read_files(files))).collect();
            let join = |reader: std::thread::ScopedJoinHandle<'_, Result<u64>>| {
                reader.join().ok().context("a reader panicked")?
            };
            readers.into_iter().map(join).sum::<Result<u64>>()
        })?;
        Ok(bytes as f64 / f64::from(1 << 20) / start.elapsed().as_secs_f64())
    }

    /// A producer at a steady rate, alone and beside the cold readers, in turn.
    fn beside_readers(&mut self) -> Result<()> {
        let mut broker = self.start("beside", "500")?;
        topics::create(broker.bootstrap(), HOT, HOT_PARTITIONS)?;
        let alone = self.produce_hot(&broker)?;
        broker.stop()?;
        drop_page_cache()?;
        let mut broker = self.start("beside", "500")?;
        let readers = self.work(&broker, COLD).command(Load::RawFetch { rate: READER_BYTES_PER_SECOND })?;
        let mut readers =
            Process::spawn_logged(tied_to_this_process(&readers), &self.folder.join("readers.log"))?;
        let beside = self.produce_hot(&broker)?;
        ensure!(readers.exited()?.is_none(), "the cold readers were through before the producer");
        readers.kill()?;
        broker.stop()?;
        self.keep("alone", &alone, &["p50_ms", "p99_ms"]);
        self.keep("beside_readers", &beside, &["p50_ms", "p99_ms"]);
        let ratio = beside["p99_ms"] / alone["p99_ms"];
        self.figures.insert("beside_readers_p99_ratio".to_owned(), ratio);
        Ok(())
    }

    fn produce_hot(&self, broker: &Broker) -> Result<Figures> {
        let load = Load::RawProduce { per_batch: 10, rate: HOT_RATE };
        let command = self.work(broker, HOT).command(load)?;
        let outcome = run_program(tied_to_this_process(&command), b"", DEADLINE)?.success()?;
        Ok(serde_json::from_str(&outcome.stdout)?)
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
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let list = if entry.file_type()?.is_dir() { &mut folders } else { &mut files };
            list.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn read_files(files: &[PathBuf]) -> Result<u64> {
    let (mut buffer, mut bytes) = (vec![0; 1 << 20], 0);
    for file in files {
        let mut file = File::open(file)?;
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => bytes += read as u64,
            }
        }
    }
    Ok(bytes)
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
