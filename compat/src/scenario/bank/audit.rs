//! The judge: takes what an auditor saw, line by line, and fails at the first line that cannot be.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

use super::model::{ACCOUNTS, Effect, Entry, OPENING_BALANCE};

/// All money there is.
const TOTAL: i64 = ACCOUNTS as i64 * OPENING_BALANCE;

/// What was seen so far.
pub struct Audit {
    /// What must happen to each account, in order.
    effects: Vec<Vec<Effect>>,
    /// How much of that was seen.
    seen: Vec<usize>,
    /// Of which so far only a part was seen.
    parts: BTreeMap<String, Vec<Entry>>,
    /// Those of them of which a part was seen before the auditor asked where the ledger ends.
    due: BTreeSet<String>,
    whole: BTreeSet<String>,
    /// After all whole transactions.
    balances: Vec<i64>,
    /// Entries in whole transactions.
    settled: usize,
    checkpoints: usize,
}

impl Audit {
    /// Nothing was seen yet.
    pub fn new(effects: Vec<Vec<Effect>>) -> Audit {
        let count = effects.len();
        Audit {
            effects,
            seen: vec![0; count],
            parts: BTreeMap::new(),
            due: BTreeSet::new(),
            whole: BTreeSet::new(),
            balances: vec![OPENING_BALANCE; count],
            settled: 0,
            checkpoints: 0,
        }
    }

    /// One line of the auditor.
    pub fn hear(&mut self, line: &str) -> Result<()> {
        match line.split_once(' ') {
            Some(("entry", entry)) => self.entry(Entry::parse(entry)?).context(line.to_owned()),
            None if line == "ends" => {
                self.due = self.parts.keys().cloned().collect();
                Ok(())
            }
            None if line == "reached" => self.reached(),
            _ => anyhow::bail!("the auditor said {line:?}"),
        }
    }

    /// How many commands were seen in whole transactions.
    pub fn commands(&self) -> usize {
        self.settled / 2
    }

    /// How often the auditor read up to where the ledger had ended.
    pub fn checkpoints(&self) -> usize {
        self.checkpoints
    }

    /// Transactions seen whole.
    pub fn transactions(&self) -> usize {
        self.whole.len()
    }

    fn entry(&mut self, entry: Entry) -> Result<()> {
        let account = entry.effect.account as usize;
        let effects = &self.effects[account];
        match effects.get(self.seen[account]) {
            Some(next) if *next == entry.effect => self.seen[account] += 1,
            next => {
                let before = &effects[..self.seen[account]];
                let again = before.iter().any(|effect| effect.command == entry.effect.command);
                ensure!(!again, "the command was applied to the account before");
                anyhow::bail!("the account's next entry must be {next:?}");
            }
        }
        ensure!(!self.whole.contains(&entry.transaction), "the transaction was whole before");
        let part = self.parts.entry(entry.transaction.clone()).or_default();
        part.push(entry);
        let size = part[0].size;
        ensure!(part.iter().all(|entry| entry.size == size), "its entries disagree about its size");
        if part.len() == size {
            let name = part[0].transaction.clone();
            self.settle(&name)?;
        }
        Ok(())
    }

    /// One more whole transaction: the total after it is the total before it.
    fn settle(&mut self, name: &str) -> Result<()> {
        for entry in self.parts.remove(name).unwrap_or_default() {
            self.balances[entry.effect.account as usize] += entry.effect.change;
            self.settled += 1;
        }
        self.whole.insert(name.to_owned());
        let total: i64 = self.balances.iter().sum();
        ensure!(total == TOTAL, "the total is {total} after transaction {name}");
        Ok(())
    }

    /// A record that can be read has been committed with its whole transaction, all of which lies below where
    /// the ledger ended when it was asked thereafter.
    fn reached(&mut self) -> Result<()> {
        self.checkpoints += 1;
        match self.due.iter().find_map(|name| self.parts.get_key_value(name)) {
            Some((name, part)) => {
                anyhow::bail!(
                    "of the {} entries of transaction {name}, {} are there",
                    part[0].size,
                    part.len()
                )
            }
            None => Ok(()),
        }
    }

    /// Everything was seen that there is. `told` is what tellers said of their transactions: whether they
    /// committed them.
    pub fn finish(&self, told: &BTreeMap<String, bool>) -> Result<()> {
        ensure!(self.parts.is_empty(), "torn: {:?}", self.parts.keys());
        for (effects, seen) in self.effects.iter().zip(&self.seen) {
            let next = effects.get(*seen);
            ensure!(next.is_none(), "lost: {next:?}");
        }
        for (name, committed) in told {
            let there = self.whole.contains(name);
            ensure!(*committed || !there, "transaction {name} was aborted, and can be read");
            ensure!(!*committed || there, "transaction {name} was committed, and is not there");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
