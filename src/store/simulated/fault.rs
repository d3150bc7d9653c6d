use std::time::Duration;

use super::super::Operation;
use super::{Kill, State};

/// What can happen to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// 503: nothing is done.
    Unavailable,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// The answer is lost, and it is done later, when some more requests have come. For puts and creates;
    /// others are not done.
    LandsLate,
    /// A create: 409, though nothing is there and nothing is written. Others: as `Unavailable`.
    Conflict,
    /// 403.
    Denied,
    /// It is answered so much later.
    Slow(Duration),
    /// Its body breaks off. Requests without one: as `AnswerLost`.
    BreaksOff,
    /// A bit of its body is another one. Requests without one are not struck.
    Corrupted,
}

/// A fault that strikes certain requests.
#[derive(Clone, Debug)]
pub struct Strike {
    /// The kind of requests.
    pub operation: Operation,
    /// Only keys (of a listing: folders) that contain this; empty for all.
    pub key_contains: String,
    /// How many of them still go well.
    pub skip: u64,
    /// How many it strikes then.
    pub times: u64,
    /// What happens to them.
    pub fault: Fault,
}

impl Strike {
    /// The next request of that kind.
    pub fn next(operation: Operation, fault: Fault) -> Strike {
        Strike { operation, key_contains: String::new(), skip: 0, times: 1, fault }
    }

    /// So many instead of one.
    pub fn times(self, times: u64) -> Strike {
        Strike { times, ..self }
    }

    /// Only after so many have gone well.
    pub fn after(self, skip: u64) -> Strike {
        Strike { skip, ..self }
    }

    /// Only of keys that contain this.
    pub fn of(self, key_contains: &str) -> Strike {
        Strike { key_contains: key_contains.to_owned(), ..self }
    }
}

/// How many of a thousand requests each fault strikes, by the bucket's seed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FaultRates {
    /// [`Fault::Unavailable`].
    pub unavailable: u64,
    /// [`Fault::AnswerLost`].
    pub answer_lost: u64,
    /// [`Fault::LandsLate`].
    pub lands_late: u64,
    /// [`Fault::Conflict`].
    pub conflict: u64,
    /// [`Fault::BreaksOff`].
    pub breaks_off: u64,
    /// [`Fault::Corrupted`].
    pub corrupted: u64,
}

impl FaultRates {
    /// Everything but corruption, together about a sixth of all requests.
    pub fn rough() -> FaultRates {
        FaultRates {
            unavailable: 60,
            answer_lost: 30,
            lands_late: 20,
            conflict: 20,
            breaks_off: 40,
            corrupted: 0,
        }
    }
}

impl State {
    /// What strikes this request, if anything.
    pub(super) fn fault(&mut self, operation: Operation, key: &str) -> Option<Fault> {
        if let Some(kill) = self.kill.take() {
            match kill.requests {
                0 => {
                    (kill.kill)();
                    self.away = true;
                    return Some(if kill.is_done { Fault::AnswerLost } else { Fault::Unavailable });
                }
                requests => self.kill = Some(Kill { requests: requests - 1, ..kill }),
            }
        }
        if self.denied.is_some() {
            return Some(Fault::Denied);
        }
        if self.away {
            return Some(Fault::Unavailable);
        }
        self.struck(operation, key).or_else(|| self.by_chance())
    }

    fn struck(&mut self, operation: Operation, key: &str) -> Option<Fault> {
        let strikes = self.strikes.iter_mut();
        let mut matching =
            strikes.filter(|strike| strike.operation == operation && key.contains(&strike.key_contains));
        // Only the first one counts and strikes, so that several are one behind the other.
        let strike = matching.next()?;
        if strike.skip > 0 {
            strike.skip -= 1;
            return None;
        }
        strike.times = strike.times.saturating_sub(1);
        let fault = strike.fault;
        self.strikes.retain(|strike| strike.times > 0);
        Some(fault)
    }

    fn by_chance(&self) -> Option<Fault> {
        let rates = self.rates;
        let mut drawn = self.below(1000);
        let faults = [
            (rates.unavailable, Fault::Unavailable),
            (rates.answer_lost, Fault::AnswerLost),
            (rates.lands_late, Fault::LandsLate),
            (rates.conflict, Fault::Conflict),
            (rates.breaks_off, Fault::BreaksOff),
            (rates.corrupted, Fault::Corrupted),
        ];
        for (rate, fault) in faults {
            if drawn < rate {
                return Some(fault);
            }
            drawn -= rate;
        }
        None
    }
}
