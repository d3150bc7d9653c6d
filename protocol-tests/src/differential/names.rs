//! What differs from run to run, and the names it gets.

use std::collections::HashMap;

use highwater::env::Env;
use uuid::Uuid;

/// Times within a day of now are the broker's own; those in requests of the script lie years away.
const NOW_WITHIN_MS: i64 = 24 * 60 * 60 * 1000;

/// Replacements for one case in one version.
pub struct Names {
    broker: String,
    port: String,
    now_ms: i64,
    /// What stands in texts, with what is written instead; longer ones first.
    texts: Vec<(String, String)>,
    ids: HashMap<Uuid, String>,
    numbers: HashMap<(&'static str, i64), usize>,
}

impl Names {
    /// For answers of the broker at this `host:port`.
    pub fn new(broker: &str) -> Names {
        let port = broker.rsplit(':').next().unwrap_or_default().to_owned();
        let now_ms = Env::real().clock.now().0;
        let (texts, ids, numbers) = (Vec::new(), HashMap::new(), HashMap::new());
        Names { broker: broker.to_owned(), port, now_ms, texts, ids, numbers }
    }

    /// From now on this topic is called `name`.
    pub fn topic(&mut self, topic: &str, name: &str) {
        self.texts.push((topic.to_owned(), name.to_owned()));
    }

    /// From now on this id is called after its topic.
    pub fn id(&mut self, id: Uuid, name: &str) {
        self.ids.insert(id, name.to_owned());
    }

    /// A text with names in place of what differs.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.replace(&self.broker, "<broker>");
        for (seen, name) in &self.texts {
            text = text.replace(seen.as_str(), name);
        }
        for (id, name) in &self.ids {
            let Some(found) = text.find(&base64(*id)) else { continue };
            text.replace_range(found..found + base64(*id).len(), &format!("<id of {name}>"));
        }
        text = self.without_times(&text);
        for (start, ends, name) in [("127.0.0.1:", ",\"", "<address>"), ("/tmp/", ",\"", "<path>")] {
            let mut from = 0;
            while let Some(at) = text[from..].find(start).map(|at| from + at) {
                let end = text[at..].find(|c| ends.contains(c)).map_or(text.len(), |length| at + length);
                text.replace_range(at..end, name);
                from = at + name.len();
            }
        }
        text
    }

    /// Numbers in a message that are a time near now, or the earliest time that is a bound there.
    fn without_times(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let digits = &rest[start..];
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            let is_near = |time: i64| (time - self.now_ms).abs() < NOW_WITHIN_MS;
            let is_now = digits[..end].parse().is_ok_and(|time| is_near(time) || is_near(i64::MAX - time));
            out += &rest[..start];
            out += if is_now { "<now>" } else { &digits[..end] };
            rest = &digits[end..];
        }
        out + rest
    }

    /// A member's id: those that a broker made are numbered, from now on in every text.
    pub fn member(&mut self, text: &str) -> String {
        let id = text.trim_matches('"');
        if is_made_by_broker(id) && !self.texts.iter().any(|(known, _)| known == id) {
            let number = self.texts.iter().filter(|(_, name)| name.starts_with("<member ")).count() + 1;
            self.texts.push((id.to_owned(), format!("<member {number}>")));
        }
        self.text(text)
    }

    /// A topic id.
    pub fn uuid(&self, id: Uuid) -> String {
        self.ids.get(&id).map_or("<id>".to_owned(), |name| format!("<id of {name}>"))
    }

    /// A number in the field of this name.
    pub fn number(&mut self, field: &str, number: i64) -> String {
        let kind = match field {
            "session_id" if number != 0 => "session",
            "producer_id" | "ongoing_txn_producer_id" if number >= 0 => "producer",
            "port" if number.to_string() == self.port => return "<port>".to_owned(),
            _ if (number - self.now_ms).abs() < NOW_WITHIN_MS => return "<now>".to_owned(),
            _ => return number.to_string(),
        };
        let next = self.numbers.keys().filter(|(known, _)| *known == kind).count() + 1;
        format!("<{kind} {}>", self.numbers.entry((kind, number)).or_insert(next))
    }
}

/// Whether a member's id ends with a UUID, or is one as Kafka prints it.
fn is_made_by_broker(id: &str) -> bool {
    const PRINTED: usize = 36;
    const KAFKAS: usize = 22;
    let tail = id.len().checked_sub(PRINTED).and_then(|start| id.get(start..));
    let is_kafkas = |id: &str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    tail.is_some_and(|tail| tail.parse::<Uuid>().is_ok()) || id.len() == KAFKAS && is_kafkas(id)
}

/// An id as Kafka's messages print it.
fn base64(id: Uuid) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = id.as_u128();
    // 22 digits of six bits hold 132: four zeroes follow the id's.
    let digit = |at: u32| if at == 21 { (bits << 4) & 63 } else { (bits >> (122 - 6 * at)) & 63 };
    (0..22).map(|at| char::from(DIGITS[digit(at) as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_printed_as_kafka_does() {
        // Kafka's Uuid(1, 1), and its reserved METADATA_TOPIC_ID.
        assert_eq!(base64(Uuid::from_u128((1 << 64) | 1)), "AAAAAAAAAAEAAAAAAAAAAQ");
        assert_eq!(base64(Uuid::from_u128(1)), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(base64(Uuid::from_u128(u128::MAX)), "_____________________w");
    }

    #[test]
    fn what_differs_gets_the_same_name_wherever_it_stands() {
        let mut names = Names::new("127.0.0.1:4242");
        names.topic("case-v3-0", "topic-0");
        names.id(Uuid::from_u128(1), "topic-0");
        let now = names.now_ms;
        assert_eq!(names.text("no case-v3-0 at 127.0.0.1:4242"), "no topic-0 at <broker>");
        assert_eq!(names.text("id AAAAAAAAAAAAAAAAAAAAAQ."), "id <id of topic-0>.");
        assert_eq!(names.text(&format!("not {now}, {}", now * 10)), format!("not <now>, {}", now * 10));
        assert_eq!(names.text("\"1@127.0.0.1:77,/tmp/a/b\""), "\"1@<address>,<path>\"");
        assert_eq!(names.uuid(Uuid::from_u128(1)), "<id of topic-0>");
        assert_eq!(names.uuid(Uuid::from_u128(2)), "<id>");
        for (field, number, expected) in [
            ("session_id", 77, "<session 1>"),
            ("session_id", 78, "<session 2>"),
            ("session_id", 77, "<session 1>"),
            ("session_id", 0, "0"),
            ("producer_id", 77, "<producer 1>"),
            ("producer_id", -1, "-1"),
            ("port", 4242, "<port>"),
            ("port", -1, "-1"),
            ("timestamp", now + 5000, "<now>"),
            ("timestamp", 1_700_000_000_000, "1700000000000"),
        ] {
            assert_eq!(names.number(field, number), expected, "{field}");
        }
    }

    #[test]
    fn members_that_a_broker_named_are_numbered() {
        let mut names = Names::new("127.0.0.1:4242");
        let (one, other) = ("a-00000000-0000-0000-0000-000000000007", "AAAAAAAAAAAAAAAAAAAAAB");
        assert_eq!(names.member(&format!("\"{one}\"")), "\"<member 1>\"");
        assert_eq!(names.member(&format!("\"{other}\"")), "\"<member 2>\"");
        assert_eq!(names.member(&format!("\"{one}\"")), "\"<member 1>\"");
        assert_eq!(names.member("\"its-own\""), "\"its-own\"");
        assert_eq!(names.text(&format!("Member {other} is gone.")), "Member <member 2> is gone.");
    }
}
