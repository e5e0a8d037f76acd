//! Which addresses an engine would give before another one. Pure.
//!
//! An engine gives the lowest free address of a network's pool, IPv4 and IPv6 alike (measured on 20.10,
//! 26.1 and 28.5). Taken are the pool's first address, the gateway's, the auxiliary addresses, and those
//! of the containers that run. What else may be taken cannot be seen: a count may be too high.

use std::{collections::HashSet, net::IpAddr};

use ipnet::IpNet;
use serde_json::{Map, Value};

use crate::upgrade::look::text;

/// How many addresses of a network, as inspect prints it, are free and would be given before `address`;
/// none where somebody else than this engine's own driver gives them.
pub(super) fn below(network: &Value, address: IpAddr) -> u128 {
    let is_own = text(network, "/IPAM/Driver") == "default" && text(network, "/Scope") != "swarm";
    let pools = network.pointer("/IPAM/Config").and_then(Value::as_array);
    let pools = pools
        .filter(|_| is_own)
        .into_iter()
        .flatten()
        .filter_map(|pool| Pool::read(network, pool))
        .filter(|pool| pool.subnet.addr().is_ipv4() == address.is_ipv4());
    let mut free = 0;
    for pool in pools {
        if pool.subnet.contains(&address) {
            return free + pool.free_before(number(address));
        }
        free += pool.free_before(number(pool.range.broadcast()));
    }
    // It is of none of them.
    0
}

/// Where addresses are given from.
struct Pool {
    subnet: IpNet,
    /// The part of it that they are given from.
    range: IpNet,
    taken: HashSet<u128>,
}

impl Pool {
    fn read(network: &Value, printed: &Value) -> Option<Self> {
        let subnet: IpNet = text(printed, "/Subnet").parse().ok()?;
        let range = text(printed, "/IPRange").parse().unwrap_or(subnet);
        let auxiliary = values(printed, "/AuxiliaryAddresses");
        let mut taken: HashSet<u128> = auxiliary
            .filter_map(|address| address.as_str()?.parse().ok())
            .chain([subnet.network()])
            .map(number)
            .collect();
        taken.extend(gateway(network, printed, range, &taken));
        let field = if subnet.addr().is_ipv4() {
            "/IPv4Address"
        } else {
            "/IPv6Address"
        };
        let containers = values(network, "/Containers")
            .filter_map(|endpoint| text(endpoint, field).parse().ok())
            .map(|attached: IpNet| number(attached.addr()));
        taken.extend(containers);
        Some(Self {
            subnet,
            range,
            taken,
        })
    }

    fn free_before(&self, end: u128) -> u128 {
        let begin = number(self.range.network());
        let taken = self
            .taken
            .iter()
            .filter(|taken| (begin..end).contains(taken));
        end.saturating_sub(begin)
            .saturating_sub(taken.count() as u128)
    }
}

/// The gateway's address. A bridge's that nobody chose is the first one of the range, and is not
/// printed where somebody chose the subnet; of other drivers not all have one.
fn gateway(network: &Value, printed: &Value, range: IpNet, taken: &HashSet<u128>) -> Option<u128> {
    match text(printed, "/Gateway").parse() {
        Ok(gateway) => Some(number(gateway)),
        Err(_) if text(network, "/Driver") == "bridge" => {
            let mut range = number(range.network())..=number(range.broadcast());
            range.find(|address| !taken.contains(address))
        }
        Err(_) => None,
    }
}

