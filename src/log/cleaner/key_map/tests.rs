use std::collections::HashMap;

use super::*;
use crate::env::simulated::SeededRandom;

#[test]
fn the_last_offset_of_each_key() {
    let random = SeededRandom::new(5);
    let mut map = KeyMap::new(1000 * ENTRY_BYTES, 0.9, &random);
    let mut model = HashMap::new();
    for offset in 0..20_000 {
        let key = (random.next_u64() % 900).to_be_bytes();
        map.put(&key, Offset(offset)).unwrap();
        model.insert(key, offset);
    }
    for (key, last) in &model {
        assert!(map.is_newest(key, Offset(*last)));
        assert!(!map.is_newest(key, Offset(last - 1)), "an older record of a key");
        assert!(map.is_newest(key, Offset(last + 1)), "beyond what the map knows");
    }
    assert!(map.is_newest(b"never seen", Offset(0)));
    assert_eq!(map.latest(), Some(Offset(19_999)));
    assert!((map.utilization() - model.len() as f64 / 1000.0).abs() < 1e-9);
}

#[test]
fn a_full_map_takes_known_keys_only() {
    let random = SeededRandom::new(5);
    for (slots, load_factor, room) in [(10, 0.9, 9), (10, 0.55, 5), (10, 1.0, 9), (2, 0.1, 1), (0, 0.9, 1)] {
        let mut map = KeyMap::new(slots * ENTRY_BYTES, load_factor, &random);
        for key in 0..room {
            map.put(&[key], Offset(i64::from(key))).unwrap();
        }
        assert_eq!(map.put(b"new", Offset(100)), Err(Full), "{slots} slots at {load_factor}");
        assert_eq!(map.latest(), Some(Offset(i64::from(room) - 1)), "what did not fit was not reached");
        map.put(&[0], Offset(101)).unwrap();
        assert!(!map.is_newest(&[0], Offset(100)));
    }
}
