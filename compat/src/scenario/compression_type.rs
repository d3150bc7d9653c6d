//! `compression.type`: every codec sent to topics of every codec, read back, and seen in the segments.

use anyhow::{Result, ensure};

use super::dump_log::dump;
use super::{Context, create_topics};
use crate::broker::Broker;

const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const TARGETS: [&str; 6] = ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"];
const SOURCES: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// Of each batch.
const RECORDS: usize = 3;

/// A topic for each codec, a batch of each codec in it.
pub fn run(context: &mut Context) -> Result<()> {
    let mut broker = context.start()?;
    for target in TARGETS {
        create_topics(context, &broker, &format!("{target} 1 compression.type={target}"))?;
        for source in SOURCES {
            let line = format!("{source}:{}\n", "value ".repeat(60));
            let words = format!(
                "-P -t {target} -p 0 -z {source} -K : -H codec={source} -X linger.ms=200 \
                 -X enable.idempotence=true"
            );
            context.kcat(&broker, &words, &line.repeat(RECORDS))?.success()?;
        }
        context.see_kcat(
            &broker,
            &format!(r"-C -t {target} -p 0 -o beginning -e -q -X check.crcs=true -f %o|%k|%S|%h\n"),
            "",
        )?;
        read_by_java(context, &broker, target)?;
    }
    // An orderly stop leaves everything in the segments.
    broker.stop()?;
    for target in TARGETS {
        let folder = broker.log_dir().join(format!("{target}-0"));
        dump(context, &folder, "log", &["--deep-iteration"])?;
    }
    Ok(())
}

fn read_by_java(context: &mut Context, broker: &Broker, topic: &str) -> Result<()> {
    let count = SOURCES.len() * RECORDS;
    let words = format!(
        "--topic {topic} --partition 0 --offset earliest --max-messages {count} --timeout-ms 20000 \
         --formatter-property print.key=true --formatter-property print.headers=true"
    );
    let read = context.java(broker, CONSUMER, &words, "")?.success()?;
    let lines: Vec<&str> = read.stdout.lines().collect();
    ensure!(lines.len() == count, "{topic}: Java read {} records", lines.len());
    for (line, source) in lines.iter().zip(SOURCES.iter().flat_map(|source| [source; RECORDS])) {
        let expected = format!("codec:{source}\t{source}\tvalue value ");
        ensure!(line.starts_with(&expected), "{topic}: Java read {line}");
    }
    context.transcript.add(&format!("Java read {count} records of {topic}"));
    Ok(())
}
