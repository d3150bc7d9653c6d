//! What every client program does; compat/src/scenario/clients/mod.rs tells the contract.

use std::error::Error;

/// Ends the program.
pub type Failure = Box<dyn Error>;

/// An absent field is null.
pub type Field = Option<Vec<u8>>;

const FIELD_BYTES_MAX: usize = 64;

/// One record.
pub struct Record {
    pub partition: i32,
    /// -1 before it is in the log.
    pub offset: i64,
    pub timestamp: i64,
    pub key: Field,
    pub value: Field,
    pub headers: Vec<(String, Field)>,
}

/// How producing ended.
pub enum Produced {
    Acked,
    /// The client's own name for the error.
    Refused(String),
}

/// What the library is asked.
pub trait Client {
    fn produce(
        &self,
        topic: &str,
        codec: &str,
        idempotent: bool,
        records: &[Record],
    ) -> Result<Produced, Failure>;
    /// All records of partitions `0..count`, and the end offset of each.
    fn consume(&self, topic: &str, count: i32) -> Result<(Vec<Record>, Vec<i64>), Failure>;
    /// The offset of the first record at or after a time.
    fn time(&self, topic: &str, partition: i32, timestamp: i64) -> Result<i64, Failure>;
    fn partitions(&self, topic: &str) -> Result<usize, Failure>;
}

/// Obeys the commands on standard input.
pub fn run(client: &impl Client) -> Result<(), Failure> {
    let mut records = Vec::new();
    for line in std::io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match &words[..] {
            ["record", words @ ..] => records.push(parse_record(words)?),
            ["forget"] => records.clear(),
            words => {
                println!("> {line}");
                obey(client, &records, words)?;
            }
        }
    }
    Ok(())
}

fn obey(client: &impl Client, records: &[Record], words: &[&str]) -> Result<(), Failure> {
    match words {
        ["produce", topic, codec, safety] => {
            match client.produce(topic, codec, *safety == "idempotent", records)? {
                Produced::Acked => println!("acked {}", records.len()),
                Produced::Refused(name) => println!("error {name}"),
            }
        }
        ["consume", topic, count] => {
            let (mut seen, ends) = client.consume(topic, count.parse()?)?;
            seen.sort_by_key(|record| (record.partition, record.offset));
            seen.iter().for_each(|record| println!("{}", show_record(record)));
            println!("ends {}", joined(&ends));
        }
        ["times", topic, partition, times @ ..] => {
            let partition = partition.parse()?;
            let find = |time: &&str| client.time(topic, partition, time.parse()?);
            println!("offsets {}", joined(&times.iter().map(find).collect::<Result<Vec<_>, _>>()?));
        }
        ["partitions", topic] => println!("partitions {}", client.partitions(topic)?),
        other => return Err(format!("unknown command {other:?}").into()),
    }
    Ok(())
}

fn joined(numbers: &[i64]) -> String {
    numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")
}

fn parse_record(words: &[&str]) -> Result<Record, Failure> {
    let [partition, timestamp, key, value, headers @ ..] = words else {
        return Err("a record has four words".into());
    };
    let header = |pair: &[&str]| {
        let name = String::from_utf8(parse_field(pair[0])?.unwrap_or_default())?;
        Ok((name, parse_field(pair[1])?))
    };
    Ok(Record {
        partition: partition.parse()?,
        offset: -1,
        timestamp: timestamp.parse()?,
        key: parse_field(key)?,
        value: parse_field(value)?,
        headers: headers.chunks(2).map(header).collect::<Result<_, Failure>>()?,
    })
}

fn parse_field(word: &str) -> Result<Field, Failure> {
    let Some(word) = word.strip_prefix('=') else { return Ok(None) };
    let (digits, count) = word.split_once('*').unwrap_or((word, "1"));
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16);
    let bytes = (0..digits.len()).step_by(2).map(byte).collect::<Result<Vec<u8>, _>>()?;
    Ok(Some(bytes.repeat(count.parse()?)))
}

fn show_record(record: &Record) -> String {
    let mut words =
        vec![record.partition.to_string(), record.offset.to_string(), record.timestamp.to_string()];
    words.extend([show_field(record.key.as_deref()), show_field(record.value.as_deref())]);
    for (name, value) in &record.headers {
        words.extend([show_field(Some(name.as_bytes())), show_field(value.as_deref())]);
    }
    words.join(" ")
}

fn show_field(field: Option<&[u8]>) -> String {
    match field {
        None => "null".to_owned(),
        Some(bytes) if bytes.len() > FIELD_BYTES_MAX => {
            format!("={}#{:08x}", bytes.len(), crc32fast::hash(bytes))
        }
        Some(bytes) => bytes.iter().fold("=".to_owned(), |text, byte| text + &format!("{byte:02x}")),
    }
}
