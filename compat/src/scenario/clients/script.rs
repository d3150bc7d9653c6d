//! What the clients are told to do: the same for all, save what a client cannot.

use super::{Cannot, StockClient};

/// Every codec there is; each client has them all, if need be through packages that its documents name.
pub const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// Topics for [`alone`]. The records are old: nothing may remove them meanwhile.
pub const TOPICS: &str = "
    codec-none 2 retention.ms=-1 , codec-gzip 2 retention.ms=-1 , codec-snappy 2 retention.ms=-1 ,
    codec-lz4 2 retention.ms=-1 , codec-zstd 2 retention.ms=-1 , idempotent 2 retention.ms=-1 ,
    empty 2 , times 1 retention.ms=-1 , large 2 retention.ms=-1 max.message.bytes=4194304 ,
    small 1 retention.ms=-1";

/// In September 1998.
const START_MS: i64 = 905_000_000_000;
const MEBIBYTE: usize = 1 << 20;

/// A field by its bytes.
type Field<'a> = Option<&'a [u8]>;

/// All that one client does with a broker of its own.
pub fn alone(client: &StockClient) -> String {
    let mut script = records(client);
    for codec in CODECS {
        script += &format!("produce codec-{codec} {codec} plain\nconsume codec-{codec} 2\n");
    }
    if client.can(Cannot::Idempotent) {
        script +=
            "produce idempotent none idempotent\nproduce idempotent lz4 idempotent\nconsume idempotent 2\n";
    }
    script += "consume empty 2\ntimes empty 0 0\npartitions codec-none\n";
    script + &times() + &sizes()
}

/// Records of every odd shape, for two partitions.
pub fn records(client: &StockClient) -> String {
    let text = |text: &'static str| Some(text.as_bytes());
    let mut headers =
        vec![("trace", text("7")), ("other", text("x")), ("trace", text("8")), ("empty", text(""))];
    if client.can(Cannot::NullHeader) {
        headers.push(("null", None));
    }
    let nothing = if client.can(Cannot::NullRecord) { None } else { text("instead of nothing") };
    let long = "abcdefgh".repeat(2_500);
    [
        record(0, 0, (text("key"), text("value")), &[]),
        record(1, 1, (None, text("without key")), &[]),
        record(0, 2, (text("tombstone"), None), &[]),
        record(1, 3, (None, nothing), &[]),
        record(0, 4, (text(""), text("")), &[]),
        record(1, 5, (text("empty value"), text("")), &[]),
        record(0, 6, (text("with headers"), text("value")), &headers),
        // No text, a header's name beyond ASCII, and earlier than the record before.
        record(1, 2, (Some(b"\xff\x00\xfe"), Some(b"\x80\r\n\t\x00")), &[("größe", Some(b"\xff"))]),
        record(0, 7, (text("long"), Some(long.as_bytes())), &[]),
    ]
    .concat()
}

/// Offsets by time: before all, exact, between, where times go back, after all, far in the future.
fn times() -> String {
    let mut script = "forget\n".to_owned();
    for after in [1_000, 3_000, 2_000, 3_000] {
        script += &record(0, after, (None, Some(after.to_string().as_bytes())), &[]);
    }
    script += "produce times none plain\ntimes times 0 0";
    for after in [1_000, 1_001, 2_000, 2_500, 3_000, 3_001] {
        script += &format!(" {}", START_MS + after);
    }
    script + " 4102444800000\n"
}

/// 1 MiB where it is allowed, 2 MiB where it is not.
fn sizes() -> String {
    let of = |partition: u32, length: usize| format!("record {partition} {START_MS} null =78*{length}\n");
    [
        "forget\n",
        &of(0, 1),
        &of(0, MEBIBYTE),
        &of(1, MEBIBYTE),
        "produce large none plain\nproduce large gzip plain\nconsume large 2\nforget\n",
        &of(0, 2 * MEBIBYTE),
        "produce small none plain\nforget\n",
        &of(0, 2),
        "produce small none plain\nconsume small 1\n",
    ]
    .concat()
}

fn record(partition: u32, after: i64, (key, value): (Field, Field), headers: &[(&str, Field)]) -> String {
    let mut words = vec!["record".to_owned(), partition.to_string(), (START_MS + after).to_string()];
    words.extend([field(key), field(value)]);
    for (name, value) in headers {
        words.extend([field(Some(name.as_bytes())), field(*value)]);
    }
    words.join(" ") + "\n"
}

fn field(field: Field) -> String {
    let Some(bytes) = field else { return "null".to_owned() };
    bytes.iter().fold("=".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}
