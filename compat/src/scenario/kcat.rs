//! kcat, the way people reach for it first.

use anyhow::{Result, ensure};

use super::{Context, create_topic, produce_at};

/// `-L`: plain, as JSON, of one topic, of a topic that is not there.
pub fn metadata(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    let broker = &broker;
    context.see_kcat(broker, "-L", "")?;
    create_topic(context, broker, "one", 1)?;
    create_topic(context, broker, "three", 3)?;
    for words in ["-L", "-L -J", "-L -t three", "-L -X allow.auto.create.topics=false -t absent"] {
        context.see_kcat(broker, words, "")?;
    }
    context.see_kcat(broker, "-C -e -q -t bad!name", "")
}

/// Every codec, in and out again, small batches and large ones.
pub fn codecs(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    let broker = &broker;
    // Compresses well, so that a codec which is silently switched off shows in the segment's size.
    let lines: String = (0..2_000).map(|line| format!("{line:06} {}\n", "abcdefgh".repeat(12))).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let words = format!("-P -t {codec} -p 0 -z {codec} -X linger.ms=200");
        context.see_kcat(broker, &words, &lines)?;
        let back = context.kcat(broker, &format!("-C -t {codec} -p 0 -o beginning -e -q"), "")?.success()?;
        ensure!(back.stdout == lines, "{codec}: what came back is not what was sent");
        context.see_kcat(broker, &format!(r"-C -t {codec} -p 0 -o 1990 -e -q -f %o|%S|%T|%s\n"), "")?;
        context.transcript.add(&format!("{codec}: all lines came back"));
    }
    Ok(())
}

/// Keys, headers, tombstones, empty and large values, several partitions.
pub fn records(context: &mut Context) -> Result<()> {
    const FORMAT: &str = r"%p|%o|%K:%k|%S:%s|%h\n";
    let broker = context.start()?;
    let broker = &broker;
    create_topic(context, broker, "records", 2)?;
    let produce = "-P -t records -p";
    context.see_kcat(broker, &format!("{produce} 0 -K :"), "a:1\nb:2\na:\n:4\n")?;
    context.see_kcat(broker, &format!("{produce} 0 -Z -K :"), "a:\n:x\nb:y\n")?;
    context.see_kcat(
        broker,
        &format!("{produce} 0 -H trace=7 -H trace=8 -H empty= -k key"),
        "with headers\n",
    )?;
    let large = format!("{}\n", "x".repeat(900_000));
    context.see_kcat(broker, &format!("{produce} 1"), &large)?;
    let too_large = format!("{}\n", "x".repeat(1_100_000));
    let words = format!("{produce} 1 -X message.max.bytes=3000000");
    let refused = context.kcat(broker, &words, &too_large)?;
    ensure!(refused.stderr.contains("Message size too large"), "no refusal: {}", refused.stderr);
    context.transcript.add("a record above max.message.bytes is refused");
    context.see_kcat(broker, &format!("-C -t records -p 0 -o beginning -e -q -f {FORMAT}"), "")?;
    context.see_kcat(broker, &format!("-C -t records -p 0 -o 3 -c 2 -q -f {FORMAT}"), "")?;
    context.see_kcat(broker, &format!("-C -t records -p 0 -o -2 -e -q -f {FORMAT}"), "")?;
    context.see_kcat(broker, "-C -t records -p 0 -o beginning -e -q -J -c 1", "")?;
    context.see_kcat(broker, r"-C -t records -p 1 -o beginning -e -q -f %p|%o|%S\n", "")?;
    // Far beyond the end: out of range, and the client's own policy decides.
    context.see_kcat(broker, "-C -t records -p 0 -o 1000 -e -q -X auto.offset.reset=latest", "")
}

/// acks 0, 1, all, and the idempotent producer.
pub fn acks(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    let broker = &broker;
    let lines: String = (0..500).map(|line| format!("line {line}\n")).collect();
    for (topic, options) in [
        ("none", "-X acks=0"),
        ("leader", "-X acks=1"),
        ("all", "-X acks=all"),
        ("idempotent", "-X enable.idempotence=true"),
    ] {
        // A topic that is there: with acks=0 nobody would tell the producer that it was not.
        create_topic(context, broker, topic, 1)?;
        context.see_kcat(broker, &format!("-P -t {topic} -p 0 {options}"), &lines)?;
        let words = format!("-C -t {topic} -p 0 -o beginning -c 500 -q");
        let back = context.kcat(broker, &words, "")?.success()?;
        ensure!(back.stdout == lines, "{options}: what came back is not what was sent");
        context.transcript.add(&format!("{options}: all lines came back"));
    }
    Ok(())
}

/// `-Q`: offsets by time.
pub fn offsets(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    let broker = &broker;
    create_topic(context, broker, "offsets", 2)?;
    produce_at(context, broker, ("offsets", 0), &[1_000, 3_000, 2_000])?;
    for time in ["-1", "-2", "0", "1000", "1001", "2500", "3000", "3001", "4102444800000"] {
        context.see_kcat(broker, &format!("-Q -t offsets:0:{time} -t offsets:1:{time}"), "")?;
    }
    context.see_kcat(broker, "-C -t offsets -p 0 -o s@1001 -e -q", "")
}
