//! Published ports: they stay published, and a host port that the engine chose keeps its number.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::Object;

/// Every address of the host's, in IPv4 and in IPv6: what a binding is at that asks for none.
const EVERY: [&str; 2] = ["0.0.0.0", "::"];

/// An address of the host's, and a number there.
type Place = (String, String);

/// Puts the numbers that ephemeral host ports have now into the `PortBindings` of `host`, with the
/// address that was asked for (the printed pair of `0.0.0.0` and `::` would change what was, and
/// stands only where it has two numbers).
/// What `-P` published is bound only where it `stays`. Returns the container ports that are pinned by
/// it, as `80/tcp`. A container that does not run has no numbers.
pub(super) fn pin(host: &mut Object, container: &Value, stays: bool) -> Vec<String> {
    let Some(published) = container
        .pointer("/NetworkSettings/Ports")
        .and_then(Value::as_object)
    else {
        return Vec::new();
    };
    let publishes_all = stays && host.get("PublishAllPorts") == Some(&Value::Bool(true));
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
        let mut taken: HashSet<_> = asked.iter().flat_map(places).collect();
        let mut kept = Vec::new();
        for binding in asked.drain(..) {
            let chosen = if is_ephemeral(&binding) {
                chosen(now, &text(&binding, "HostIp"), &taken)
            } else {
                Vec::new()
            };
            if chosen.is_empty() {
                kept.push(binding);
                continue;
            }
            pinned.push(port.clone());
            for (address, number) in chosen {
                let mut binding = binding.clone();
                binding["HostIp"] = Value::from(address);
                binding["HostPort"] = Value::from(number);
                taken.extend(places(&binding));
                kept.push(binding);
            }
        }
        *asked = kept;
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

/// What an ephemeral binding is by now, as address and number: the address that was `asked` for,
/// with the number at it that is not `taken` yet (at another address it may be).
///
/// None asked for is every IPv4 and every IPv6 address. Engines before 28 count the ports of the
/// two apart, and so may have chosen two numbers. Either may be taken in the other family: then
/// each stands with its own address.
fn chosen(now: &[Value], asked: &str, taken: &HashSet<Place>) -> Vec<Place> {
    let at = |address: &str| -> Vec<String> {
        let places = now.iter().flat_map(places);
        let free = places.filter(|place| place.0 == address && !taken.contains(place));
        free.map(|(_, number)| number)
            .filter(|number| !number.is_empty())
            .collect()
    };
    let one = |address: &str, number: &String| (address.to_owned(), number.clone());
    if !asked.is_empty() {
        let number = at(asked).into_iter().next();
        return number.iter().map(|number| one(asked, number)).collect();
    }
    let [four, six] = EVERY.map(at);
    let of_both = four.iter().find(|number| six.contains(number));
    match (of_both, four.first(), six.first()) {
        (Some(number), ..) | (None, Some(number), None) | (None, None, Some(number)) => {
            vec![one("", number)]
        }
        (None, Some(four), Some(six)) => vec![one(EVERY[0], four), one(EVERY[1], six)],
        (None, None, None) => Vec::new(),
    }
}

/// Where a binding is, as far as it says.
fn places(binding: &Value) -> Vec<Place> {
    let (address, number) = (text(binding, "HostIp"), text(binding, "HostPort"));
    if address.is_empty() {
        return EVERY.map(|every| (every.to_owned(), number.clone())).into();
    }
    vec![(address, number)]
}

fn text(binding: &Value, key: &str) -> String {
    let text = binding.get(key).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}
