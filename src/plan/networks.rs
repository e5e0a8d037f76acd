//! Endpoints: what a person configured of them, and nothing else that inspect prints.

use core::net::Ipv4Addr;

use serde_json::{Value, json};

use super::{
    Object,
    fields::{Part, Policy},
    patch::{self, PatchError},
};
use crate::engine::ApiVersion;

/// The networks that the replacement joins.
pub(super) struct Networks {
    /// `HostConfig.NetworkMode`, which names the main network.
    mode: String,
    endpoints: Vec<Endpoint>,
}

struct Endpoint {
    /// What inspect, or the patch, calls the network.
    name: String,
    /// The network's ID, where inspect prints one: not before the first start.
    id: Option<String>,
    is_main: bool,
    /// What a person configured.
    settings: Value,
    /// Whether the MAC address that it has may have been configured, and cannot be told from a
    /// generated one.
    has_doubtful_mac: bool,
}

impl Networks {
    /// The original's networks, as `api` can tell and take them.
    pub(super) fn inherit(container: &Value, api: ApiVersion) -> Self {
        let mode = text(container, "/HostConfig/NetworkMode").to_owned();
        let printed = container
            .pointer("/NetworkSettings/Networks")
            .and_then(Value::as_object)
            .filter(|_| !mode.starts_with("container:"));
        let endpoints = printed
            .into_iter()
            .flatten()
            .map(|(name, endpoint)| Endpoint::inherit(container, &mode, name, endpoint, api))
            .collect();
        let mut networks = Self { mode, endpoints };
        networks.sort();
        networks
    }

    /// Applies a patch, which makes `host` the `HostConfig`.
    ///
    /// # Errors
    /// [`PatchError`] if it takes the main network away.
    pub(super) fn patch(&mut self, patch: &Object, host: &Object) -> Result<(), PatchError> {
        let mode = host.get("NetworkMode").and_then(Value::as_str);
        self.follow_mode(mode.unwrap_or_default());
        if let (Some(mac), Some(main)) = (patch.get("MacAddress"), self.main()) {
            main.patch(&json!({ "MacAddress": mac }));
        }
        match patch::endpoints(patch) {
            None => {}
            Some(Value::Object(endpoints)) => {
                for (network, settings) in endpoints {
                    self.patch_endpoint(network, settings)?;
                }
            }
            // What the mode alone gives.
            Some(_) => {
                self.endpoints.retain(|endpoint| endpoint.is_main);
                if let Some(main) = self.main() {
                    main.patch(&Value::Null);
                }
            }
        }
        self.sort();
        Ok(())
    }

    /// The main one first, in no other order than the names'.
    fn sort(&mut self) {
        self.endpoints
            .sort_by(|a, b| (!a.is_main, &a.name).cmp(&(!b.is_main, &b.name)));
    }

    /// Another mode is another main network; `host`, `none` and `container:` go with no further.
    fn follow_mode(&mut self, mode: &str) {
        let is_same = main_key(mode) == main_key(&self.mode);
        mode.clone_into(&mut self.mode);
        // The main network may have been disconnected, and stays so.
        if is_same || self.main().is_some_and(|main| main.is_called(mode)) {
            return;
        }
        // It was given to the container, whichever its main network is.
        let mac_address = self.mac_address();
        self.endpoints.retain(|endpoint| !endpoint.is_main);
        if !has_own_network(mode) {
            self.endpoints.clear();
        }
        if mode.starts_with("container:") {
            return;
        }
        let main = self.endpoint(mode);
        main.is_main = true;
        if has_own_network(mode) && main.settings.get("MacAddress").is_none() {
            main.patch(&json!({ "MacAddress": mac_address }));
        }
    }

    /// Merges settings; null leaves the network, which must not be the main one.
    fn patch_endpoint(&mut self, network: &str, settings: &Value) -> Result<(), PatchError> {
        let known = |endpoint: &Endpoint| endpoint.is_called(network);
        if !settings.is_null() {
            self.endpoint(network).patch(settings);
        } else if self.main().is_some_and(|main| known(main)) {
            return Err(PatchError::new(
                format!("NetworkingConfig.EndpointsConfig.{network}"),
                "this is the main network: another HostConfig.NetworkMode leaves it",
            ));
        } else {
            self.endpoints.retain(|endpoint| !known(endpoint));
        }
        Ok(())
    }

    fn main(&mut self) -> Option<&mut Endpoint> {
        self.endpoints.iter_mut().find(|endpoint| endpoint.is_main)
    }

