//! Who is struck when: the same for a seed.

use anyhow::Result;

use super::model::TELLERS;
use crate::stream::LogStream;

/// Of so many strikes one falls on the broker and one stops a teller.
const KINDS: u64 = 5;
/// Of the broker's deaths one in so many is followed by another before it serves: while it recovers.
const KILLED_AGAIN_ONE_IN: u64 = 3;

/// What happens to somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strike {
    /// SIGKILL, twice at times.
    Broker { again: bool },
    /// SIGKILL.
    Teller(usize),
    /// SIGSTOP, for longer than its session and its transaction last.
    Stop(usize),
}

/// Each with the number of commands after which it falls: one in each of as many equal parts, and one part
/// more without, so that whoever was struck last works again before all is done.
pub fn strikes(count: u32, commands: u32, seed: u64) -> Result<Vec<(u32, Strike)>> {
    let mut random = LogStream::new(seed);
    let part = commands / (count + 1);
    let mut strikes = Vec::new();
    for number in 0..count {
        let at = number * part + u32::try_from(random.below(u64::from(part.max(1))))?;
        let teller = usize::try_from(random.below(u64::from(TELLERS)))?;
        let strike = match random.below(KINDS) {
            0 => Strike::Broker { again: random.below(KILLED_AGAIN_ONE_IN) == 0 },
            1 => Strike::Stop(teller),
            _ => Strike::Teller(teller),
        };
        strikes.push((at, strike));
    }
    Ok(strikes)
}

#[cfg(test)]
mod tests {
    use super::super::SEED;
    use super::*;

    #[test]
    fn few_strikes_are_of_every_kind_already() {
        let strikes = strikes(6, 5_000, SEED).unwrap();
        assert!(strikes.windows(2).all(|pair| pair[0].0 < pair[1].0), "{strikes:?}");
        assert!(strikes.last().unwrap().0 < 5_000, "{strikes:?}");
        let kinds: std::collections::BTreeSet<_> = strikes
            .iter()
            .map(|(_, strike)| match strike {
                Strike::Broker { .. } => "broker",
                Strike::Teller(_) => "teller",
                Strike::Stop(_) => "stop",
            })
            .collect();
        assert_eq!(kinds.len(), 3, "{strikes:?}");
    }
}
