//! Networks: who has joined which, and on which address.

use refit::engine::Result;
use serde_json::{Map, Value, json};

use super::{container::Container, refused, text, world::World};

/// A network's name and ID.
pub fn named(name: &str) -> (String, String) {
    (name.to_owned(), format!("id-of-{name}"))
}

impl World {
    /// Makes a network.
    pub fn add_network(&mut self, name: &str) {
        self.networks.push(named(name));
    }

    /// Removes a network.
    pub fn remove_network(&mut self, name: &str) {
        self.networks.retain(|(known, _)| known != name);
    }

    /// The name and the ID of a network.
    ///
    /// # Errors
    /// 404, as the engine says it.
    pub(super) fn network(&self, reference: &str) -> Result<&(String, String)> {
        let mut networks = self.networks.iter();
        networks
            .find(|(name, id)| name == reference || id == reference)
            .ok_or_else(|| refused(404, format!("network {reference} not found")))
    }

    /// What inspect prints of a network.
    ///
    /// # Errors
    /// 404, as the engine says it.
    pub(super) fn printed_network(&self, reference: &str) -> Result<Value> {
        let (name, id) = self.network(reference)?;
        let attached = self.containers.iter().filter_map(|container| {
            let address = text(container.endpoints.get(name)?, "/IPAddress");
            let printed = json!({
                "Name": container.name,
                "IPv4Address": format!("{address}/24"), "IPv6Address": "",
            });
            (!address.is_empty()).then(|| (container.id.clone(), printed))
        });
        let attached: Map<String, Value> = attached.collect();
        Ok(json!({
            "Id": id, "Name": name, "Driver": "bridge", "Scope": "local",
            "IPAM": {
                "Driver": "default",
                "Config": [{ "Subnet": "10.0.0.0/24", "Gateway": "10.0.0.1" }],
            },
            "Containers": attached,
        }))
    }

    pub(super) fn connect(&mut self, network: &str, id: &str, endpoint: &Value) -> Result<()> {
        let runs = self.get(id)?.has_process();
        let name = match self.network(network) {
            Ok((name, _)) => name.clone(),
            // It is noticed at start.
            Err(_) if !runs => network.to_owned(),
            Err(error) => return Err(error),
        };
        if runs && self.get(id)?.endpoints.contains_key(&name) {
            let message = format!("endpoint already exists in network {name}");
            return Err(refused(403, message));
        }
        let at = self.change("connect", id)?;
        let endpoints = &mut self.containers[at].endpoints;
        endpoints.insert(name, endpoint_of(endpoint));
        if runs { self.join_networks(at) } else { Ok(()) }
    }

    /// A container gets an address on each network where it has none.
    pub(super) fn join_networks(&mut self, at: usize) -> Result<()> {
        let endpoints = self.containers[at].endpoints.iter();
        let without = endpoints.filter(|(_, endpoint)| endpoint["IPAddress"] == "");
        let without: Vec<String> = without.map(|(network, _)| network.clone()).collect();
        for network in without {
            let (_, id) = self.network(&network)?.clone();
            let address = self.free_address(&network);
            let endpoint = &mut self.containers[at].endpoints[&network];
            endpoint["NetworkID"] = json!(id);
            endpoint["IPAddress"] = json!(address);
        }
        Ok(())
    }

    fn free_address(&self, network: &str) -> String {
        let has = |container: &Container, address: &str| {
            container
                .endpoints
                .get(network)
                .is_some_and(|endpoint| endpoint["IPAddress"] == address)
        };
        let free = (2..255u32).map(|last| format!("10.0.0.{last}"));
        let mut free = free.filter(|a| !self.containers.iter().any(|c| has(c, a)));
        free.next().expect("a free address")
    }
}

/// What inspect prints of an endpoint with these settings, before the container's first start.
pub(super) fn endpoint_of(settings: &Value) -> Value {
    let mut endpoint = json!({ "NetworkID": "", "IPAddress": "" });
    for (key, value) in settings.as_object().into_iter().flatten() {
        endpoint[key] = value.clone();
    }
    endpoint
}
