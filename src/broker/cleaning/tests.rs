use super::*;

fn settings() -> CleanerSettings {
    crate::config::ServerConfig::defaults().cleaner
}

#[test]
fn threads_share_memory_and_speed() {
    let two = CleanerSettings { threads: 2, ..settings() };
    assert_eq!(limits(&settings()).key_map_bytes, 128 << 20);
    assert_eq!((limits(&two).key_map_bytes, limits(&two).write_buffer_bytes), (64 << 20, 128 << 10));
    let huge = CleanerSettings { key_map_bytes: 1 << 40, ..settings() };
    assert_eq!(limits(&huge).key_map_bytes, i32::MAX as u64);
    assert_eq!(step_bytes(&settings()), STEP_BYTES, "as fast as it goes, and a step at a time");
    let slow = CleanerSettings { io_bytes_per_second: 16_000.0, ..two };
    assert_eq!((rate(&slow), step_bytes(&slow)), (8_000.0, 1_000));
    for speed in [0.0, -5.0] {
        let least = CleanerSettings { io_bytes_per_second: speed, ..settings() };
        assert_eq!((rate(&least), step_bytes(&least)), (1.0, 1), "{speed}");
    }
}
