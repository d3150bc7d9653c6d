//! `verify` on what crashes leave, and on disks with one bit flipped.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::env::simulated::{SeededRandom, SimulatedWorld};
use crate::env::{Files, Random};
use crate::inspect::{Finding, Severity, Summary, VerifyError, Watcher, verify};
use crate::partition::CheckpointReach;
use crate::wal::SyncMode;

use super::crash_points::{Workload, work};
use super::machine::{Machine, Model, ROOT};

/// Positions at which one bit is flipped, for each kind of file.
const FLIPS: usize = 240;
/// Workloads that leave files of every kind.
const SEEDS: [u64; 4] = [1, 2, 3, 5];

#[derive(Default)]
struct Heard(Vec<Finding>);

impl Watcher for Heard {
    fn found(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    fn read(&mut self, _: u64) {}
}

fn look(world: &SimulatedWorld) -> Result<(Summary, Vec<Finding>), VerifyError> {
    let before = world.files.operations();
    let mut heard = Heard::default();
    let summary = verify(&world.env(), Path::new(ROOT), &mut heard)?;
    assert_eq!(world.files.operations(), before, "it changed something");
    let errors = heard.0.iter().filter(|finding| finding.severity == Severity::Error).count() as u64;
    assert_eq!((summary.errors, summary.errors + summary.notes), (errors, heard.0.len() as u64));
    Ok((summary, heard.0))
}

/// What a crash leaves is whole, whatever is still to be replayed or cut.
pub(crate) fn expect_whole(world: &SimulatedWorld) {
    let (summary, findings) = match look(world) {
        Ok(found) => found,
        // The crash came before there was anything.
        Err(VerifyError::NotADataDirectory(_) | VerifyError::Unreadable(_)) => return,
        Err(other) => panic!("{other}"),
    };
    let told: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert_eq!((summary.errors, summary.unreadable), (0, 0), "{}", told.join("\n"));
}

/// Something durable is said to be damaged or missing in a file of such a name.
pub(super) fn expect_error(world: &SimulatedWorld, ending: &str) {
    let (_, findings) = look(world).expect("it is a data directory");
    let is_it = |finding: &&Finding| {
        finding.severity == Severity::Error && finding.path.to_string_lossy().ends_with(ending)
    };
    assert!(findings.iter().any(|finding| is_it(&finding)), "{findings:?}");
}

/// A disk after some work: with batches below and above the last checkpoint.
fn worked(seed: u64) -> (SimulatedWorld, Model) {
    let world = SimulatedWorld::new(seed);
    let mut machine = Machine::open(world.clone(), Model::default(), SyncMode::Fsync).unwrap();
    work(&mut machine, Workload::Plain(seed)).unwrap();
    machine.storage.checkpoint_step(CheckpointReach::All).unwrap();
    work(&mut machine, Workload::Plain(seed ^ 1)).unwrap();
    machine.commit().unwrap();
    // Published, so that the last group is known to be acknowledged.
    machine.storage.idle_step().unwrap();
    let Machine { model, .. } = machine;
    (world.after_kill(), model)
}

/// Every file below a directory.
fn files(world: &SimulatedWorld, directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in world.files.list(directory).unwrap() {
        let path = directory.join(name);
        match world.files.list(&path) {
            Ok(_) => found.extend(files(world, &path)),
            Err(_) => found.push(path),
        }
    }
    found
}

fn length(world: &SimulatedWorld, path: &Path) -> u64 {
    world.files.open(path, crate::env::OpenMode::Read).unwrap().length().unwrap()
}

#[test]
fn a_clean_directory_is_whole_and_stays_as_it_is() {
    let (world, _) = worked(5);
    let (summary, findings) = look(&world).unwrap();
    assert_eq!((summary.errors, summary.unreadable), (0, 0), "{findings:?}");
    assert!(summary.partitions > 0 && summary.logs.segments > 2 && summary.logs.batches > 10, "{summary:?}");
    assert!(summary.logs.states > 0 && summary.logs.indexes > 0 && summary.wal_frames > 0, "{summary:?}");
}

#[test]
fn a_broker_keeps_it_out() {
    let world = SimulatedWorld::new(1);
    let machine = Machine::open(world.clone(), Model::default(), SyncMode::Fsync).unwrap();
    let refused = look(&world).unwrap_err().to_string();
    assert!(refused.contains("a broker runs on"), "{refused}");
    drop(machine);
    look(&world).unwrap();
}

/// One flipped bit is found, or a start gives what it gives without it: the same records and the same files.
#[test]
fn a_flipped_bit_is_found_or_harmless_in_every_kind_of_file() {
    let kinds = [".log", ".index", ".timeindex", ".state", "partition.metadata", "checkpoint.", ".wal"];
    let random = SeededRandom::new(11);
    for kind in kinds {
        let (mut found, mut harmless) = (0, 0);
        for seed in SEEDS {
            let (world, model) = worked(seed);
            let (_, clean) = look(&world).unwrap();
            let whole = Machine::open(world.after_kill(), model.clone(), SyncMode::Fsync).unwrap();
            let contents = whole.durable_files();
            let candidates: Vec<PathBuf> = files(&world, Path::new(ROOT))
                .into_iter()
                .filter(|path| path.to_string_lossy().contains(kind) && length(&world, path) > 0)
                .collect();
            assert!(!candidates.is_empty(), "{kind} in {seed}");
            for _ in 0..FLIPS / SEEDS.len() {
                let path = &candidates[random.next_u64() as usize % candidates.len()];
                let (offset, bit) = (random.next_u64() % length(&world, path), (random.next_u64() % 8) as u8);
                let flipped = world.after_kill();
                flipped.files.flip_bit(path, offset, bit).unwrap();
                let (_, findings) = look(&flipped).unwrap();
                if findings != clean {
                    found += 1;
                    continue;
                }
                harmless += 1;
                let place = format!("{} at byte {offset}, bit {bit}, seed {seed}", path.display());
                let started = Machine::open(flipped, model.clone(), SyncMode::Fsync);
                let machine = started.unwrap_or_else(|error| panic!("not found, and {error}: {place}"));
                machine.verify();
                let after = machine.durable_files();
                assert!(after == contents, "neither found nor harmless: {place}");
            }
        }
        println!("{kind}: {found} found, {harmless} harmless");
        assert!(found > 0, "{kind}");
    }
}

/// The identity of the directory has no checksum: what can be known of it is that it is well formed.
#[test]
fn damage_to_the_identity_is_found_where_it_can_be() {
    let (world, _) = worked(3);
    let path = Path::new(ROOT).join("meta.properties");
    let text = String::from_utf8(world.files.read(&path, 4096).unwrap()).unwrap();
    for (what, from, to) in [
        ("a key", "cluster.id=", "cluster.ie="),
        ("a format", "format.version=1", "format.version=x"),
        ("a node", "node.id=1", "node.id=q"),
        ("an id", "directory.id=", "directory.id=!"),
        ("a missing id", "directory.id=", "directory.ie="),
    ] {
        let changed = world.after_kill();
        changed.files.replace(&path, text.replace(from, to).as_bytes()).unwrap();
        let (summary, findings) = look(&changed).unwrap();
        assert_eq!(summary.errors, 1, "{what}: {findings:?}");
        assert_eq!(findings[0].path, path);
    }
    let newer = world.after_kill();
    newer.files.replace(&path, text.replace("format.version=1", "format.version=9").as_bytes()).unwrap();
    assert!(matches!(look(&newer), Err(VerifyError::Newer(_))));
    let other = world.after_kill();
    other.files.remove_file(&path).unwrap();
    assert!(matches!(look(&other), Err(VerifyError::NotADataDirectory(_))));
}

/// Whole files that are missing, cut or of another place.
#[test]
fn what_is_missing_or_misplaced_is_found() {
    let (world, _) = worked(2);
    let all = files(&world, Path::new(ROOT));
    let errors = |change: &dyn Fn(&dyn Files)| {
        let changed = world.after_kill();
        change(&changed.files);
        look(&changed).unwrap().0.errors
    };
    let of_kind = |kind: &str| {
        let found = all.iter().filter(|path| path.to_string_lossy().ends_with(kind));
        found.max_by_key(|path| length(&world, path)).unwrap().clone()
    };
    let (segment, state, metadata) = (of_kind(".log"), of_kind(".state"), of_kind("partition.metadata"));
    assert!(errors(&|files| files.remove_file(&segment).unwrap()) > 0);
    assert!(errors(&|files| files.remove_file(&metadata).unwrap()) > 0);
    let shorter = |path: &PathBuf, files: &dyn Files| {
        let file: Arc<dyn crate::env::File> = files.open(path, crate::env::OpenMode::Write).unwrap();
        file.set_len(file.length().unwrap() / 2).unwrap();
    };
    assert!(errors(&|files| shorter(&segment, files)) > 0);
    assert!(errors(&|files| shorter(&state, files)) > 0);
    assert!(errors(&|files| files.remove_dir_all(segment.parent().unwrap()).unwrap()) > 0);
    assert!(errors(&|files| files.remove_dir_all(&Path::new(ROOT).join("wal")).unwrap()) > 0);
    for copy in ["checkpoint.0", "checkpoint.1"] {
        assert_eq!(errors(&|files| files.remove_file(&Path::new(ROOT).join(copy)).unwrap()), 1, "{copy}");
    }
    let both = |files: &dyn Files| {
        for copy in ["checkpoint.0", "checkpoint.1"] {
            files.remove_file(&Path::new(ROOT).join(copy)).unwrap();
        }
    };
    assert_eq!(errors(&both), 1);
}
