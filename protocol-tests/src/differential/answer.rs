//! An answer as lines: one for each field that says something, under Kafka's names.

use bytes::Bytes;

use super::batches;
use super::names::Names;
use super::transcript::Fields;
use crate::schema::{Field, Kind, Schema};
use crate::values::{Value, read};

/// By these fields an element of a list is told from the others, the first one that it has: the order in
/// which a broker lists topics is no matter.
const KEYS: &[&str] = &[
    "name",
    "topic",
    "topic_name",
    "resource_name",
    "key",
    "partition_index",
    "partition",
    "index",
    "api_key",
    "node_id",
    "broker_id",
    "batch_index",
    "topic_id",
    "group_id",
    "member_id",
    "transactional_id",
    "producer_id",
];

/// Where Kafka tells numbers in the order of a hash set: DescribeTransactions.
const UNORDERED: &str = "transaction_states[";

/// Fields that name a member of a group.
const MEMBERS: &[&str] = &["member_id", "leader"];

/// What differs from run to run and cannot be told by its value.
const HIDDEN: &[(&str, &str)] = &[
    ("cluster_id", "<cluster>"),
    ("host", "<host>"),
    ("log_dir", "<dir>"),
    ("documentation", "<text>"),
    // A machine's own.
    ("total_bytes", "<bytes>"),
    ("usable_bytes", "<bytes>"),
];

/// Reads the body of an answer, which is known to fit its schema.
pub fn fields(schema: &Schema, body: &[u8], names: &mut Names) -> Fields {
    let mut lines = Lines { fields: Vec::new(), names };
    let value = read(schema, body);
    lines.structure("", &schema.fields, &value);
    lines.fields
}

struct Lines<'a> {
    fields: Fields,
    names: &'a mut Names,
}

impl Lines<'_> {
    fn add(&mut self, path: &str, value: String) {
        self.fields.push((path.to_owned(), value));
    }

    fn structure(&mut self, path: &str, fields: &[Field], value: &Value) {
        let Value::Struct(values) = value else { return };
        for (name, value) in values {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match fields.iter().find(|field| field.name == name) {
                Some(field) => self.field(&path, field, value),
                // Tagged fields that Kafka's schema does not know.
                None if *value != Value::Struct(Vec::new()) => self.add(&path, format!("{value:?}")),
                None => {}
            }
        }
    }

    fn field(&mut self, path: &str, field: &Field, value: &Value) {
        match (value, &field.kind) {
            (Value::Null, _) => {}
            (Value::Struct(_), Kind::Struct(fields)) => self.structure(path, fields, value),
            (Value::List(elements), _) if elements.is_empty() => {
                if field.nullable {
                    self.add(path, "[]".to_owned());
                }
            }
            (Value::List(elements), Kind::Array(kind)) => self.list(path, kind, elements),
            (Value::Scalar(scalar), Kind::Bytes) => self.bytes(path, field.name, scalar),
            (Value::Scalar(scalar), kind) => {
                let shown = self.scalar(field.name, kind, scalar);
                let is_default =
                    matches!(shown.as_str(), "0" | "false") || (shown == "\"\"" && !field.nullable);
                if !is_default {
                    self.add(path, shown);
                }
            }
            _ => self.add(path, format!("{value:?}")),
        }
    }

    fn list(&mut self, path: &str, kind: &Kind, elements: &[Value]) {
        let Kind::Struct(fields) = kind else {
            let shown = elements.iter().map(|element| match element {
                Value::Scalar(scalar) => self.scalar("", kind, scalar),
                other => format!("{other:?}"),
            });
            let mut shown: Vec<String> = shown.collect();
            if path.starts_with(UNORDERED) {
                shown.sort();
            }
            let shown = shown.join(", ");
            return self.add(path, format!("[{shown}]"));
        };
        let mut labelled: Vec<(String, &Value)> = Vec::new();
        for element in elements {
            let mut label = self.label(fields, element);
            let same = labelled.iter().filter(|(other, _)| other.split('#').next() == Some(&label)).count();
            if same > 0 {
                label = format!("{label}#{}", same + 1);
            }
            labelled.push((label, element));
        }
        labelled.sort_by(|one, other| one.0.cmp(&other.0));
        for (label, element) in labelled {
            let path = format!("{path}[{label}]");
            let before = self.fields.len();
            self.structure(&path, fields, element);
            // Its key is in the path already.
            let key = fields.iter().find(|field| KEYS.contains(&field.name)).map(|field| field.name);
            let told = key.map(|key| format!("{path}.{key}"));
            let rest = self.fields.split_off(before);
            self.fields.extend(rest.into_iter().filter(|(path, _)| Some(path) != told.as_ref()));
            if self.fields.len() == before {
                self.add(&path, "{}".to_owned());
            }
        }
    }

    fn label(&mut self, fields: &[Field], element: &Value) -> String {
        let Value::Struct(values) = element else { return String::new() };
        let key = KEYS.iter().find_map(|key| {
            let field = fields.iter().find(|field| field.name == *key)?;
            let (_, value) = values.iter().find(|(name, _)| name == key)?;
            let Value::Scalar(scalar) = value else { return None };
            (scalar != "\"\"").then_some((field, scalar))
        });
        let Some((field, scalar)) = key else { return String::new() };
        self.scalar(field.name, &field.kind, scalar).trim_matches('"').to_owned()
    }

    fn scalar(&mut self, name: &str, kind: &Kind, scalar: &str) -> String {
        if name == "throttle_time_ms" {
            return "0".to_owned();
        }
        if name == "finalized_features_epoch" && scalar != "-1" {
            return "<epoch>".to_owned();
        }
        let hidden = HIDDEN.iter().find(|(hidden, _)| *hidden == name);
        if let Some((_, word)) = hidden.filter(|_| !["\"\"", "0", "-1"].contains(&scalar)) {
            return (*word).to_owned();
        }
        match kind {
            Kind::String if MEMBERS.contains(&name) => self.names.member(scalar),
            Kind::String => self.names.text(scalar),
            Kind::Scalar('u') => match scalar.parse::<uuid::Uuid>() {
                Ok(id) if id.is_nil() => "0".to_owned(),
                Ok(id) => self.names.uuid(id),
                Err(_) => scalar.to_owned(),
            },
            Kind::Scalar('i' | 'l') => match scalar.parse() {
                Ok(number) => self.names.number(name, number),
                Err(_) => scalar.to_owned(),
            },
            _ => scalar.to_owned(),
        }
    }

    fn bytes(&mut self, path: &str, name: &str, literal: &str) {
        let bytes = unescape(literal);
        if name != "records" {
            return self.add(path, literal.to_owned());
        }
        for (at, batch) in batches::describe(&bytes, self.names).into_iter().enumerate() {
            self.add(&format!("{path}[{at}]"), batch);
        }
    }
}

