//! Text to typed value, with Kafka's rules and Kafka's words when it is wrong.

use std::fmt;

use super::definition::{Allowed, Definition, Kind};

/// A checked value of a key.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Of a `Kind::Boolean` key.
    Boolean(bool),
    /// Of a `Kind::Short`, `Kind::Int` or `Kind::Long` key, in the range of that type.
    Number(i64),
    /// Of a `Kind::Double` key; finite.
    Double(f64),
    /// Of a `Kind::String` key.
    Text(String),
    /// Of a `Kind::List` key.
    List(Vec<String>),
}

impl fmt::Display for Value {
    /// As DescribeConfigs shows it: lists joined by commas, whole doubles with a `.0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Boolean(value) => value.fmt(f),
            Value::Number(value) => value.fmt(f),
            Value::Double(value) => f.write_str(&java_double(*value)),
            Value::Text(value) => f.write_str(value),
            Value::List(values) => f.write_str(&values.join(",")),
        }
    }
}

/// As Java writes it: with an exponent below a thousandth and from ten million on.
fn java_double(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

/// A value that its key does not allow. The message is Kafka's own, since tools show and tests compare it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("Invalid value {value} for configuration {key}: {reason}")]
pub struct InvalidValue {
    /// The key.
    pub key: String,
    /// The value as it was understood.
    pub value: String,
    /// What is allowed.
    pub reason: String,
}

impl Definition {
    /// Parses and checks one value. Leading and trailing blanks do not count, as in Kafka.
    pub fn parse(&self, text: &str) -> Result<Value, InvalidValue> {
        let text = text.trim();
        let value = self.parse_type(text).map_err(|reason| self.invalid(text.to_owned(), reason))?;
        match self.check_allowed(&value) {
            Ok(()) => Ok(value),
            Err((shown, reason)) => Err(self.invalid(shown, reason)),
        }
    }

    fn invalid(&self, value: String, reason: String) -> InvalidValue {
        InvalidValue { key: self.name.to_owned(), value, reason }
    }

    fn parse_type(&self, text: &str) -> Result<Value, String> {
        let not_a_number = || format!("Not a number of type {}", self.kind.name());
        match self.kind {
            Kind::Boolean if text.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
            Kind::Boolean if text.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
            Kind::Boolean => Err("Expected value to be either true or false".to_owned()),
            Kind::String => Ok(Value::Text(text.to_owned())),
            Kind::Short => text.parse::<i16>().map(|n| Value::Number(n.into())).map_err(|_| not_a_number()),
            Kind::Int => text.parse::<i32>().map(|n| Value::Number(n.into())).map_err(|_| not_a_number()),
            Kind::Long => text.parse::<i64>().map(Value::Number).map_err(|_| not_a_number()),
            Kind::Double => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Value::Double(number)),
                _ => Err(not_a_number()),
            },
            Kind::List if text.is_empty() => Ok(Value::List(Vec::new())),
            Kind::List => Ok(Value::List(text.split(',').map(|part| part.trim().to_owned()).collect())),
        }
    }

    /// On failure: the value as Kafka shows it in that message, and the reason.
    fn check_allowed(&self, value: &Value) -> Result<(), (String, String)> {
        match (self.allowed, value) {
            (Allowed::Between(low, high), Value::Double(number)) => {
                in_range(*number, low as f64, high as f64, (low, high))
                    .map_err(|why| (value.to_string(), why))
            }
            (Allowed::AtLeast(low), Value::Number(number)) if *number < low => {
                Err((value.to_string(), format!("Value must be at least {low}")))
            }
            (Allowed::Between(low, high), Value::Number(number)) => {
                in_range(*number, low, high, (low, high)).map_err(|why| (value.to_string(), why))
            }
            (Allowed::BetweenOr(low, high, other), Value::Number(number))
                if (*number < low || *number > high) && *number != other =>
            {
                let reason = format!("Value must be between {low} and {high} or equal to {other}");
                Err((value.to_string(), reason))
            }
            (Allowed::OneOf(words), Value::Text(text)) if !words.contains(&text.as_str()) => {
                Err((text.clone(), format!("String must be one of: {}", words.join(", "))))
            }
            (Allowed::EachOf(words), Value::List(list)) => {
                match list.iter().find(|entry| !words.contains(&entry.as_str())) {
                    None => Ok(()),
                    Some(wrong) => {
                        Err((wrong.clone(), format!("String must be one of: {}", words.join(", "))))
                    }
                }
            }
            (Allowed::NotEmpty, Value::List(list)) if list.is_empty() => {
                Err(("[]".to_owned(), "at least one entry is needed".to_owned()))
            }
            (Allowed::ThrottledReplicas, Value::List(list)) if !throttled_replicas(list) => {
                let reason = format!(
                    "{} must be the literal '*' or a list of replicas in the following format: \
                     [partitionId]:[brokerId],[partitionId]:[brokerId],...",
                    self.name
                );
                Err((format!("[{}]", list.join(", ")), reason))
            }
            (Allowed::OffsetReset, Value::Text(text)) if !offset_reset(text) => {
                let reason = format!(
                    "Invalid value `{text}` for configuration {}. The value must be either 'earliest', \
                     'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.",
                    self.name
                );
                Err((text.clone(), reason))
            }
            _ => Ok(()),
        }
    }
}

