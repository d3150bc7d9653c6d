//! What befalls the broker and the network.

use std::thread::park_timeout;
use std::time::Duration;

use anyhow::Result;

use super::Plan;
use crate::broker::Broker;
use crate::proxy::{END_TXN, Hold, Proxy, Way};
use crate::stream::LogStream;
use crate::wait::eventually;

const PRODUCE: i16 = 0;
const ADD_PARTITIONS_TO_TXN: i16 = 24;
/// Frames that one fault holds.
const HELD: u32 = 3;
/// From one fault to the next.
const BETWEEN: Duration = Duration::from_millis(1_500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    Pause,
    Hold(i16, Way),
    Quiet,
}

/// Rounds without a kill between those with: a frame that is held for long would else always be lost with its
/// connection.
const QUIET_ROUNDS: u32 = 2;

/// A round: each of these once, in an order of its own. Held frames are late into the faults that follow.
const ROUND: [Fault; 10] = [
    Fault::Kill,
    Fault::Hold(END_TXN, Way::Request),
    Fault::Hold(END_TXN, Way::Answer),
    Fault::Pause,
    Fault::Hold(ADD_PARTITIONS_TO_TXN, Way::Request),
    Fault::Hold(ADD_PARTITIONS_TO_TXN, Way::Answer),
    Fault::Hold(PRODUCE, Way::Request),
    Fault::Kill,
    Fault::Hold(PRODUCE, Way::Answer),
    Fault::Quiet,
];

/// What is held in a round: requests of a key, or their answers.
pub fn held_kinds() -> impl Iterator<Item = (i16, Way)> {
    ROUND.iter().filter_map(|fault| match fault {
        Fault::Hold(api_key, way) => Some((*api_key, *way)),
        Fault::Kill | Fault::Pause | Fault::Quiet => None,
    })
}

/// What happens in one step, and how long what it holds is held, in quarters of the longest time.
type Step = (Fault, u32);

/// The steps of each round. The same seed gives the same.
fn schedule(seed: u64, rounds: u32) -> Vec<Vec<Step>> {
    let mut random = LogStream::new(seed);
    let mut below = |bound: u64| u32::try_from(random.below(bound)).expect("the bound is small");
    let round = |number| {
        let mut left = ROUND.to_vec();
        if !kills(number) {
            left.retain(|fault| !matches!(fault, Fault::Kill));
        }
        let mut steps = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let fault = left.swap_remove(below(left.len() as u64) as usize);
            // The longest as often as anything between.
            steps.push((fault, 1 + below(4)));
        }
        steps
    };
    (0..rounds).map(round).collect()
}

fn kills(round: u32) -> bool {
    round.is_multiple_of(QUIET_ROUNDS + 1)
}

/// Plays all rounds; the broker is well at the end.
pub fn play(broker: &mut Broker, proxy: &Proxy, plan: Plan) -> Result<()> {
    park_timeout(BETWEEN);
    for (number, steps) in (0..).zip(schedule(plan.seed, plan.rounds)) {
        if number > 0 && kills(number) {
            // What was held since the last kill arrives.
            eventually(plan.hold + BETWEEN, "held frames to go", || {
                Ok((proxy.under_way() == 0).then_some(()))
            })?;
        }
        for step in steps {
            befall(broker, proxy, plan, step)?;
            park_timeout(BETWEEN);
            proxy.hold(None);
            broker.check_alive()?;
        }
    }
    Ok(())
}

fn befall(broker: &mut Broker, proxy: &Proxy, plan: Plan, (fault, quarters): Step) -> Result<()> {
    match fault {
        Fault::Kill => {
            broker.kill()?;
            broker.restart()?;
        }
        Fault::Pause => {
            broker.pause()?;
            park_timeout(plan.pause);
            broker.resume()?;
        }
        Fault::Hold(api_key, way) => {
            let time = plan.hold * quarters / 4;
            proxy.hold(Some(Hold { api_key, way, time, count: HELD }));
        }
        Fault::Quiet => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_the_schedule() {
        for (one, other, is_same) in
            [((7, 6), (7, 6), true), ((7, 6), (8, 6), false), ((7, 2), (7, 1), false)]
        {
            let [one, other] = [one, other].map(|(seed, rounds)| schedule(seed, rounds));
            assert_eq!(one == other, is_same, "{one:?} {other:?}");
        }
    }

    #[test]
    fn each_round_has_each_fault_once_and_every_third_has_kills() {
        for (number, steps) in (0..).zip(schedule(1, 7)) {
            let count = |wanted: Fault| steps.iter().filter(|(fault, _)| *fault == wanted).count();
            assert_eq!(count(Fault::Kill), if number % 3 == 0 { 2 } else { 0 }, "round {number}");
            assert!(ROUND.iter().all(|fault| *fault == Fault::Kill || count(*fault) == 1), "round {number}");
            assert!(steps.iter().all(|(_, quarters)| (1..=4).contains(quarters)));
        }
    }
}
