//! `highwater serve`: settings in, exit code out.

use super::arguments::ServeArguments;
use super::configuration;
use super::exit::Exit;
use super::running::Running;
use super::signals::StopSignals;
use super::{descriptors, panics};
use crate::config::{ServerConfig, Warning};
use crate::env::Env;
use crate::telemetry::{LogFormat, start_logging};

/// Threads for work that may wait for a disk; more of it stands in line.
const BLOCKING_THREADS_MAX: usize = 64;

/// Runs the broker until it is told to stop or cannot go on.
pub fn serve(arguments: &ServeArguments) -> Exit {
    let filter = std::env::var("HIGHWATER_LOG").ok();
    if let Err(error) = start_logging(LogFormat::for_this_process(), filter.as_deref()) {
        eprintln!("highwater: {error}");
        return Exit::Configuration;
    }
    panics::log_panics();
    let env = Env::real();
    let config = match configure(&env, arguments) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    raise_descriptor_limit(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("network")
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("cannot start threads: {error}; is the limit of processes (ulimit -u) too low?");
            return Exit::Failed;
        }
    };
    let exit = runtime.block_on(run(env, config));
    // What had to be durable is. Whatever still runs is not waited for.
    runtime.shutdown_background();
    exit
}

/// The settings, after everything worth saying about them was said.
fn configure(env: &Env, arguments: &ServeArguments) -> Result<ServerConfig, Exit> {
    let loaded = configuration::load(env, arguments.config.as_deref(), &arguments.overrides);
    let (config, warnings) = loaded.map_err(|error| {
        tracing::error!("{error}");
        Exit::Configuration
    })?;
    for warning in warnings {
        match warning {
            Warning::UnknownKey { .. } => tracing::warn!("{warning}"),
            Warning::NoEffect { .. } => tracing::info!("{warning}"),
        }
    }
    Ok(config)
}

fn raise_descriptor_limit(config: &ServerConfig) {
    /// Beside segments: connections, the write-ahead log, the runtime's own.
    const OTHERS_MIN: u64 = 256;
    let needed = config.log.file_handles as u64 + OTHERS_MIN;
    match descriptors::raise_limit() {
        Some(limit) if limit < needed => tracing::warn!(
            "only {limit} files may be open at once, and highwater.file.handles alone asks for {}: \
             raise the hard limit (ulimit -Hn, LimitNOFILE= in systemd) to \
             {needed} or more, or lower the key",
            config.log.file_handles
        ),
        limit => tracing::debug!(?limit, "limit of open files"),
    }
}

async fn run(env: Env, config: ServerConfig) -> Exit {
    let mut signals = match StopSignals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!("cannot listen for SIGTERM: {error}");
            return Exit::Failed;
        }
    };
    let running = tokio::select! {
        started = Running::start(env, config) => match started {
            Ok(running) => running,
            Err(exit) => return exit,
        },
        // Nothing was served yet, and recovery can be cut off anywhere: the next start begins it anew.
        signal = signals.next() => {
            tracing::info!("{signal} before the broker was ready: stopped");
            return Exit::Stopped;
        }
    };
    let mut lost = false;
    tokio::select! {
        why = running.tier_lost() => {
            tracing::error!(
                "{why}. Nothing more is written there and the broker stops; what it acknowledged is in its \
                 data directory, and what of it was not copied is nowhere else: keep it"
            );
            lost = true;
        }
        failure = running.failed() => {
            tracing::error!(
                "the storage failed: {failure}. Nothing is acknowledged from here on; \
                 acknowledged records are safe. Look at the disk (dmesg, df, smartctl), then start again"
            );
            running.give_up().await;
            return Exit::Storage;
        }
        signal = signals.next() => {
            tracing::info!("{signal}: no new requests; those in progress are finished");
        }
    }
    tokio::select! {
        exit = running.stop() => if lost { exit.max_by_code(Exit::Configuration) } else { exit },
        signal = signals.next() => {
            tracing::warn!("{signal} again: stopped at once; the next start replays the write-ahead log");
            Exit::Failed
        }
    }
}
