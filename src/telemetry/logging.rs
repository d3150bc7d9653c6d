//! Log lines: text for a person at a terminal, JSON for everything else.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The level where nobody asks for another. The cache of remote blocks tells of its insides at each start.
const DEFAULT_FILTER: &str = "info,foyer=warn";

/// How a log line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// One line of text, coloured.
    Text,
    /// One JSON object.
    Json,
}

impl LogFormat {
    /// Text if the error stream is a terminal.
    pub fn for_this_process() -> LogFormat {
        if std::io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json }
    }
}

/// Why logging cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum LogFilterError {
    /// The filter is none.
    #[error(
        "HIGHWATER_LOG={filter:?} is no log filter: {source}; \
         write a level (error, warn, info, debug, trace) or pairs such as highwater::wal=debug,info"
    )]
    Filter {
        /// As it was given.
        filter: String,
        /// Why.
        source: ParseError,
    },
    /// This process logs already.
    #[error("logging was started twice: {0}")]
    Started(#[from] TryInitError),
}

/// Sends log lines to the error stream from now on. `filter` is what `HIGHWATER_LOG` says.
pub fn start_logging(format: LogFormat, filter: Option<&str>) -> Result<(), LogFilterError> {
    let filter = parse_filter(filter)?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    match format {
        LogFormat::Text => registry.with(layer).try_init()?,
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init()?,
    }
    Ok(())
}

fn parse_filter(filter: Option<&str>) -> Result<EnvFilter, LogFilterError> {
    let text = filter.filter(|text| !text.is_empty()).unwrap_or(DEFAULT_FILTER);
    EnvFilter::try_new(text).map_err(|source| LogFilterError::Filter { filter: text.to_owned(), source })
}

#[cfg(test)]
mod tests;
