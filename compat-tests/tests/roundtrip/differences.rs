//! What differs between two inspect documents, by path.

use std::{
    collections::BTreeSet,
    fmt::{self, Display, Formatter},
};

use serde_json::{Map, Value};

/// One value that is not the same. Paths are JSON pointers.
#[derive(Debug)]
pub struct Difference<'a> {
    pub path: String,
    pub was: &'a Value,
    pub is: &'a Value,
}

impl Display for Difference<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { path, was, is } = self;
        write!(f, "{path}\n  was {was}\n  is  {is}")
    }
}

/// Every difference. What is absent is null: a client of the engine's reads both as nothing.
pub fn differences<'a>(before: &'a Value, after: &'a Value) -> Vec<Difference<'a>> {
    let mut found = Vec::new();
    compare(String::new(), before, after, &mut found);
    found
}

fn compare<'a>(path: String, was: &'a Value, is: &'a Value, found: &mut Vec<Difference<'a>>) {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            let keys: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            for key in keys {
                let segment = key.replace('~', "~0").replace('/', "~1");
                compare(
                    format!("{path}/{segment}"),
                    member(was, key),
                    member(is, key),
                    found,
                );
            }
        }
        (Value::Array(was), Value::Array(is)) if was.len() == is.len() => {
            for (n, (was, is)) in was.iter().zip(is).enumerate() {
                compare(format!("{path}/{n}"), was, is, found);
            }
        }
        _ if was == is => {}
        _ => found.push(Difference { path, was, is }),
    }
}

fn member<'a>(object: &'a Map<String, Value>, key: &str) -> &'a Value {
    object.get(key).unwrap_or(&Value::Null)
}

/// Brings those lists into order that the engine prints in any: it makes them of maps.
pub fn in_order(mut document: Value) -> Value {
    if let Some(mounts) = document["Mounts"].as_array_mut() {
        mounts.sort_by_key(|mount| mount["Destination"].to_string());
    }
    if let Some(links) = document["HostConfig"]["Links"].as_array_mut() {
        links.sort_by_key(Value::to_string);
    }
    let ports = document["NetworkSettings"]["Ports"].as_object_mut();
    for (_, bindings) in ports.into_iter().flatten() {
        if let Some(bindings) = bindings.as_array_mut() {
            bindings.sort_by_key(Value::to_string);
        }
    }
    document
}
