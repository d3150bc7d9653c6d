//! Source, two parallel transformations, sink: `compat/streams/Pipeline.java`, which is meant to be read.
//!
//! One scenario kills instances and the broker and looks whether each reading has taken effect exactly once;
//! the other one measures how the pipeline grows with its partitions and instances.

mod results;
mod scaling;
mod under_way;

use anyhow::{Result, ensure};

use super::program::Program;
use super::{DEADLINE, settings};
use crate::broker::Broker;
use crate::process::run as run_program;
use crate::scenario::{Context, kcat_command};
pub use scaling::{run_busy, run_waiting};
use under_way::UnderWay;

/// What each reading takes besides: enough that a transaction is mostly open when somebody is killed.
const MICROS: u32 = 1_000;
/// One is enough nine times of ten.
const ROUNDS_MAX: u32 = 5;

/// How much goes through the pipeline, and what happens meanwhile.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Readings, from 0 on.
    pub readings: u32,
    /// Of each topic; and as many instances of each task.
    pub partitions: u32,
    /// How often something is killed: an instance, the broker, another instance, the broker, and so on.
    pub kills: u32,
}

/// Each reading takes effect exactly once. Whoever is killed between two transactions proves little: the same
/// is done again until a transaction was cut off.
pub fn run(context: &mut Context) -> Result<()> {
    let plan = context.scale.streams_pipeline;
    let mut broker = context.start_with(&settings())?;
    let mut pipeline = UnderWay::start(context, &broker, &context.folder, plan.partitions, MICROS)?;
    let mut readings = 0;
    let mut was_cut_off = false;
    for _ in 0..ROUNDS_MAX {
        run_round(context, &mut broker, &mut pipeline, readings)?;
        readings += plan.readings;
        // All results are committed: what else there is belongs to no transaction that counts.
        was_cut_off = count(&broker, "read_uncommitted")? > 2 * readings as usize;
        if was_cut_off {
            break;
        }
    }
    ensure!(was_cut_off, "nothing was aborted in {ROUNDS_MAX} rounds");
    pipeline.instances.iter_mut().try_for_each(Program::stop)?;
    results::check(pipeline.results(), readings)?;
    // What the sink has not seen, since it came when it had seen enough.
    let committed = count(&broker, "read_committed")?;
    ensure!(committed == 2 * readings as usize, "{committed} results of {readings} readings");
    context.transcript.add("each reading took effect exactly once in both tasks");
    Ok(())
}

/// Sends the readings from `first` on, and kills meanwhile.
fn run_round(context: &Context, broker: &mut Broker, pipeline: &mut UnderWay<'_>, first: u32) -> Result<()> {
    let plan = context.scale.streams_pipeline;
    let mut source = pipeline.send(context, broker, first..first + plan.readings)?;
    for kill in 0..plan.kills {
        let target = plan.readings / (plan.kills + 1) * (kill + 1);
        pipeline.wait_for_results_of(broker, first + target)?;
        if kill % 2 == 0 {
            let place = kill as usize / 2 % pipeline.instances.len();
            pipeline.instances[place].kill_and_restart()?;
        } else {
            broker.kill()?;
            broker.restart()?;
        }
    }
    pipeline.wait_for_results_of(broker, first + plan.readings)?;
    source.finish()
}

/// How many results there are.
fn count(broker: &Broker, isolation: &str) -> Result<usize> {
    let lines = |topic| {
        let words = format!("-C -t {topic} -o beginning -e -q -f %o\\n -X isolation.level={isolation}");
        Ok(run_program(kcat_command(broker, &words), b"", DEADLINE)?.success()?.stdout.lines().count())
    };
    ["converted", "counted"].into_iter().map(lines).sum()
}
