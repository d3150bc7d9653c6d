//! The shape of one key's definition.

/// A key's type, by Kafka's `ConfigDef.Type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `true` or `false`, in any case.
    Boolean,
    /// Text.
    String,
    /// 16 bits, signed.
    Short,
    /// 32 bits, signed.
    Int,
    /// 64 bits, signed.
    Long,
    /// A finite decimal number.
    Double,
    /// Values separated by commas.
    List,
}

impl Kind {
    /// The name that Kafka's error messages and our reference file use.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Boolean => "BOOLEAN",
            Kind::String => "STRING",
            Kind::Short => "SHORT",
            Kind::Int => "INT",
            Kind::Long => "LONG",
            Kind::Double => "DOUBLE",
            Kind::List => "LIST",
        }
    }

    /// The number DescribeConfigs 3+ carries. KIP-569: `DescribeConfigsResponse.ConfigType`.
    pub fn wire_code(self) -> i8 {
        match self {
            Kind::Boolean => 1,
            Kind::String => 2,
            Kind::Short => 4,
            Kind::Int => 3,
            Kind::Long => 5,
            Kind::Double => 6,
            Kind::List => 7,
        }
    }
}

/// What a value must be beyond its type.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Allowed {
    /// Anything of the type.
    Any,
    /// A number not below this one.
    AtLeast(i64),
    /// A number in this range, both ends included.
    Between(i64, i64),
    /// A number in this range, or exactly the third one.
    BetweenOr(i64, i64, i64),
    /// Exactly one of these words.
    OneOf(&'static [&'static str]),
    /// A list of these words only.
    EachOf(&'static [&'static str]),
    /// A list with at least one entry.
    NotEmpty,
    /// `*` or a list of `partition:broker` pairs, as Kafka's throttled replicas are written.
    ThrottledReplicas,
    /// `earliest`, `latest`, or `by_duration:` and a duration as ISO 8601 writes it, not a negative one.
    OffsetReset,
}

/// One key: everything that can be known of it without a value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Definition {
    /// The key, in Kafka's spelling.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The value it has when nobody sets it, as it would be written; `None` is Kafka's `null`.
    pub default: Option<&'static str>,
    /// Its bounds.
    pub allowed: Allowed,
    /// What it means here, in a sentence or two.
    pub doc: &'static str,
    /// Whether a broker's value can be altered while it runs (KIP-226); means nothing for topic keys.
    pub dynamic: bool,
}
