//! What issues 5 and 7 ask for, and whether the figures give it.

use crate::figures::{HIGHWATER, KAFKA, Results};
use crate::summary::{self, UNDER_LOAD, number};

/// A bound on Highwater's median, with fsync before the acknowledgement.
#[derive(Clone, Copy)]
pub enum Bound {
    /// So much of Kafka's at most.
    OfKafka(f64),
    /// Kafka's at most, or so many times a sync of this disk (p99 of 4 KiB appended).
    OfKafkaOrDisk(f64),
    /// So much at most.
    AtMost(f64),
    /// So many times our own in another case.
    OfCase(&'static str, f64),
}

/// One bound.
pub struct Target {
    /// In words.
    pub what: &'static str,
    /// Its case.
    pub case: &'static str,
    /// Its figure.
    pub figure: &'static str,
    /// Unit for tables.
    pub unit: &'static str,
    /// How much.
    pub bound: Bound,
}

const PER_GIB: (&str, &str) = ("cpu_s_per_gib", "s/GiB");

const fn cpu(what: &'static str, case: &'static str, share: f64) -> Target {
    Target { what, case, figure: PER_GIB.0, unit: PER_GIB.1, bound: Bound::OfKafka(share) }
}

const fn time(what: &'static str, case: &'static str, figure: &'static str, bound: Bound) -> Target {
    Target { what, case, figure, unit: "ms", bound }
}

const fn memory(what: &'static str, case: &'static str, figure: &'static str, mib: f64) -> Target {
    Target { what, case, figure, unit: "MiB", bound: Bound::AtMost(mib) }
}

/// All of them.
pub const ALL: &[Target] = &[
    cpu("broker CPU, produce in 64 KiB batches (r1)", "r1", 0.4),
    cpu("broker CPU, produce in 16 KiB batches (r2)", "r2", 0.25),
    cpu("broker CPU, one record a request (r3)", "r3", 0.25),
    cpu("broker CPU, fetch (r4)", "r4", 0.4),
    cpu("broker CPU, Java producer (a1)", "a1", 0.4),
    cpu("broker CPU, Java consumer (d1)", "d1", 0.4),
    Target {
        what: "broker CPU, 100-byte records (b2)",
        case: "b2",
        figure: "cpu_s_per_million",
        unit: "s/million",
        bound: Bound::OfKafka(0.4),
    },
    cpu("broker CPU, over 1,000 partitions (h2)", "h2", 0.25),
    time("acknowledged at 10,000/s, p50 (c1)", "c1", "p50_ms", Bound::OfKafka(1.0)),
    time("acknowledged at 10,000/s, p99 (c1)", "c1", "p99_ms", Bound::OfKafkaOrDisk(2.0)),
    time("acknowledged at 10,000/s, p99.9 (c1)", "c1", "p999_ms", Bound::OfKafka(1.0)),
    Target {
        what: "broker CPU, in transactions of 100 ms (t1)",
        case: "t1",
        figure: "cpu_s_per_million",
        unit: "s/million",
        bound: Bound::OfCase("c1", 1.25),
    },
    memory("memory idle", "idle", "idle_rss_mib", 20.0),
    memory("memory under load, at most", UNDER_LOAD, "rss_peak_mib", 150.0),
    memory("memory for 10,000 idle connections", "idle", "connections_mib", 100.0),
    time("ready on an empty directory", "start", "empty_ms", Bound::AtMost(50.0)),
    time("ready after `kill -9` with 10 GiB", "crash", "killed_10_gib_ms", Bound::AtMost(1_000.0)),
    time("1,000 partitions created and serving (h1)", "h1", "serving_ms", Bound::AtMost(300.0)),
];

/// A target with what was measured.
pub struct Judged {
    /// Highwater's median.
    pub value: Option<f64>,
    /// Kafka's median.
    pub kafka: Option<f64>,
    /// The bound in words.
    pub bound: String,
    /// Whether it is kept, if it can be said.
    pub met: Option<bool>,
}

/// Judges one target.
pub fn judge(results: &Results, target: &Target) -> Judged {
    let median = |case: &str, label: &str, figure: &str| {
        summary::figure(results, case, label, figure).map(|spread| spread.median)
    };
    let value = median(target.case, HIGHWATER, target.figure);
    let kafka = median(target.case, KAFKA, target.figure);
    let (bound, limit) = match target.bound {
        Bound::OfKafka(1.0) => ("not above Kafka's".to_owned(), kafka),
        Bound::OfKafka(share) => (format!("≤ {share} of Kafka's"), kafka.map(|kafka| kafka * share)),
        Bound::AtMost(limit) => (format!("≤ {limit} {}", target.unit), Some(limit)),
        Bound::OfCase(case, times) => {
            let own = median(case, HIGHWATER, target.figure);
            (format!("≤ {times} of our {case}"), own.map(|own| own * times))
        }
        Bound::OfKafkaOrDisk(times) => {
            let disk = median("disk", "", "append_4k_p99_ms").map(|sync| sync * times);
            let words = match disk {
                Some(disk) => format!("not above Kafka's or {times} × fdatasync p99 ({} ms)", number(disk)),
                None => format!("not above Kafka's or {times} × fdatasync p99"),
            };
            (words, kafka.into_iter().chain(disk).reduce(f64::max))
        }
    };
    let met = value.zip(limit).map(|(value, limit)| value <= limit);
    Judged { value, kafka, bound, met }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Figures, Run};
    use crate::render::example;

