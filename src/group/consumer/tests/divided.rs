//! An assignment that goes into several batches, of which a crash leaves the first.

use std::collections::BTreeSet;
use std::ops::Range;

use super::client::{Client, settle};
use super::driver::Driver;
use crate::group::Outcome;
use crate::model::TopicId;

const PARTITIONS: i32 = 23;

/// What the next heartbeat is to change.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// A member comes.
    Join,
    /// One of them subscribes to another topic as well, so that all is mixed.
    Subscribe,
    /// There are more partitions.
    Grow,
}

/// A group that is stable, its members, and one whose next heartbeat has it assign anew.
fn scene(change: Change) -> (Driver, Vec<Client>, usize) {
    let mut driver = Driver::new();
    driver.topic("a", PARTITIONS);
    driver.topic("b", 3);
    let mut clients: Vec<Client> = (0..6).map(|id| Client::new(&format!("m{id}"), &["a"])).collect();
    settle(&mut driver, &mut clients);
    match change {
        // In front of all others, so that what it gets comes first.
        Change::Join => clients.push(Client::new("a-newcomer", &["a"])),
        Change::Subscribe => {
            clients[0].names.push("b".into());
            clients[0].has_told = false;
            clients.swap(0, 5);
        }
        Change::Grow => {
            driver.topic("a", PARTITIONS + 8);
        }
    }
    let asks = clients.len() - 1;
    (driver, clients, asks)
}

fn divisible(driver: &Driver) -> Range<usize> {
    Outcome { records: driver.written.clone(), ..Outcome::default() }.divisible()
}

fn owned_once(clients: &[Client], what: &str) -> usize {
    let mut all: BTreeSet<(TopicId, i32)> = BTreeSet::new();
    for (topic_id, partitions) in clients.iter().flat_map(|client| &client.owned) {
        for partition in partitions {
            assert!(all.insert((*topic_id, *partition)), "{what}: {partition} is had twice");
        }
    }
    all.len()
}

#[test]
fn whatever_is_written_of_an_assignment_the_group_gets_a_whole_one() {
    for change in [Change::Join, Change::Subscribe, Change::Grow] {
        let (mut driver, clients, asks) = scene(change);
        driver.heartbeat(&clients[asks].request()).expect("an answer");
        let range = divisible(&driver);
        assert!(
            range.len() > 1 && range.start > 0 && range.end < driver.written.len(),
            "{change:?} {range:?}"
        );
        for written in range.start..=range.end {
            let what = format!("{change:?}, {written} records of {range:?}");
            let (mut driver, mut clients, asks) = scene(change);
            driver.written_max = written;
            driver.heartbeat(&clients[asks].request()).expect("an answer");
            driver.written_max = usize::MAX;
            driver.fail_over();
            assert_eq!(driver.state(), "Assigning", "{what}");
            // Its answer was lost; all others go on as if nothing had been.
            for _ in 0..8 {
                for at in 0..clients.len() {
                    clients[at].beat(&mut driver).expect("an answer");
                    owned_once(&clients, &what);
                }
            }
            settle(&mut driver, &mut clients);
            let partitions = driver.image.topics().filter(|topic| match change {
                Change::Subscribe => true,
                Change::Join | Change::Grow => &*topic.name == "a",
            });
            let count: i32 = partitions.map(|topic| topic.partitions).sum();
            assert_eq!(owned_once(&clients, &what), count as usize, "{what}");
        }
    }
}
