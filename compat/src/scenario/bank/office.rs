//! The bank at work: its tellers, its auditor and the broker, and who is struck down.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::Plan;
use super::audit::Audit;
use super::model::TELLERS;
use super::strikes::Strike;
use crate::broker::Broker;
use crate::scenario::Context;
use crate::scenario::lives::{Line, Lives, Said, each_life, same};
use crate::tools::Tools;
use crate::wait::eventually;

/// Until the next strike, and until all is done.
const DEADLINE: Duration = Duration::from_secs(240);
/// Besides those that fail.
const ABORTED_ONE_IN: u32 = 20;
/// Beyond its session and its transaction: others have taken over what it had when it goes on.
const STOPPED: Duration = Duration::from_secs(4);
/// Number of the auditor among the programs.
const AUDITOR: usize = TELLERS as usize;

/// Everybody.
pub struct Office {
    broker: Broker,
    tellers: Vec<Lives>,
    auditor: Lives,
    told: Receiver<Said>,
    /// What tellers said of transactions: whether they committed them.
    transactions: BTreeMap<String, bool>,
    /// Kept if the scenario fails.
    struck: File,
    opened: Instant,
    /// Who stands still, since when.
    stopped: Option<(usize, Instant)>,
}

impl Office {
    /// Starts all programs.
    pub fn open(context: &Context, broker: Broker, plan: Plan, protocol: &'static str) -> Result<Office> {
        let (sender, told) = channel();
        let errors = |name: &str| context.folder.join(format!("{name}.log"));
        let mut tellers = Vec::new();
        for number in 0..TELLERS {
            let line = line(context.tools, broker.bootstrap(), plan, number, protocol);
            let errors = errors(&format!("teller-{number}"));
            tellers.push(Lives::start(number as usize, line, &sender, errors)?);
        }
        let auditor = auditor(context.tools, broker.bootstrap());
        let auditor = Lives::start(AUDITOR, auditor, &sender, errors("auditor"))?;
        let (transactions, opened) = (BTreeMap::new(), Instant::now());
        let struck = File::create(context.folder.join("strikes.log"))?;
        Ok(Office { broker, tellers, auditor, told, transactions, struck, opened, stopped: None })
    }

    /// Listens until the auditor has seen so many commands carried out.
    pub fn work_until(&mut self, audit: &mut Audit, commands: u32) -> Result<()> {
        let done = eventually(DEADLINE, "transfers", || {
            self.broker.check_alive()?;
            self.listen(audit)?;
            ensure!(!self.auditor.ended()?, "the auditor ended");
            for teller in &mut self.tellers {
                ensure!(!teller.is_done()?, "a teller ended");
            }
            if self.stopped.is_some_and(|(_, since)| since.elapsed() > STOPPED) {
                self.let_go_on()?;
            }
            Ok((audit.commands() >= commands as usize).then_some(()))
        });
        done.with_context(|| format!("{} of {commands} commands", audit.commands()))
    }

    /// Kills or stops somebody.
    pub fn suffer(&mut self, strike: Strike) -> Result<()> {
        let at = self.opened.elapsed().as_secs_f64();
        writeln!(self.struck, "{at:.1} s: {strike:?}")?;
        match strike {
            Strike::Broker { again } => {
                self.broker.kill()?;
                if again {
                    self.broker.start_again()?;
                    self.broker.kill()?;
                }
                self.broker.restart()
            }
            Strike::Teller(who) => {
                self.stopped.take_if(|(stopped, _)| *stopped == who);
                self.tellers[who].kill_and_restart()
            }
            Strike::Stop(who) => {
                self.let_go_on()?;
                self.stopped = Some((who, Instant::now()));
                self.tellers[who].signal(Signal::STOP)
            }
        }
    }

    /// All tellers end in good order, then the auditor, who reads to the end once more.
    pub fn close(mut self, audit: &mut Audit) -> Result<(Broker, BTreeMap<String, bool>)> {
        self.let_go_on()?;
        std::mem::take(&mut self.tellers).into_iter().try_for_each(Lives::finish)?;
        let Office { broker, auditor, told, mut transactions, .. } = self;
        auditor.finish()?;
        // Until the last of them is heard out.
        told.iter().try_for_each(|said| note(said, &mut transactions, audit))?;
        Ok((broker, transactions))
    }

    fn listen(&mut self, audit: &mut Audit) -> Result<()> {
        self.told.try_iter().try_for_each(|said| note(said, &mut self.transactions, audit))
    }

    fn let_go_on(&mut self) -> Result<()> {
        match self.stopped.take() {
            Some((who, _)) => self.tellers[who].signal(Signal::CONT),
            None => Ok(()),
        }
    }
}

fn note(said: Said, transactions: &mut BTreeMap<String, bool>, audit: &mut Audit) -> Result<()> {
    match said.line.split_once(' ') {
        _ if said.who == AUDITOR => audit.hear(&said.line)?,
        Some(("committed", name)) => drop(transactions.insert(name.to_owned(), true)),
        Some(("aborted", name)) => drop(transactions.insert(name.to_owned(), false)),
        _ => anyhow::bail!("teller {} said {:?}", said.who, said.line),
    }
    Ok(())
}

/// Half of the tellers are Java's, with version 2 of transactions; half are librdkafka's.
fn line(tools: &Tools, bootstrap: &str, plan: Plan, number: u32, protocol: &'static str) -> Line {
    let program =
        if number.is_multiple_of(2) { tools.java("BankTeller") } else { tools.python("bank_teller.py") };
    let bootstrap = bootstrap.to_owned();
    each_life(program, move |life| {
        let [number, life, most, aborted] =
            [number, life, plan.per_transaction, ABORTED_ONE_IN].map(|number| number.to_string());
        vec![bootstrap.clone(), number, life, protocol.to_owned(), most, aborted]
    })
}

fn auditor(tools: &Tools, bootstrap: &str) -> Line {
    same(tools.python("bank_auditor.py"), vec![bootstrap.to_owned(), "read_committed".to_owned()])
}