/// The bytes of a literal as `{:?}` prints them.
fn unescape(literal: &str) -> Bytes {
    let inner = literal.strip_prefix("b\"").and_then(|inner| inner.strip_suffix('"')).unwrap_or_default();
    let mut bytes = Vec::new();
    let mut rest = inner.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n') => bytes.push(b'\n'),
            Some(b'r') => bytes.push(b'\r'),
            Some(b't') => bytes.push(b'\t'),
            Some(b'0') => bytes.push(0),
            Some(b'x') => {
                let mut digit =
                    || rest.next().and_then(|digit| char::from(digit).to_digit(16)).unwrap_or_default();
                bytes.push((digit() * 16 + digit()) as u8);
            }
            Some(other) => bytes.push(other),
            None => {}
        }
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_their_literal() {
        let all: Bytes = (0..=255).collect();
        assert_eq!(unescape(&format!("{all:?}")), all);
    }

    #[test]
    fn fields_that_say_something_are_shown_under_their_keys() {
        let schemas = crate::schema::all();
        let schema =
            schemas.iter().find(|schema| !schema.is_request && schema.api_key == 2).expect("ListOffsets");
        // ListOffsets 1: one topic, partitions 1 and 0: index, error, timestamp, offset.
        let mut body = vec![0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2];
        for (index, code, offset) in [(1_i32, 3_i16, -1_i64), (0, 0, 0)] {
            body.extend(index.to_be_bytes());
            body.extend(code.to_be_bytes());
            body.extend(0_i64.to_be_bytes());
            body.extend(offset.to_be_bytes());
        }
        let mut names = Names::new("127.0.0.1:1");
        names.topic("t", "topic-0");
        let seen = fields(schema, &body, &mut names);
        let seen: Vec<_> = seen.iter().map(|(path, value)| format!("{path} = {value}")).collect();
        let expected = [
            "topics[topic-0].partitions[0] = {}",
            "topics[topic-0].partitions[1].error_code = 3",
            "topics[topic-0].partitions[1].offset = -1",
        ];
        assert_eq!(seen, expected);
    }
}
