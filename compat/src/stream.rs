//! The real input: a web server's access log, made by a seeded generator, and a digest to compare it by.

/// A seed gives the same stream on every machine.
pub struct LogStream {
    state: u64,
    clock_ms: u64,
    line: u64,
}

/// One line of the stream.
pub struct LogLine {
    /// The client's address.
    pub key: String,
    /// The line without its line feed.
    pub value: String,
}

const METHODS: [&str; 4] = ["GET", "GET", "GET", "POST"];
const PATHS: [&str; 8] =
    ["/", "/search", "/cart", "/items", "/items/reviews", "/static/app.js", "/login", "/api/v2/orders"];
const STATUS: [u16; 8] = [200, 200, 200, 200, 204, 304, 404, 500];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 Safari/605.1.15",
    "curl/8.5.0",
    "okhttp/4.12.0",
];
/// 1 March 2024, midnight UTC.
const START_MS: u64 = 1_709_251_200_000;

impl LogStream {
    /// A stream of its own for every seed.
    pub fn new(seed: u64) -> LogStream {
        LogStream { state: seed, clock_ms: START_MS, line: 0 }
    }

    /// Splitmix64 (Steele, Lea, Flood 2014).
    pub fn next_random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_random() % bound
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        let index = usize::try_from(self.below(items.len() as u64)).expect("below the length");
        items[index]
    }

    /// The next line. Lines differ even where everything else is alike: each carries its number.
    pub fn next_line(&mut self) -> LogLine {
        self.clock_ms += self.below(40);
        self.line += 1;
        let key = format!("10.{}.{}.{}", self.below(4), self.below(256), self.below(256));
        let (method, path, status) = (self.pick(&METHODS), self.pick(&PATHS), self.pick(&STATUS));
        let (id, bytes, agent) = (self.next_random(), self.below(60_000), self.pick(&AGENTS));
        let (time, number) = (self.clock_ms, self.line);
        let request = format!("\"{method} {path}?id={id:x} HTTP/1.1\" {status} {bytes}");
        let value = format!("{key} - - [{time}] {request} \"-\" \"{agent}\" {number}");
        LogLine { key, value }
    }
}

/// What a partition holds, in order: a count of records, of bytes, and FNV-1a over keys and values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Digest {
    /// Number of records.
    pub records: u64,
    /// Keys and values together.
    pub bytes: u64,
    hash: u64,
}

impl Default for Digest {
    fn default() -> Digest {
        Digest { records: 0, bytes: 0, hash: FNV_START }
    }
}

/// What FNV-1a starts from.
pub const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a (64 bits), continued from `hash`.
pub fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Digest {
    /// Adds `key`, a tab, `value` and a line feed: a consumer that prints records so can be compared line by
    /// line.
    pub fn add_line(&mut self, line: &[u8]) {
        self.hash = fnv1a(fnv1a(self.hash, line), b"\n");
        self.records += 1;
        self.bytes += line.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_stream() {
        let lines = |seed| {
            let mut stream = LogStream::new(seed);
            (0..100).map(|_| stream.next_line().value).collect::<Vec<_>>()
        };
        assert_eq!(lines(7), lines(7));
        assert_ne!(lines(7), lines(8));
    }

    #[test]
    fn a_digest_sees_order_loss_and_repetition() {
        let digest = |lines: &[&str]| {
            let mut digest = Digest::default();
            lines.iter().for_each(|line| digest.add_line(line.as_bytes()));
            digest
        };
        let whole = digest(&["a\t1", "b\t2"]);
        assert_eq!(whole, digest(&["a\t1", "b\t2"]));
        for other in [&["b\t2", "a\t1"][..], &["a\t1"], &["a\t1", "a\t1", "b\t2"], &["a\t1b\t2"]] {
            assert_ne!(whole, digest(other));
        }
    }
}
