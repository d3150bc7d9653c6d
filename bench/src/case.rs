//! The cases: which load, from which client, how much of it.

/// Who makes the load.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Load {
    /// Requests built before, one connection a partition, five in flight; records a batch, and records a
    /// second of all partitions together (0: as fast as they are answered).
    RawProduce { per_batch: u32, rate: u32 },
    /// One fetch of 1 MiB in flight a partition, and bytes a second of each (0: as fast as they are
    /// answered).
    RawFetch { rate: u32 },
    /// Kafka's ProducerPerformance; `tuned` is batch.size=262144 linger.ms=5; in transactions of so many
    /// milliseconds (0: in none).
    JavaProduce { tuned: bool, rate: u32, warmup: u64, transaction_ms: u32 },
    /// A Java consumer with the settings of Kafka's ConsumerPerformance, which assigns itself the partitions.
    JavaConsume,
    /// librdkafka's rdkafka_performance -P.
    RdkafkaProduce,
    /// rdkafka_performance -C.
    RdkafkaConsume,
    /// So many groups of one member each (rdkafka_performance -G), each of which reads all records.
    Groups { groups: u32 },
    /// A record in, and out again, one after the other (confluent-kafka).
    EndToEnd,
    /// Nothing but the creation of the topic.
    Create,
}

impl Load {
    /// Whether it only reads what is there.
    pub fn reads(self) -> bool {
        matches!(self, Load::RawFetch { .. } | Load::JavaConsume | Load::RdkafkaConsume | Load::Groups { .. })
    }
}

/// Which topic the load works on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Topic {
    /// A new one, deleted afterwards.
    Own,
    /// The one that `a2` has filled.
    Filled,
    /// The one that groups read, all of it each; filled for the first of their cases.
    ForGroups,
    /// The one with 1,000 partitions that `h1` has made.
    Thousand,
}

/// One case.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
    /// Who makes the load.
    pub load: Load,
    /// On what.
    pub topic: Topic,
    /// Records.
    pub records: u64,
    /// Bytes of each record's value.
    pub record_bytes: u32,
    /// Whether it is worth a run without fsync: it waits for commits.
    pub commits: bool,
    /// How long it takes about, with what surrounds it: for the estimate of the time left.
    pub seconds: u32,
}

/// Records of 1 KiB in 2 GiB.
const TWO_GIB: u64 = 2 << 20;

const fn raw(name: &'static str, what: &'static str, per_batch: u32, records: u64, seconds: u32) -> Case {
    let load = Load::RawProduce { per_batch, rate: 0 };
    Case { name, what, load, topic: Topic::Own, records, record_bytes: 1024, commits: true, seconds }
}

const fn java(name: &'static str, what: &'static str, tuned: bool, record_bytes: u32, seconds: u32) -> Case {
    let records = if record_bytes == 100 { 5_000_000 } else { TWO_GIB };
    let load = Load::JavaProduce { tuned, rate: 0, warmup: 0, transaction_ms: 0 };
    Case { name, what, load, topic: Topic::Own, records, record_bytes, commits: false, seconds }
}

const fn at_10_000(transaction_ms: u32) -> Load {
    Load::JavaProduce { tuned: false, rate: 10_000, warmup: 50_000, transaction_ms }
}

const fn paced(name: &'static str, what: &'static str) -> Case {
    Case { records: 250_000, commits: true, ..java(name, what, false, 1024, 31) }
}

/// Some 500 MiB that divide evenly by partitions and batches: 50 groups are given 25 GiB of them.
const FOR_GROUPS: u64 = 54 * FOR_GROUPS_UNIT;
const FOR_GROUPS_UNIT: u64 = 9_600;

const fn groups(name: &'static str, what: &'static str, groups: u32, seconds: u32) -> Case {
    let load = Load::Groups { groups };
    Case { records: FOR_GROUPS, topic: Topic::ForGroups, ..read(name, what, load, seconds) }
}

const fn read(name: &'static str, what: &'static str, load: Load, seconds: u32) -> Case {
    let topic = Topic::Filled;
    Case { name, what, load, topic, records: TWO_GIB, record_bytes: 1024, commits: false, seconds }
}

