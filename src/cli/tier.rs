//! `highwater tier`: what the tier of a broker holds, what it costs, and whether a store is what it must be.

mod cost;
mod listing;
mod probe;
mod status;
mod verifying;

use std::io::{self, Write};
use std::sync::Arc;

use super::admin_client::{AdminClient, AdminFailure};
use super::arguments::{StoreArguments, TierCommand};
use super::configuration;
use super::exit::Exit;
use crate::broker::{TierPartition, TierStatus, store_options};
use crate::env::Env;
use crate::store::{self, NoObserver, ObjectStore, StoreError, StoreOptions, Variables};
use crate::tier::{BucketCheckError, TierError};

/// Answers that a broker is asked for, of some thousand partitions each.
const STATUS_PAGES_MAX: usize = 1_000;

/// Why a command gives up, and with what number.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    what: String,
}

impl Failure {
    fn new(exit: Exit, what: impl Into<String>) -> Failure {
        Failure { exit, what: what.into() }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let exit = if error.is_transient() { Exit::Storage } else { Exit::Configuration };
        Failure::new(exit, error.to_string())
    }
}

impl From<AdminFailure> for Failure {
    fn from(error: AdminFailure) -> Failure {
        Failure::new(Exit::Failed, error.to_string())
    }
}

impl From<TierError> for Failure {
    fn from(error: TierError) -> Failure {
        match error {
            TierError::Store(error @ (StoreError::NotFound(_) | StoreError::Corrupt { .. })) => {
                Failure::new(Exit::Failed, error.to_string())
            }
            TierError::Store(error) => error.into(),
            error => Failure::new(Exit::Failed, error.to_string()),
        }
    }
}

impl From<BucketCheckError> for Failure {
    fn from(error: BucketCheckError) -> Failure {
        match error {
            BucketCheckError::Store(error) => error.into(),
            BucketCheckError::Manifests(what) => Failure::new(Exit::Storage, what),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Failure {
        Failure::new(Exit::Failed, error.to_string())
    }
}

/// Does what was asked for.
pub fn tier(command: &TierCommand) -> Exit {
    let env = Env::real();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return told(&Failure::new(Exit::Failed, format!("no thread: {error}"))),
    };
    let done = runtime.block_on(async {
        match command {
            TierCommand::Probe(arguments) => probe::probe(&env, arguments).await,
            TierCommand::Status(arguments) => status::status(arguments).await,
            TierCommand::Ls(arguments) => listing::list(&env, arguments).await,
            TierCommand::Verify(arguments) => verifying::verify(&env, arguments).await,
            TierCommand::Cost(arguments) => cost::cost(arguments).await,
        }
    });
    done.unwrap_or_else(|failure| told(&failure))
}

fn told(failure: &Failure) -> Exit {
    eprintln!("highwater: {}", failure.what);
    failure.exit
}

/// The store that is configured.
fn open(env: &Env, arguments: &StoreArguments) -> Result<(StoreOptions, Arc<dyn ObjectStore>), Failure> {
    let loaded = configuration::load(env, arguments.config.as_deref(), &arguments.overrides);
    let (config, _) = loaded.map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
    let options = store_options(&config.tier, Variables::of_process()).ok_or_else(|| {
        Failure::new(Exit::Configuration, "no object store is configured: highwater.tier.store")
    })?;
    let store = store::open(&options, env, Arc::new(NoObserver))
        .map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
    Ok((options, store))
}

/// What a broker says of its tier, with all partitions.
async fn asked(admin: &AdminClient) -> Result<TierStatus, AdminFailure> {
    let mut status: TierStatus = admin.get("/tier").await?;
    for _ in 0..STATUS_PAGES_MAX {
        let Some(TierPartition { topic, partition, .. }) =
            status.partitions.last().filter(|_| status.has_more)
        else {
            break;
        };
        let page: TierStatus = admin.get(&format!("/tier/after/{topic}/{partition}")).await?;
        status.partitions.extend(page.partitions);
        status.has_more = page.has_more;
    }
    Ok(status)
}

/// Prints; whoever reads may have seen enough.
fn print(text: &str) -> Result<Exit, Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Storage, format!("cannot write what was found: {error}")))
        }
        _ => Ok(Exit::Stopped),
    }
}
