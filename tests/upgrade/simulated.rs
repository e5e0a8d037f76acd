//! A simulated engine: containers, names, run states, images and networks in memory, behind the
//! trait that the real one stands behind. What it does is what the real engines were measured to do.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use refit::engine::{
    ApiVersion, Created, Engine, EngineError, Platform, PullLine, RestartPolicy, Result,
    StopOptions,
};
use serde_json::{Map, Value, json};

/// What a test does to the engine right before a container is created.
type Meanwhile = Box<dyn Fn(&mut World) + Send>;

/// An engine in memory.
pub struct Simulated {
    world: Mutex<World>,
    meanwhile: Mutex<Option<Meanwhile>>,
}

/// What an engine has.
#[derive(Debug, Default)]
pub struct World {
    /// As inspect prints them.
    containers: Vec<Value>,
    /// References, with what inspect prints of the image.
    images: Vec<(String, Value)>,
    /// The calls that changed something, in their order: `stop web`.
    changes: Vec<String>,
    made: u64,
}

impl std::fmt::Debug for Simulated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulated").finish_non_exhaustive()
    }
}

fn refused(status: u16, message: impl Into<String>) -> EngineError {
    EngineError::Refused {
        status,
        message: message.into(),
    }
}

fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    let value = document.pointer(pointer).and_then(Value::as_str);
    value.unwrap_or_default()
}

fn list(document: &Value, pointer: &str) -> Vec<Value> {
    let list = document.pointer(pointer).and_then(Value::as_array);
    list.cloned().unwrap_or_default()
}

impl World {
    /// Gives an image a name, which another may have had.
    pub fn tag(&mut self, reference: &str, id: &str, config: &Value) {
        self.images.retain(|(name, _)| name != reference);
        let image = json!({ "Id": id, "Os": "linux", "Architecture": "amd64", "Config": config });
        self.images.push((reference.to_owned(), image));
    }

    /// What was changed since the last time that somebody asked.
    pub fn changes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.changes)
    }

    fn image(&self, reference: &str) -> Result<&Value> {
        let is_meant =
            |(name, image): &&(String, Value)| name == reference || text(image, "/Id") == reference;
        let found = self.images.iter().find(is_meant);
        found
            .map(|(_, image)| image)
            .ok_or_else(|| refused(404, format!("No such image: {reference}")))
    }

    fn position(&self, reference: &str) -> Result<usize> {
        let is_meant = |container: &Value| {
            text(container, "/Id") == reference
                || text(container, "/Name").trim_start_matches('/') == reference
        };
        let found = self.containers.iter().position(is_meant);
        found.ok_or_else(|| refused(404, format!("No such container: {reference}")))
    }

    /// The container that a call changes, which is remembered.
    fn changed(&mut self, call: &str, reference: &str) -> Result<&mut Value> {
        let at = self.position(reference)?;
        let container = &mut self.containers[at];
        let name = text(container, "/Name").trim_start_matches('/');
        self.changes.push(format!("{call} {name}"));
        Ok(container)
    }

    fn create(&mut self, name: &str, body: &Value) -> Result<Created> {
        if self.position(name).is_ok() {
            return Err(refused(409, format!("the name /{name} is in use")));
        }
        let image = self.image(text(body, "/Image"))?;
        let mut config = body.as_object().cloned().unwrap_or_default();
        let host = config.shift_remove("HostConfig");
        let host = host.unwrap_or_else(|| json!({}));
        let networking = config.shift_remove("NetworkingConfig").unwrap_or_default();
        let defaults = image["Config"].as_object().cloned().unwrap_or_default();
        merge(&mut config, &defaults);
        let image = text(image, "/Id").to_owned();
        self.made += 1;
        let id = format!("{:064x}", self.made);
        let mut endpoints = Map::new();
        let given = networking.get("EndpointsConfig").and_then(Value::as_object);
        for (network, settings) in given.into_iter().flatten() {
            let mut endpoint = json!({ "NetworkID": network, "IPAddress": "10.0.0.2" });
            for (key, value) in settings.as_object().into_iter().flatten() {
                endpoint[key] = value.clone();
            }
            endpoints.insert(network.clone(), endpoint);
        }
        self.changes.push(format!("create {name}"));
        self.containers.push(json!({
            "Id": id, "Name": format!("/{name}"), "Image": image, "RestartCount": 0,
            "State": { "Status": "created", "ExitCode": 0, "OOMKilled": false, "Error": "" },
            "Config": config, "HostConfig": host, "Mounts": [],
            "NetworkSettings": { "Networks": endpoints, "Ports": {} },
        }));
        Ok(Created {
            id,
            warnings: Vec::new(),
        })
    }
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
    for field in ["Entrypoint", "Cmd", "User", "WorkingDir", "StopSignal"] {
        let says_nothing = |value: &Value| value.is_null() || value == "";
        if config.get(field).is_none_or(says_nothing)
            && let Some(default) = image.get(field)
        {
            config.insert(field.to_owned(), default.clone());
        }
    }
}

