use super::*;
use crate::env::simulated::SimulatedClock;

fn error(key: &str) -> TierError {
    TierError::damaged(key, "its checksum differs")
}

#[test]
fn rests_grow_until_it_is_as_it_should_be() {
    let clock = Arc::new(SimulatedClock::default());
    let damage = KnownDamage::new(clock.clone(), Arc::default());
    assert_eq!(damage.check("a", 0), Ok(()));
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        damage.remember("a", 7, &error("a"));
        assert_eq!((damage.check("a", 8), damage.check("b", 7)), (Ok(()), Ok(())), "another piece");
        clock.advance(Duration::from_secs(seconds) - Duration::from_millis(1));
        assert_eq!(damage.check("a", 7), Err(error("a")), "for {seconds} s");
        clock.advance(Duration::from_millis(1));
        assert_eq!(damage.check("a", 7), Ok(()), "after {seconds} s");
    }
    damage.forget("a", 7);
    damage.remember("a", 7, &error("a"));
    clock.advance(REST_MIN);
    assert_eq!(damage.check("a", 7), Ok(()), "from the beginning");
}

#[test]
fn no_more_than_so_many_are_known() {
    let clock = Arc::new(SimulatedClock::default());
    let damage = KnownDamage::new(clock.clone(), Arc::default());
    let all = KNOWN_MAX as u64;
    (0..all + 1).for_each(|at| damage.remember("a", at, &error("a")));
    assert!(damage.check("a", all - 1).is_err());
    assert_eq!(damage.check("a", all), Ok(()));
    // Those that are known still are told anew.
    clock.advance(REST_MIN / 2);
    damage.remember("a", 0, &error("a"));
    clock.advance(REST_MIN / 2);
    damage.remember("a", all, &error("a"));
    assert!(damage.check("a", all).is_err(), "there is room once others had their rest");
    assert!(damage.check("a", 0).is_err());
    assert_eq!(damage.known.lock().len(), 2);
}
