use super::*;

#[test]
fn steps_are_small_and_paid_for() {
    for (rate, bytes) in [(1, 1), (4096, 1024), (4 << 20, 1 << 20), (1 << 40, 1 << 20)] {
        assert_eq!(step_bytes(rate), bytes, "{rate} bytes per second");
        // A second of steps is a second's bytes.
        assert_eq!(
            pause(bytes, rate),
            Duration::from_secs_f64(bytes as f64 / rate as f64).max(STEP_PAUSE_MIN)
        );
    }
    assert_eq!(pause(8 << 20, 4 << 20), Duration::from_secs(2));
    assert_eq!(pause(0, 1), STEP_PAUSE_MIN);
}
