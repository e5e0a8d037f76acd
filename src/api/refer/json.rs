//! Container references in JSON, as slices of the text: nothing is written anew.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The fields of an object in their order, also those that stand there more than once: which of them
/// counts is the engine's affair.
struct Fields<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The fields of an object: what stands between the quotation marks of the name, and the value. None
/// where it is no object.
fn fields(json: &str) -> impl Iterator<Item = (&str, &str)> {
    let Fields(fields) = serde_json::from_str(json).unwrap_or(Fields(Vec::new()));
    let texts = fields.into_iter();
    texts.filter_map(|(name, value)| Some((content(name.get())?, value.get())))
}

/// The values that Go may read as the field of this name, which is in any case.
fn named<'a>(json: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let fields = fields(json).filter(move |(field, _)| field.eq_ignore_ascii_case(name));
    fields.map(|(_, value)| value)
}

/// The texts in a list. None where it is no list.
fn texts(json: &str) -> impl Iterator<Item = &str> {
    let items: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
    items.into_iter().filter_map(|item| content(item.get()))
}

/// What stands between the quotation marks of a text.
fn content(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"')
}

/// The reference of a mode `container:{reference}`.
pub(super) fn joined(mode: &str) -> Option<&str> {
    mode.strip_prefix("container:")
}

/// The references of a list whose texts are `{reference}`, or `{reference}:` and something.
fn before_colon(list: &str) -> impl Iterator<Item = &str> {
    texts(list).filter_map(|text| text.split(':').next())
}

/// The references in the body of a create.
pub(super) fn of_create(body: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for host in named(body, "HostConfig") {
        for mode in ["NetworkMode", "IpcMode", "PidMode"] {
            let modes = named(host, mode).filter_map(content);
            found.extend(modes.filter_map(joined));
        }
        for list in ["VolumesFrom", "Links"] {
            found.extend(named(host, list).flat_map(before_colon));
        }
    }
    let networking = named(body, "NetworkingConfig");
    let endpoints = networking.flat_map(|networking| named(networking, "EndpointsConfig"));
    let each = endpoints.flat_map(|endpoints| fields(endpoints).map(|(_, endpoint)| endpoint));
    found.extend(each.flat_map(of_endpoint));
    found
}

/// The references in the body of a connect or disconnect.
pub(super) fn of_connect(body: &str) -> Vec<&str> {
    let containers = named(body, "Container").filter_map(content);
    let endpoints = named(body, "EndpointConfig").flat_map(of_endpoint);
    containers.chain(endpoints).collect()
}

fn of_endpoint(endpoint: &str) -> impl Iterator<Item = &str> {
    named(endpoint, "Links").flat_map(before_colon)
}

/// A value of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filter<'a> {
    pub value: &'a str,
    /// Whether it stands as a key of an object, and not in a list: moby reads both
    /// (`filters.FromJSON`).
    pub is_key: bool,
}

/// The values of the filter of this name.
pub(super) fn of_filter<'a>(filters: &'a str, name: &str) -> Vec<Filter<'a>> {
    let filter = |is_key| move |value| Filter { value, is_key };
    let of_one = |values| {
        let listed = texts(values).map(filter(false));
        listed.chain(fields(values).map(|(key, _)| key).map(filter(true)))
    };
    let same = fields(filters).filter(|(field, _)| *field == name);
    same.flat_map(|(_, values)| of_one(values)).collect()
}
