//! `highwater txn list`: which open transaction holds back consumers of committed records, since when, and
//! whose it is.

mod holders;
mod show;

use std::io::{self, Write};

use super::arguments::{TxnCommand, TxnListArguments};
use super::client::Cluster;
use super::exit::Exit;
use crate::env::Env;

/// Does what was asked for.
pub fn txn(command: &TxnCommand) -> Exit {
    let TxnCommand::List(arguments) = command;
    match list(arguments) {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("highwater: {error:#}");
            Exit::Failed
        }
    }
}

fn list(arguments: &TxnListArguments) -> anyhow::Result<Exit> {
    let mut cluster = Cluster::connect(&arguments.bootstrap_server)?;
    let found = holders::find(&mut cluster);
    let now = Env::real().clock.now();
    let shown = match arguments.json {
        true => show::json(&found.holders, now)?,
        // Nothing is said of what nobody told.
        false if found.holders.is_empty() && !found.refused.is_empty() => String::new(),
        false => show::table(&found.holders, now),
    };
    for refused in &found.refused {
        eprintln!("highwater: {refused}");
    }
    match io::stdout().write_all(shown.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ if found.refused.is_empty() => Ok(Exit::Stopped),
        _ => Ok(Exit::Failed),
    }
}
