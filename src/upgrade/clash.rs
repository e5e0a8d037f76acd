//! Host ports that another container has: the engine notices them only when the replacement starts,
//! after the original was stopped. Pure.

use std::net::IpAddr;

use serde_json::Value;

use super::look::text;
use crate::plan::{Object, has_own_network};

/// A port of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HostPort {
    /// `None`: all addresses of the host.
    address: Option<IpAddr>,
    number: u64,
    /// `tcp`, `udp` or `sctp`.
    protocol: String,
}

impl HostPort {
    /// `address` as `HostIp` and the list of containers write it.
    fn new(address: &str, number: u64, protocol: &str) -> Self {
        Self {
            address: address.parse().ok(),
            number,
            protocol: protocol.to_owned(),
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let addresses = match (self.address, other.address) {
            (Some(a), Some(b)) if a.is_ipv4() == b.is_ipv4() => {
                a == b || a.is_unspecified() || b.is_unspecified()
            }
            (Some(_), Some(_)) => false,
            _ => true,
        };
        addresses && self.number == other.number && self.protocol == other.protocol
    }
}

/// A host port that cannot be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clash {
    /// As `8080/tcp`.
    pub port: String,
    /// The name of the container that has it; `None` where the replacement itself would ask for it
    /// twice.
    pub holder: Option<String>,
}

/// The first host port that the `HostConfig` of a replacement asks for on behalf of `patch`, and
/// cannot have: one of the containers among `others` (as `GET /containers/json` prints them; of one
/// that does not run, no ports) has it, or another binding is the same.
///
/// What the original has already is its own; a port that the engine chooses clashes with none; and
/// without a network of its own a container publishes nothing.
pub(super) fn clash(host_config: &Value, patch: &Object, others: &[Value]) -> Option<Clash> {
    let wanted = wanted(host_config, patch);
    let asked = || wanted.iter().filter(|(_, is_asked)| *is_asked);
    let named = |port: &HostPort, holder: Option<&str>| Clash {
        port: format!("{}/{}", port.number, port.protocol),
        holder: holder.map(str::to_owned),
    };
    for (port, _) in asked() {
        let same = wanted.iter().filter(|(other, _)| other.overlaps(port));
        if same.count() > 1 {
            return Some(named(port, None));
        }
    }
    others.iter().find_map(|summary| {
        let taken = taken(summary);
        let is_taken = |port: &HostPort| taken.iter().any(|taken| taken.overlaps(port));
        let (port, _) = asked().find(|(port, _)| is_taken(port))?;
        let name = text(summary, "/Names/0").trim_start_matches('/');
        Some(named(port, Some(name)))
    })
}

