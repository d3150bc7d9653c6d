//! Compares what was changed on one side with what was applied on the other.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

/// A payment: its id, its account, its amount.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    pub id: u64,
    pub account: u64,
    pub amount: u64,
}

/// Rows as `outbox_table.py` prints them.
pub fn parse(text: &str) -> Result<Vec<Row>> {
    let row = |line: &str| {
        let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [id, account, amount] = numbers[..] else { anyhow::bail!("{} numbers", numbers.len()) };
        Ok(Row { id, account, amount })
    };
    text.lines().map(|line| row(line).with_context(|| format!("a row {line:?}"))).collect()
}

/// Every payment was applied, as it is, once, and nothing else was.
pub fn check(payments: &[Row], effects: &[Row]) -> Result<()> {
    let mut due: BTreeMap<u64, &Row> = payments.iter().map(|row| (row.id, row)).collect();
    for effect in effects {
        match due.remove(&effect.id) {
            Some(payment) => ensure!(payment == effect, "{payment:?} was applied as {effect:?}"),
            None if payments.iter().any(|payment| payment.id == effect.id) => {
                anyhow::bail!("{effect:?} was applied twice")
            }
            None => anyhow::bail!("{effect:?} comes from nowhere"),
        }
    }
    let lost = due.values().next();
    ensure!(lost.is_none(), "{} are lost, the first is {lost:?}", due.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_repetition_and_change_are_found() {
        let payments = parse("1 5 100\n2 6 50\n3 5 70\n").unwrap();
        for (effects, fault) in [
            ("1 5 100\n2 6 50\n3 5 70\n", None),
            ("1 5 100\n3 5 70\n2 6 50\n", None),
            ("1 5 100\n3 5 70\n", Some("1 are lost")),
            ("1 5 100\n2 6 50\n3 5 70\n2 6 50\n", Some("twice")),
            ("1 5 100\n2 6 51\n3 5 70\n", Some("applied as")),
            ("1 5 100\n2 6 50\n3 5 70\n4 5 1\n", Some("nowhere")),
        ] {
            let found = check(&payments, &parse(effects).unwrap()).map_err(|error| error.to_string());
            match fault {
                None => assert_eq!(found, Ok(()), "{effects}"),
                Some(fault) => assert!(found.as_ref().is_err_and(|found| found.contains(fault)), "{found:?}"),
            }
        }
    }

    #[test]
    fn rows_are_understood_or_refused() {
        assert_eq!(parse("1 2 3\n").unwrap(), [Row { id: 1, account: 2, amount: 3 }]);
        for text in ["\n", "1 2\n", "1 2 3 4\n", "1 2 x\n"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
