//! The guard's layout lines against Kafka's own schemas, field by field.

use std::collections::BTreeMap;

use highwater::protocol::guard::{self, Guard, Layout, ReplyGuard};
use protocol_tests::codec;
use protocol_tests::schema::{self, Schema};

/// Whether null is allowed: by the layout line, which says it once for all versions, and by any of Kafka's
/// schemas.
type Nulls = BTreeMap<String, (bool, bool)>;

#[test]
fn layouts_are_kafkas_schemas() {
    let guard = Guard::default();
    let mut compared = 0;
    for &api_key in codec::KEYS {
        let layout = guard.layout(api_key).expect("every decodable request has a layout");
        let mut nulls = Nulls::new();
        let schemas: Vec<_> = schema::all()
            .into_iter()
            .filter(|schema| schema.is_request && schema.api_key == api_key)
            .collect();
        let first = schemas.first().expect("every key has a schema").versions.start();
        let last = schemas.last().expect("every key has a schema").versions.end();
        assert_eq!(layout.versions, *first..=*last, "{}", layout.name);
        for schema in &schemas {
            for version in schema.versions.clone() {
                let name = format!("{} {version}", layout.name);
                compare(layout, schema, version, &mut nulls).unwrap_or_else(|what| panic!("{name}: {what}"));
                compared += 1;
            }
        }
        for (place, (by_layout, by_schema)) in nulls {
            assert_eq!(by_layout, by_schema, "{}: null at {place}", layout.name);
        }
    }
    assert!(compared > 250, "{compared}");
}

#[test]
fn layouts_of_replies_are_kafkas_schemas() {
    let guard = ReplyGuard::new();
    for layout in guard.layouts() {
        let mut nulls = Nulls::new();
        for version in layout.versions.clone() {
            let name = format!("{} {version}", layout.name);
            let is_its = |schema: &Schema| {
                !schema.is_request && schema.api_key == layout.api_key && schema.versions.contains(&version)
            };
            let schema = schema::all().into_iter().find(is_its).unwrap_or_else(|| panic!("{name}"));
            compare(layout, &schema, version, &mut nulls).unwrap_or_else(|what| panic!("{name}: {what}"));
        }
        for (place, (by_layout, by_schema)) in nulls {
            assert_eq!(by_layout, by_schema, "{}: null at {place}", layout.name);
        }
    }
    assert_eq!(guard.layouts().len(), 5);
}

fn compare(layout: &Layout, schema: &Schema, version: i16, nulls: &mut Nulls) -> Result<(), String> {
    if layout.is_flexible(version) != schema.flexible {
        return Err(format!("flexible by Kafka: {}", schema.flexible));
    }
    fields(&layout.fields, &schema.fields, version, "", nulls)
}

fn fields(
    ours: &[guard::Field],
    kafkas: &[schema::Field],
    version: i16,
    place: &str,
    nulls: &mut Nulls,
) -> Result<(), String> {
    let present: Vec<_> = ours.iter().filter(|field| field.versions.contains(&version)).collect();
    // Tagged fields may stand anywhere in a line; Kafka's schema has them last, ascending.
    let plain = present.iter().filter(|field| field.tag.is_none());
    let mut tagged: Vec<_> = present.iter().filter(|field| field.tag.is_some()).collect();
    tagged.sort_by_key(|field| field.tag);
    let ordered: Vec<_> = plain.chain(tagged).collect();
    let names: Vec<_> = kafkas.iter().map(|field| field.name).collect();
    if ordered.len() != kafkas.len() {
        return Err(format!("{} fields at {place:?}, Kafka has {names:?}", ordered.len()));
    }
    for (ours, kafkas) in ordered.into_iter().zip(kafkas) {
        let place = format!("{place}.{}", kafkas.name);
        if ours.tag != kafkas.tag {
            return Err(format!("{place}: tag {:?}, Kafka's {:?}", ours.tag, kafkas.tag));
        }
        let null = nulls.entry(place.clone()).or_insert((ours.nullable, false));
        null.1 |= kafkas.nullable;
        kinds(&ours.kind, &kafkas.kind, version, &place, nulls)?;
    }
    Ok(())
}

fn kinds(
    ours: &guard::Kind,
    kafkas: &schema::Kind,
    version: i16,
    place: &str,
    nulls: &mut Nulls,
) -> Result<(), String> {
    match (ours, kafkas) {
        (guard::Kind::Fixed(bytes), scalar) if scalar.size_bytes() == Some(*bytes) => Ok(()),
        (guard::Kind::String, schema::Kind::String) | (guard::Kind::Bytes, schema::Kind::Bytes) => Ok(()),
        (guard::Kind::Array(ours), schema::Kind::Array(kafkas)) => kinds(ours, kafkas, version, place, nulls),
        (guard::Kind::Struct(ours), schema::Kind::Struct(kafkas)) => {
            fields(ours, kafkas, version, place, nulls)
        }
        _ => Err(format!("{place}: {ours:?}, Kafka's {kafkas:?}")),
    }
}