/// The host ports that a `HostConfig` asks for, each with whether it does so because of `patch`.
fn wanted(host_config: &Value, patch: &Object) -> Vec<(HostPort, bool)> {
    if !has_own_network(text(host_config, "/NetworkMode")) {
        return Vec::new();
    }
    let patched = |field: &str| patch.get("HostConfig")?.get(field);
    let is_elsewhere = patched("NetworkMode").is_some();
    let is_asked = |port: &str| {
        let bindings = patched("PortBindings");
        is_elsewhere || bindings.is_some_and(|bindings| bindings.get(port).is_some())
    };
    let mut wanted = Vec::new();
    let bindings = host_config.get("PortBindings").and_then(Value::as_object);
    for (port, bindings) in bindings.into_iter().flatten() {
        let (_, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        for binding in bindings.as_array().into_iter().flatten() {
            // A range is the engine's to choose from, and so is zero.
            let number = text(binding, "/HostPort").parse().unwrap_or(0);
            if number != 0 {
                let port_of_host = HostPort::new(text(binding, "/HostIp"), number, protocol);
                wanted.push((port_of_host, is_asked(port)));
            }
        }
    }
    wanted
}

/// The host ports that a running container has.
fn taken(summary: &Value) -> Vec<HostPort> {
    let ports = summary.get("Ports").and_then(Value::as_array);
    let ports = ports.into_iter().flatten().filter_map(|port| {
        let number = port.get("PublicPort")?.as_u64()?;
        Some(HostPort::new(
            text(port, "/IP"),
            number,
            text(port, "/Type"),
        ))
    });
    ports.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_port_that_another_container_has_is_found() {
        let others = [
            json!({ "Id": "stopped", "Names": ["/web"], "Ports": [] }),
            json!({ "Id": "other", "Names": ["/db"], "Ports": [
                { "PrivatePort": 5432, "Type": "tcp" },
                { "IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8081, "Type": "tcp" },
                { "IP": "::", "PrivatePort": 80, "PublicPort": 8081, "Type": "tcp" },
                { "IP": "127.0.0.1", "PrivatePort": 80, "PublicPort": 8082, "Type": "tcp" },
                { "IP": "0.0.0.0", "PrivatePort": 53, "PublicPort": 8083, "Type": "udp" },
                { "IP": "0.0.0.0", "PrivatePort": 54, "PublicPort": 8084, "Type": "tcp" },
            ] }),
        ];
        let cases = [
            ("80/tcp", "", "8081", true),
            ("80", "", "8081", true),
            ("80/udp", "", "8081", false),
            ("80/tcp", "127.0.0.2", "8081", true),
            ("80/tcp", "127.0.0.1", "8082", true),
            ("80/tcp", "127.0.0.2", "8082", false),
            ("80/tcp", "0.0.0.0", "8082", true),
            ("80/tcp", "::", "8082", false),
            ("80/tcp", "::1", "8081", true),
            ("80/tcp", "::1", "8084", false),
            ("53/udp", "", "8083", true),
            ("80/tcp", "", "", false),
            ("80/tcp", "", "0", false),
            ("80/tcp", "", "8081-8090", false),
            ("80/tcp", "", "9000", false),
        ];
        for (port, address, number, clashes) in cases {
            let bindings = json!({ port: [{ "HostIp": address, "HostPort": number }] });
            let protocol = port.split_once('/').map_or("tcp", |(_, protocol)| protocol);
            let expected = clashes.then(|| Clash {
                port: format!("{number}/{protocol}"),
                holder: Some("db".to_owned()),
            });
            let host = json!({ "PortBindings": bindings });
            let asked = patch(&json!({ "HostConfig": host }));
            let found = clash(&host, &asked, &others);
            assert_eq!(found, expected, "{port} {address} {number}");
            // The original's own: it has it, or its network needs none of the host's.
            assert_eq!(clash(&host, &Object::new(), &others), None);
        }
        assert_eq!(
            clash(&json!({ "PortBindings": null }), &Object::new(), &others),
            None
        );
        for (mode, clashes) in [
            ("host", false),
            ("none", false),
            ("container:web", false),
            ("app", true),
        ] {
            let bindings = json!({ "80/tcp": [{ "HostPort": "8081" }] });
            let host = json!({ "NetworkMode": mode, "PortBindings": bindings });
            let moved = patch(&json!({ "HostConfig": { "NetworkMode": mode } }));
            assert_eq!(clash(&host, &moved, &others).is_some(), clashes, "{mode}");
        }
    }

    #[test]
    fn a_port_that_is_asked_for_twice_is_found() {
        let own = json!([{ "HostIp": "127.0.0.1", "HostPort": "8080" }]);
        for (asked, clashes) in [
            (json!([{ "HostPort": "8080" }]), true),
            (json!([{ "HostIp": "127.0.0.1", "HostPort": "8080" }]), true),
            (
                json!([{ "HostIp": "127.0.0.2", "HostPort": "8080" }]),
                false,
            ),
            (json!([{ "HostPort": "8081" }]), false),
            (
                json!([{ "HostPort": "8081" }, { "HostPort": "8081" }]),
                true,
            ),
            (json!([{ "HostPort": "" }, { "HostPort": "" }]), false),
        ] {
            let host = json!({ "PortBindings": { "80/tcp": own, "9000/tcp": asked } });
            let asking = patch(&json!({ "HostConfig": { "PortBindings": { "9000/tcp": asked } } }));
            let found = clash(&host, &asking, &[]);
            assert_eq!(found.is_some(), clashes, "{asked}");
            assert!(found.is_none_or(|clash| clash.holder.is_none()));
        }
    }

    fn patch(patch: &Value) -> Object {
        patch.as_object().expect("an object").clone()
    }
}