fn offset_reset(text: &str) -> bool {
    match text.strip_prefix("by_duration:") {
        Some(duration) => java_duration(duration),
        None => matches!(text, "earliest" | "latest"),
    }
}

/// Whether this is a duration that `java.time.Duration` reads and that is not negative: `PnDTnHnMn.nS`, in
/// any case, each number with a sign of its own, seconds with up to nine digits behind the point.
fn java_duration(text: &str) -> bool {
    const NANOS_PER_SECOND: i128 = 1_000_000_000;
    let text = text.to_ascii_uppercase();
    let (negated, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let Some(rest) = rest.strip_prefix('P') else { return false };
    let (days, time) = match rest.split_once('T') {
        Some((_, "")) => return false,
        Some((days, time)) => (days, time),
        None => (rest, ""),
    };
    let mut nanos: i128 = 0;
    let mut found = false;
    for (mut part, units) in [(days, &[('D', 86_400)][..]), (time, &[('H', 3_600), ('M', 60), ('S', 1)])] {
        for (unit, seconds) in units {
            let Some((number, rest)) = part.split_once(*unit) else { continue };
            let Some(number) = decimal(number, *unit == 'S') else { return false };
            nanos += number * seconds;
            found = true;
            part = rest;
        }
        if !part.is_empty() {
            return false;
        }
    }
    let nanos = if negated { -nanos } else { nanos };
    found && (0..=i128::from(i64::MAX) * NANOS_PER_SECOND).contains(&nanos)
}

/// A number with a sign, in billionths; only some may have a fraction. What does not fit 64 bits is refused.
fn decimal(text: &str, has_fraction: bool) -> Option<i128> {
    const DIGITS_MAX: usize = 9;
    let (whole, fraction) = match text.find(['.', ',']).filter(|_| has_fraction) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || !all_digits(digits) || fraction.len() > DIGITS_MAX || !all_digits(fraction) {
        return None;
    }
    let billionths: i128 = format!("{fraction:0<DIGITS_MAX$}").parse().ok()?;
    let whole_number = i128::from(whole.parse::<i64>().ok()?) * 1_000_000_000;
    Some(if whole.starts_with('-') { whole_number - billionths } else { whole_number + billionths })
}

fn in_range<N: PartialOrd>(number: N, low: N, high: N, shown: (i64, i64)) -> Result<(), String> {
    if number < low {
        Err(format!("Value must be at least {}", shown.0))
    } else if number > high {
        Err(format!("Value must be no more than {}", shown.1))
    } else {
        Ok(())
    }
}

fn throttled_replicas(list: &[String]) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let pair = |text: &String| text.split_once(':').is_some_and(|(a, b)| digits(a) && digits(b));
    list.len() == 1 && list[0] == "*" || list.iter().all(pair)
}

#[cfg(test)]
mod tests;
