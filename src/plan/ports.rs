//! Published ports: they stay published, and a host port that the engine chose keeps its number.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::Object;

/// Puts the numbers that ephemeral host ports have now into the `PortBindings` of `host`, with the
/// address that was asked for (the printed pair of `0.0.0.0` and `::` would change what was).
/// Returns the container ports that are pinned by it, as `80/tcp`. A container that does not run
/// has no numbers.
pub(super) fn pin(host: &mut Object, container: &Value) -> Vec<String> {
    let Some(published) = container
        .pointer("/NetworkSettings/Ports")
        .and_then(Value::as_object)
    else {
        return Vec::new();
    };
    let publishes_all = host.get("PublishAllPorts") == Some(&Value::Bool(true));
    if publishes_all && !host.get("PortBindings").is_some_and(Value::is_object) {
        host.insert("PortBindings".to_owned(), json!({}));
    }
    let Some(bindings) = host.get_mut("PortBindings").and_then(Value::as_object_mut) else {
        return Vec::new();
    };
    let mut pinned = Vec::new();
    for (port, now) in published {
        let now = now.as_array().map_or(&[][..], Vec::as_slice);
        if publishes_all && !now.is_empty() && !bindings.contains_key(port) {
            bindings.insert(port.clone(), json!([{ "HostIp": "", "HostPort": "" }]));
        }
        let Some(asked) = bindings.get_mut(port).and_then(Value::as_array_mut) else {
            continue;
        };
        let mut taken: HashSet<String> = asked.iter().map(|b| text(b, "HostPort")).collect();
        for binding in asked.iter_mut().filter(|binding| is_ephemeral(binding)) {
            let address = text(binding, "HostIp");
            let chosen = now
                .iter()
                .filter(|printed| is_at(&text(printed, "HostIp"), &address))
                .map(|printed| text(printed, "HostPort"))
                .find(|number| !number.is_empty() && !taken.contains(number));
            if let Some(number) = chosen {
                binding["HostPort"] = Value::from(number.as_str());
                taken.insert(number);
                pinned.push(port.clone());
            }
        }
    }
    pinned.dedup();
    pinned
}

/// Exposes every published port: the engine publishes no other. The image that exposed it may have
/// been the old one, and whoever published it relied on that.
pub(super) fn expose(config: &mut Object, host: &Object) {
    let bindings = host.get("PortBindings").and_then(Value::as_object);
    for (port, _) in bindings.into_iter().flatten() {
        if !config.get("ExposedPorts").is_some_and(Value::is_object) {
            config.insert("ExposedPorts".to_owned(), json!({}));
        }
        config["ExposedPorts"][port] = json!({});
    }
}

/// Whether the engine chooses the number: out of all (nothing, or zero, was asked for), or out of
/// a range.
fn is_ephemeral(binding: &Value) -> bool {
    let port = text(binding, "HostPort");
    port.is_empty() || port == "0" || port.contains('-')
}

/// Whether an address that the engine prints is the one that was asked for; none asked for all.
fn is_at(printed: &str, asked: &str) -> bool {
    printed == asked || (asked.is_empty() && matches!(printed, "0.0.0.0" | "::"))
}

fn text(binding: &Value, key: &str) -> String {
    let text = binding.get(key).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}
