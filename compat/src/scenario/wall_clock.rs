//! A wall clock that jumps, for one broker: libfaketime reads from a file what to show besides the time.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::{Context, create_topics};
use crate::broker::Broker;

/// Back and forth by more than every retention.
pub const JUMPS: [&str; 4] = ["+3650d", "-3650d", "+30d", "+0d"];

/// It takes records of the last and the next hour, by its broker's clock.
const PROBE: &str = "clock 1 message.timestamp.before.max.ms=3600000 message.timestamp.after.max.ms=3600000";

/// The clock of a broker.
pub struct WallClock {
    file: PathBuf,
}

impl WallClock {
    /// One that goes right at first.
    pub fn new(context: &Context) -> Result<WallClock> {
        fs::create_dir_all(&context.folder)?;
        let file = context.folder.join("time");
        fs::write(&file, "+0d")?;
        Ok(WallClock { file })
    }

    /// With this environment a broker goes by it. Its monotonic clock stays as it is.
    pub fn environment(&self, context: &Context) -> Result<Vec<(String, String)>> {
        let environment = [
            ("LD_PRELOAD", context.tools.faketime()?.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        Ok(environment.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// Makes what [`WallClock::jump_to`] asks.
    pub fn prepare(&self, context: &Context, broker: &Broker) -> Result<()> {
        create_topics(context, broker, PROBE)
    }

    /// Replaces the file at once: the broker reads it whenever it asks for the time. A record of the true
    /// time shows that it has: it is refused unless the broker's clock is right.
    pub fn jump_to(&self, context: &Context, broker: &Broker, offset: &str) -> Result<()> {
        let next = self.file.with_extension("next");
        fs::write(&next, offset)?;
        fs::rename(next, &self.file)?;
        let is_taken = context.kcat(broker, "-P -t clock -p 0", "now\n")?.status.success();
        ensure!(is_taken == (offset == "+0d"), "the broker's clock did not go to {offset}");
        Ok(())
    }
}
