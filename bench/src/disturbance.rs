//! What else than the broker made the figures of a run what they are.

use crate::case::ALL;
use crate::figures::Figures;
use crate::summary::number;

/// Cores that others used.
const FOREIGN_CORES_MAX: f64 = 0.15;
/// Memory that was free before a case: with more it found pages that nobody had touched, which cost more.
const FREE_MAX_MIB: f64 = 2_048.0;
/// What a case that reads what was read just before got from the disk: with more it did not lie in memory.
const DISK_READ_MAX_MIB: f64 = 64.0;

/// Each in words; mostly none.
pub fn all(case: &str, figures: &Figures) -> Vec<String> {
    let above = |name: &str, max: f64| figures.get(name).copied().filter(|value| *value > max).map(number);
    let reads = ALL.iter().any(|one| one.name == case && one.load.reads());
    let found = [
        above("foreign_cores", FOREIGN_CORES_MAX).map(|cores| format!("others used {cores} cores")),
        above("memory_free_mib", FREE_MAX_MIB).map(|mib| format!("{mib} MiB of memory were free before it")),
        above("disk_read_mib", DISK_READ_MAX_MIB)
            .filter(|_| reads)
            .map(|mib| format!("{mib} MiB came from the disk")),
    ];
    found.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_bound_and_its_words() {
        for (case, name, value, words) in [
            ("r1", "foreign_cores", 0.15, None),
            ("r1", "foreign_cores", 0.2, Some("others used 0.20 cores")),
            ("h1", "memory_free_mib", 2_048.0, None),
            ("h1", "memory_free_mib", 2_049.0, Some("2,049 MiB of memory were free before it")),
            ("r4", "disk_read_mib", 64.0, None),
            ("r4", "disk_read_mib", 926.3, Some("926 MiB came from the disk")),
            ("g10", "disk_read_mib", 926.3, Some("926 MiB came from the disk")),
            // What is written may throw something out that is read again.
            ("a1", "disk_read_mib", 926.3, None),
            ("disk", "disk_read_mib", 926.3, None),
        ] {
            let figures = Figures::from([(name.to_owned(), value)]);
            let found = all(case, &figures);
            assert_eq!(found, words.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{case} {name}");
        }
        assert!(all("r4", &Figures::new()).is_empty());
    }
}
