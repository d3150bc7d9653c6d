//! Tables in Markdown, from results alone.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::case::{self, Case};
use crate::disturbance;
use crate::figures::{HIGHWATER, HIGHWATER_OS, KAFKA, LABELS, Results};
use crate::summary::{self, Spread, UNDER_LOAD, number};
use crate::targets::{self, judge};

const EMPTY: &str = "–";

/// A row of the README's table: in words, the case, the figure, its unit.
type Row = (&'static str, &'static str, &'static str, &'static str);

const README_ROWS: &[Row] = &[
    ("CPU: produce, 64 KiB batches", "r1", "cpu_s_per_gib", "s/GiB"),
    ("CPU: produce, 16 KiB batches", "r2", "cpu_s_per_gib", "s/GiB"),
    ("CPU: produce, one 1 KiB record a request", "r3", "cpu_s_per_million", "µs/record"),
    ("CPU: Java producer, 1 KiB records", "a1", "cpu_s_per_gib", "s/GiB"),
    ("CPU: librdkafka producer, 1 KiB records", "a3", "cpu_s_per_gib", "s/GiB"),
    ("CPU: Java producer, 100-byte records", "b2", "cpu_s_per_million", "s/million"),
    ("CPU: Java producer over 1,000 partitions", "h2", "cpu_s_per_gib", "s/GiB"),
    ("CPU: fetch", "r4", "cpu_s_per_gib", "s/GiB"),
    ("CPU: Java consumer", "d1", "cpu_s_per_gib", "s/GiB"),
    ("CPU: one group reads a topic, librdkafka", "g1", "cpu_s_per_gib", "s/GiB"),
    ("CPU: 10 groups read the same topic", "g10", "cpu_s_per_gib", "s/GiB"),
    ("CPU: 50 groups read the same topic", "g50", "cpu_s_per_gib", "s/GiB"),
    ("throughput: raw produce, 64 KiB batches", "r1", "throughput_mib_s", "MiB/s"),
    ("throughput: Java producer, 1 KiB records", "a1", "throughput_mib_s", "MiB/s"),
    ("throughput: Java consumer", "d1", "throughput_mib_s", "MiB/s"),
    ("throughput: one group", "g1", "throughput_mib_s", "MiB/s"),
    ("throughput: 10 groups together", "g10", "throughput_mib_s", "MiB/s"),
    ("throughput: 50 groups together", "g50", "throughput_mib_s", "MiB/s"),
    ("acknowledged at 10,000 records/s: p50", "c1", "p50_ms", "ms"),
    ("acknowledged at 10,000 records/s: p99", "c1", "p99_ms", "ms"),
    ("acknowledged at 10,000 records/s: p99.9", "c1", "p999_ms", "ms"),
    ("end to end, one at a time: p50", "c3", "p50_ms", "ms"),
    ("end to end, one at a time: p99", "c3", "p99_ms", "ms"),
    ("memory idle", "idle", "idle_rss_mib", "MiB"),
    ("memory under load, at most", UNDER_LOAD, "rss_peak_mib", "MiB"),
    ("memory for 10,000 idle connections", "idle", "connections_mib", "MiB"),
    ("ready: empty directory", "start", "empty_ms", "ms"),
    ("ready: after `kill -9` with 10 GiB", "crash", "killed_10_gib_ms", "ms"),
    ("1,000 partitions created and serving", "h1", "serving_ms", "ms"),
];

/// The README's table.
pub fn readme(results: &Results) -> String {
    let mut text = format!(
        "Medians of {} rounds in turn on one machine ({} × {}, {} GiB), {}. CPU is the broker's alone.\n\n",
        results.rounds,
        results.machine.cores,
        results.machine.cpu,
        results.machine.memory_mib / 1024,
        results.date.split(' ').next().unwrap_or_default(),
    );
    text +=
        "| | Highwater, fsync before the ack | `wal.sync=os` | Apache Kafka 4.3.1, no fsync | of Kafka's |\n";
    text += "| --- | ---: | ---: | ---: | ---: |\n";
    for (what, case, figure, unit) in README_ROWS {
        let cell = |label| match summary::figure(results, case, label, figure) {
            Some(spread) => format!("{} {unit}", number(spread.median)),
            None => EMPTY.to_owned(),
        };
        let ratio = ratio(results, case, HIGHWATER, figure);
        let cells = [HIGHWATER, HIGHWATER_OS, KAFKA].map(cell);
        // What a partial run left out would be a row of nothing.
        if cells.iter().any(|cell| cell != EMPTY) {
            writeln!(text, "| {what} | {} | {ratio} |", cells.join(" | ")).expect("a string takes all");
        }
    }
    text
}

fn ratio(results: &Results, case: &str, label: &str, figure: &str) -> String {
    summary::ratio(results, case, label, figure)
        .map_or(EMPTY.to_owned(), |ratio| format!("{} ×", number(ratio)))
}