/// Everything that is run under load, in this order.
pub const ALL: &[Case] = &[
    raw("r1", "raw produce, batches of 64 KiB", 64, TWO_GIB, 12),
    raw("r2", "raw produce, batches of 16 KiB", 16, TWO_GIB, 15),
    raw("r3", "raw produce, one record of 1 KiB a request", 1, 500_000, 25),
    Case {
        load: Load::RawProduce { per_batch: 10, rate: 10_000 },
        commits: false,
        ..raw("r5", "raw produce at 10,000 records/s, open loop, 10 a request", 10, 200_000, 25)
    },
    Case { commits: true, ..java("a1", "Java producer, 1 KiB, defaults", false, 1024, 24) },
    Case {
        load: Load::RdkafkaProduce,
        ..java("a3", "librdkafka producer, 1 KiB, defaults", false, 1024, 20)
    },
    java("b1", "Java producer, 100 bytes, defaults", false, 100, 24),
    Case {
        commits: true,
        ..java("b2", "Java producer, 100 bytes, batch.size=256k linger.ms=5", true, 100, 18)
    },
    Case { load: at_10_000(0), ..paced("c1", "Java producer at 10,000 records/s, 1 KiB") },
    Case {
        load: at_10_000(100),
        commits: false,
        ..paced("t1", "Java producer at 10,000 records/s, 1 KiB, in transactions of 100 ms")
    },
    Case {
        name: "c3",
        what: "end to end, one record of 100 bytes at a time (confluent-kafka)",
        load: Load::EndToEnd,
        topic: Topic::Own,
        records: 5_000,
        record_bytes: 100,
        commits: false,
        seconds: 12,
    },
    Case {
        topic: Topic::Filled,
        ..java("a2", "Java producer, 1 KiB, batch.size=256k linger.ms=5", true, 1024, 22)
    },
    read("r4", "raw fetch, 1 MiB a partition", Load::RawFetch { rate: 0 }, 8),
    read("d1", "Java consumer, 1 KiB", Load::JavaConsume, 12),
    read("d2", "librdkafka consumer, 1 KiB", Load::RdkafkaConsume, 10),
    groups("g1", "one group reads a topic, librdkafka, 1 KiB", 1, 8),
    groups("g10", "10 groups read all of the same topic", 10, 15),
    groups("g50", "50 groups read all of the same topic", 50, 36),
    Case {
        name: "h1",
        what: "1,000 partitions created, until all serve",
        load: Load::Create,
        topic: Topic::Thousand,
        records: 0,
        record_bytes: 0,
        commits: false,
        seconds: 8,
    },
    Case {
        topic: Topic::Thousand,
        ..java("h2", "Java producer over 1,000 partitions, batch.size=256k linger.ms=5", true, 1024, 30)
    },
];

/// What is measured beside loads, by the names that options use.
pub const BESIDE: [&str; 4] = ["disk", "idle", "start", "crash"];

impl Case {
    /// Partitions of its topic.
    pub fn partitions(&self) -> u32 {
        match (self.topic, self.load) {
            (Topic::Thousand, _) => 1_000,
            (_, Load::EndToEnd) => 1,
            _ => 6,
        }
    }

    /// Records in a sitting of this scale.
    pub fn records_at(&self, scale: Scale) -> u64 {
        match (scale, self.load) {
            (Scale::Full, _) => self.records,
            (Scale::Quick, Load::JavaProduce { rate: 1.., .. } | Load::RawProduce { rate: 1.., .. }) => {
                30_000
            }
            (Scale::Quick, Load::EndToEnd) => 500,
            (Scale::Quick, Load::Groups { .. }) => FOR_GROUPS_UNIT,
            (Scale::Quick, _) => self.records / 20,
        }
    }

    /// Records that all clients together send or get, of so many that are in the topic.
    pub fn delivered(&self, records: u64) -> u64 {
        match self.load {
            Load::Groups { groups } => records * u64::from(groups),
            _ => records,
        }
    }
}

/// How much work a sitting does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scale {
    /// What figures are quoted from.
    Full,
    /// For trying the tool.
    Quick,
}
