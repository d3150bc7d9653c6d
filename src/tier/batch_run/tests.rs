use super::*;

fn run(first: u32, count: usize) -> BlockRun {
    let block = |at: usize| Bytes::from(vec![at as u8; BLOCK_BYTES]);
    BlockRun { first, blocks: (0..count).map(block).collect() }
}

#[test]
fn slices_go_over_the_ends_of_blocks() {
    let run = run(2, 3);
    let mib = BLOCK_BYTES as u64;
    let lengths = |from: u64, to: u64| -> Vec<(usize, u8)> {
        run.slices(from..to).iter().map(|slice| (slice.len(), slice[0])).collect()
    };
    assert_eq!(lengths(2 * mib, 2 * mib + 5), [(5, 0)]);
    assert_eq!(lengths(3 * mib - 5, 3 * mib), [(5, 0)]);
    assert_eq!(lengths(3 * mib - 5, 4 * mib + 1), [(5, 0), (BLOCK_BYTES, 1), (1, 2)]);
    assert_eq!(run.copy(3 * mib - 1..3 * mib + 1).as_ref(), [0, 1]);
    assert!(run.slices(3 * mib..3 * mib).is_empty());
}

#[test]
fn blocks_that_were_passed_are_let_go() {
    let mut run = run(2, 3);
    for (before, first, count) in [(0, 2, 3), (2, 2, 3), (4, 4, 1), (3, 4, 1), (9, 9, 0), (7, 9, 0)] {
        run.drop_before(before);
        assert_eq!((run.first, run.blocks.len()), (first, count), "{before}");
    }
    assert_eq!(run.next(), 9);
}

#[test]
fn what_is_no_batch_is_told() {
    let run = run(0, 1);
    assert!(run.header(10, BLOCK_BYTES as u64).is_err());
}
