//! Endpoints: what a person configured of them, and nothing else that inspect prints.

use serde_json::{Value, json};

use super::{Object, patch};
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
}

impl Networks {
    /// The original's networks.
    pub(super) fn inherit(container: &Value) -> Self {
        let mode = text(container, "/HostConfig/NetworkMode").to_owned();
        let printed = container
            .pointer("/NetworkSettings/Networks")
            .and_then(Value::as_object)
            .filter(|_| !mode.starts_with("container:"));
        let endpoints = printed
            .into_iter()
            .flatten()
            .map(|(name, endpoint)| Endpoint::inherit(container, &mode, name, endpoint))
            .collect();
        let mut networks = Self { mode, endpoints };
        networks.sort();
        networks
    }

    /// Applies a patch, which makes `host` the `HostConfig`.
    pub(super) fn patch(&mut self, patch: &Object, host: &Object) {
        let mode = host.get("NetworkMode").and_then(Value::as_str);
        self.follow_mode(mode.unwrap_or_default());
        if let (Some(mac), Some(main)) = (patch.get("MacAddress"), self.main()) {
            main.patch(&json!({ "MacAddress": mac }));
        }
        let endpoints = match patch.get("NetworkingConfig") {
            Some(Value::Object(networking)) => networking.get("EndpointsConfig"),
            networking => networking,
        };
        match endpoints {
            None => {}
            Some(Value::Object(endpoints)) => {
                for (network, settings) in endpoints {
                    self.patch_endpoint(network, settings);
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
        self.endpoints.retain(|endpoint| !endpoint.is_main);
        if matches!(mode, "host" | "none") || mode.starts_with("container:") {
            self.endpoints.clear();
        }
        if mode.starts_with("container:") {
            return;
        }
        self.endpoint(mode).is_main = true;
    }

    fn patch_endpoint(&mut self, network: &str, settings: &Value) {
        let known = |endpoint: &Endpoint| endpoint.is_called(network);
        if !settings.is_null() {
            self.endpoint(network).patch(settings);
        } else if let Some(main) = self.main().filter(|main| known(main)) {
            // The mode still joins it.
            main.patch(settings);
        } else {
            self.endpoints.retain(|endpoint| !known(endpoint));
        }
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
    fn inherit(container: &Value, mode: &str, name: &str, printed: &Value) -> Self {
        let id = text(printed, "/NetworkID");
        let mut endpoint = Self {
            name: main_key(name).to_owned(),
            id: (!id.is_empty()).then(|| id.to_owned()),
            is_main: false,
            settings: Value::Null,
        };
        endpoint.is_main = endpoint.is_called(mode);
        endpoint.settings = settings(container, printed, endpoint.is_main);
        endpoint
    }

    fn is_called(&self, network: &str) -> bool {
        self.name == main_key(network) || self.id.as_deref() == Some(network)
    }

    /// Merges by key; null goes back to none.
    fn patch(&mut self, settings: &Value) {
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

fn settings(container: &Value, endpoint: &Value, is_main: bool) -> Value {
    let mut settings = Object::new();
    for key in ["IPAMConfig", "Links", "DriverOpts", "GwPriority"] {
        // A priority of zero is the default, which 28 prints on every endpoint.
        if let Some(value) = endpoint.get(key).filter(|v| !v.is_null() && *v != 0) {
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
