//! Endpoints: what a person configured of them, and nothing else that inspect prints.

use serde_json::{Value, json};

use super::Object;
use crate::engine::ApiVersion;

/// One endpoint of the replacement.
pub(super) struct Endpoint {
    /// The key in `EndpointsConfig`; empty where `NetworkMode` alone says it all.
    pub key: String,
    /// The network's ID, where it has one yet.
    pub network_id: Option<String>,
    /// The endpoint settings to send.
    pub settings: Value,
}

/// The original's endpoints. The main network keeps the key that `HostConfig.NetworkMode` calls
/// it by (the engine matches the two as text); further ones go by ID, since two networks may
/// bear one name.
pub(super) fn inherit(container: &Value) -> Vec<Endpoint> {
    let mode = text(container, "/HostConfig/NetworkMode");
    if mode.starts_with("container:") {
        return Vec::new();
    }
    let printed = container
        .pointer("/NetworkSettings/Networks")
        .and_then(Value::as_object);
    let mut endpoints: Vec<Endpoint> = printed
        .into_iter()
        .flatten()
        .map(|(name, endpoint)| {
            let id = text(endpoint, "/NetworkID");
            let is_main = is_main(mode, name, id);
            let key = match (is_main, id) {
                (true, _) => main_key(mode),
                (false, "") => name,
                (false, id) => id,
            };
            Endpoint {
                key: key.to_owned(),
                network_id: (!id.is_empty()).then(|| id.to_owned()),
                settings: settings(container, endpoint, is_main),
            }
        })
        .collect();
    endpoints.sort_by_key(|endpoint| endpoint.key != main_key(mode));
    // The mode alone makes an endpoint without settings; on the built-in networks create takes
    // nothing else.
    if let [only] = endpoints.as_mut_slice()
        && only.settings == json!({})
    {
        only.key.clear();
    }
    endpoints
}

/// The key in `EndpointsConfig` of the main network.
fn main_key(mode: &str) -> &str {
    if matches!(mode, "" | "default") {
        "bridge"
    } else {
        mode
    }
}

/// `Links` as create takes them (`/db:/web/alias` → `db:alias`).
pub(super) fn translate_links(mut host_config: Object) -> Object {
    if let Some(links) = host_config.get_mut("Links").and_then(Value::as_array_mut) {
        for link in links {
            let Some((name, alias)) = link.as_str().and_then(|text| text.split_once(':')) else {
                continue;
            };
            let alias = alias.rsplit('/').next().unwrap_or(alias);
            *link = Value::from(format!("{}:{alias}", name.trim_start_matches('/')));
        }
    }
    host_config
}

/// Takes the endpoints out of a create body that this API version cannot take in create (all
/// but the main one below 1.44), and returns them for `connect`.
pub(super) fn split(body: &mut Object, api: ApiVersion) -> Vec<(String, Value)> {
    if api >= ApiVersion::MANY_NETWORKS_IN_CREATE {
        return Vec::new();
    }
    let mode = body
        .get("HostConfig")
        .map(|host| text(host, "/NetworkMode").to_owned())
        .unwrap_or_default();
    let Some(endpoints) = body
        .get_mut("NetworkingConfig")
        .and_then(|networking| networking.get_mut("EndpointsConfig"))
        .and_then(Value::as_object_mut)
    else {
        return Vec::new();
    };
    let (main, further): (Object, Object) = std::mem::take(endpoints)
        .into_iter()
        .partition(|(key, _)| key == main_key(&mode));
    *endpoints = main;
    further.into_iter().collect()
}

fn is_main(mode: &str, name: &str, id: &str) -> bool {
    main_key(mode) == name || mode == id
}

fn settings(container: &Value, endpoint: &Value, is_main: bool) -> Value {
    let mut settings = Object::new();
    for key in ["IPAMConfig", "Links", "DriverOpts", "GwPriority"] {
        if let Some(value) = endpoint.get(key).filter(|value| !value.is_null()) {
            settings.insert(key.to_owned(), value.clone());
        }
    }
    if let Some(aliases) = endpoint.get("Aliases").and_then(Value::as_array) {
        // Engines before 25 print the short ID among the aliases.
        let short_id = text(container, "/Id").get(..12).unwrap_or_default();
        let aliases: Vec<&Value> = aliases
            .iter()
            .filter(|alias| alias.as_str() != Some(short_id))
            .collect();
        if !aliases.is_empty() {
            settings.insert("Aliases".to_owned(), json!(aliases));
        }
    }
    // A configured MAC address can be told from a generated one on the main network only.
    let configured = text(container, "/Config/MacAddress");
    if is_main && !configured.is_empty() {
        settings.insert("MacAddress".to_owned(), Value::from(configured));
    }
    Value::Object(settings)
}

fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
