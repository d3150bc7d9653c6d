//! A sitting: all brokers side by side, each case against each of them in turn, round after round.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use compat::broker::{Broker, tied_to_this_process};
use compat::process::run as run_program;
use compat::tools::Tools;

use crate::case::{Case, Load, Scale, Topic};
use crate::client::{self, Work};
use crate::figures::{Figures, HIGHWATER_OS, Label, RESULTS, Results, Run};
use crate::measure::{Amount, Before};
use crate::options::Options;
use crate::page_cache::PageCache;
use crate::{disk, disturbance, idle, machine, render, start, topics};

mod plan;
pub mod preparation;

use plan::{Step, What};

const CLIENT_DEADLINE: Duration = Duration::from_secs(230);
const ATTEMPTS_MAX: u32 = 2;
/// Whole batches, the same number for each partition: a few records more or less than were asked for.
const RECORDS_TOLERANCE: f64 = 0.01;
/// How long it waits for a quiet machine before a case.
const QUIET_PATIENCE: Duration = Duration::from_secs(10);
const QUIET_INTERVAL: Duration = Duration::from_millis(300);
const QUIET_CORES: f64 = 0.1;

/// Takes all figures that were asked for.
pub fn run(options: &Options) -> Result<ExitCode> {
    ensure!(!options.labels.is_empty(), "no broker to measure");
    let folder = preparation::data_folder(options)?;
    let out = render::folder(options)?;
    preparation::check_disk(&folder, options)?;
    let tools = Tools::find_or_install()?;
    let connections = idle::raise_limit()?;
    let before = options.add.then(|| Results::read(&out, RESULTS)).transpose()?;
    let mut sitting = Sitting {
        tools: &tools,
        options,
        connections,
        page_cache: PageCache::new(&folder.join("sparse"))?,
        brokers: BTreeMap::new(),
        kept: BTreeMap::new(),
        topics_made: 0,
        before,
        results: preparation::describe(options, &folder)?,
        folder,
        out,
    };
    let finished = sitting.run_all();
    drop(std::mem::take(&mut sitting.brokers));
    fs::remove_dir_all(&sitting.folder)?;
    finished?;
    sitting.all().write(&sitting.out, RESULTS)?;
    render::write(&sitting.all(), &sitting.out)?;
    eprintln!("figures are in {}", sitting.out.display());
    let failed = sitting.results.runs.iter().filter(|run| run.error.is_some()).count();
    eprintln!("{} runs, {failed} failed", sitting.results.runs.len());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Sitting<'a> {
    tools: &'a Tools,
    options: &'a Options,
    connections: u64,
    page_cache: PageCache,
    brokers: BTreeMap<&'static str, Broker>,
    /// Topics that later cases use, by label.
    kept: BTreeMap<(&'static str, Topic), String>,
    topics_made: u32,
    /// What these results are added to.
    before: Option<Results>,
    results: Results,
    folder: PathBuf,
    out: PathBuf,
}

impl Sitting<'_> {
    fn all(&self) -> Results {
        match &self.before {
            Some(before) => before.with(&self.results),
            None => self.results.clone(),
        }
    }

    fn run_all(&mut self) -> Result<()> {
        let steps = plan::steps(self.options);
        let total: u32 = steps.iter().map(|step| step.seconds).sum();
        let (start, mut planned) = (Instant::now(), 0);
        eprintln!("{} steps, about {} minutes", steps.len(), total.div_ceil(60));
        for (number, step) in steps.iter().enumerate() {
            // The estimate learns from how long it took so far.
            let pace = if planned > 120 { start.elapsed().as_secs_f64() / f64::from(planned) } else { 1.0 };
            let left = f64::from(total - planned) * pace / 60.0;
            eprintln!("[{}/{}] {step}; about {left:.0} min left", number + 1, steps.len());
            self.run_step(step)?;
            planned += step.seconds;
        }
        Ok(())
    }

    fn run_step(&mut self, step: &Step) -> Result<()> {
        let label = step.label;
        let name = label.map_or("machine", |label| label.name);
        let place = self.folder.join(format!("{}-{name}-{}", step.what.name(), step.round));
        let divisor = if self.options.scale == Scale::Quick { 10 } else { 1 };
        let figures = match (&step.what, label) {
            (What::Case(case), Some(label)) => return self.run_case(case, label, step.round),
            (What::Brokers, _) => return self.start_brokers(),
            (What::Idle, Some(label)) => idle::measure(self.tools, label, &place, self.connections),
            (What::Start, Some(label)) => start::orderly(self.tools, label, &place),
            (What::Crash, Some(label)) => {
                self.fill_page_cache()?;
                start::killed(self.tools, label, &place, self.options.scale)
            }
            _ => {
                rustix::fs::sync();
                disk::measure(&self.folder, divisor)
            }
        };
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        let name = label.map_or("", |label| label.name);
        self.keep(step.what.name(), name, step.round, 1, figures);
        Ok(())
    }

    /// What is free afterwards; a trial does not spend a minute on it.
    fn fill_page_cache(&mut self) -> Result<u64> {
        match self.options.scale {
            Scale::Full => self.page_cache.fill(),
            Scale::Quick => machine::memory_free_mib(),
        }
    }

    fn keep(&mut self, case: &str, label: &str, round: u32, attempt: u32, figures: Result<Figures>) -> bool {
        let mut error = figures.as_ref().err().map(|error| format!("{error:#}"));
        let figures = figures.unwrap_or_default();
        let disturbed = !disturbance::all(case, &figures).is_empty();
        if let (Some(wanted), Some(done)) = (figures.get("records_wanted"), figures.get("records"))
            && (done - wanted).abs() > wanted * RECORDS_TOLERANCE
        {
            error = Some(format!("{done} records of {wanted}"));
        }
        match &error {
            Some(error) => eprintln!("      FAILED {error}"),
            None => eprintln!("      {}{}", shown(&figures), if disturbed { " (disturbed)" } else { "" }),
        }
        let (case, label) = (case.to_owned(), label.to_owned());
        self.results.runs.push(Run { case, label, round, attempt, disturbed, error, figures });
        disturbed
    }

    /// Starts every broker and has each do the same work before anything is measured: a cold JVM is slow.
    fn start_brokers(&mut self) -> Result<()> {
        self.fill_page_cache()?;
        for label in self.options.labels.iter().copied() {
            let (broker, _) = start::empty(self.tools, label, &self.folder.join(label.name))?;
            self.brokers.insert(label.name, broker);
            for warmup in plan::warmups(self.options) {
                self.warm(label, &warmup).with_context(|| format!("warming {}", label.name))?;
            }
        }
        Ok(())
    }

    fn warm(&mut self, label: &'static Label, case: &Case) -> Result<()> {
        eprintln!("      warming {} with {}", label.name, case.what);
        let topic = self.topic_for(case, label, case.records)?;
        self.client(case, label, &topic, case.records)?;
        self.kept.remove(&(label.name, case.topic));
        topics::delete(self.broker(label)?, &topic)
    }

    fn run_case(&mut self, case: &'static Case, label: &'static Label, round: u32) -> Result<()> {
        for attempt in 1..=ATTEMPTS_MAX {
            self.brokers.get_mut(label.name).context("a started broker")?.check_alive()?;
            let figures = self.measure(case, label);
            let failed = figures.is_err();
            let disturbed = self.keep(case.name, label.name, round, attempt, figures);
            if !disturbed || failed {
                break;
            }
        }
        self.all().write(&self.out, RESULTS)?;
        self.delete_what_nobody_needs(case, label)
    }

    fn measure(&mut self, case: &Case, label: &'static Label) -> Result<Figures> {
        rustix::fs::sync();
        self.fill_page_cache()?;
        wait_until_quiet()?;
        // The kernel goes on giving pages back to the host meanwhile.
        let free_mib = self.fill_page_cache()?;
        let records = case.records_at(self.options.scale);
        let mut figures = if case.load == Load::Create {
            self.create_thousand(case, label)?
        } else {
            let topic = self.topic_for(case, label, records)?;
            if case.load.reads() {
                self.bring_into_memory(case, label, &topic, records)?;
            }
            let before = Before::look(self.broker(label)?.id())?;
            let mut figures = self.client(case, label, &topic, records)?;
            let amount = Amount { records: case.delivered(records), record_bytes: case.record_bytes };
            before.add_difference(&mut figures, &amount)?;
            figures.insert("records_wanted".to_owned(), counted(case, records) as f64);
            self.release(label, case.topic, &topic)?;
            figures
        };
        // A trial has not filled it.
        if self.options.scale == Scale::Full {
            figures.insert("memory_free_mib".to_owned(), free_mib as f64);
        }
        Ok(figures)
    }

    /// Reads all of a topic once. Filling the page cache threw out what was written longest ago, which is the
    /// first broker's more than the second's: what each must read from the disk is no property of it.
    fn bring_into_memory(&self, case: &Case, label: &Label, topic: &str, records: u64) -> Result<()> {
        let whole = Case { load: Load::RawFetch { rate: 0 }, ..*case };
        self.client(&whole, label, topic, records).map(|_| ())
    }

    fn client(&self, case: &Case, label: &Label, topic: &str, records: u64) -> Result<Figures> {
        let work = Work {
            tools: self.tools,
            bootstrap: self.broker(label)?.bootstrap(),
            topic,
            partitions: case.partitions(),
            records,
            record_bytes: case.record_bytes,
        };
        let command = tied_to_this_process(&work.command(case.load)?);
        let outcome = run_program(command, b"", CLIENT_DEADLINE)?.success()?;
        client::figures(case, &(outcome.stdout + &outcome.stderr))
    }

    fn create_thousand(&mut self, case: &Case, label: &'static Label) -> Result<Figures> {
        let name = self.new_name();
        let before = Before::look(self.broker(label)?.id())?;
        let created = topics::create(self.broker(label)?.bootstrap(), &name, case.partitions())?;
        let mut figures = Figures::new();
        before.add_difference(&mut figures, &Amount { records: 0, record_bytes: 0 })?;
        let times = [("call", created.call), ("led", created.led), ("serving", created.serving)];
        for (what, time) in times {
            figures.insert(format!("{what}_ms"), (time.as_secs_f64() * 1e6).round() / 1e3);
        }
        if let Some(earlier) = self.kept.insert((label.name, Topic::Thousand), name) {
            topics::delete(self.broker(label)?, &earlier)?;
        }
        Ok(figures)
    }

    fn broker(&self, label: &Label) -> Result<&Broker> {
        self.brokers.get(label.name).context("a started broker")
    }

    fn new_name(&mut self) -> String {
        self.topics_made += 1;
        format!("bench-{}", self.topics_made)
    }

    /// The topic a case works on: made now, unless an earlier case has left it; with records if it is read.
    fn topic_for(&mut self, case: &Case, label: &'static Label, records: u64) -> Result<String> {
        let reads = case.load.reads();
        let kept = self.kept.get(&(label.name, case.topic));
        match kept {
            Some(name) if reads || case.topic == Topic::Thousand => return Ok(name.clone()),
            // Filled anew.
            Some(name) => topics::delete(self.broker(label)?, &name.clone())?,
            None => {}
        }
        let name = self.new_name();
        topics::create(self.broker(label)?.bootstrap(), &name, case.partitions())?;
        if case.topic != Topic::Own {
            self.kept.insert((label.name, case.topic), name.clone());
        }
        if reads {
            let fill = Case { load: Load::RawProduce { per_batch: 64, rate: 0 }, ..*case };
            self.client(&fill, label, &name, records)?;
        }
        Ok(name)
    }

    fn release(&self, label: &Label, topic: Topic, name: &str) -> Result<()> {
        if topic != Topic::Own {
            return Ok(());
        }
        topics::delete(self.broker(label)?, name)
    }

    /// A kept topic goes when no later case of the round works on it.
    fn delete_what_nobody_needs(&mut self, case: &Case, label: &'static Label) -> Result<()> {
        let later = self.options.cases.iter().skip_while(|other| other.name != case.name).skip(1);
        if case.topic == Topic::Own || later.into_iter().any(|other| other.topic == case.topic) {
            return Ok(());
        }
        match self.kept.remove(&(label.name, case.topic)) {
            Some(name) => topics::delete(self.broker(label)?, &name),
            None => Ok(()),
        }
    }
}

