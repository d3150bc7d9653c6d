use super::*;

const UNUSED_MIN: Duration = Duration::from_secs(120);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A session of so many partitions, ten bytes each.
fn of(partitions: usize) -> Size {
    Size { partitions, bytes: partitions * 10 }
}

fn cache(slots: usize) -> SessionCache<&'static str> {
    SessionCache::new(slots, UNUSED_MIN, 10_000)
}

/// What is there, by id; and that all accounts agree.
fn ids(cache: &SessionCache<&'static str>) -> Vec<i32> {
    let mut ids: Vec<i32> = cache.entries.keys().copied().collect();
    ids.sort_unstable();
    let sum = cache.entries.values().fold(Size::default(), |sum, entry| Size {
        partitions: sum.partitions + entry.size.partitions,
        bytes: sum.bytes + entry.size.bytes,
    });
    assert_eq!(cache.size, sum);
    assert_eq!(cache.used.len(), ids.len());
    let listed = cache.used.iter().all(|(used, id)| cache.entries[id].used == *used);
    assert!(listed, "{:?}", cache.used);
    let settled = cache.settled.iter().all(|(size, id)| cache.entries[id].size.partitions == *size);
    assert!(settled, "{:?}", cache.settled);
    ids
}

#[test]
fn without_slots_there_are_no_sessions() {
    let mut cache = cache(0);
    assert!(!cache.insert(at(0), 1, of(1), "a"));
    assert_eq!((ids(&cache), cache.evictions_count()), (vec![], 0));
}

#[test]
fn a_new_session_takes_the_slot_of_one_that_is_long_unused() {
    let mut cache = cache(2);
    assert!(cache.insert(at(0), 1, of(9), "a"));
    assert!(cache.insert(at(1), 2, of(1), "b"));
    assert!(cache.touch(at(50), 1, of(9)));
    assert!(!cache.insert(at(121), 3, of(100), "c"), "not longer unused than that");
    assert!(cache.insert(at(122), 3, of(1), "c"));
    assert_eq!((ids(&cache), cache.evictions_count()), (vec![1, 3], 1));
    // The size of it does not matter.
    assert!(cache.insert(at(171), 4, of(1), "d"));
    assert_eq!((ids(&cache), cache.get(1)), (vec![3, 4], None));
}

#[test]
fn a_bigger_session_takes_the_slot_of_the_smallest_that_is_settled() {
    let mut cache = cache(3);
    for (id, size) in [(1, 5), (2, 3), (3, 1)] {
        assert!(cache.insert(at(0), id, of(size), "x"));
    }
    // The third is as young as it can be; the others have been used for longer than the limit.
    for now in [60, 121] {
        assert!(cache.touch(at(now), 1, of(5)) && cache.touch(at(now), 2, of(3)));
    }
    assert!(cache.touch(at(60), 3, of(1)));
    for (size, fits) in [(2, false), (3, false), (4, true)] {
        assert_eq!(cache.insert(at(122), 7, of(size), "new"), fits, "{size}");
    }
    assert_eq!(ids(&cache), [1, 3, 7]);
    // Nobody but the first is settled now, and it has five.
    assert!(!cache.insert(at(122), 8, of(5), "new"));
    assert!(cache.insert(at(122), 8, of(6), "new"));
    assert_eq!((ids(&cache), cache.evictions_count()), (vec![3, 7, 8], 2));
}

#[test]
fn a_session_that_grows_is_worth_more() {
    let mut cache = cache(1);
    assert!(cache.insert(at(0), 1, of(1), "a"));
    assert!(cache.touch(at(100), 1, of(50)));
    assert!(cache.touch(at(150), 1, of(50)));
    assert_eq!((ids(&cache), cache.partitions_count()), (vec![1], 50));
    assert!(!cache.insert(at(151), 2, of(50), "b"));
    assert!(cache.touch(at(160), 1, of(2)));
    assert!(cache.insert(at(161), 2, of(3), "b"));
    assert_eq!((ids(&cache), cache.partitions_count()), (vec![2], 3));
}

#[test]
fn memory_is_bounded_and_only_unused_sessions_go_for_it() {
    let mut cache = cache(100);
    assert!(!cache.insert(at(0), 1, of(1001), "too big for anything"));
    assert!(cache.insert(at(0), 1, of(400), "a"));
    assert!(cache.insert(at(10), 2, of(400), "b"));
    assert!(!cache.insert(at(500), 3, of(1001), "nobody goes for what never fits"));
    assert_eq!(ids(&cache), [1, 2]);
    assert!(!cache.insert(at(130), 3, of(900), "needs more than may go"));
    assert_eq!(ids(&cache), [2], "the one that was unused went all the same");
    assert!(cache.insert(at(131), 4, of(900), "c"));
    assert_eq!((ids(&cache), cache.evictions_count()), (vec![4], 2));
}

#[test]
fn a_session_that_outgrows_the_memory_is_gone() {
    let mut cache = cache(100);
    assert!(cache.insert(at(0), 1, of(500), "a"));
    assert!(cache.insert(at(0), 2, of(400), "b"));
    assert!(cache.touch(at(1), 2, of(500)));
    assert!(!cache.touch(at(2), 2, of(501)));
    assert_eq!((ids(&cache), cache.evictions_count()), (vec![1], 1));
    assert!(!cache.touch(at(3), 2, of(1)), "nobody brings it back");
    // It does not go for its own sake though nobody has used it for long.
    assert!(cache.touch(at(500), 1, of(1000)));
    assert!(cache.insert(at(501), 3, of(0), "empty"));
    assert!(!cache.touch(at(502), 3, of(1)));
    assert_eq!(ids(&cache), [1]);
}

#[test]
fn a_session_that_is_removed_leaves_nothing() {
    let mut cache = cache(2);
    assert!(cache.insert(at(0), 1, of(7), "a"));
    assert!(cache.touch(at(200), 1, of(7)));
    assert_eq!((cache.remove(1), cache.remove(1)), (Some("a"), None));
    assert_eq!((ids(&cache), cache.partitions_count(), cache.evictions_count()), (vec![], 0, 0));
    assert!(cache.settled.is_empty());
}

/// Kafka's rule for every step of a long random life, told once more in the simplest way.
#[test]
fn a_random_life_keeps_its_accounts_and_its_bounds() {
    let mut random = 7_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut cache = cache(8);
    for step in 0..20_000 {
        let (now, id) = (at(step * 7), i32::try_from(1 + next(40)).unwrap());
        let size = of(usize::try_from(next(300)).unwrap());
        match next(3) {
            0 if cache.get(id).is_none() => drop(cache.insert(now, id, size, "x")),
            1 => drop(cache.remove(id)),
            _ => drop(cache.touch(now, id, size)),
        }
        assert!(ids(&cache).len() <= 8 && cache.size.bytes <= 10_000, "step {step}");
    }
    assert!(cache.evictions_count() > 100, "{}", cache.evictions_count());
}
