//! Who may connect: `max.connections` and `max.connections.per.ip`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Room for connections.
pub(super) struct Slots {
    taken: Mutex<Taken>,
    /// Told of every slot that is given back, and of other bounds.
    freed: Notify,
}

#[derive(Default)]
struct Taken {
    connections_max: usize,
    connections_per_ip_max: usize,
    count: usize,
    /// It was logged that connections wait, and none was let in without waiting since.
    told_full: bool,
    by_ip: HashMap<IpAddr, usize>,
}

/// The address has `max.connections.per.ip` connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FullForAddress;

/// Why a connection may not begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NoSlot {
    /// `max.connections` are open: wait.
    AtAll,
    /// Close.
    ForAddress(FullForAddress),
}

impl Slots {
    pub(super) fn new(connections_max: usize, connections_per_ip_max: usize) -> Arc<Slots> {
        let taken = Taken { connections_max, connections_per_ip_max, ..Taken::default() };
        Arc::new(Slots { taken: Mutex::new(taken), freed: Notify::new() })
    }

    /// Takes other bounds; connections that are open stay, as in Kafka.
    pub(super) fn set_limits(&self, connections_max: usize, connections_per_ip_max: usize) {
        let mut taken = self.taken.lock();
        (taken.connections_max, taken.connections_per_ip_max) = (connections_max, connections_per_ip_max);
        drop(taken);
        self.freed.notify_waiters();
    }

    /// Takes a slot for a connection from `ip`.
    fn take(self: &Arc<Slots>, ip: IpAddr) -> Result<Slot, NoSlot> {
        let mut taken = self.taken.lock();
        if taken.by_ip.get(&ip).copied().unwrap_or(0) >= taken.connections_per_ip_max {
            return Err(NoSlot::ForAddress(FullForAddress));
        }
        if taken.count >= taken.connections_max {
            return Err(NoSlot::AtAll);
        }
        taken.count += 1;
        *taken.by_ip.entry(ip).or_insert(0) += 1;
        Ok(Slot { slots: self.clone(), ip })
    }

    /// Takes a slot for a connection from `ip`; while all are taken, waits for one to come back.
    pub(super) async fn wait(self: &Arc<Slots>, ip: IpAddr) -> Result<Slot, FullForAddress> {
        let mut waited = false;
        loop {
            // Created before the attempt: it sees every `notify_waiters` from here on.
            let freed = self.freed.notified();
            match self.take(ip) {
                Ok(slot) => {
                    self.taken.lock().told_full &= waited;
                    return Ok(slot);
                }
                Err(NoSlot::ForAddress(full)) => return Err(full),
                Err(NoSlot::AtAll) => {
                    if !std::mem::replace(&mut self.taken.lock().told_full, true) {
                        tracing::warn!(
                            "{} connections are open: others wait (max.connections)",
                            self.taken()
                        );
                    }
                    waited = true;
                    freed.await;
                }
            }
        }
    }

    /// Slots that are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.lock().count
    }

    /// Completes when none is taken.
    pub(super) async fn all_free(&self) {
        loop {
            // Created before the count is read: it sees every `notify_waiters` from here on.
            let freed = self.freed.notified();
            if self.taken() == 0 {
                return;
            }
            freed.await;
        }
    }
}

/// One connection's room, given back on drop.
pub(super) struct Slot {
    slots: Arc<Slots>,
    ip: IpAddr,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock();
        taken.count -= 1;
        let of_ip = taken.by_ip.get_mut(&self.ip).expect("this slot is counted under its address");
        *of_ip -= 1;
        if *of_ip == 0 {
            taken.by_ip.remove(&self.ip);
        }
        drop(taken);
        self.slots.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_counted_in_all_and_by_address() {
        let (a, b) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let slots = Slots::new(3, 2);
        let first = slots.take(a).ok();
        let second = slots.take(a).ok();
        assert_eq!(slots.take(a).err(), Some(NoSlot::ForAddress(FullForAddress)));
        let third = slots.take(b).ok();
        assert_eq!(slots.take(b).err(), Some(NoSlot::AtAll));
        assert_eq!(slots.taken(), 3);
        drop(first);
        let again = slots.take(a).ok();
        assert!(again.is_some());
        // Fewer than are open: those stay, the next one waits; more again, and it comes in.
        slots.set_limits(1, 1);
        assert_eq!(slots.take(b).err(), Some(NoSlot::ForAddress(FullForAddress)));
        assert_eq!(slots.take("10.0.0.3".parse().unwrap()).err(), Some(NoSlot::AtAll));
        slots.set_limits(4, 2);
        let fourth = slots.take(b).ok();
        assert!(fourth.is_some());
        drop((second, third, again, fourth));
        assert_eq!(slots.taken(), 0);
        assert!(slots.taken.lock().by_ip.is_empty(), "addresses that left are forgotten");
    }
}
