//! `highwater tier probe`: whether the object store that is configured lets us in and does what is asked of
//! it.

use std::io::Write;
use std::sync::Arc;

use super::super::arguments::StoreArguments;
use super::super::exit::Exit;
use super::Failure;
use crate::env::Env;
use crate::store::{self, ObjectStore, StoreOptions, conformance};

/// Does what was asked for.
pub(super) async fn probe(env: &Env, arguments: &StoreArguments) -> Result<Exit, Failure> {
    let (options, store) = super::open(env, arguments)?;
    store::probe(&store, env.random.as_ref()).await?;
    Ok(check(env, &options, &store).await)
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
