//! The language of the layout lines.
//!
//! ```text
//! line    key name versions flexible fields      `0 Produce 3-13 9+ ?s h i [s-12 u13+ [i ?d]]`
//! fields  of the message, in wire order, with a space between
//! field   `@tag`? `?`(may be null)? type versions?
//! type    b h i l u   1, 2, 4, 8, 16 bytes        s string      d bytes, records
//!         *t          array of such a type         [fields] array of structs      {fields} struct
//! versions  `3+`, `-12`, `7-12`: those that have the field, if not all of the line's
//! flexible  the versions that are, as `9+`, or `-` for none
//! ```

use std::ops::RangeInclusive;

/// The shape of a request's body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The API key on the wire.
    pub api_key: i16,
    /// Kafka's name of the request, without "Request".
    pub name: &'static str,
    /// Versions the line describes.
    pub versions: RangeInclusive<i16>,
    /// First flexible version (KIP-482), if there is one.
    pub flexible_from: Option<i16>,
    /// The message's fields.
    pub fields: Vec<Field>,
}

impl Layout {
    /// Whether a version has compact lengths and tagged fields.
    pub fn is_flexible(&self, version: i16) -> bool {
        self.flexible_from.is_some_and(|from| version >= from)
    }
}

/// A field of a message or struct.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// What it holds.
    pub kind: Kind,
    /// Whether null is allowed, in some version at least.
    pub nullable: bool,
    /// Versions that have it.
    pub versions: RangeInclusive<i16>,
    /// Its number if it is a tagged field.
    pub tag: Option<u32>,
}

/// The type of a field or of an array's elements.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// Length and bytes: `int16` or compact.
    String,
    /// Length and bytes: `int32` or compact.
    Bytes,
    /// Count and elements: `int32` or compact.
    Array(Box<Kind>),
    /// Fields, and tagged fields when flexible.
    Struct(Vec<Field>),
}

/// Parses a line; the error is what could not be read and what follows it.
pub(super) fn parse(line: &'static str) -> Result<Layout, String> {
    let mut parts = line.splitn(5, ' ');
    let mut part = || parts.next().ok_or_else(|| format!("too short: {line}"));
    let api_key = part()?.parse().map_err(|_| format!("no key: {line}"))?;
    let name = part()?;
    let mut parser = Parser { rest: part()?, all: 0..=i16::MAX };
    let versions = parser.versions()?;
    let flexible_from = match part()? {
        "-" => None,
        from => Some(Parser { rest: from, all: versions.clone() }.number()?),
    };
    let mut parser = Parser { rest: parts.next().unwrap_or_default(), all: versions.clone() };
    let fields = parser.fields()?;
    if !parser.rest.is_empty() {
        return Err(format!("left over: {}", parser.rest));
    }
    Ok(Layout { api_key, name, versions, flexible_from, fields })
}

struct Parser {
    rest: &'static str,
    /// What a missing or open end of a version range stands for.
    all: RangeInclusive<i16>,
}

impl Parser {
    fn eat(&mut self, token: char) -> bool {
        let stripped = self.rest.strip_prefix(token);
        self.rest = stripped.unwrap_or(self.rest);
        stripped.is_some()
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits.parse().map_err(|_| format!("no number: {digits}{rest}"))
    }

    fn versions(&mut self) -> Result<RangeInclusive<i16>, String> {
        let starts_with_digit = self.rest.starts_with(|c: char| c.is_ascii_digit());
        if !starts_with_digit && !self.rest.starts_with('-') {
            return Ok(self.all.clone());
        }
        let first = if starts_with_digit { self.number()? } else { *self.all.start() };
        if self.eat('+') {
            return Ok(first..=*self.all.end());
        }
        if !self.eat('-') {
            return Err(format!("no version range: {}", self.rest));
        }
        Ok(first..=self.number()?)
    }

    fn fields(&mut self) -> Result<Vec<Field>, String> {
        let mut fields = Vec::new();
        while !self.rest.is_empty() && !self.rest.starts_with([']', '}']) {
            if !fields.is_empty() && !self.eat(' ') {
                return Err(format!("no space before: {}", self.rest));
            }
            fields.push(self.field()?);
        }
        Ok(fields)
    }

    fn field(&mut self) -> Result<Field, String> {
        let tag = if self.eat('@') { Some(self.number()?) } else { None };
        let nullable = self.eat('?');
        let kind = self.kind()?;
        Ok(Field { kind, nullable, versions: self.versions()?, tag })
    }

    fn kind(&mut self) -> Result<Kind, String> {
        let Some(token) = self.rest.chars().next() else { return Err("no type at the end".to_owned()) };
        self.rest = &self.rest[token.len_utf8()..];
        match token {
            'b' => Ok(Kind::Fixed(1)),
            'h' => Ok(Kind::Fixed(2)),
            'i' => Ok(Kind::Fixed(4)),
            'l' => Ok(Kind::Fixed(8)),
            'u' => Ok(Kind::Fixed(16)),
            's' => Ok(Kind::String),
            'd' => Ok(Kind::Bytes),
            '*' => Ok(Kind::Array(Box::new(self.kind()?))),
            '[' => Ok(Kind::Array(Box::new(Kind::Struct(self.enclosed(']')?)))),
            '{' => Ok(Kind::Struct(self.enclosed('}')?)),
            _ => Err(format!("unknown type: {token}{}", self.rest)),
        }
    }

    fn enclosed(&mut self, end: char) -> Result<Vec<Field>, String> {
        let fields = self.fields()?;
        if self.eat(end) { Ok(fields) } else { Err(format!("no {end} before: {}", self.rest)) }
    }
}

#[cfg(test)]
mod tests;