impl Simulated {
    pub fn new() -> Self {
        Self {
            world: Mutex::default(),
            meanwhile: Mutex::default(),
        }
    }

    /// What the engine has.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has something happen right before the next create.
    pub fn before_create(&self, meanwhile: impl Fn(&mut World) + Send + 'static) {
        let mut at_create = self
            .meanwhile
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *at_create = Some(Box::new(meanwhile));
    }

    /// Creates a container by hand and starts it; returns its ID.
    pub fn run(&self, name: &str, body: &Value) -> String {
        let mut world = self.world();
        let created = world.create(name, body).expect("it is created");
        let container = world.changed("start", name).expect("it is there");
        container["State"]["Status"] = json!("running");
        world.changes();
        created.id
    }

    /// What inspect prints; null where there is no such container.
    pub fn inspect(&self, reference: &str) -> Value {
        let world = self.world();
        let at = world.position(reference);
        at.map_or(Value::Null, |at| world.containers[at].clone())
    }
}

#[async_trait]
impl Engine for Simulated {
    async fn api_version(&self) -> Result<ApiVersion> {
        Ok(ApiVersion {
            major: 1,
            minor: 51,
        })
    }

    async fn inspect_container(&self, reference: &str) -> Result<Value> {
        let world = self.world();
        Ok(world.containers[world.position(reference)?].clone())
    }

    async fn inspect_image(&self, reference: &str) -> Result<Value> {
        self.world().image(reference).cloned()
    }

    async fn inspect_network(&self, reference: &str) -> Result<Value> {
        Ok(json!({ "Id": reference, "Name": reference }))
    }

    async fn list_labelled(&self, label: &str) -> Result<Vec<String>> {
        let world = self.world();
        let bears = |container: &&Value| container["Config"]["Labels"].get(label).is_some();
        let labelled = world.containers.iter().filter(bears);
        Ok(labelled.map(|c| text(c, "/Id").to_owned()).collect())
    }

    async fn list_containers(&self) -> Result<Vec<Value>> {
        let summary = |container: &Value| {
            json!({
                "Id": container["Id"], "Names": [container["Name"]], "Ports": [],
                "Mounts": container["Mounts"],
                "HostConfig": { "NetworkMode": container["HostConfig"]["NetworkMode"] },
            })
        };
        Ok(self.world().containers.iter().map(summary).collect())
    }

    async fn pull(
        &self,
        reference: &str,
        _platform: Option<&Platform>,
        _auth: Option<&str>,
        _progress: &(dyn Fn(PullLine) + Send + Sync),
    ) -> Result<()> {
        Err(refused(404, format!("pull access denied for {reference}")))
    }

    async fn create_container(
        &self,
        name: &str,
        _platform: Option<&Platform>,
        body: &Value,
    ) -> Result<Created> {
        let meanwhile = self
            .meanwhile
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let mut world = self.world();
        if let Some(meanwhile) = meanwhile {
            meanwhile(&mut world);
        }
        world.create(name, body)
    }

    async fn connect_network(
        &self,
        network: &str,
        container: &str,
        endpoint: &Value,
    ) -> Result<()> {
        let mut world = self.world();
        let container = world.changed("connect", container)?;
        container["NetworkSettings"]["Networks"][network] = endpoint.clone();
        Ok(())
    }

    async fn update_restart_policy(&self, container: &str, policy: &RestartPolicy) -> Result<()> {
        let mut world = self.world();
        let container = world.changed("update", container)?;
        container["HostConfig"]["RestartPolicy"] = json!(policy);
        Ok(())
    }

    async fn stop(&self, container: &str, _options: &StopOptions) -> Result<()> {
        let mut world = self.world();
        let container = world.changed("stop", container)?;
        if text(container, "/State/Status") != "created" {
            container["State"]["Status"] = json!("exited");
        }
        Ok(())
    }

    async fn start(&self, container: &str) -> Result<()> {
        let mut world = self.world();
        world.changed("start", container)?["State"]["Status"] = json!("running");
        Ok(())
    }

    async fn pause(&self, container: &str) -> Result<()> {
        let mut world = self.world();
        world.changed("pause", container)?["State"]["Status"] = json!("paused");
        Ok(())
    }

    async fn rename(&self, container: &str, name: &str) -> Result<()> {
        let mut world = self.world();
        if world.position(name).is_ok() {
            return Err(refused(409, format!("the name /{name} is in use")));
        }
        world.changed("rename", container)?["Name"] = json!(format!("/{name}"));
        Ok(())
    }

    async fn remove(&self, container: &str, _volumes: bool) -> Result<()> {
        let mut world = self.world();
        if text(world.changed("remove", container)?, "/State/Status") == "running" {
            return Err(refused(409, format!("{container} is running")));
        }
        let at = world.position(container)?;
        world.containers.remove(at);
        Ok(())
    }

    async fn log_tail(&self, container: &str, _lines: usize) -> Result<Vec<String>> {
        self.world().position(container).map(|_| Vec::new())
    }

    async fn await_reachable(&self, _limit: std::time::Duration) -> Result<()> {
        Ok(())
    }
}