    fn judged(case: &str, figure: &str, ours: f64, kafka: Option<f64>) -> Option<bool> {
        let mut results = example();
        results.rounds = 1;
        results.runs.retain(|run| run.case == "disk");
        results.runs[0].figures.insert("append_4k_p99_ms".to_owned(), 3.0);
        for (label, value) in [(HIGHWATER, Some(ours)), (KAFKA, kafka)] {
            let figures = Figures::from_iter(value.map(|value| (figure.to_owned(), value)));
            let (case, label) = (case.to_owned(), label.to_owned());
            results.runs.push(Run {
                case,
                label,
                round: 1,
                attempt: 1,
                disturbed: false,
                error: None,
                figures,
            });
        }
        let target = ALL.iter().find(|target| target.case == case && target.figure == figure).unwrap();
        judge(&results, target).met
    }

    #[test]
    fn targets_are_kept_up_to_their_bound() {
        for (case, figure, ours, kafka, expected) in [
            ("r1", "cpu_s_per_gib", 1.6, Some(4.0), Some(true)),
            ("r1", "cpu_s_per_gib", 1.7, Some(4.0), Some(false)),
            ("r1", "cpu_s_per_gib", 1.7, None, None),
            ("c1", "p50_ms", 1.0, Some(1.0), Some(true)),
            ("c1", "p99_ms", 6.0, Some(5.0), Some(true)),
            ("c1", "p99_ms", 7.0, Some(8.0), Some(true)),
            ("c1", "p99_ms", 7.0, Some(5.0), Some(false)),
            ("idle", "idle_rss_mib", 20.0, None, Some(true)),
            ("idle", "idle_rss_mib", 20.5, Some(300.0), Some(false)),
        ] {
            assert_eq!(judged(case, figure, ours, kafka), expected, "{case} {figure} {ours} {kafka:?}");
        }
    }

    #[test]
    fn transactions_are_judged_by_what_is_in_none() {
        let with = |ours: f64| {
            let mut results = example();
            results.runs.retain(|run| run.case == "c1" && run.label == HIGHWATER);
            for run in &mut results.runs {
                run.figures.insert("cpu_s_per_million".to_owned(), 10.0);
            }
            let mut run = results.runs[0].clone();
            run.case = "t1".to_owned();
            run.figures.insert("cpu_s_per_million".to_owned(), ours);
            results.runs.push(run);
            judge(&results, ALL.iter().find(|target| target.case == "t1").unwrap()).met
        };
        assert_eq!([12.5, 12.6].map(with), [Some(true), Some(false)]);
    }

    #[test]
    fn every_target_names_a_case_that_is_run() {
        for target in ALL {
            let known = crate::case::ALL.iter().map(|case| case.name).chain(crate::case::BESIDE);
            assert!(known.chain([UNDER_LOAD]).any(|name| name == target.case), "{}", target.case);
        }
    }
}
