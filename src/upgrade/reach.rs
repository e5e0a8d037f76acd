//! What clients reach a container by: its addresses and its published ports. Pure.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::marker::DynamicAddress;
use crate::plan::{Object, patched_endpoints};

/// Says, as warnings, what of it differs between two inspect documents of running containers.
/// What the first does not have, networks that the second is not attached to, and what the request's
/// `patch` speaks of, say nothing.
pub(super) fn changes(before: &Value, after: &Value, patch: &Object) -> Vec<String> {
    let mut changes = addresses(before, after, patch);
    let asked = Asked::of(patch);
    for (port, was) in object(before, "/NetworkSettings/Ports") {
        if asked.port(port) {
            continue;
        }
        let is = object_field(after, "/NetworkSettings/Ports", port).map(published);
        let (was, is) = (published(was), is.unwrap_or_default());
        if !was.is_empty() && was != is {
            let is = if is.is_empty() {
                "nowhere".to_owned()
            } else {
                is.join(" ")
            };
            changes.push(format!(
                "port {port} was published at {}, and is at {is} now",
                was.join(" ")
            ));
        }
    }
    changes
}

/// As [`changes`], of the addresses alone.
pub(super) fn addresses(before: &Value, after: &Value, patch: &Object) -> Vec<String> {
    let mut changes = Vec::new();
    let asked = Asked::of(patch);
    for (network, was) in object(before, "/NetworkSettings/Networks") {
        let Some(is) = object_field(after, "/NetworkSettings/Networks", network) else {
            continue;
        };
        let names = [network, text(&was["NetworkID"])];
        for (printed, configured) in [
            ("IPAddress", "IPv4Address"),
            ("GlobalIPv6Address", "IPv6Address"),
        ] {
            let (was, is) = (text(&was[printed]), text(&is[printed]));
            if !was.is_empty() && was != is && !asked.address(names, configured) {
                let is = if is.is_empty() { "none" } else { is };
                changes.push(format!(
                    "the address on network {network} was {was}, and is {is} now"
                ));
            }
        }
    }
    changes
}

/// Whether a patch speaks of a dynamic address that a container has.
pub(super) fn is_asked(patch: &Object, container: &Value, address: &DynamicAddress) -> bool {
    let configured = match address.ip {
        IpAddr::V4(_) => "IPv4Address",
        IpAddr::V6(_) => "IPv6Address",
    };
    let asked = Asked::of(patch);
    object(container, "/NetworkSettings/Networks").any(|(name, endpoint)| {
        let names = [name, text(&endpoint["NetworkID"])];
        names[1] == address.network && asked.address(names, configured)
    })
}

/// What a patch speaks of.
struct Asked<'a> {
    mode: Option<&'a Value>,
    endpoints: Option<&'a Value>,
    bindings: Option<&'a Value>,
}

impl<'a> Asked<'a> {
    fn of(patch: &'a Object) -> Self {
        let host = |field: &str| patch.get("HostConfig")?.get(field);
        Self {
            mode: host("NetworkMode"),
            endpoints: patched_endpoints(patch),
            bindings: host("PortBindings"),
        }
    }

    /// Whether it speaks of the address that is configured so, on the network of these names.
    fn address(&self, names: [&str; 2], configured: &str) -> bool {
        let Some(Value::Object(endpoints)) = self.endpoints else {
            return says(self.endpoints, "");
        };
        let mut endpoints = names.iter().filter_map(|name| endpoints.get(*name));
        endpoints.any(|endpoint| endpoint.is_null() || says(endpoint.get("IPAMConfig"), configured))
    }

    fn port(&self, port: &str) -> bool {
        self.mode.is_some() || says(self.bindings, port)
    }
}

/// Whether a patch of a map speaks of a key: null, of all of them.
fn says(patch: Option<&Value>, key: &str) -> bool {
    patch.is_some_and(|patch| patch.is_null() || patch.get(key).is_some())
}

fn object<'a>(
    document: &'a Value,
    pointer: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    document
        .pointer(pointer)
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
}

fn object_field<'a>(document: &'a Value, pointer: &str, field: &str) -> Option<&'a Value> {
    document.pointer(pointer)?.get(field)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The host addresses of one port. Sorted: inspect may turn the order of a pair round.
