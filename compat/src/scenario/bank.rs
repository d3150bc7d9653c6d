//! The bank: eight tellers move money in transactions while they and the broker are killed; an auditor reads
//! what was committed.
//!
//! **Owns** the contract of the programs (`java/BankTeller.java`, `python/bank_teller.py`,
//! `python/bank_auditor.py`), who is killed when, and what is checked ([`audit::Audit`]).
//!
//! A record of `commands` is `ID FROM TO AMOUNT`. A teller, one member of a group, consumes a few, and
//! writes for each a debit and a credit to `ledger`, in one transaction with the offsets it has consumed up
//! to. What it writes depends on what the account holds: a command that is not covered moves nothing. An
//! entry is `TRANSACTION SIZE COMMAND ACCOUNT CHANGE BALANCE`: the transaction's name, how many entries it
//! has, and the balance after the change. Debit and credit mostly lie in different partitions. A teller says
//! `committed TRANSACTION` or `aborted TRANSACTION` when it knows; some it aborts by itself. It ends when
//! its input does; at what it cannot repair it exits, and is started again.
//!
//! **Why a balance is never stale.** The commands of a partition are about accounts of that partition alone
//! (same remainder), so whoever owns the partition in the group owns the accounts. A teller who is given it
//! waits for its committed offset, which is not told while a transaction of the owner before is undecided
//! (KIP-447); whatever that owner sends to a transaction thereafter is fenced with its membership. But that
//! an offset's marker is written says nothing of the markers in the ledger. So the teller then asks, as a
//! reader of uncommitted records, where the ledger ends, and reads what is committed up to there: beyond
//! every record of a decided transaction. The last entry of an account tells its balance; from then on the
//! teller knows it by itself, until it loses the partition.
//!
//! **What "every prefix" means.** Partitions are read one by one, so a transaction comes into view piece by
//! piece, and no cut across partitions falls between transactions by itself. Checked are all prefixes of
//! what the auditor read, closed at the borders of transactions: after every transaction that is whole, the
//! balances of all whole transactions sum up to the same total. And no transaction may stay in pieces: what
//! can be read has been committed, so all of it lies below the ends that the auditor asks for afterwards (it
//! says `ends`), and when it has read up to there (`reached`) the transaction is whole. Within an account
//! the entries are, at any time, exactly the first so many that follow from the commands: each applied once,
//! in order, on the balance before.

mod audit;
mod model;
mod office;
mod strikes;

use std::fmt::Write as _;

use anyhow::{Result, ensure};

use super::{Context, committed, create_topics};
use crate::broker::{Broker, Flavor, Settings};
use audit::Audit;
use model::{Command, TELLERS, commands, effects};
use office::Office;
use strikes::strikes;

const SEED: u64 = 0xba9c;
const LEDGER_PARTITIONS: u32 = 4;
/// Who died is missed, and its partitions are given to others, after so long.
const SESSION_MS: &str = "3000";
/// A JVM's start takes seconds, and its promise is not what is tested.
const STRIKES_ON_KAFKA: u32 = 3;

/// How much is moved, and what happens meanwhile.
#[derive(Clone, Copy)]
pub struct Plan {
    /// All commands.
    pub commands: u32,
    /// So many of them at least move money.
    pub transfers: usize,
    /// In one transaction at most.
    pub per_transaction: u32,
    /// How often somebody is killed or stopped.
    pub strikes: u32,
}

/// With the group protocol of KIP-848.
pub fn run(context: &mut Context) -> Result<()> {
    play(context, "consumer")
}

/// With the older one.
pub fn classic(context: &mut Context) -> Result<()> {
    play(context, "classic")
}

fn play(context: &mut Context, protocol: &'static str) -> Result<()> {
    let mut plan = context.scale.bank;
    if context.flavor == Flavor::Kafka {
        plan.strikes = plan.strikes.min(STRIKES_ON_KAFKA);
    }
    let broker = context.start_with(&settings())?;
    create_topics(context, &broker, &format!("commands {TELLERS} , ledger {LEDGER_PARTITIONS}"))?;
    let partitions = commands(plan.commands, SEED)?;
    give(context, &broker, &partitions)?;
    let mut office = Office::open(context, broker, plan, protocol)?;
    let effects = effects(&partitions);
    let transfers = effects.iter().flatten().filter(|effect| effect.change < 0).count();
    ensure!(transfers >= plan.transfers, "{transfers} transfers, not {}", plan.transfers);
    let mut audit = Audit::new(effects);
    for (at, strike) in strikes(plan.strikes, plan.commands, SEED)? {
        office.work_until(&mut audit, at)?;
        office.suffer(strike)?;
    }
    office.work_until(&mut audit, plan.commands)?;
    let (broker, told) = office.close(&mut audit)?;
    audit.finish(&told)?;
    ensure!(told.values().any(|committed| !committed), "nothing was aborted");
    let consumed: String = partitions.iter().map(|commands| format!("{}\n", commands.len())).collect();
    let stood = committed(context, &broker, "tellers", ("commands", TELLERS))?;
    ensure!(stood == consumed, "committed offsets:\n{stood}where commands end:\n{consumed}");
    let (transactions, checkpoints) = (audit.transactions(), audit.checkpoints());
    eprintln!("{transfers} transfers in {transactions} transactions, {checkpoints} checkpoints");
    context.transcript.add("every command once, in order; the total was the same at all times");
    Ok(())
}

fn settings() -> Settings {
    Settings::default()
        .with("group.initial.rebalance.delay.ms", "100")
        .with("group.min.session.timeout.ms", SESSION_MS)
        .with("group.consumer.min.session.timeout.ms", SESSION_MS)
        .with("group.consumer.session.timeout.ms", SESSION_MS)
        .with("group.consumer.min.heartbeat.interval.ms", "300")
        .with("group.consumer.heartbeat.interval.ms", "300")
        // How often Apache Kafka looks for transactions whose time is over.
        .with("transaction.abort.timed.out.transaction.cleanup.interval.ms", "500")
}

/// All commands, before anybody works.
fn give(context: &Context, broker: &Broker, partitions: &[Vec<Command>]) -> Result<()> {
    for (partition, commands) in partitions.iter().enumerate() {
        let lines = commands.iter().fold(String::new(), |mut lines, Command { id, from, to, amount }| {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{id} {from} {to} {amount}");
            lines
        });
        context.kcat(broker, &format!("-P -t commands -p {partition}"), &lines)?.success()?;
    }
    Ok(())
}
