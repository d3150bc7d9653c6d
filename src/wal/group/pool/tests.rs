use super::*;

/// Whether a buffer of that size has the same memory after its last slice is gone.
fn comes_back(bytes: usize) -> bool {
    let pool = Arc::new(Pool::default());
    let mut buffer = pool.take(bytes);
    buffer.resize(bytes, 1);
    let frozen = pool.freeze(buffer);
    let memory = frozen.as_ptr();
    let slice = frozen.slice(10..20);
    drop(frozen);
    assert_ne!(pool.take(bytes).as_ptr(), memory, "a slice still pins it");
    assert_eq!((&slice[..], slice.as_ptr() as usize - memory as usize), (&[1; 10][..], 10));
    drop(slice);
    let kept = pool.kept.lock().buffers.first().is_some_and(|buffer| buffer.as_ptr() == memory);
    assert!(pool.take(bytes).is_empty());
    kept
}

#[test]
fn large_buffers_come_back_when_no_slice_pins_them() {
    assert!(comes_back(1 << 20));
    assert!(!comes_back(4096), "the allocator is better at small ones");
    assert!(!comes_back(64 << 20), "memory of a rare oversized entry is not hoarded");
}

#[test]
fn only_so_many_bytes_are_kept() {
    let pool = Arc::new(Pool::default());
    let frozen: Vec<Bytes> = (0..40).map(|_| pool.freeze(pool.take(1 << 20))).collect();
    drop(frozen);
    assert_eq!(pool.kept.lock().bytes, KEPT_BYTES_MAX);
    assert_eq!(pool.kept.lock().buffers.len(), 16);
    let _taken = pool.take(1 << 20);
    assert_eq!(pool.kept.lock().bytes, KEPT_BYTES_MAX - (1 << 20));
}

#[test]
fn a_small_group_does_not_pin_a_large_buffer() {
    let pool = Arc::new(Pool::default());
    drop(pool.freeze(pool.take(1 << 20)));
    assert!(usable(&pool.take(100 << 10)) < 256 << 10);
    assert_eq!(usable(&pool.take(600 << 10)), 1 << 20);
    assert!(pool.kept.lock().buffers.is_empty());
}

#[test]
fn a_buffer_that_grows_keeps_what_it_holds_and_is_exchanged_within_the_pool() {
    let pool = Arc::new(Pool::default());
    let mut buffer = pool.take(64 << 10);
    buffer.extend_from_slice(&[7; 64 << 10]);
    pool.reserve(&mut buffer, BLOCK_BYTES);
    assert_eq!((buffer.len(), usable(&buffer)), (64 << 10, 128 << 10));
    assert!(buffer.iter().all(|byte| *byte == 7));
    assert_eq!(pool.kept.lock().bytes, 64 << 10, "the smaller one went back");
    pool.reserve(&mut buffer, 64 << 10);
    assert_eq!(usable(&buffer), 128 << 10, "there is room");
}

#[test]
fn large_buffers_can_go_to_the_disk_without_a_copy() {
    let pool = Arc::new(Pool::default());
    let is_aligned = |buffer: &[u8]| block_start(buffer) == 0;
    for bytes in [64 << 10, 100_000, 1 << 20, 4 << 20] {
        let mut buffer = pool.take(bytes);
        assert!(is_aligned(&buffer), "a new one of {bytes}");
        buffer.resize(bytes, 1);
        let frozen = pool.freeze(buffer);
        assert!(is_aligned(&frozen));
        drop(frozen);
        let mut again = pool.take(bytes);
        assert!(is_aligned(&again), "one that came back");
        pool.reserve(&mut again, 2 * bytes);
        assert!(is_aligned(&again) || 2 * bytes > *KEPT_BYTES.end(), "one that grew");
    }
}
