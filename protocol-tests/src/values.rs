//! What a frame says, field by field under Kafka's names: read by Kafka's schemas, independently of the codec
//! crate, and compared with what the crate's decoder says it found.

use bytes::Bytes;
use uuid::Uuid;

use crate::schema::{Field, Kind, Schema};

/// The name under which the codec crate keeps tagged fields that it does not know.
const UNKNOWN: &str = "unknown_tagged_fields";

/// A value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Null.
    Null,
    /// A number, text, bytes: as Rust prints it for debugging.
    Scalar(String),
    /// Elements.
    List(Vec<Value>),
    /// Fields by name.
    Struct(Vec<(String, Value)>),
}

impl Value {
    fn field(&self, name: &str) -> Option<&Value> {
        let Value::Struct(fields) = self else { return None };
        fields.iter().find(|(known, _)| known.trim_start_matches('_') == name).map(|(_, value)| value)
    }
}

/// The first difference: whether `decoded` has every field of `read`, with its value. What `decoded` has
/// beside them are fields of other versions.
pub fn difference(read: &Value, decoded: &Value) -> Option<String> {
    match (read, decoded) {
        (Value::Struct(fields), Value::Struct(_)) => fields.iter().find_map(|(name, value)| {
            let found = match decoded.field(name) {
                Some(other) => difference(value, other),
                None => Some(" is missing".to_owned()),
            };
            found.map(|what| format!(".{name}{what}"))
        }),
        (Value::List(elements), Value::List(others)) if elements.len() == others.len() => {
            let mut pairs = elements.iter().zip(others).enumerate();
            pairs.find_map(|(at, (value, other))| Some(format!("[{at}]{}", difference(value, other)?)))
        }
        _ => (read != decoded).then(|| format!(": Kafka says {read:?}, the decoder {decoded:?}")),
    }
}

/// Reads a body by its schema. The bytes are Kafka's own: it panics where they do not fit.
pub fn read(schema: &Schema, body: &[u8]) -> Value {
    let mut reader = Reader { rest: body, flexible: schema.flexible };
    let value = reader.fields(&schema.fields);
    assert!(reader.rest.is_empty(), "{} bytes behind the body", reader.rest.len());
    value
}

struct Reader<'a> {
    rest: &'a [u8],
    flexible: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().expect("as many as were taken")
    }

    fn varint(&mut self) -> usize {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let [byte] = self.array();
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    /// A length or count; `None` is null.
    fn length(&mut self, is_string: bool) -> Option<usize> {
        let length = match (self.flexible, is_string) {
            (true, _) => self.varint() as i64 - 1,
            (false, true) => i16::from_be_bytes(self.array()).into(),
            (false, false) => i32::from_be_bytes(self.array()).into(),
        };
        (length != -1).then(|| usize::try_from(length).expect("Kafka's lengths are not negative"))
    }

    fn fields(&mut self, fields: &[Field]) -> Value {
        let plain = fields.iter().filter(|field| field.tag.is_none());
        let mut found: Vec<_> =
            plain.map(|field| (field.name.to_owned(), self.value(&field.kind, field.nullable))).collect();
        if self.flexible {
            let mut unknown = Vec::new();
            for _ in 0..self.varint() {
                let (tag, size) = (self.varint(), self.varint());
                match fields.iter().find(|field| field.tag == u32::try_from(tag).ok()) {
                    Some(field) => {
                        let left = self.rest.len();
                        found.push((field.name.to_owned(), self.value(&field.kind, field.nullable)));
                        assert_eq!(left - self.rest.len(), size, "{} ends at its size", field.name);
                    }
                    None => unknown.push((tag.to_string(), bytes(self.take(size)))),
                }
            }
            found.push((UNKNOWN.to_owned(), Value::Struct(unknown)));
        }
        Value::Struct(found)
    }

    fn value(&mut self, kind: &Kind, nullable: bool) -> Value {
        match kind {
            Kind::Scalar(letter) => self.scalar(*letter),
            Kind::String => self.length(true).map_or(Value::Null, |length| {
                let text = std::str::from_utf8(self.take(length)).expect("Kafka writes UTF-8");
                Value::Scalar(format!("{text:?}"))
            }),
            Kind::Bytes => self.length(false).map_or(Value::Null, |length| bytes(self.take(length))),
            Kind::Array(element) => self.length(false).map_or(Value::Null, |count| {
                Value::List((0..count).map(|_| self.value(element, false)).collect())
            }),
            Kind::Struct(_) if nullable && self.array() != [1_u8] => Value::Null,
            Kind::Struct(fields) => self.fields(fields),
        }
    }

    fn scalar(&mut self, letter: char) -> Value {
        Value::Scalar(match letter {
            'z' => (self.array() != [0_u8]).to_string(),
            'b' => i8::from_be_bytes(self.array()).to_string(),
            'h' => i16::from_be_bytes(self.array()).to_string(),
            'q' => u16::from_be_bytes(self.array()).to_string(),
            'i' => i32::from_be_bytes(self.array()).to_string(),
            'n' => u32::from_be_bytes(self.array()).to_string(),
            'l' => i64::from_be_bytes(self.array()).to_string(),
            'f' => format!("{:?}", f64::from_be_bytes(self.array())),
            'u' => format!("{:?}", Uuid::from_bytes(self.array())),
            other => panic!("no type {other}"),
        })
    }
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Scalar(format!("{:?}", Bytes::copy_from_slice(bytes)))
}

/// Reads what `{:?}` printed of a message: names of types and newtypes are dropped, `Some` too.
pub fn printed(text: &str) -> Value {
    let mut printed = Printed { rest: text };
    let value = printed.value();
    assert!(printed.rest.is_empty(), "left over: {}", printed.rest);
    value
}

struct Printed<'a> {
    rest: &'a str,
}

impl<'a> Printed<'a> {
    fn eat(&mut self, token: &str) -> bool {
        let stripped = self.rest.strip_prefix(token);
        self.rest = stripped.unwrap_or(self.rest);
        stripped.is_some()
    }

    fn word(&mut self) -> &'a str {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn value(&mut self) -> Value {
        if self.rest.starts_with('"') || self.rest.starts_with("b\"") {
            return Value::Scalar(self.quoted().to_owned());
        }
        if self.eat("[") {
            return Value::List(self.separated("]", Printed::value));
        }
        let word = self.word();
        if self.eat("(") {
            let inner = self.value();
            assert!(self.eat(")"), "no end of {word}: {}", self.rest);
            return inner;
        }
        let _ = self.eat(" ");
        if self.eat("{") {
            let _ = self.eat(" ");
            return Value::Struct(self.separated("}", Printed::field));
        }
        if word == "None" { Value::Null } else { Value::Scalar(word.to_owned()) }
    }

    fn field(&mut self) -> (String, Value) {
        let name = self.word().to_owned();
        assert!(self.eat(": "), "no value of {name}: {}", self.rest);
        (name, self.value())
    }

    fn separated<T>(&mut self, end: &str, mut element: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let mut elements = Vec::new();
        while !self.eat(end) {
            elements.push(element(self));
            let _ = self.eat(",");
            let _ = self.eat(" ");
        }
        elements
    }

    /// A literal of text or bytes, with its quotes.
    fn quoted(&mut self) -> &'a str {
        let start = self.rest.find('"').expect("it starts with one") + 1;
        let mut escaped = false;
        let end = self.rest[start..].find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (literal, rest) = self.rest.split_at(start + end.expect("a literal ends") + 1);
        self.rest = rest;
        literal
    }
}