fn published(bindings: &Value) -> Vec<String> {
    let mut addresses: Vec<String> = bindings
        .as_array()
        .into_iter()
        .flatten()
        .map(|binding| {
            let (ip, port) = (text(&binding["HostIp"]), text(&binding["HostPort"]));
            if ip.contains(':') {
                format!("[{ip}]:{port}")
            } else {
                format!("{ip}:{port}")
            }
        })
        .collect();
    addresses.sort_unstable();
    addresses
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changes(before: &Value, after: &Value) -> Vec<String> {
        super::changes(before, after, &Object::new())
    }

    fn document(address: &str, bindings: &Value) -> Value {
        json!({ "NetworkSettings": {
            "Networks": { "back": { "IPAddress": address, "GlobalIPv6Address": "" } },
            "Ports": { "80/tcp": bindings, "81/tcp": null },
        } })
    }

    #[test]
    fn an_address_and_a_port_that_moved_are_told() {
        let both = |port: &str| {
            json!([
                { "HostIp": "0.0.0.0", "HostPort": port },
                { "HostIp": "::", "HostPort": port },
            ])
        };
        let before = document("10.0.0.2", &both("32768"));
        assert_eq!(
            changes(&before, &document("10.0.0.3", &both("32769"))),
            [
                "the address on network back was 10.0.0.2, and is 10.0.0.3 now",
                "port 80/tcp was published at 0.0.0.0:32768 [::]:32768, and is at 0.0.0.0:32769 \
                 [::]:32769 now",
            ]
        );
        assert_eq!(
            changes(&before, &document("", &Value::Null)),
            [
                "the address on network back was 10.0.0.2, and is none now",
                "port 80/tcp was published at 0.0.0.0:32768 [::]:32768, and is at nowhere now",
            ]
        );
    }

    #[test]
    fn what_stayed_or_was_not_there_is_not() {
        let pair = json!([
            { "HostIp": "::", "HostPort": "80" },
            { "HostIp": "0.0.0.0", "HostPort": "80" },
        ]);
        let turned = json!([
            { "HostIp": "0.0.0.0", "HostPort": "80" },
            { "HostIp": "::", "HostPort": "80" },
        ]);
        let before = document("10.0.0.2", &pair);
        assert!(changes(&before, &document("10.0.0.2", &turned)).is_empty());
        let stopped = document("", &json!([]));
        assert!(changes(&stopped, &before).is_empty());
        let elsewhere = json!({ "NetworkSettings": { "Networks": { "front": {} } } });
        assert!(changes(&document("10.0.0.2", &Value::Null), &elsewhere).is_empty());
    }
    #[test]
    fn what_was_asked_for_is_not_told() {
        let before = document(
            "10.0.0.2",
            &json!([{ "HostIp": "0.0.0.0", "HostPort": "80" }]),
        );
        let after = document(
            "10.0.0.3",
            &json!([{ "HostIp": "0.0.0.0", "HostPort": "81" }]),
        );
        let endpoint = |settings: &Value| json!({ "NetworkingConfig": { "EndpointsConfig": { "back": settings } } });
        let cases = [
            (json!({}), 2),
            (json!({ "HostConfig": { "Memory": 1 } }), 2),
            (
                json!({ "HostConfig": { "PortBindings": { "80/tcp": null } } }),
                1,
            ),
            (
                json!({ "HostConfig": { "PortBindings": { "9/tcp": null } } }),
                2,
            ),
            (json!({ "HostConfig": { "PortBindings": null } }), 1),
            (json!({ "HostConfig": { "NetworkMode": "back" } }), 1),
            (endpoint(&json!({ "Aliases": ["db"] })), 2),
            (
                endpoint(&json!({ "IPAMConfig": { "IPv6Address": "fd00::9" } })),
                2,
            ),
            (
                endpoint(&json!({ "IPAMConfig": { "IPv4Address": "10.0.0.3" } })),
                1,
            ),
            (endpoint(&json!({ "IPAMConfig": null })), 1),
            (endpoint(&Value::Null), 1),
            (
                json!({ "NetworkingConfig": { "EndpointsConfig": { "other": {} } } }),
                2,
            ),
            (json!({ "NetworkingConfig": null }), 1),
        ];
        for (patch, told) in cases {
            let patch = patch.as_object().expect("an object");
            assert_eq!(
                super::changes(&before, &after, patch).len(),
                told,
                "{patch:?}"
            );
        }
    }
}