/// `results.md`.
pub fn page(results: &Results) -> String {
    let mut text = head(results);
    text += &targets_table(results);
    text += &cpu_table(results);
    text += &latency_table(results);
    text += &beside_table(results);
    text += &disk_table(results);
    text += &troubles(results);
    text
}

fn head(results: &Results) -> String {
    let trial = if results.quick { "\n**A trial with little work: no figures to quote.**\n" } else { "" };
    format!(
        "# Figures\n{trial}\n\
         Made by `make bench` from `results.json`; how it measures: [README.md](README.md).\n\n{}\
         Each cell: the median of the rounds, and (smallest–largest).\n\n\
         ![Broker CPU](cpu.svg)\n\n![Latency](latency.svg)\n\n![Memory](memory.svg)\n\n\
         ![Time to ready](ready.svg)\n\n",
        where_and_when(results)
    )
}

/// The machine, the commit, what took part; with an empty line at its end.
pub fn where_and_when(results: &Results) -> String {
    let machine = &results.machine;
    let versions = results.versions.iter().map(|(name, version)| format!("{name} {version}"));
    let later = results.added.iter().map(|added| {
        let (cases, rounds) = (added.cases.join(", "), added.rounds);
        format!("- {cases}: {} UTC, commit {}, {rounds} rounds.\n", added.date, added.commit)
    });
    format!(
        "- {} UTC, commit {}, {} rounds.\n{}\
         - {} × {}, {} MiB of memory, Linux {}, {}.\n\
         - {}.\n\n",
        results.date,
        results.commit,
        results.rounds,
        later.collect::<String>(),
        machine.cores,
        machine.cpu,
        machine.memory_mib,
        machine.kernel,
        machine.disk,
        versions.collect::<Vec<_>>().join("; "),
    )
}

fn targets_table(results: &Results) -> String {
    let mut text = "## Targets\n\nHighwater with fsync before the ack, Kafka without.\n\n\
         | | target | Highwater | Kafka | ratio | |\n| --- | --- | ---: | ---: | ---: | --- |\n"
        .to_owned();
    for target in targets::ALL {
        let judged = judge(results, target);
        let cell = |value: Option<f64>| {
            value.map_or(EMPTY.to_owned(), |value| format!("{} {}", number(value), target.unit))
        };
        let ratio = ratio(results, target.case, HIGHWATER, target.figure);
        let met = match judged.met {
            Some(true) => "met",
            Some(false) => "**not met**",
            None => "not measured",
        };
        let (ours, kafka) = (cell(judged.value), cell(judged.kafka));
        writeln!(text, "| {} | {} | {ours} | {kafka} | {ratio} | {met} |", target.what, judged.bound)
            .expect("a string takes all");
    }
    text + "\n"
}

fn spread_cell(spread: Option<Spread>) -> String {
    match spread {
        None => EMPTY.to_owned(),
        Some(Spread { median, min, max, .. }) if number(min) == number(max) => number(median),
        Some(Spread { median, min, max, .. }) => {
            format!("{} ({}–{})", number(median), number(min), number(max))
        }
    }
}

