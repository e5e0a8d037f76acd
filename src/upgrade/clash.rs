//! Host ports that another container has: the engine notices them only when the replacement starts,
//! after the original was stopped. Pure.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::look::text;

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

/// The first host port of a `HostConfig` that one of the running containers among `others` (as `GET
/// /containers/json` prints them) has, with that container's name. A port that the engine chooses
/// clashes with none, and without a network of its own a container publishes nothing.
pub(super) fn clash(host_config: &Value, others: &[Value]) -> Option<(String, String)> {
    let wanted = wanted(host_config);
    others.iter().find_map(|summary| {
        let taken = taken(summary);
        let is_taken = |port: &&HostPort| taken.iter().any(|taken| taken.overlaps(port));
        let port = wanted.iter().find(is_taken)?;
        let name = text(summary, "/Names/0").trim_start_matches('/');
        Some((
            format!("{}/{}", port.number, port.protocol),
            name.to_owned(),
        ))
    })
}

fn wanted(host_config: &Value) -> Vec<HostPort> {
    let mode = text(host_config, "/NetworkMode");
    if matches!(mode, "host" | "none") || mode.starts_with("container:") {
        return Vec::new();
    }
    let bindings = host_config.get("PortBindings").and_then(Value::as_object);
    let of_port = |(port, bindings): (&String, &Value)| {
        let (_, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let bindings = bindings.as_array().into_iter().flatten();
        let wanted = bindings.filter_map(|binding| {
            // A range is the engine's to choose from.
            let number = text(binding, "/HostPort").parse().ok()?;
            Some(HostPort::new(text(binding, "/HostIp"), number, protocol))
        });
        wanted.collect::<Vec<_>>()
    };
    let wanted = bindings.into_iter().flat_map(Map::iter).flat_map(of_port);
    wanted.filter(|port| port.number != 0).collect()
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
            let host = json!({ "PortBindings": {
                port: [{ "HostIp": address, "HostPort": number }],
            } });
            let protocol = port.split_once('/').map_or("tcp", |(_, protocol)| protocol);
            let expected = (format!("{number}/{protocol}"), "db".to_owned());
            assert_eq!(
                clash(&host, &others),
                clashes.then_some(expected),
                "{port} {address} {number}"
            );
        }
        assert_eq!(clash(&json!({ "PortBindings": null }), &others), None);
        for mode in ["host", "none", "container:web"] {
            let bindings = json!({ "80/tcp": [{ "HostPort": "8081" }] });
            let host = json!({ "NetworkMode": mode, "PortBindings": bindings });
            assert_eq!(clash(&host, &others), None, "{mode}");
        }
    }
}
