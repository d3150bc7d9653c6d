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

#[derive(Clone, Copy, Debug)]
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

/// Plays all rounds; the broker is well at the end.
pub fn play(broker: &mut Broker, proxy: &Proxy, plan: Plan) -> Result<()> {
    let mut random = LogStream::new(plan.seed);
    park_timeout(BETWEEN);
    for number in 0..plan.rounds {
        let mut round = ROUND.to_vec();
        if number % (QUIET_ROUNDS + 1) > 0 {
            round.retain(|fault| !matches!(fault, Fault::Kill));
        } else if number > 0 {
            // What was held since the last kill arrives.
            eventually(plan.hold + BETWEEN, "held frames to go", || {
                Ok((proxy.under_way() == 0).then_some(()))
            })?;
        }
        while !round.is_empty() {
            let fault = round.swap_remove(usize::try_from(random.below(round.len() as u64))?);
            befall(broker, proxy, plan, fault, &mut random)?;
            park_timeout(BETWEEN);
            proxy.hold(None);
            broker.check_alive()?;
        }
    }
    Ok(())
}

fn befall(
    broker: &mut Broker,
    proxy: &Proxy,
    plan: Plan,
    fault: Fault,
    random: &mut LogStream,
) -> Result<()> {
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
            // The longest as often as anything between.
            let time = plan.hold.mul_f64(0.25 * (1 + random.below(4)) as f64);
            proxy.hold(Some(Hold { api_key, way, time, count: HELD }));
        }
        Fault::Quiet => {}
    }
    Ok(())
}
