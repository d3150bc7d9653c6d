//! Kafka's own schemas, as `golden/schemas.txt` has them: the language of the guard's layout lines, with
//! names.

use std::ops::RangeInclusive;

use crate::golden::SCHEMAS;

/// The body of a request or reply in some versions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Schema {
    /// Whether of the request, else of the reply.
    pub is_request: bool,
    /// The API key.
    pub api_key: i16,
    /// Versions that look so.
    pub versions: RangeInclusive<i16>,
    /// Compact lengths and tagged fields.
    pub flexible: bool,
    /// In wire order; tagged ones last, ascending.
    pub fields: Vec<Field>,
}

/// One field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Kafka's name of it.
    pub name: &'static str,
    /// Its number if it is a tagged field.
    pub tag: Option<u32>,
    /// Whether null is allowed.
    pub nullable: bool,
    /// What it holds.
    pub kind: Kind,
}

/// The type of a field or of an array's elements.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A value of fixed size, by its letter.
    Scalar(char),
    /// A string.
    String,
    /// Bytes or records.
    Bytes,
    /// Elements of one type.
    Array(Box<Kind>),
    /// Fields.
    Struct(Vec<Field>),
}

impl Kind {
    /// Size in bytes, if it is fixed.
    pub fn size_bytes(&self) -> Option<usize> {
        match self {
            Kind::Scalar('z' | 'b') => Some(1),
            Kind::Scalar('h' | 'q') => Some(2),
            Kind::Scalar('i' | 'n') => Some(4),
            Kind::Scalar('l' | 'f') => Some(8),
            Kind::Scalar('u') => Some(16),
            _ => None,
        }
    }
}

/// All schemas, those of requests and replies of one key together.
pub fn all() -> Vec<Schema> {
    SCHEMAS.lines().map(parse).collect()
}

fn parse(line: &'static str) -> Schema {
    let mut words = line.splitn(6, ' ');
    let mut word = || words.next().unwrap_or_else(|| panic!("too short: {line}"));
    let is_request = word() == "request";
    let mut number = || word().parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let api_key = number();
    let versions = number()..=number();
    let flexible = word() == "flexible";
    let mut parser = Parser { rest: words.next().unwrap_or_default() };
    let fields = parser.fields();
    assert!(parser.rest.is_empty(), "left over: {}", parser.rest);
    Schema { is_request, api_key, versions, flexible, fields }
}

struct Parser {
    rest: &'static str,
}

impl Parser {
    fn eat(&mut self, token: char) -> bool {
        let stripped = self.rest.strip_prefix(token);
        self.rest = stripped.unwrap_or(self.rest);
        stripped.is_some()
    }

    fn until(&mut self, end: char) -> &'static str {
        let (before, after) = self.rest.split_once(end).unwrap_or_else(|| panic!("no {end}: {}", self.rest));
        self.rest = after;
        before
    }

    fn fields(&mut self) -> Vec<Field> {
        let mut fields = Vec::new();
        while !self.rest.is_empty() && !self.rest.starts_with([']', '}']) {
            assert!(fields.is_empty() || self.eat(' '), "no space before: {}", self.rest);
            fields.push(self.field());
        }
        fields
    }

    fn field(&mut self) -> Field {
        let tag = self.eat('@').then(|| self.until(' ').parse().expect("a tag is a number"));
        let name = self.until(':');
        let nullable = self.eat('?');
        Field { name, tag, nullable, kind: self.kind() }
    }

    fn kind(&mut self) -> Kind {
        let token = self.rest.chars().next().expect("a type");
        self.rest = &self.rest[token.len_utf8()..];
        match token {
            's' => Kind::String,
            'd' | 'r' => Kind::Bytes,
            '*' => Kind::Array(Box::new(self.kind())),
            '[' => Kind::Array(Box::new(Kind::Struct(self.enclosed(']')))),
            '{' => Kind::Struct(self.enclosed('}')),
            scalar => Kind::Scalar(scalar),
        }
    }

    fn enclosed(&mut self, end: char) -> Vec<Field> {
        let fields = self.fields();
        assert!(self.eat(end), "no {end} before: {}", self.rest);
        fields
    }
}
