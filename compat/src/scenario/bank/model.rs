//! What the bank is told to do, and what its ledger must say in the end.

use anyhow::{Context, Result, ensure};

use crate::stream::LogStream;

/// Each works on one partition of the commands at a time.
pub const TELLERS: u32 = 8;
pub const ACCOUNTS: u32 = 100;
pub const OPENING_BALANCE: i64 = 1_000;
/// More than an account may hold: some commands move nothing, so that a balance read wrong is seen.
const AMOUNT_MAX: u64 = 600;

/// To move so much from one account to another, or nothing if the first holds less.
#[derive(Clone, Debug)]
pub struct Command {
    pub id: u32,
    pub from: u32,
    pub to: u32,
    pub amount: i64,
}

/// Half of what a command does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Who wrote it, in which life, and its how manieth transaction it was.
    pub transaction: String,
    /// Entries in the whole transaction.
    pub size: usize,
    /// What it follows from.
    pub effect: Effect,
}

/// What an entry does to an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effect {
    pub command: u32,
    pub account: u32,
    pub change: i64,
    /// After the change.
    pub balance: i64,
}

impl Entry {
    /// `TRANSACTION SIZE COMMAND ACCOUNT CHANGE BALANCE`
    pub fn parse(line: &str) -> Result<Entry> {
        let words: Vec<&str> = line.split(' ').collect();
        let [transaction, size, command, account, change, balance] = words[..] else {
            anyhow::bail!("an entry of {} words: {line}", words.len());
        };
        let account = account.parse()?;
        ensure!(account < ACCOUNTS, "there is no account {account}");
        let (command, change, balance) = (command.parse()?, change.parse()?, balance.parse()?);
        let effect = Effect { command, account, change, balance };
        Ok(Entry { transaction: transaction.to_owned(), size: size.parse()?, effect })
    }
}

/// A partition's commands move money between that partition's accounts only: those with the same remainder.
pub fn commands(count: u32, seed: u64) -> Result<Vec<Vec<Command>>> {
    let mut random = LogStream::new(seed);
    let mut partitions = vec![Vec::new(); TELLERS as usize];
    for id in 0..count {
        let partition = u32::try_from(random.below(u64::from(TELLERS)))?;
        let accounts: Vec<u32> = (partition..ACCOUNTS).step_by(TELLERS as usize).collect();
        let others = u64::try_from(accounts.len())?;
        let from = usize::try_from(random.below(others))?;
        // Another one.
        let to = (from + 1 + usize::try_from(random.below(others - 1))?) % accounts.len();
        let amount = i64::try_from(1 + random.below(AMOUNT_MAX))?;
        let command = Command { id, from: accounts[from], to: accounts[to], amount };
        partitions.get_mut(partition as usize).context("a partition")?.push(command);
    }
    Ok(partitions)
}

/// What must happen to each account, in order: the commands of a partition are carried out one by one, and
/// nobody else touches its accounts.
pub fn effects(partitions: &[Vec<Command>]) -> Vec<Vec<Effect>> {
    let mut effects = vec![Vec::new(); ACCOUNTS as usize];
    let mut balances = vec![OPENING_BALANCE; ACCOUNTS as usize];
    for command in partitions.iter().flatten() {
        let covered = balances[command.from as usize] >= command.amount;
        let amount = if covered { command.amount } else { 0 };
        for (account, change) in [(command.from, -amount), (command.to, amount)] {
            let balance = balances[account as usize] + change;
            balances[account as usize] = balance;
            effects[account as usize].push(Effect { command: command.id, account, change, balance });
        }
    }
    effects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stay_within_their_partition_and_some_are_not_covered() {
        let partitions = commands(1_000, 1).unwrap();
        for (partition, command) in
            (0..).zip(&partitions).flat_map(|(at, all)| all.iter().map(move |c| (at, c)))
        {
            assert_eq!((command.from % TELLERS, command.to % TELLERS), (partition, partition));
            assert_ne!(command.from, command.to);
        }
        let effects = effects(&partitions);
        assert_eq!(effects.iter().flatten().map(|effect| effect.change).sum::<i64>(), 0);
        assert!(effects.iter().flatten().all(|effect| effect.balance >= 0));
        let idle = effects.iter().flatten().filter(|effect| effect.change == 0).count();
        assert!((100..1_000).contains(&idle), "{idle}");
    }

    #[test]
    fn entries_are_understood_or_refused() {
        let effect = Effect { command: 7, account: 99, change: -5, balance: 995 };
        let entry = Entry { transaction: "3.1.20".to_owned(), size: 4, effect };
        assert_eq!(Entry::parse("3.1.20 4 7 99 -5 995").unwrap(), entry);
        for line in
            ["", "3.1.20 4 7 99 -5", "3.1.20 4 7 99 -5 995 1", "3.1.20 4 7 100 -5 995", "3.1.20 x 7 9 -5 9"]
        {
            assert!(Entry::parse(line).is_err(), "{line}");
        }
    }
}
