//! The plots: which figures stand in which chart.

use crate::case;
use crate::chart::{self, Group, Item, Title};
use crate::figures::{HIGHWATER, HIGHWATER_OS, KAFKA, LABELS, Results};
use crate::summary::{self, UNDER_LOAD, number};
use crate::targets::{self, Bound};

const PERCENTILES: [(&str, &str); 4] =
    [("p50", "p50_ms"), ("p95", "p95_ms"), ("p99", "p99_ms"), ("p99.9", "p999_ms")];

/// A plot by the name of its file.
pub struct Plot {
    /// Without its extension.
    pub name: &'static str,
    /// The drawing.
    pub svg: String,
}

/// All plots for which there are figures.
pub fn all(results: &Results) -> Vec<Plot> {
    let plots = [
        ("cpu", cpu(results)),
        ("latency", latency(results)),
        ("memory", memory(results)),
        ("ready", ready(results)),
    ];
    plots.into_iter().map(|(name, svg)| Plot { name, svg }).collect()
}

fn color(label: &str) -> &'static str {
    match label {
        HIGHWATER => "#0b5cad",
        HIGHWATER_OS => "#74b3ec",
        _ => "#9aa4ae",
    }
}

fn title(results: &Results, title: &'static str, what: &str) -> Title {
    let rounds = if results.rounds == 1 {
        "one round".to_owned()
    } else {
        format!("medians of {} rounds", results.rounds)
    };
    let legend = LABELS.iter().map(|label| (color(label.name), label.shown)).collect();
    Title { title, subtitle: format!("{what}; {rounds}, {} cores", results.machine.cores), legend }
}

/// Broker CPU, Kafka's being 100 %: the cases differ too much for one axis of seconds.
fn cpu(results: &Results) -> String {
    let cases = case::ALL.iter().filter(|case| case.records > 0);
    let groups: Vec<Group> = cases.filter_map(|case| cpu_group(results, case)).collect();
    let largest = groups.iter().flat_map(|group| &group.items).flat_map(|item| &item.values);
    let max = largest.copied().fold(100.0, f64::max).min(200.0);
    let what = "broker CPU for the same work, Kafka = 100 %; less is better; red: the target";
    let head = title(results, "Broker CPU", what);
    chart::bars(&head, &groups, max, |value| format!("{value:.0} %"))
}

fn cpu_group(results: &Results, case: &case::Case) -> Option<Group> {
    let small = case.record_bytes < 1024;
    let (figure, unit) = if small { ("cpu_s_per_million", "s/million") } else { ("cpu_s_per_gib", "s/GiB") };
    let kafka = summary::figure(results, case.name, KAFKA, figure)?.median;
    let item = |label: &crate::figures::Label| {
        let value = summary::figure(results, case.name, label.name, figure)?.median;
        let percent = value / kafka * 100.0;
        let share = if label.name == KAFKA { String::new() } else { format!(" ({percent:.0} %)") };
        let text = format!("{} {unit}{share}", number(value));
        Some(Item { color: color(label.name), values: vec![percent], text })
    };
    let target = targets::ALL.iter().find(|target| target.case == case.name && target.figure == figure);
    let mark = target.and_then(|target| match target.bound {
        Bound::OfKafka(share) => Some(share * 100.0),
        _ => None,
    });
    let items = LABELS.iter().filter_map(item).collect();
    let (name, detail) = split(case.what);
    Some(Group { name: format!("{}: {name}", case.name), detail, items, mark })
}

/// What stands before the first comma, and what after it.
fn split(what: &str) -> (String, String) {
    let (name, detail) = what.split_once(", ").unwrap_or((what, ""));
    (name.to_owned(), detail.to_owned())
}

/// Percentiles where it is the broker's latency: at a fixed rate, and one at a time.
fn latency(results: &Results) -> String {
    const CASES: [(&str, &str, &str); 3] = [
        ("c1", "c1: Java producer, acks=all", "10,000 records/s of 1 KiB"),
        ("r5", "r5: raw produce, acks=all", "10,000 records/s of 1 KiB"),
        ("c3", "c3: end to end", "one record at a time"),
    ];
    let group = |(case, name, detail): (&str, &str, &str)| {
        let items: Vec<Item> =
            LABELS.iter().filter_map(|label| latency_item(results, case, label.name)).collect();
        let (name, detail) = (name.to_owned(), detail.to_owned());
        (!items.is_empty()).then_some(Group { name, detail, items, mark: None })
    };
    let groups: Vec<Group> = CASES.into_iter().filter_map(group).collect();
    let values = || groups.iter().flat_map(|group| &group.items).flat_map(|item| item.values.iter().copied());
    let bounds = (values().fold(1.0, f64::min).max(0.01), values().fold(1.0, f64::max));
    let what = "p50, p95, p99, p99.9 from left to right, logarithmic; Java's clients tell whole milliseconds";
    chart::percentiles(&title(results, "Latency", what), &groups, bounds)
}

fn latency_item(results: &Results, case: &str, label: &str) -> Option<Item> {
    let find = |(name, figure): &(&str, &str)| {
        let value = summary::figure(results, case, label, figure)?.median;
        Some((format!("{name} {}", number(value)), value))
    };
    let found: Vec<(String, f64)> = PERCENTILES.iter().filter_map(find).collect();
    let (texts, values): (Vec<String>, Vec<f64>) = found.into_iter().unzip();
    (!values.is_empty()).then(|| Item { color: color(label), values, text: texts.join(" · ") })
}

fn memory(results: &Results) -> String {
    const ROWS: [(&str, &str, &str, &str); 3] = [
        ("idle", "a new broker, no client", "idle", "idle_rss_mib"),
        ("with 10,000 idle connections", "each has asked one question", "idle", "connected_rss_mib"),
        ("under load", "the largest of all cases", UNDER_LOAD, "rss_peak_mib"),
    ];
    amounts(results, title(results, "Memory", "resident memory of the broker, MiB"), &ROWS, "MiB")
}

fn ready(results: &Results) -> String {
    const ROWS: [(&str, &str, &str, &str); 5] = [
        ("empty directory", "", "start", "empty_ms"),
        ("after an orderly stop", "", "start", "clean_ms"),
        ("after kill -9", "4 GiB in the log", "crash", "killed_4_gib_ms"),
        ("after kill -9", "10 GiB in the log", "crash", "killed_10_gib_ms"),
        ("1,000 partitions", "created until all serve", "h1", "serving_ms"),
    ];
    let what = "milliseconds from the process's start to the first answer";
    amounts(results, title(results, "Time to ready", what), &ROWS, "ms")
}

/// Bars from zero for rows of a name, a detail, a case and a figure.
fn amounts(results: &Results, title: Title, rows: &[(&str, &str, &str, &str)], unit: &str) -> String {
    let group = |(name, detail, case, figure): &(&str, &str, &str, &str)| {
        let item = |label: &crate::figures::Label| {
            let value = summary::figure(results, case, label.name, figure)?.median;
            let text = format!("{} {unit}", number(value));
            Some(Item { color: color(label.name), values: vec![value], text })
        };
        let items: Vec<Item> = LABELS.iter().filter_map(item).collect();
        let (name, detail) = ((*name).to_owned(), (*detail).to_owned());
        (!items.is_empty()).then_some(Group { name, detail, items, mark: None })
    };
    let groups: Vec<Group> = rows.iter().filter_map(group).collect();
    let values = groups.iter().flat_map(|group| &group.items).flat_map(|item| item.values.iter().copied());
    let max = values.fold(0.0, f64::max);
    chart::bars(&title, &groups, max, |value| format!("{} {unit}", number(value)))
}
