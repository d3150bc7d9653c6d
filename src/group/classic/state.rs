//! The states of a classic group and the ways between them.

/// Where a classic group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::group) enum State {
    /// No members.
    Empty,
    /// Members are expected to join.
    PreparingRebalance,
    /// Members know their generation and wait for what the leader assigns.
    CompletingRebalance,
    /// Members have their assignments.
    Stable,
}

impl State {
    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
        }
    }

    /// Whether a group may go from this state to another.
    pub fn leads_to(self, next: State) -> bool {
        matches!(
            (self, next),
            (State::Empty | State::CompletingRebalance | State::Stable, State::PreparingRebalance)
                | (State::PreparingRebalance, State::CompletingRebalance | State::Empty)
                | (State::CompletingRebalance, State::Stable)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn every_way_between_two_states() {
        let all = [State::Empty, State::PreparingRebalance, State::CompletingRebalance, State::Stable];
        let ways = |from: State| {
            let to = all.iter().filter(|to| from.leads_to(**to)).map(|to| to.name());
            format!("{}: {}", from.name(), to.collect::<Vec<_>>().join(" "))
        };
        // Kafka 4.3: ClassicGroupState.
        assert_eq!(
            all.map(ways),
            [
                "Empty: PreparingRebalance",
                "PreparingRebalance: Empty CompletingRebalance",
                "CompletingRebalance: PreparingRebalance Stable",
                "Stable: PreparingRebalance",
            ]
        );
    }
}
