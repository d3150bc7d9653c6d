//! What is made of the figures of tiered storage: a table with what they should be, and plots.

use std::fmt::Write as _;

use crate::chart::{self, Group, Item, Title};
use crate::figures::{HIGHWATER, Results};
use crate::markdown;
use crate::plots::Plot;
use crate::summary::{self, Spread, number};

/// The name of files with results, without extension.
pub const RESULTS: &str = "tiering-results";
/// The name that runs of it have.
pub const CASE: &str = "tier";
const COLOR: &str = "#0b5cad";
const OTHER_COLOR: &str = "#9aa4ae";

/// In words, the figure, its unit, and the most that it may be.
type Row = (&'static str, &'static str, &'static str, Option<f64>);

const READS: &[Row] = &[
    ("hot read, 20 readers", "hot_read_throughput_mib_s", "MiB/s", None),
    ("the store itself, its files read as they are", "store_mib_s", "MiB/s", None),
    ("cold read, 20 readers", "cold_read_throughput_mib_s", "MiB/s", None),
    ("cold read, one reader", "alone_read_throughput_mib_s", "MiB/s", None),
];
const REQUESTS: &[Row] = &[
    ("GETs for a GiB, one cold reader", "alone_read_gets_per_gib", "/GiB", Some(80.0)),
    ("PUTs for a GiB that is copied", "copy_puts_per_gib", "/GiB", Some(40.0)),
];
const COSTS: &[Row] = &[
    ("CPU of a hot read", "hot_read_cpu_s_per_gib", "s/GiB", None),
    ("CPU of a cold read", "cold_read_cpu_s_per_gib", "s/GiB", None),
    ("memory at most, cold read", "cold_read_rss_peak_mib", "MiB", None),
    ("copied", "copied_gib", "GiB", None),
    ("copying", "copy_mib_s", "MiB/s", None),
    ("CPU of copying", "copy_cpu_s_per_gib", "s/GiB", None),
    ("memory at most, copying", "copy_rss_peak_mib", "MiB", None),
];
const BESIDE: &[Row] = &[
    ("hot producer alone, p50", "alone_p50_ms", "ms", None),
    ("hot producer alone, p99", "alone_p99_ms", "ms", None),
    ("beside 20 cold readers at 5 MiB/s each, p50", "beside_readers_p50_ms", "ms", None),
    ("beside 20 cold readers at 5 MiB/s each, p99", "beside_readers_p99_ms", "ms", None),
    ("p99 beside them, of that alone", "beside_readers_p99_ratio", "×", Some(2.0)),
    ("what these readers were given; 100 were asked for", "beside_readers_read_mib_s", "MiB/s", None),
    ("the disk's own sync alone, p99", "disk_alone_p99_ms", "ms", None),
    ("beside the same reads of plain files, p99", "disk_beside_readers_p99_ms", "ms", None),
    ("p99 of the disk beside them, of that alone", "disk_beside_readers_p99_ratio", "×", None),
];
/// Of a server on the same processors: reported, and held to nothing.
const S3: &[Row] = &[
    ("copying to MinIO", "s3_copy_mib_s", "MiB/s", None),
    ("hot producer alone, p99", "s3_alone_p99_ms", "ms", None),
    ("beside 20 cold readers of MinIO, p99", "s3_beside_readers_p99_ms", "ms", None),
    ("p99 beside them, of that alone", "s3_beside_readers_p99_ratio", "×", None),
    ("what these readers were given; 100 were asked for", "s3_beside_readers_read_mib_s", "MiB/s", None),
];

fn figure(results: &Results, name: &str) -> Option<Spread> {
    summary::figure(results, CASE, HIGHWATER, name)
}

/// Every figure that was taken: the median, the spread, and whether it is within its bound.
pub fn table(results: &Results) -> String {
    let mut text =
        "| | median | from | to | at most | |\n| --- | ---: | ---: | ---: | ---: | --- |\n".to_owned();
    for (what, name, unit, bound) in [READS, REQUESTS, COSTS, BESIDE, S3].concat() {
        let Some(spread) = figure(results, name) else { continue };
        let [median, from, to] = [spread.median, spread.min, spread.max].map(number);
        // With little work, what a start costs is most of it.
        let (most, judged) = match bound.filter(|_| !results.quick) {
            None => (String::new(), ""),
            Some(bound) if spread.median <= bound => (number(bound), "kept"),
            Some(bound) => (number(bound), "**missed**"),
        };
        writeln!(text, "| {what} | {median} {unit} | {from} | {to} | {most} | {judged} |")
            .expect("a string takes all");
    }
    text
}

/// The table with where and when it was measured.
pub fn page(results: &Results) -> String {
    let trial = if results.quick { "\n**A trial with little work: no figures to quote.**\n" } else { "" };
    format!(
        "# Figures of tiered storage\n{trial}\n\
         Made by `make bench-tier` from `{RESULTS}.json`; what they mean: [tiering.md](tiering.md).\n\n{}\
         ![Reading](tiering-reads.svg)\n\n![Requests](tiering-requests.svg)\n\n\
         ![A hot producer](tiering-beside.svg)\n\n{}",
        markdown::where_and_when(results),
        table(results)
    )
}

/// What can be compared by eye.
pub fn plots(results: &Results) -> Vec<Plot> {
    let draw = |name, title, what: &str, rows: &[Row]| {
        let groups: Vec<Group> = rows.iter().filter_map(|row| group(results, row)).collect();
        let largest = |group: &Group| group.items[0].values[0].max(group.mark.unwrap_or_default());
        let max = groups.iter().map(largest).fold(0.0, f64::max);
        let unit = rows[0].2;
        let svg = chart::bars(&head(results, title, what), &groups, max, |value| {
            format!("{} {unit}", number(value))
        });
        Plot { name, svg }
    };
    let requests =
        "requests to the store by the broker's own count; less is better; red: the most there may be";
    vec![
        draw("tiering-reads", "Reading hot and cold", "MiB a second; cold: caches dropped", READS),
        draw("tiering-requests", "Requests to the store", requests, REQUESTS),
        Plot { name: "tiering-beside", svg: beside(results) },
    ]
}

fn head(results: &Results, title: &'static str, what: &str) -> Title {
    let rounds = match results.rounds {
        1 => "one round".to_owned(),
        rounds => format!("medians of {rounds} rounds"),
    };
    let subtitle = format!("{what}; {rounds}, {} cores, file:// on the same disk", results.machine.cores);
    Title { title, subtitle, legend: vec![(COLOR, "Highwater")] }
}

fn group(results: &Results, (what, name, unit, bound): &Row) -> Option<Group> {
    let value = figure(results, name)?.median;
    let color = if *name == "store_mib_s" { OTHER_COLOR } else { COLOR };
    let item = Item { color, values: vec![value], text: format!("{} {unit}", number(value)) };
    let (name, detail) = what.split_once(", ").unwrap_or((what, ""));
    Some(Group { name: name.to_owned(), detail: detail.to_owned(), items: vec![item], mark: *bound })
}

/// How long a producer waits, alone and beside cold readers.
fn beside(results: &Results) -> String {
    let row = |name: &str, detail: &str, prefix: &str| {
        let value = |percentile: &str| Some(figure(results, &format!("{prefix}_{percentile}_ms"))?.median);
        let values = vec![value("p50")?, value("p99")?];
        let text = format!("p50 {} · p99 {}", number(values[0]), number(values[1]));
        let items = vec![Item { color: COLOR, values, text }];
        Some(Group { name: name.to_owned(), detail: detail.to_owned(), items, mark: None })
    };
    let rows = [
        row("alone", "10,000 records/s of 1 KiB", "alone"),
        row("beside 20 cold readers", "5 MiB/s each", "beside_readers"),
    ];
    let groups: Vec<Group> = rows.into_iter().flatten().collect();
    let values = || groups.iter().flat_map(|group| &group.items).flat_map(|item| item.values.iter().copied());
    // From a whole power of ten on, where a line stands.
    let lowest = 10_f64.powf(values().fold(1.0, f64::min).max(0.01).log10().floor());
    let bounds = (lowest, values().fold(1.0, f64::max));
    let what = "p50 and p99 of acknowledgements, logarithmic";
    chart::percentiles(&head(results, "A hot producer beside cold readers", what), &groups, bounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Run;
    use crate::render::example;

    fn measured(gets: f64) -> Results {
        let rows = [READS, REQUESTS, COSTS, BESIDE].concat();
        let mut figures: crate::figures::Figures =
            rows.iter().map(|(_, name, _, _)| ((*name).to_owned(), 1.0)).collect();
        figures.insert("alone_read_gets_per_gib".to_owned(), gets);
        let (case, label) = (CASE.to_owned(), HIGHWATER.to_owned());
        let run = Run { case, label, round: 1, attempt: 1, disturbed: false, error: None, figures };
        Results { rounds: 1, quick: false, runs: vec![run], ..example() }
    }

    #[test]
    fn figures_are_judged_by_their_bounds() {
        assert!(table(&measured(80.0)).contains("| 80.0 /GiB | 80.0 | 80.0 | 80.0 | kept |"));
        let missed = table(&measured(81.0));
        assert!(missed.contains("| 81.0 /GiB | 81.0 | 81.0 | 80.0 | **missed** |"), "{missed}");
        let rows = [READS, REQUESTS, COSTS, BESIDE].iter().map(|rows| rows.len()).sum::<usize>();
        assert_eq!(missed.lines().count(), rows + 2);
        assert!(!table(&Results { quick: true, ..measured(81.0) }).contains("missed"));
    }

    #[test]
    fn what_was_not_measured_is_not_drawn_and_the_rest_is() {
        let plots = plots(&measured(120.0));
        assert!(plots.iter().all(|plot| plot.svg.contains("Highwater")));
        assert!(plots[1].svg.contains("120 /GiB"), "{}", plots[1].svg);
        assert!(!beside(&example()).contains("alone"));
        let mut quick_one = measured(1.0);
        quick_one.runs[0].figures.insert("alone_p50_ms".to_owned(), 0.7);
        assert!(beside(&quick_one).contains(r#"<text x="330.0""#), "a line from where the axis begins");
    }
}
