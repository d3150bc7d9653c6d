//! Kafka's console producer and consumer, and its producer-perf-test.

use anyhow::{Result, ensure};

use super::{Context, create_topic};
use crate::broker::Broker;

const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const PERF: &str = "org.apache.kafka.tools.ProducerPerformance";

/// In by one tool and out by another.
pub fn run(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    let broker = &broker;
    create_topic(context, broker, "console", 1)?;
    context.see_java(broker, PRODUCER, "--topic console", "first\nsecond\nthird\n")?;
    let keyed = "--topic console --compression-codec zstd --reader-property parse.key=true \
                 --reader-property parse.headers=true --reader-property key.separator=: \
                 --reader-property headers.delimiter=! --reader-property null.marker=NULL";
    context.see_java(broker, PRODUCER, keyed, "h1:v1,h2:v2!k1:one\nh1:v3!k2:NULL\n")?;
    // Made by the first record: the producer asks for metadata until the topic is there.
    context.see_java(broker, PRODUCER, "--topic made-by-producing", "hello\n")?;

    let all = "--topic console --partition 0 --offset earliest --max-messages 5 --timeout-ms 20000 \
               --formatter-property print.key=true --formatter-property print.headers=true \
               --formatter-property print.offset=true --formatter-property print.partition=true";
    context.see_java(broker, CONSUMER, all, "")?;
    let from_offset = "--topic console --partition 0 --offset 1 --max-messages 2 --timeout-ms 20000";
    context.see_java(broker, CONSUMER, from_offset, "")?;
    let made =
        "--topic made-by-producing --partition 0 --offset earliest --max-messages 1 --timeout-ms 20000";
    context.see_java(broker, CONSUMER, made, "")?;
    perf(context, broker)
}

fn perf(context: &mut Context, broker: &Broker) -> Result<()> {
    create_topic(context, broker, "perf", 4)?;
    let words =
        "--topic perf --num-records 50000 --record-size 100 --throughput -1 --command-property acks=all";
    let outcome = context.java(broker, PERF, words, "")?.success()?;
    ensure!(outcome.stdout.contains("50000 records sent"), "{}", outcome.stdout);
    context.transcript.add("producer-perf-test sent 50000 records");
    let back = context.kcat(broker, r"-C -t perf -o beginning -e -q -f %S\n", "")?.success()?;
    ensure!(back.stdout.lines().count() == 50_000 && back.stdout.lines().all(|size| size == "100"));
    context.transcript.add("kcat read 50000 records of 100 bytes");
    Ok(())
}