/// A row for each case and label that was run.
fn rows(results: &Results, columns: &[&str], cases: impl Iterator<Item = (&'static str, String)>) -> String {
    let mut text = String::new();
    for (case, what) in cases {
        for label in &LABELS {
            let found: Vec<Option<Spread>> =
                columns.iter().map(|column| summary::figure(results, case, label.name, column)).collect();
            if found.iter().all(Option::is_none) {
                continue;
            }
            let cells: Vec<String> = found.into_iter().map(spread_cell).collect();
            writeln!(text, "| {what} | {} | {} |", label.shown, cells.join(" | "))
                .expect("a string takes all");
        }
    }
    text
}

fn under_load(filter: impl Fn(&Case) -> bool) -> impl Iterator<Item = (&'static str, String)> {
    let cases = case::ALL.iter().filter(move |case| filter(case));
    cases.map(|case| (case.name, format!("{}: {}", case.name, case.what)))
}

fn cpu_table(results: &Results) -> String {
    const COLUMNS: [&str; 9] = [
        "cpu_s_per_gib",
        "cpu_s_per_million",
        "cpu_user_s",
        "cpu_system_s",
        "throughput_mib_s",
        "rss_peak_mib",
        "client_cpu_s",
        "foreign_cores",
        "steal_cores",
    ];
    let head = "## Broker CPU, throughput, memory\n\n\
         | case | broker | CPU s/GiB | CPU s/million | user s | system s | MiB/s | RSS peak MiB \
         | client CPU s | foreign cores | steal |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
    head.to_owned() + &rows(results, &COLUMNS, under_load(|case| case.records > 0)) + "\n"
}

fn latency_table(results: &Results) -> String {
    const COLUMNS: [&str; 5] = ["p50_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms"];
    let head = "## Latency, ms\n\n\
         What the client saw. At a fixed rate (r5, c1) and one at a time (c3) it is the broker's; \
         elsewhere it is mostly the queue that the client keeps.\n\n\
         | case | broker | p50 | p95 | p99 | p99.9 | max |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: |\n";
    head.to_owned() + &rows(results, &COLUMNS, under_load(|_| true)) + "\n"
}

fn beside_table(results: &Results) -> String {
    const ROWS: [(&str, &str, &str); 12] = [
        ("memory idle, MiB", "idle", "idle_rss_mib"),
        ("memory idle, largest since its start, MiB", "idle", "idle_rss_peak_mib"),
        ("memory under load, largest, MiB", UNDER_LOAD, "rss_peak_mib"),
        ("idle connections", "idle", "connections"),
        ("memory that these add, MiB", "idle", "connections_mib"),
        ("ready: empty directory, ms", "start", "empty_ms"),
        ("ready: after an orderly stop, ms", "start", "clean_ms"),
        ("ready: after `kill -9` with 4 GiB, ms", "crash", "killed_4_gib_ms"),
        ("ready: after `kill -9` with 10 GiB, ms", "crash", "killed_10_gib_ms"),
        ("1,000 partitions: CreateTopics answered, ms", "h1", "call_ms"),
        ("1,000 partitions: all have leaders, ms", "h1", "led_ms"),
        ("1,000 partitions: all serve, ms", "h1", "serving_ms"),
    ];
    let mut text = "## Memory, starts, partitions\n\n| | Highwater (fsync) | Apache Kafka 4.3.1 |\n\
         | --- | ---: | ---: |\n"
        .to_owned();
    for (what, case, figure) in ROWS {
        let cell = |label| spread_cell(summary::figure(results, case, label, figure));
        writeln!(text, "| {what} | {} | {} |", cell(HIGHWATER), cell(KAFKA)).expect("a string takes all");
    }
    text + "\n"
}

fn disk_table(results: &Results) -> String {
    let mut text = "## The disk alone: write and fdatasync, ms\n\n| | p50 | p99 | p99.9 | max |\n\
         | --- | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for (what, prefix) in
        [("4 KiB appended", "append_4k_"), ("64 KiB over what is written already", "overwrite_64k_")]
    {
        let cell =
            |name: &str| spread_cell(summary::figure(results, "disk", "", &format!("{prefix}{name}_ms")));
        let cells = ["p50", "p99", "p999", "max"].map(cell).join(" | ");
        writeln!(text, "| {what} | {cells} |").expect("a string takes all");
    }
    text + "\n"
}

/// What went wrong, and what was disturbed.
fn troubles(results: &Results) -> String {
    let name = |run: &crate::figures::Run| {
        format!("{} {} round {} attempt {}", run.case, run.label, run.round, run.attempt)
    };
    let mut lines = BTreeSet::new();
    for run in &results.runs {
        if let Some(error) = &run.error {
            lines.insert(format!("- {} failed: {}\n", name(run), error.lines().next().unwrap_or_default()));
        } else if run.disturbed {
            let how = disturbance::all(&run.case, &run.figures).join(", ");
            lines.insert(format!("- {} was disturbed: {how}\n", name(run)));
        }
    }
    if lines.is_empty() {
        return "## What disturbed it\n\nNothing.\n".to_owned();
    }
    format!(
        "## What disturbed it\n\n\
         A disturbed run is repeated once; it counts only if the other one was too.\n\n{}",
        lines.into_iter().collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::example;

    #[test]
    fn tables_say_what_was_measured_and_what_was_not() {
        let mut results = example();
        let text = page(&results);
        let row = "(r1) | ≤ 0.4 of Kafka's | 1.50 s/GiB | 4.00 s/GiB | 0.38 × | met |";
        assert!(text.contains(row), "{text}");
        assert!(
            text.contains("| memory idle | ≤ 20 MiB | 24.0 MiB | 300 MiB | 0.080 × | **not met** |"),
            "{text}"
        );
        assert!(text.contains("(d1) | ≤ 0.4 of Kafka's | – | – | – | not measured |"), "{text}");
        assert!(text.contains("1.50 (1.40–1.60)"), "{text}");
        assert!(text.ends_with("Nothing.\n"), "{text}");
        results.runs[0].disturbed = true;
        results.runs[0].figures.insert("foreign_cores".to_owned(), 0.3);
        results.runs[1].error = Some("no answer\nmore".to_owned());
        let text = page(&results);
        assert!(
            text.contains("was disturbed: others used") && text.contains("failed: no answer\n"),
            "{text}"
        );
    }

    #[test]
    fn the_readme_shows_the_worse_as_well_as_the_better() {
        let text = readme(&example());
        assert!(
            text.contains("| CPU: produce, 64 KiB batches | 1.50 s/GiB | – | 4.00 s/GiB | 0.38 × |"),
            "{text}"
        );
        assert!(
            text.contains("| acknowledged at 10,000 records/s: p99 | 6.00 ms | – | 4.00 ms | 1.50 × |"),
            "{text}"
        );
    }
}