/// Waits, not for ever, until the machine does next to nothing: write-back, deletions, the others' chores.
fn wait_until_quiet() -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < QUIET_PATIENCE {
        let (before, since) = (machine::whole()?, Instant::now());
        std::thread::park_timeout(QUIET_INTERVAL);
        let busy = machine::whole()?.busy_s - before.busy_s;
        if busy / since.elapsed().as_secs_f64() < QUIET_CORES {
            break;
        }
    }
    Ok(())
}

/// The figures that tell at a glance how it went.
fn shown(figures: &Figures) -> String {
    const AT_A_GLANCE: [&str; 15] = [
        "wall_s",
        "memory_free_mib",
        "cpu_s_per_gib",
        "throughput_mib_s",
        "p50_ms",
        "p99_ms",
        "p999_ms",
        "rss_peak_mib",
        "serving_ms",
        "empty_ms",
        "clean_ms",
        "killed_4_gib_ms",
        "killed_10_gib_ms",
        "idle_rss_mib",
        "connections_mib",
    ];
    let pairs = figures.iter().filter(|(name, _)| {
        AT_A_GLANCE.contains(&name.as_str())
            || name.ends_with("_foreign_cores")
            || name.ends_with("4k_p99_ms")
    });
    pairs.map(|(name, value)| format!("{name}={value:.2}")).collect::<Vec<_>>().join(" ")
}

/// Records that the client will claim: after a warm-up, those of the steady state.
fn counted(case: &Case, records: u64) -> u64 {
    match case.load {
        Load::JavaProduce { warmup, .. } => records - warmup.min(records / 4),
        _ => case.delivered(records),
    }
}

/// Whether a case is worth running against a label.
fn worth(case: &Case, label: &Label) -> bool {
    label.name != HIGHWATER_OS || case.commits
}
