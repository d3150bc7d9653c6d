//! What the kernel says in /proc: of a process, of the machine, of memory.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::figures::Machine;

/// Set in the flags of a kernel thread (`PF_KTHREAD`).
const KERNEL_THREAD: u64 = 0x0020_0000;
const MIB: f64 = 1_048_576.0;

/// A process at one moment. Seconds and MiB since it began.
#[derive(Clone, Copy, Default)]
pub struct Process {
    /// Outside of the kernel.
    pub user_s: f64,
    /// In the kernel.
    pub system_s: f64,
    /// Given to write calls.
    pub written_mib: f64,
    /// Got from read calls, of files and sockets.
    pub read_mib: f64,
    /// Read from the disk.
    pub disk_read_mib: f64,
    /// Written to the disk, as far as it is accounted to it.
    pub disk_written_mib: f64,
    /// Resident now.
    pub rss_mib: f64,
    /// Resident at most, since it was last reset.
    pub rss_peak_mib: f64,
}

/// The machine at one moment, in seconds of processor time since it began.
#[derive(Clone, Copy, Default)]
pub struct Whole {
    /// All that was not idle.
    pub busy_s: f64,
    /// What the host took away.
    pub steal_s: f64,
    /// What kernel threads used: write-back, reclaim.
    pub kernel_s: f64,
    /// What this process used.
    pub own_s: f64,
    /// What its children used that have ended.
    pub children_s: f64,
}

fn ticks() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// Fields of a `stat` file from the third on: the second, a name, may hold anything.
fn stat_fields(text: &str) -> Vec<&str> {
    text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default()
}

/// Field of `stat` by the number that proc(5) gives it, from 1.
fn field(fields: &[&str], number: usize) -> u64 {
    fields.get(number - 3).and_then(|field| field.parse().ok()).unwrap_or_default()
}

/// The number after `name:` in text of such lines.
fn number_after(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')));
    let word = line.and_then(|line| line.split_whitespace().nth(1));
    word.and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// A process by its id.
pub fn process(id: u32) -> Result<Process> {
    let read = |name: &str| {
        fs::read_to_string(format!("/proc/{id}/{name}")).with_context(|| format!("process {id} has ended"))
    };
    let (stat, io, status) = (read("stat")?, read("io")?, read("status")?);
    let fields = stat_fields(&stat);
    Ok(Process {
        user_s: field(&fields, 14) as f64 / ticks(),
        system_s: field(&fields, 15) as f64 / ticks(),
        written_mib: number_after(&io, "wchar") / MIB,
        read_mib: number_after(&io, "rchar") / MIB,
        disk_read_mib: number_after(&io, "read_bytes") / MIB,
        disk_written_mib: number_after(&io, "write_bytes") / MIB,
        rss_mib: number_after(&status, "VmRSS") / 1024.0,
        rss_peak_mib: number_after(&status, "VmHWM") / 1024.0,
    })
}

/// Forgets the largest resident size of a process so far.
pub fn reset_peak(id: u32) -> Result<()> {
    fs::write(format!("/proc/{id}/clear_refs"), "5").context("its peak of memory cannot be reset")
}

/// The machine now.
pub fn whole() -> Result<Whole> {
    let stat = fs::read_to_string("/proc/stat")?;
    let words = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let times: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
    let time = |place: usize| times.get(place).copied().unwrap_or_default() / ticks();
    // user nice system [idle iowait] irq softirq steal
    let busy_s = time(0) + time(1) + time(2) + time(5) + time(6);
    let own = fs::read_to_string("/proc/self/stat")?;
    let own = stat_fields(&own);
    Ok(Whole {
        busy_s,
        steal_s: time(7),
        kernel_s: kernel_threads_s()?,
        own_s: (field(&own, 14) + field(&own, 15)) as f64 / ticks(),
        children_s: (field(&own, 16) + field(&own, 17)) as f64 / ticks(),
    })
}

fn kernel_threads_s() -> Result<f64> {
    let mut used = 0;
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let is_process = path.file_name().is_some_and(|name| name.to_string_lossy().parse::<u32>().is_ok());
        if !is_process {
            continue;
        }
        // A process may end between the two calls.
        let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
        let fields = stat_fields(&stat);
        if field(&fields, 9) & KERNEL_THREAD != 0 {
            used += field(&fields, 14) + field(&fields, 15);
        }
    }
    Ok(used as f64 / ticks())
}

/// Memory that is in nobody's use, not even as cache.
pub fn memory_free_mib() -> Result<u64> {
    Ok(number_after(&fs::read_to_string("/proc/meminfo")?, "MemFree") as u64 / 1024)
}

/// All memory.
pub fn memory_mib() -> Result<u64> {
    Ok(number_after(&fs::read_to_string("/proc/meminfo")?, "MemTotal") as u64 / 1024)
}

/// Describes the machine; `data` is where the brokers' data lies.
pub fn describe(data: &Path) -> Result<Machine> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let models: Vec<&str> = processors.lines().filter(|line| line.starts_with("model name")).collect();
    let cpu = models.first().and_then(|line| line.split_once(": ")).map_or("unknown", |(_, name)| name);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(Machine {
        cpu: cpu.to_owned(),
        cores: u32::try_from(models.len())?,
        memory_mib: memory_mib()?,
        kernel: release.trim().to_owned(),
        disk: disk_under(data)?,
    })
}

/// `ext4 on /dev/vda (rw,relatime)`: the mount with the longest path above `data`.
fn disk_under(data: &Path) -> Result<String> {
    let data = data.canonicalize()?;
    let mounts = fs::read_to_string("/proc/mounts")?;
    let above = mounts.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [device, place, kind, options, ..] = words[..] else { return None };
        data.starts_with(place).then(|| (place.len(), format!("{kind} on {device} ({options})")))
    });
    Ok(above.max_by_key(|(length, _)| *length).map_or("unknown".to_owned(), |(_, text)| text))
}

/// First line of what a program prints, standard error included; empty if it cannot be run.
pub fn first_line_of(program: &str, words: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(words).output() else { return String::new() };
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_move_the_fields() {
        let stat = "12 (a) (b) S 1 12 12 0 -1 2097216 5 0 0 0 250 130 7 3 20 0";
        let fields = stat_fields(stat);
        assert_eq!(field(&fields, 9) & KERNEL_THREAD, KERNEL_THREAD);
        assert_eq!([14, 15, 16, 17].map(|number| field(&fields, number)), [250, 130, 7, 3]);
    }

    #[test]
    fn numbers_stand_after_their_whole_name() {
        let text = "VmRSSx:\t7 kB\nVmRSS:\t   2048 kB\nwchar: 99\n";
        assert_eq!(number_after(text, "VmRSS"), 2048.0);
        assert_eq!(number_after(text, "wchar"), 99.0);
        assert_eq!(number_after(text, "rchar"), 0.0);
    }

    #[test]
    fn this_process_and_this_machine_are_seen() {
        let own = process(std::process::id()).unwrap();
        assert!(own.rss_mib > 1.0 && own.rss_peak_mib >= own.rss_mib / 2.0);
        assert!(whole().unwrap().busy_s > 0.0);
        let machine = describe(Path::new("/")).unwrap();
        assert!(machine.cores > 0 && machine.memory_mib > 0 && machine.disk.contains(" on "));
    }
}
