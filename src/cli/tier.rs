//! `highwater tier probe`: whether the object store that is configured lets us in and does what is asked of
//! it.

use std::io::Write;
use std::sync::Arc;

use super::arguments::{TierCommand, TierProbeArguments};
use super::exit::Exit;
use crate::broker::store_options;
use crate::config::ServerConfig;
use crate::env::Env;
use crate::store::{self, NoObserver, ObjectStore, StoreError, StoreOptions, Variables, conformance};

/// Does what was asked for.
pub fn tier(command: &TierCommand) -> Exit {
    let TierCommand::Probe(arguments) = command;
    let env = Env::real();
    let options = match configured(&env, arguments) {
        Ok(options) => options,
        Err(message) => return told(Exit::Configuration, &message),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(probe(&env, &options)),
        Err(error) => told(Exit::Failed, &format!("no thread: {error}")),
    }
}

fn told(exit: Exit, message: &str) -> Exit {
    eprintln!("highwater: {message}");
    exit
}

fn configured(env: &Env, arguments: &TierProbeArguments) -> Result<StoreOptions, String> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let loaded =
        ServerConfig::load(&*env.files, arguments.config.as_deref(), variables, &arguments.overrides);
    let (config, _) = loaded.map_err(|error| error.to_string())?;
    store_options(&config.tier, Variables::of_process())
        .ok_or_else(|| "no object store is configured: highwater.tier.store".to_owned())
}

async fn probe(env: &Env, options: &StoreOptions) -> Exit {
    let store = match store::open(options, env, Arc::new(NoObserver)) {
        Ok(store) => store,
        Err(error) => return told(Exit::Configuration, &error.to_string()),
    };
    match store::probe(&store, env.random.as_ref()).await {
        Ok(()) => check(env, options, &store).await,
        Err(error @ StoreError::Unavailable(_)) => told(Exit::Storage, &error.to_string()),
        Err(error) => told(Exit::Configuration, &error.to_string()),
    }
}

async fn check(env: &Env, options: &StoreOptions, store: &Arc<dyn ObjectStore>) -> Exit {
    // Some parts and a bit.
    let large_bytes = options.requests.part_bytes * 2 + 12_345;
    let checked = conformance::check(store, env.random.as_ref(), large_bytes).await;
    let mut exit = Exit::Stopped;
    let mut text = String::new();
    for checked in checked {
        match checked.result {
            Ok(()) => text.push_str(&format!("ok      {}\n", checked.name)),
            Err(why) => {
                text.push_str(&format!("FAILED  {}: {why}\n", checked.name));
                exit = Exit::Failed;
            }
        }
    }
    // Whoever reads may have seen enough.
    drop(std::io::stdout().write_all(text.as_bytes()));
    exit
}
