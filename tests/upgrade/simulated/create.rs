//! What create makes of a body: the image's configuration beneath it, mounts, endpoints.

use refit::engine::{Created, Result};
use serde_json::{Map, Value, json};

use super::{
    container::{Container, Mount},
    list,
    network::endpoint_of,
    refused, text,
    world::World,
};

impl World {
    /// `POST /containers/create`.
    pub fn create(&mut self, name: &str, body: &Value) -> Result<Created> {
        if self.position(name).is_ok() {
            let message = format!("Conflict. The container name \"/{name}\" is already in use");
            return Err(refused(409, message));
        }
        if let Some(message) = contradiction(&body["HostConfig"]) {
            return Err(refused(400, message));
        }
        let image = self.image(text(body, "/Image"))?;
        let image_id = text(image, "/Id").to_owned();
        let defaults = image["Config"].as_object().cloned().unwrap_or_default();
        let mut config = body.as_object().cloned().unwrap_or_default();
        let host = config.shift_remove("HostConfig");
        let mut host = host.unwrap_or_else(|| json!({}));
        self.resolve_modes(&mut host)?;
        let links = self.resolve_links(&mut host)?;
        let networking = config.shift_remove("NetworkingConfig").unwrap_or_default();
        merge(&mut config, &defaults);
        let config = Value::Object(config);
        let id = self.new_id();
        let mut created = Container::new(id.clone(), name, image_id, config, host);
        created.links = links;
        created.mounts = self.mounts(&created);
        created.endpoints = self.endpoints(&created.host, &networking);
        created.lineage = self.descent(&created);
        self.changes.push(format!("create {name}"));
        self.containers.push(created);
        Ok(Created {
            id,
            warnings: Vec::new(),
        })
    }

    /// The container that `created` descends from, as its marker says.
    fn descent(&self, created: &Container) -> String {
        let marker = created.marker();
        let replaced = text(&marker, "/Original/Id");
        let mut all = self.containers.iter().chain(&self.removed);
        let of = all.find(|c| c.id == replaced).unwrap_or(created);
        of.lineage.clone()
    }

    /// A container whose name space is joined is known by its ID.
    fn resolve_modes(&self, host: &mut Value) -> Result<()> {
        for mode in ["NetworkMode", "IpcMode", "PidMode"] {
            let joined = host[mode]
                .as_str()
                .and_then(|mode| mode.strip_prefix("container:"));
            if let Some(joined) = joined {
                host[mode] = json!(format!("container:{}", self.get(joined)?.id));
            }
        }
        Ok(())
    }

    /// The linked containers' IDs, with their aliases.
    fn resolve_links(&self, host: &mut Value) -> Result<Vec<(String, String)>> {
        let links = host
            .as_object_mut()
            .and_then(|host| host.shift_remove("Links"));
        // A network of one's own has none.
        let is_default = matches!(text(host, "/NetworkMode"), "" | "default" | "bridge");
        let links = links.filter(|_| is_default);
        let links = list(&json!({ "Links": links }), "/Links");
        let resolve = |link: Value| {
            let (name, alias) = link
                .as_str()
                .and_then(|l| l.split_once(':'))
                .expect("a link");
            Ok((self.get(name)?.id.clone(), alias.to_owned()))
        };
        links.into_iter().map(resolve).collect()
    }

    /// The volumes of `Binds`, of `Mounts`, and of the image's `VOLUME` where neither says anything.
    fn mounts(&mut self, container: &Container) -> Vec<Mount> {
        let mut mounts = Vec::new();
        for bind in list(&container.host, "/Binds") {
            let bind = bind.as_str().expect("a bind").to_owned();
            let parts: Vec<&str> = bind.splitn(3, ':').collect();
            mounts.push(match *parts.as_slice() {
                [source, target, options] => self.mount(Some(source), target, options),
                [source, target] => self.mount(Some(source), target, ""),
                _ => self.mount(None, &bind, ""),
            });
        }
        for mount in list(&container.host, "/Mounts") {
            let source = Some(text(&mount, "/Source")).filter(|source| !source.is_empty());
            mounts.push(self.mount(source, text(&mount, "/Target"), ""));
        }
        let volumes = container.config["Volumes"].as_object();
        for target in volumes.into_iter().flat_map(Map::keys) {
            if !mounts.iter().any(|mount| mount.target == *target) {
                mounts.push(self.mount(None, target, ""));
            }
        }
        mounts
    }

    /// The endpoints that are given; else the one that the network mode makes.
    fn endpoints(&self, host: &Value, networking: &Value) -> Map<String, Value> {
        let given = networking.get("EndpointsConfig").and_then(Value::as_object);
        let mut given = given.cloned().unwrap_or_default();
        let mode = match text(host, "/NetworkMode") {
            "" | "default" => "bridge",
            mode => mode,
        };
        let has_own = !matches!(mode, "none" | "host") && !mode.starts_with("container:");
        if given.is_empty() && has_own {
            given.insert(mode.to_owned(), json!({}));
        }
        let endpoints = given.into_iter().map(|(network, settings)| {
            let name = self.network(&network).map(|(name, _)| name.clone());
            (name.unwrap_or(network), endpoint_of(&settings))
        });
        endpoints.collect()
    }

    fn mount(&mut self, source: Option<&str>, target: &str, options: &str) -> Mount {
        let volume = source.map_or_else(|| self.new_id(), str::to_owned);
        self.volumes.insert(volume.clone());
        Mount {
            volume,
            target: target.to_owned(),
            options: options.to_owned(),
            is_anonymous: source.is_none(),
        }
    }
}

/// What contradicts itself.
fn contradiction(host: &Value) -> Option<&'static str> {
    let policy = text(host, "/RestartPolicy/Name");
    (host["AutoRemove"] == true && !matches!(policy, "" | "no"))
        .then_some("can't create 'AutoRemove' container with restart policy")
}

/// What create makes of a configuration and an image's (moby `daemon/commit.go`, `merge`).
fn merge(config: &mut Map<String, Value>, image: &Map<String, Value>) {
    for field in ["Labels", "ExposedPorts", "Volumes"] {
        let mut merged = image.get(field).cloned().unwrap_or_else(|| json!({}));
        for (key, value) in config
            .get(field)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            merged[key] = value.clone();
        }
        config.insert(field.to_owned(), merged);
    }
    let of = |map: &Map<String, Value>| list(&Value::Object(map.clone()), "/Env");
    let name = |entry: &Value| {
        let entry = entry.as_str().unwrap_or_default();
        entry.split('=').next().unwrap_or_default().to_owned()
    };
    let (mut env, defaults) = (of(config), of(image));
    for entry in defaults {
        if !env.iter().any(|mine| name(mine) == name(&entry)) {
            env.push(entry);
        }
    }
    config.insert("Env".to_owned(), json!(env));
    let says_nothing = |value: &Value| value.is_null() || value == "";
    // An entry point shuts the image's command out.
    let is_entered = !config.get("Entrypoint").is_none_or(says_nothing);
    for field in ["Entrypoint", "Cmd", "User", "WorkingDir", "StopSignal"] {
        if !config.get(field).is_none_or(says_nothing) {
            continue;
        }
        let is_shut_out = field == "Cmd" && is_entered;
        if let Some(default) = image.get(field) {
            let default = if is_shut_out { &Value::Null } else { default };
            config.insert(field.to_owned(), default.clone());
        }
    }
}
