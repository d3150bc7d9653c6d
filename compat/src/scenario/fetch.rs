//! Fetch sessions: a stock consumer that never notices what happens to its session, and raw requests.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use anyhow::{Result, bail, ensure};

use super::{CLIENT_DEADLINE, Context};
use crate::broker::tied_to_this_process;
use crate::process::{Process, run};

/// One Java consumer, through the deletion of a topic, its second creation, and two restarts of the broker,
/// which forgets every session. The program ends by itself: each of its steps has a deadline.
pub fn session(context: &mut Context) -> Result<()> {
    let mut broker = context.start()?;
    let mut command = context.tools.java("SessionConsumer");
    command.args(["--bootstrap-server", broker.bootstrap()]);
    let mut command = tied_to_this_process(&command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut program = Process::spawn(command)?;
    let (mut input, output) = (program.take_stdin()?, BufReader::new(program.take_stdout()?));
    for line in output.lines() {
        let line = line?;
        match line.as_str() {
            "stop" => broker.stop()?,
            "kill" => broker.kill()?,
            _ => {
                context.transcript.add(&line);
                continue;
            }
        }
        context.transcript.add(&line);
        broker.restart()?;
        input.write_all(b"\n")?;
        input.flush()?;
    }
    let status = program.wait(CLIENT_DEADLINE)?;
    ensure!(status.success(), "SessionConsumer ended with {status}");
    Ok(())
}

/// Raw requests of several versions, good and odd, with sessions and without; the script prints the answers.
pub fn wire(context: &mut Context) -> Result<()> {
    let broker = context.start()?;
    let mut command = context.tools.python("fetch_wire.py");
    command.arg(broker.bootstrap());
    let seen = run(command, b"", CLIENT_DEADLINE)?.success()?;
    if seen.stdout.is_empty() {
        bail!("the script said nothing");
    }
    context.transcript.add(&seen.stdout);
    Ok(())
}