fn values<'a>(document: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    let object = document.pointer(pointer).and_then(Value::as_object);
    object.into_iter().flat_map(Map::values)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn network(pools: &Value, containers: &[[&str; 2]]) -> Value {
        let mut attached = json!({});
        for (number, [ipv4, ipv6]) in containers.iter().enumerate() {
            attached[number.to_string()] = json!({ "IPv4Address": ipv4, "IPv6Address": ipv6 });
        }
        json!({
            "Driver": "bridge", "Scope": "local",
            "IPAM": { "Driver": "default", "Config": pools }, "Containers": attached,
        })
    }

    fn count(network: &Value, address: &str) -> u128 {
        below(network, address.parse().expect("an address"))
    }

    /// As measured: what the engines gave, in this order, to containers that were started one after the
    /// other.
    #[test]
    fn nothing_is_free_below_what_the_engines_gave() {
        let cases = [
            (
                json!({ "Subnet": "10.7.0.0/24", "Gateway": "10.7.0.1" }),
                ["10.7.0.2", "10.7.0.3", "10.7.0.4"],
            ),
            (
                json!({ "Subnet": "10.7.0.0/24" }),
                ["10.7.0.2", "10.7.0.3", "10.7.0.4"],
            ),
            (
                json!({ "Subnet": "10.7.0.0/24", "Gateway": "10.7.0.3" }),
                ["10.7.0.1", "10.7.0.2", "10.7.0.4"],
            ),
            (
                json!({ "Subnet": "10.7.0.0/24", "IPRange": "10.7.0.64/28" }),
                ["10.7.0.65", "10.7.0.66", "10.7.0.67"],
            ),
            (
                json!({
                    "Subnet": "10.7.0.0/24", "IPRange": "10.7.0.64/28", "Gateway": "10.7.0.1",
                }),
                ["10.7.0.64", "10.7.0.65", "10.7.0.66"],
            ),
            (
                json!({
                    "Subnet": "10.7.0.0/24",
                    "AuxiliaryAddresses": { "a": "10.7.0.3", "b": "10.7.0.4" },
                }),
                ["10.7.0.2", "10.7.0.5", "10.7.0.6"],
            ),
            (
                json!({ "Subnet": "fd00:7::/64" }),
                ["fd00:7::2", "fd00:7::3", "fd00:7::4"],
            ),
        ];
        for (pool, given) in cases {
            for (before, address) in given.iter().enumerate() {
                let slash = |address: &str| format!("{address}/24");
                let taken: Vec<String> = given[..before].iter().map(|a| slash(a)).collect();
                let both: Vec<[&str; 2]> = taken.iter().map(|a| [a.as_str(), a]).collect();
                assert_eq!(
                    count(&network(&json!([pool]), &both), address),
                    0,
                    "{pool} {address}"
                );
                // And everything where none of them runs any more.
                let free = count(&network(&json!([pool]), &[]), address);
                assert_eq!(free, before as u128, "{pool} {address}");
            }
        }
    }

    #[test]
    fn families_are_told_apart() {
        let pools = json!([{ "Subnet": "fd00:7::/64" }, { "Subnet": "10.7.0.0/24" }]);
        let network = network(
            &pools,
            &[["10.7.0.2/24", "fd00:7::4/64"], ["10.7.0.3/24", ""]],
        );
        assert_eq!(count(&network, "10.7.0.5"), 1);
        assert_eq!(count(&network, "fd00:7::5"), 2);
    }

    #[test]
    fn what_cannot_be_known_counts_as_nothing() {
        let pool = json!([{ "Subnet": "10.7.0.0/24" }]);
        for (pointer, value) in [
            ("/IPAM/Driver", "remote"),
            ("/Scope", "swarm"),
            ("/IPAM/Config", ""),
        ] {
            let mut network = network(&pool, &[]);
            *network.pointer_mut(pointer).expect("a field") = json!(value);
            assert_eq!(count(&network, "10.7.0.9"), 0, "{pointer}");
        }
        let network = network(&pool, &[]);
        assert_eq!(count(&network, "10.8.0.9"), 0);
        assert_eq!(count(&network, "fd00:7::9"), 0);
        assert_eq!(count(&json!({}), "10.7.0.9"), 0);
    }

    #[test]
    fn a_pool_without_end_is_counted_at_once() {
        let pools = json!([
            { "Subnet": "fd00:7::/64", "Gateway": "fd00:7::1" },
            { "Subnet": "fd00:8::/64", "Gateway": "fd00:8::1" },
        ]);
        let free = count(&network(&pools, &[]), "fd00:8::4");
        assert!(free > u128::from(u64::MAX) - 5, "{free}");
    }
}
