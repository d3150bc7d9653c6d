//! Work that waits for a disk, several pieces at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Does `act` to every item on up to `lanes` threads, this one among them; the results in the order of the
/// items. With one lane everything happens here, in order.
pub fn side_by_side<T: Sync, R: Send>(lanes: usize, items: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let lanes = lanes.min(items.len());
    if lanes <= 1 {
        return items.iter().map(act).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            done.push((at, act(item)));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..lanes).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for other in others {
            match other.join() {
                Ok(part) => done.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::side_by_side;

    #[test]
    fn every_item_is_done_once_and_results_keep_their_order() {
        for lanes in [0, 1, 3, 50] {
            let items: Vec<u32> = (0..40).collect();
            let expected: Vec<u32> = items.iter().map(|item| item * 2).collect();
            assert_eq!(side_by_side(lanes, &items, |item| item * 2), expected, "{lanes} lanes");
        }
        assert_eq!(side_by_side(4, &[] as &[u32], |item| *item), [] as [u32; 0]);
    }
}