    /// The endpoint on a network, by name or ID; a new one if there is none.
    fn endpoint(&mut self, network: &str) -> &mut Endpoint {
        let known = self.endpoints.iter().position(|e| e.is_called(network));
        let at = known.unwrap_or_else(|| {
            self.endpoints.push(Endpoint {
                name: main_key(network).to_owned(),
                id: None,
                is_main: false,
                settings: json!({}),
                has_doubtful_mac: false,
            });
            self.endpoints.len() - 1
        });
        &mut self.endpoints[at]
    }

    /// Every network, by ID where it is known.
    pub(super) fn references(&self) -> Vec<String> {
        let reference = |endpoint: &Endpoint| endpoint.id.clone().unwrap_or(endpoint.name.clone());
        self.endpoints.iter().map(reference).collect()
    }

    /// Every endpoint's settings, by the name that inspect or the patch calls its network.
    pub(super) fn named(&self) -> Vec<(String, Value)> {
        let named = |endpoint: &Endpoint| (endpoint.name.clone(), endpoint.settings.clone());
        self.endpoints.iter().map(named).collect()
    }

    /// The MAC address that is configured on the main network; null where there is none.
    pub(super) fn mac_address(&mut self) -> Value {
        let main = self.main();
        let address = main.and_then(|main| main.settings.get("MacAddress").cloned());
        address.unwrap_or_default()
    }

    /// The networks whose MAC address may have been configured, and is not kept.
    pub(super) fn doubtful_macs(&self) -> Vec<String> {
        let doubtful = |endpoint: &&Endpoint| {
            endpoint.has_doubtful_mac && endpoint.settings.get("MacAddress").is_none()
        };
        let doubtful = self.endpoints.iter().filter(doubtful);
        doubtful.map(|endpoint| endpoint.name.clone()).collect()
    }

    /// Puts the endpoints into a create body, and returns those that this API version cannot take
    /// in create (all but one below 1.44), for `connect`.
    ///
    /// The main network keeps the key that `HostConfig.NetworkMode` calls it by (the engine
    /// matches the two as text); further ones go by ID, since two networks may bear one name.
    pub(super) fn write(mut self, body: &mut Object, api: ApiVersion) -> Vec<(String, Value)> {
        let takes_all = api >= ApiVersion::MANY_NETWORKS_IN_CREATE;
        // A container-wide MAC address is all that older versions take, and 1.52 refuses it.
        if let Some(main) = self.main() {
            body.shift_remove("MacAddress");
            let settings = main.settings.as_object_mut().filter(|_| !takes_all);
            if let Some(mac) = settings.and_then(|settings| settings.shift_remove("MacAddress")) {
                body.insert("MacAddress".to_owned(), mac);
            }
        }
        // The mode alone makes an endpoint without settings, and on the built-in networks create
        // takes nothing else; but it makes none where others are given.
        if let [only] = self.endpoints.as_slice()
            && only.is_main
            && only.settings == json!({})
        {
            self.endpoints.clear();
        }
        let mut endpoints = self.endpoints.into_iter().map(|endpoint| {
            let key = match (endpoint.is_main, endpoint.id) {
                (true, _) => main_key(&self.mode).to_owned(),
                (false, Some(id)) => id,
                (false, None) => endpoint.name,
            };
            (key, endpoint.settings)
        });
        let at_create = if takes_all { usize::MAX } else { 1 };
        let at_create: Object = endpoints.by_ref().take(at_create).collect();
        body.insert(
            "NetworkingConfig".to_owned(),
            json!({ "EndpointsConfig": at_create }),
        );
        endpoints.collect()
    }
}

impl Endpoint {
    fn inherit(
        container: &Value,
        mode: &str,
        name: &str,
        printed: &Value,
        api: ApiVersion,
    ) -> Self {
        let id = text(printed, "/NetworkID");
        let mut endpoint = Self {
            name: main_key(name).to_owned(),
            id: (!id.is_empty()).then(|| id.to_owned()),
            is_main: false,
            settings: Value::Null,
            has_doubtful_mac: false,
        };
        endpoint.is_main = endpoint.is_called(mode);
        let mac = if endpoint.is_main {
            Some(text(container, "/Config/MacAddress"))
        } else {
            let origin = MacOrigin::of_further(container, printed, api);
            endpoint.has_doubtful_mac = origin == MacOrigin::Doubtful;
            (origin == MacOrigin::Configured).then(|| text(printed, "/MacAddress"))
        };
        endpoint.settings = settings(container, printed, mac, api);
        endpoint
    }

    fn is_called(&self, network: &str) -> bool {
        self.name == main_key(network) || self.id.as_deref() == Some(network)
    }

