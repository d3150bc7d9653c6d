//! kafka-log-dirs: the data directory and what each partition takes in it.

use anyhow::Result;

use super::{Context, create_topic};

const TOOL: &str = "org.apache.kafka.tools.LogDirsCommand";
/// What stands before a partition's bytes.
const SIZE: &str = "\"size\":";

/// A topic with records in one of two partitions, and one without any.
pub fn run(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    let broker = &broker;
    create_topic(context, broker, "filled", 2)?;
    create_topic(context, broker, "empty", 1)?;
    context.kcat(broker, "-P -t filled -p 1", "one\ntwo\n")?.success()?;
    for words in [
        "--describe",
        "--describe --topic-list filled",
        "--describe --topic-list filled,absent",
        "--describe --topic-list absent",
        "--describe --broker-list 1 --topic-list empty",
        "--describe --broker-list 1,9",
    ] {
        let outcome = context.java(broker, TOOL, words, "")?;
        context.transcript.section(&format!("LogDirsCommand {words}"));
        context.transcript.add(&without_sizes(&outcome.stdout));
        if !outcome.status.success() {
            context.transcript.add("failed");
        }
    }
    Ok(())
}

/// How many bytes records take depends on how the client batched them; whether there are any does not.
fn without_sizes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(SIZE).map(|at| at + SIZE.len()) {
        let (before, number) = rest.split_at(at);
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        out.push_str(before);
        out.push_str(if &number[..end] == "0" { "0" } else { "<bytes>" });
        rest = &number[end..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::without_sizes;

    #[test]
    fn sizes_are_bytes_or_none() {
        for (seen, kept) in [
            ("{\"size\":85,\"x\":1},{\"size\":0}", "{\"size\":<bytes>,\"x\":1},{\"size\":0}"),
            ("no size\n", "no size\n"),
            ("\"size\":10", "\"size\":<bytes>"),
        ] {
            assert_eq!(without_sizes(seen), kept);
        }
    }
}
