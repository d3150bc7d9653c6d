//! An EndTxn that comes late, after its producer has asked again and begun the next transaction: what version
//! 1 of transactions cannot prevent, and version 2 does.
//!
//! A proxy holds the first EndTxn of a client that soon asks again on another connection. Of version 1 (Java
//! 2.8) the late one, which names the same producer epoch, commits the next transaction under the client's
//! hands: what the client then aborts has been read. Of version 2 (Java 4.3) each transaction has an epoch of
//! its own, and the late one is refused. Apache Kafka shows the same.

use std::process::Command;
use std::thread::park_timeout;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::history::behind_proxy;
use super::transactions::Program;
use super::{Context, create_topics};
use crate::broker::{Broker, Settings};
use crate::proxy::{END_TXN, Hold, Proxy, Way};
use crate::tools::Tools;
use crate::wait::eventually;

/// Of a transaction and of a request.
const TIMES_MS: &str = "20000 1000";
/// Long enough for the client to give up waiting, to ask again, and to write in its next transaction.
const HELD: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_secs(20);
/// For what came late to be done.
const DONE_AFTER: Duration = Duration::from_millis(500);

type Client = (&'static str, fn(&Tools) -> Result<Command>);

const CLIENTS: [Client; 2] =
    [("java-2.8", |tools| tools.java_of("2.8.2", "History")), ("java", |tools| Ok(tools.java("History")))];

/// Each client on a topic of its own.
pub fn run(context: &mut Context) -> Result<()> {
    let (broker, proxy) = behind_proxy(context, Settings::default())?;
    for (name, command) in CLIENTS {
        create_topics(context, &broker, &format!("late-{name} 1"))?;
        context.transcript.section(name);
        let mut command = command(context.tools)?;
        command.arg(broker.bootstrap());
        let mut program = Program::start(command)?;
        story(context, (&broker, &proxy), name, &mut program).context(name)?;
    }
    Ok(())
}

fn story(
    context: &mut Context,
    (broker, proxy): (&Broker, &Proxy),
    name: &str,
    program: &mut Program,
) -> Result<()> {
    let topic = format!("late-{name}");
    for command in [&format!("open {topic} {TIMES_MS} {topic}"), "begin", &format!("put {topic}-0 first")] {
        ask(context, program, command)?;
    }
    proxy.hold(Some(Hold { api_key: END_TXN, way: Way::Request, time: HELD, count: 1 }));
    for command in ["commit", "begin", &format!("put {topic}-0 second")] {
        ask(context, program, command)?;
    }
    eventually(DEADLINE, "the late end", || Ok((proxy.under_way() == 0).then_some(())))?;
    park_timeout(DONE_AFTER);
    look(context, broker, &topic)?;
    ask(context, program, "abort")?;
    look(context, broker, &topic)
}

fn ask(context: &mut Context, program: &mut Program, command: &str) -> Result<()> {
    let answer = program.ask(command)?;
    context.transcript.add(&format!("{command}: {}", answer.last));
    Ok(())
}

/// What a reader of committed transactions reads.
fn look(context: &mut Context, broker: &Broker, topic: &str) -> Result<()> {
    let words = format!("-C -t {topic} -p 0 -o beginning -e -q -X isolation.level=read_committed");
    let read = context.kcat(broker, &words, "")?.success()?.stdout;
    context.transcript.add(&format!("read: {}", read.lines().collect::<Vec<_>>().join(" ")));
    Ok(())
}
