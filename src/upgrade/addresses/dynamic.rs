//! The dynamic addresses of a container: those that the engine chose for it. Pure.

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::{
    plan::Object,
    upgrade::{look::text, marker::DynamicAddress, reach},
};

/// Where inspect prints the address of an endpoint, and where a configured one, of IPv4 and of IPv6.
const FAMILIES: [[&str; 2]; 2] = [
    ["/IPAddress", "/IPAMConfig/IPv4Address"],
    ["/GlobalIPv6Address", "/IPAMConfig/IPv6Address"],
];

/// The dynamic addresses that a container has now, as inspect prints it: none, unless it runs.
pub fn dynamic(document: &Value) -> Vec<DynamicAddress> {
    endpoints(document).flat_map(of_endpoint).collect()
}

fn endpoints(document: &Value) -> impl Iterator<Item = &Value> {
    let endpoints = document.pointer("/NetworkSettings/Networks");
    let endpoints = endpoints.and_then(Value::as_object);
    endpoints.into_iter().flat_map(Map::values)
}

/// The configured addresses of a container, in the shape of dynamic ones.
pub fn configured(document: &Value) -> Vec<DynamicAddress> {
    let of_endpoint = |endpoint: &Value| {
        let network = text(endpoint, "/NetworkID").to_owned();
        FAMILIES.map(|[_, configured]| {
            let ip = text(endpoint, configured).parse().ok()?;
            let network = network.clone();
            Some(DynamicAddress { network, ip })
        })
    };
    endpoints(document)
        .flat_map(of_endpoint)
        .flatten()
        .collect()
}

/// Those that its replacement is to have: but for those that the request's `patch` speaks of.
pub fn wanted(document: &Value, patch: &Object) -> Vec<DynamicAddress> {
    let mut wanted = dynamic(document);
    wanted.retain(|address| !reach::is_asked(patch, document, address));
    wanted
}

/// Those of a container's endpoint on one network.
fn of_endpoint(endpoint: &Value) -> impl Iterator<Item = DynamicAddress> {
    FAMILIES.into_iter().filter_map(|[printed, configured]| {
        let ip = text(endpoint, printed).parse().ok()?;
        let is_dynamic = text(endpoint, configured).is_empty() && !follows_mac(ip, endpoint);
        is_dynamic.then(|| DynamicAddress {
            network: text(endpoint, "/NetworkID").to_owned(),
            ip,
        })
    })
}

/// Whether an address was made of the MAC address, as Docker 20.10 and 26 make the IPv6 ones of the
/// default bridge (moby `libnetwork/drivers/bridge/bridge.go`, `CreateEndpoint`). They make the MAC
/// address of the IPv4 address, so it is kept with that.
fn follows_mac(ip: IpAddr, endpoint: &Value) -> bool {
    let octets = text(endpoint, "/MacAddress").split(':');
    let mac: Option<Vec<u8>> = octets
        .map(|octet| u8::from_str_radix(octet, 16).ok())
        .collect();
    match (ip, mac) {
        (IpAddr::V6(ip), Some(mac)) => ip.octets().ends_with(&mac) && mac.len() == 6,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(endpoints: &Value) -> Vec<String> {
        let found = dynamic(&json!({ "NetworkSettings": { "Networks": endpoints } }));
        let line = |found: &DynamicAddress| format!("{} {}", found.network, found.ip);
        found.iter().map(line).collect()
    }

    #[test]
    fn what_the_engine_chose_is_told_from_what_is_configured() {
        let found = of(&json!({
            "both": { "NetworkID": "1", "IPAddress": "10.0.0.2", "GlobalIPv6Address": "fd00::2" },
            "mixed": {
                "NetworkID": "2", "IPAddress": "10.1.0.9", "GlobalIPv6Address": "fd01::2",
                "IPAMConfig": { "IPv4Address": "10.1.0.9" },
            },
            "empty": {
                "NetworkID": "3", "IPAddress": "10.2.0.2", "GlobalIPv6Address": "",
                "IPAMConfig": {},
            },
            "stopped": { "NetworkID": "4", "IPAddress": "", "IPAMConfig": null },
        }));
        assert_eq!(
            found,
            ["1 10.0.0.2", "1 fd00::2", "2 fd01::2", "3 10.2.0.2"]
        );
        assert_eq!(dynamic(&json!({})), []);
        let endpoints = json!({ "NetworkID": "2", "IPAMConfig": { "IPv4Address": "10.1.0.9" } });
        let found = configured(&json!({ "NetworkSettings": { "Networks": { "a": endpoints } } }));
        let ip = "10.1.0.9".parse().expect("an address");
        let network = "2".to_owned();
        assert_eq!(found, [DynamicAddress { network, ip }]);
    }

    #[test]
    fn what_follows_the_mac_address_needs_no_keeping() {
        let found = of(&json!({ "bridge": {
            "NetworkID": "1", "IPAddress": "172.17.0.2", "MacAddress": "02:42:ac:11:00:02",
            "GlobalIPv6Address": "fd00::242:ac11:2",
        } }));
        assert_eq!(found, ["1 172.17.0.2"]);
    }
}
