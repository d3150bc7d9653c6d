use super::{EpochStart, LeaderEpochs};
use crate::model::{LeaderEpoch, Offset};

fn start((leader_epoch, offset): (i32, i64)) -> EpochStart {
    EpochStart { leader_epoch: LeaderEpoch(leader_epoch), start_offset: Offset(offset) }
}

fn of(entries: &[(i32, i64)]) -> LeaderEpochs {
    LeaderEpochs::from_entries(entries.iter().copied().map(start).collect()).unwrap()
}

#[test]
fn assigning() {
    for (assigned, expected) in [
        (vec![(1, 0), (1, 5), (1, 9)], vec![(1, 0)]),
        (vec![(1, 0), (3, 10), (2, 20)], vec![(1, 0), (3, 10)]),
        // An epoch that wrote nothing leaves no trace.
        (vec![(1, 0), (2, 10), (3, 10)], vec![(1, 0), (3, 10)]),
        (vec![(-1, 0)], vec![]),
    ] {
        let mut epochs = LeaderEpochs::default();
        for &(leader_epoch, offset) in &assigned {
            epochs.assign(LeaderEpoch(leader_epoch), Offset(offset));
        }
        assert_eq!(epochs, of(&expected), "{assigned:?}");
    }
}

#[test]
fn look_ups() {
    let epochs = of(&[(2, 10), (4, 20), (7, 30)]);
    for (offset, expected) in
        [(9, None), (10, Some(2)), (19, Some(2)), (20, Some(4)), (30, Some(7)), (99, Some(7))]
    {
        assert_eq!(epochs.epoch_for(Offset(offset)), expected.map(LeaderEpoch), "offset {offset}");
    }
    // As Kafka's LeaderEpochFileCache: the largest epoch not above the one asked for.
    for (requested, expected) in [
        (1, Some((1, 10))),
        (2, Some((2, 20))),
        (3, Some((2, 20))),
        (4, Some((4, 30))),
        (6, Some((4, 30))),
        (7, Some((7, 44))),
        (8, None),
        (-1, None),
        // No epoch either, but Kafka knows only one way to say "none".
        (-2, Some((-2, 10))),
    ] {
        let expected = expected.map(|(leader_epoch, end)| (LeaderEpoch(leader_epoch), Offset(end)));
        assert_eq!(epochs.end_offset_for(LeaderEpoch(requested), Offset(44)), expected, "{requested}");
    }
    assert_eq!(LeaderEpochs::default().end_offset_for(LeaderEpoch(0), Offset(0)), None);
}

#[test]
fn truncating() {
    let all = [(2, 10), (4, 20), (7, 30)];
    for (below, expected) in [
        (5, vec![(2, 10), (4, 20), (7, 30)]),
        (10, vec![(2, 10), (4, 20), (7, 30)]),
        (15, vec![(2, 15), (4, 20), (7, 30)]),
        (20, vec![(4, 20), (7, 30)]),
        (99, vec![(7, 99)]),
    ] {
        let mut epochs = of(&all);
        epochs.truncate_below(Offset(below));
        assert_eq!(epochs, of(&expected), "below {below}");
    }
    for (from, kept) in [(5, 0), (10, 0), (11, 1), (20, 1), (30, 2), (31, 3)] {
        let mut epochs = of(&all);
        epochs.truncate_from(Offset(from));
        assert_eq!(epochs, of(&all[..kept]), "from {from}");
    }
}

#[test]
fn saved_entries_must_ascend() {
    for entries in [[(1, 0), (1, 5)], [(2, 0), (1, 5)], [(1, 5), (2, 5)]] {
        assert_eq!(LeaderEpochs::from_entries(entries.map(start).to_vec()), None, "{entries:?}");
    }
}
