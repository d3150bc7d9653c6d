//! One measured piece of work: /proc before and after it.

use std::time::Instant;

use anyhow::Result;

use crate::figures::Figures;
use crate::machine::{self, Process, Whole};

/// What stands in /proc before the work.
pub struct Before {
    broker_id: u32,
    broker: Process,
    whole: Whole,
    start: Instant,
}

/// Work done by the broker, for figures per unit.
pub struct Amount {
    /// Records.
    pub records: u64,
    /// Bytes of each one's value.
    pub record_bytes: u32,
}

impl Before {
    /// Looks, and forgets the broker's largest resident size.
    pub fn look(broker_id: u32) -> Result<Before> {
        machine::reset_peak(broker_id)?;
        let (broker, whole) = (machine::process(broker_id)?, machine::whole()?);
        Ok(Before { broker_id, broker, whole, start: Instant::now() })
    }

    /// Looks again and adds what the difference says.
    pub fn add_difference(self, figures: &mut Figures, amount: &Amount) -> Result<()> {
        let wall_s = self.start.elapsed().as_secs_f64();
        let (broker, whole) = (machine::process(self.broker_id)?, machine::whole()?);
        let mut add = |name: &str, value: f64| {
            // A thousandth of a unit is finer than any of this is exact.
            figures.insert(name.to_owned(), (value * 1e3).round() / 1e3);
        };
        let user_s = broker.user_s - self.broker.user_s;
        let cpu_s = user_s + broker.system_s - self.broker.system_s;
        let client_s = whole.children_s - self.whole.children_s;
        let own_s = whole.own_s - self.whole.own_s;
        // Kernel threads come and go, so their sum may shrink.
        let kernel_s = (whole.kernel_s - self.whole.kernel_s).max(0.0);
        let foreign_s = whole.busy_s - self.whole.busy_s - cpu_s - client_s - own_s - kernel_s;
        add("cpu_s", cpu_s);
        add("cpu_user_s", user_s);
        add("cpu_system_s", cpu_s - user_s);
        if amount.records > 0 {
            let gib = amount.records as f64 * f64::from(amount.record_bytes) / f64::from(1 << 30);
            add("cpu_s_per_gib", cpu_s / gib);
            add("cpu_s_per_million", cpu_s / (amount.records as f64 / 1e6));
        }
        add("rss_peak_mib", broker.rss_peak_mib);
        add("written_mib", broker.written_mib - self.broker.written_mib);
        add("read_mib", broker.read_mib - self.broker.read_mib);
        add("disk_written_mib", broker.disk_written_mib - self.broker.disk_written_mib);
        add("disk_read_mib", broker.disk_read_mib - self.broker.disk_read_mib);
        add("client_cpu_s", client_s);
        add("wall_s", wall_s);
        add("kernel_cores", kernel_s / wall_s);
        add("foreign_cores", (foreign_s / wall_s).max(0.0));
        add("steal_cores", (whole.steal_s - self.whole.steal_s) / wall_s);
        Ok(())
    }
}
