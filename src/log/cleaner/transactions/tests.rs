use super::*;

const A: ProducerId = ProducerId(1);
const B: ProducerId = ProducerId(2);

enum Step {
    /// Producer, last offset, whether it goes.
    Batch(ProducerId, i64, bool),
    /// Producer, offset, what it says, whether it may go.
    Marker(ProducerId, i64, Option<ControlType>, bool),
}

fn check(what: &str, aborted: &[(ProducerId, i64)], steps: &[Step]) {
    let aborted = aborted
        .iter()
        .map(|(producer_id, first)| Aborted { producer_id: *producer_id, first_offset: Offset(*first) });
    let mut sieve = TransactionSieve::new(aborted.collect());
    for (at, step) in steps.iter().enumerate() {
        let (found, expected) = match *step {
            Step::Batch(producer, offset, goes) => (sieve.batch(producer, Offset(offset)), goes),
            Step::Marker(producer, offset, control, goes) => {
                (sieve.marker(producer, Offset(offset), control), goes)
            }
        };
        assert_eq!(found, expected, "{what}: step {at}");
    }
}

#[test]
fn batches_and_markers() {
    use ControlType::{Abort, Commit, Other};
    use Step::{Batch, Marker};
    let (abort, commit) = (Some(Abort), Some(Commit));
    check(
        "committed: the marker stays while a batch is there",
        &[],
        &[Batch(A, 5, false), Marker(A, 6, commit, false), Marker(A, 9, commit, true)],
    );
    check(
        "aborted: batches go, the marker stays as long as one was met",
        &[(A, 5)],
        &[Batch(A, 5, true), Batch(A, 6, true), Marker(A, 7, abort, false), Marker(A, 9, abort, true)],
    );
    check(
        "two producers",
        &[(B, 6)],
        &[
            Batch(A, 5, false),
            Batch(B, 6, true),
            Marker(B, 7, abort, false),
            Batch(A, 8, false),
            Marker(A, 9, commit, false),
        ],
    );
    check(
        "one after the other",
        &[(A, 10), (A, 3)],
        &[
            Batch(A, 3, true),
            Marker(A, 4, abort, false),
            Batch(A, 5, false),
            Marker(A, 6, commit, false),
            Batch(A, 10, true),
            Marker(A, 11, abort, false),
        ],
    );
    check(
        "an emptied batch of an aborted one holds its marker",
        &[],
        &[Batch(A, 3, false), Marker(A, 4, abort, false)],
    );
    check(
        "emptied and unknown markers",
        &[],
        &[Marker(A, 3, None, true), Marker(A, 4, Some(Other(5)), false)],
    );
}