    /// Merges by key; null goes back to none.
    fn patch(&mut self, settings: &Value) {
        self.has_doubtful_mac &= settings.get("MacAddress").is_none();
        match (&mut self.settings, settings) {
            (mine, Value::Null) => *mine = json!({}),
            (Value::Object(mine), Value::Object(settings)) => {
                for (key, value) in settings {
                    patch::merge(mine, key, value, 0);
                }
            }
            (mine, settings) => *mine = settings.clone(),
        }
    }
}

/// The key in `EndpointsConfig` of the main network.
fn main_key(mode: &str) -> &str {
    if matches!(mode, "" | "default") {
        "bridge"
    } else {
        mode
    }
}

/// Whether a container of this `NetworkMode` has a network of its own, with ports to publish.
#[must_use]
pub fn has_own_network(mode: &str) -> bool {
    !matches!(mode, "host" | "none") && !mode.starts_with("container:")
}

/// `Links` as create takes them (`/db:/web/alias` → `db:alias`).
pub(super) fn translate_links(host_config: &mut Object) {
    if let Some(links) = host_config.get_mut("Links").and_then(Value::as_array_mut) {
        for link in links {
            let Some((name, alias)) = link.as_str().and_then(|text| text.split_once(':')) else {
                continue;
            };
            let alias = alias.rsplit('/').next().unwrap_or(alias);
            *link = Value::from(format!("{}:{alias}", name.trim_start_matches('/')));
        }
    }
}

/// What a person configured of an endpoint, as inspect prints it; of the MAC address, `mac` tells.
fn settings(container: &Value, endpoint: &Value, mac: Option<&str>, api: ApiVersion) -> Value {
    let mut settings = Object::new();
    for (field, value) in endpoint.as_object().into_iter().flatten() {
        let kept = match Part::Endpoint.policy(field) {
            Policy::Printed | Policy::MacAddress => None,
            Policy::Aliases => aliases(container, value, api),
            // A priority of zero is the default, which 28 prints on every endpoint.
            _ => Some(value.clone()).filter(|value| !value.is_null() && *value != 0),
        };
        if let Some(kept) = kept {
            settings.insert(field.clone(), kept);
        }
    }
    if let Some(mac) = mac.filter(|mac| !mac.is_empty()) {
        settings.insert("MacAddress".to_owned(), Value::from(mac));
    }
    Value::Object(settings)
}

/// Where the MAC address of an endpoint comes from.
#[derive(PartialEq, Eq)]
enum MacOrigin {
    Configured,
    Generated,
    /// It may be either.
    Doubtful,
}

impl MacOrigin {
    /// Of a further network, where inspect does not tell. Before the first start the engine prints
    /// no address but a configured one. One that it makes up is made of the IP address (moby
    /// `libnetwork/netutils/utils.go`, `GenerateMACFromIP`) or, since Docker 28, at random with the
    /// bit of local administration set (`GenerateRandomMAC`).
    fn of_further(container: &Value, printed: &Value, api: ApiVersion) -> Self {
        let mac = text(printed, "/MacAddress");
        let is_new = text(container, "/State/Status") == "created";
        // Older versions take none for a further network.
        if api < ApiVersion::MANY_NETWORKS_IN_CREATE || (is_new && mac.is_empty()) {
            return Self::Generated;
        }
        let address = text(printed, "/IPAddress")
            .parse()
            .map(|address: Ipv4Addr| {
                let [a, b, c, d] = address.octets();
                format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
            });
        let is_local = mac
            .get(..2)
            .and_then(|octet| u8::from_str_radix(octet, 16).ok());
        match address {
            _ if is_new => Self::Configured,
            // A stopped container's is not printed any more.
            _ if mac.is_empty() => Self::Doubtful,
            Ok(generated) if generated == mac => Self::Generated,
            _ if is_local.is_some_and(|octet| octet & 2 == 0) => Self::Configured,
            Ok(_) if api < ApiVersion::RANDOM_MAC_ADDRESSES => Self::Configured,
            _ => Self::Doubtful,
        }
    }
}

/// The aliases that a person gave.
fn aliases(container: &Value, printed: &Value, api: ApiVersion) -> Option<Value> {
    let short_id = text(container, "/Id").get(..12).unwrap_or_default();
    let hostname = text(container, "/Config/Hostname");
    let is_added = |alias: &str| {
        alias == short_id || (alias == hostname && api < ApiVersion::ALIASES_AS_GIVEN)
    };
    let mut aliases = printed.as_array()?.clone();
    aliases.retain(|alias| !alias.as_str().is_some_and(is_added));
    (!aliases.is_empty()).then_some(Value::Array(aliases))
}

fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
