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
    let kept = pool.kept.lock().first().is_some_and(|buffer| buffer.as_ptr() == memory);
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
fn only_a_few_are_kept() {
    let pool = Arc::new(Pool::default());
    let frozen: Vec<Bytes> = (0..10).map(|_| pool.freeze(pool.take(1 << 20))).collect();
    drop(frozen);
    assert_eq!(pool.kept.lock().len(), KEPT_BUFFERS_MAX);
}
