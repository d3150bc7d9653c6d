//! Medians of rounds, and how far they spread.

use crate::figures::{KAFKA, Results, Run};

/// A case that stands for all under load: the largest of each round.
pub const UNDER_LOAD: &str = "load";

/// One figure of one broker over the rounds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Rounds with this figure.
    pub rounds: usize,
}

/// The spread of some values; none of none.
pub fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_unstable_by(f64::total_cmp);
    let (min, max) = (*values.first()?, *values.last()?);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    Some(Spread { median: (low + high) / 2.0, min, max, rounds: values.len() })
}

/// The run of a round that counts: the last whole one, an undisturbed one before others.
fn counted<'a>(results: &'a Results, case: &str, label: &str, round: u32) -> Option<&'a Run> {
    let runs = || {
        let of = results.runs.iter().rev();
        of.filter(|run| run.case == case && run.label == label && run.round == round && run.error.is_none())
    };
    runs().find(|run| !run.disturbed).or_else(|| runs().next())
}

/// A figure of a broker over the rounds.
pub fn figure(results: &Results, case: &str, label: &str, figure: &str) -> Option<Spread> {
    let values = (1..=results.rounds_max()).filter_map(|round| {
        if case == UNDER_LOAD {
            return under_load(results, label, figure, round);
        }
        counted(results, case, label, round)?.figures.get(figure).copied()
    });
    spread(values.collect())
}

fn under_load(results: &Results, label: &str, figure: &str, round: u32) -> Option<f64> {
    let loads = crate::case::ALL
        .iter()
        .filter_map(|case| counted(results, case.name, label, round)?.figures.get(figure).copied());
    loads.reduce(f64::max)
}

/// Highwater's median over Kafka's, for a label of Highwater.
pub fn ratio(results: &Results, case: &str, label: &str, name: &str) -> Option<f64> {
    let kafka = figure(results, case, KAFKA, name)?.median;
    (kafka > 0.0).then_some(figure(results, case, label, name)?.median / kafka)
}

/// Three digits that matter, thousands apart.
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    match magnitude {
        _ if magnitude >= 999.5 => {
            let digits = format!("{value:.0}");
            let groups: Vec<String> = digits
                .as_bytes()
                .rchunks(3)
                .rev()
                .map(|group| String::from_utf8_lossy(group).into_owned())
                .collect();
            groups.join(",")
        }
        _ if magnitude >= 99.95 || value == 0.0 => format!("{value:.0}"),
        _ if magnitude >= 9.995 => format!("{value:.1}"),
        _ if magnitude >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::example;

    #[test]
    fn the_middle_of_rounds_is_what_counts() {
        assert_eq!(spread(vec![]), None);
        assert_eq!(spread(vec![3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0, rounds: 3 }));
        assert_eq!(spread(vec![4.0, 1.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0, rounds: 2 }));
    }

    #[test]
    fn a_disturbed_run_counts_only_if_there_is_no_other() {
        let mut results = example();
        let of = |results: &Results| figure(results, "r1", "highwater", "cpu_s_per_gib").unwrap();
        let before = of(&results);
        let run =
            results.runs.iter().find(|run| run.case == "r1" && run.label == "highwater" && run.round == 1);
        let mut repeated = Run {
            case: "r1".to_owned(),
            label: "highwater".to_owned(),
            round: 1,
            attempt: 2,
            disturbed: true,
            error: None,
            figures: run.unwrap().figures.clone(),
        };
        repeated.figures.insert("cpu_s_per_gib".to_owned(), 99.0);
        results.runs.push(repeated);
        assert_eq!(of(&results), before);
        results.runs.last_mut().unwrap().disturbed = false;
        assert_eq!(of(&results).max, 99.0);
        results.runs.last_mut().unwrap().error = Some("it ended".to_owned());
        assert_eq!(of(&results), before);
    }

    #[test]
    fn under_load_is_the_largest_of_all_cases() {
        let results = example();
        let of = |case| figure(&results, case, "kafka", "rss_peak_mib").map(|spread| spread.max);
        assert_eq!(of(UNDER_LOAD), crate::case::ALL.iter().filter_map(|case| of(case.name)).reduce(f64::max));
    }

    #[test]
    fn numbers_have_three_digits_that_matter() {
        for (value, expected) in [
            (0.0, "0"),
            (0.0123, "0.012"),
            (0.1234, "0.12"),
            (1.234, "1.23"),
            (12.34, "12.3"),
            (123.4, "123"),
            (999.4, "999"),
            (1_234.5, "1,234"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(number(value), expected);
        }
    }
}
