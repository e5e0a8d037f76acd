//! Pure: what the replacement is; no await, no I/O, no clock.
//!
//! A plan is a three-way merge. *base* is the old image's configuration, *mine* the container's,
//! *theirs* the new image's, and the *patch* is the request. What equals base came from the image
//! and is left out, so that the engine fills in theirs; what differs was chosen by a person and
//! stays. All of it is the engine's own JSON: a field that nobody here has heard of is carried
//! over unchanged.

mod back;
mod config;
mod diff;
mod fields;
mod health;
mod merged;
mod mounts;
mod networks;
mod patch;
mod ports;
mod warnings;

use std::time::Duration;

use serde_json::{Map, Value};

pub use back::{go_back, named_volumes, networks_of, specification};
pub use diff::{Because, Change};
pub use fields::{Part, Policy, policy};
pub use mounts::anonymous_volumes;
pub use networks::has_own_network;
pub use patch::{PatchError, check as check_patch, endpoints as patched_endpoints};

use crate::engine::ApiVersion;

/// A JSON object.
pub type Object = Map<String, Value>;

/// The label that records an upgrade on the replacement. It is never inherited.
pub const MARKER_LABEL: &str = "io.refit.upgrade";

/// Everything that a plan is computed from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The version in which the replacement will be created.
    pub api: ApiVersion,
    /// The original, as inspect prints it.
    pub container: &'a Value,
    /// The image that the original was created from, as inspect prints it **by ID**; `None` when
    /// it is gone.
    pub old_image: Option<&'a Value>,
    /// The image that the replacement is created from, as inspect prints it.
    pub new_image: &'a Value,
    /// The reference that the new image goes by in the replacement's `Image`.
    pub reference: &'a str,
    /// The request's body, checked by [`check_patch`].
    pub patch: &'a Object,
    /// The volumes, of [`anonymous_volumes`], that give way to new ones.
    pub renewed: &'a [String],
}

/// What the replacement is.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The body of `POST /containers/create`, but for the marker.
    pub create: Value,
    /// Networks that this API version cannot take in create: `(network, endpoint settings)`, to
    /// be connected after it, in this order.
    pub connect: Vec<(String, Value)>,
    /// The networks that the replacement needs and that must exist: by ID, or by name where no
    /// ID is known yet.
    pub networks: Vec<String>,
    /// The container ports (`80/tcp`) whose ephemeral host port keeps its number, and so is
    /// ephemeral no more.
    pub pinned: Vec<String>,
    /// How long the replacement may take to become healthy where the request does not say.
    pub healthy_deadline: Duration,
    /// Whether the replacement would differ from the original.
    pub changed: bool,
    /// Every value that will be another than inspect prints now, with the reason.
    pub diff: Vec<Change>,
    /// What the caller should know of the replacement.
    pub warnings: Vec<String>,
    /// What the request asks for and no engine does; so it is, too, where nothing is changed.
    pub unmet: Vec<String>,
    /// What the request says: its patch. Where none says it, but the generation that is gone back to,
    /// what that says of networks, addresses and ports.
    pub asked: Object,
}

impl Plan {
    /// [`Plan::create`] with every endpoint, also those that are connected after it.
    #[must_use]
    pub fn whole_create(&self) -> Value {
        let mut create = self.create.clone();
        for (network, endpoint) in &self.connect {
            create["NetworkingConfig"]["EndpointsConfig"][network] = endpoint.clone();
        }
        create
    }
}

/// Why no plan can be made of the inputs. The message names what is in the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The engine printed something that is not of the shape its API documents.
    #[error("the engine's inspect document has no usable {0}")]
    Malformed(&'static str),
    /// The patch cannot be applied.
    #[error(transparent)]
    Patch(#[from] PatchError),
}

/// Computes the plan. The same inputs give the same plan.
///
/// # Errors
/// [`Refusal`] if a document lacks what every engine prints, or the patch does not fit.
pub fn compute(inputs: &Inputs<'_>) -> Result<Plan, Refusal> {
    let unasked = Inputs {
        patch: &Object::new(),
        renewed: &[],
        ..*inputs
    };
    let kept = replacement(&unasked)?;
    let wanted = replacement(inputs)?;
    let is_other_image = inputs.container.get("Image") != inputs.new_image.get("Id");
    Ok(Plan {
        changed: is_other_image || diff::is_effective(inputs, &kept, &wanted),
        diff: diff::diff(inputs, &kept, &wanted),
        warnings: warnings::warnings(inputs, &wanted),
        unmet: warnings::unmet(inputs),
        asked: inputs.patch.clone(),
        healthy_deadline: health::healthy_deadline(inputs, &wanted.body),
        create: Value::Object(wanted.body),
        connect: wanted.connect,
        networks: wanted.networks,
        pinned: wanted.pinned,
    })
}

/// The ID in an image's inspect document.
#[must_use]
pub fn image_id(image: &Value) -> String {
    image
        .get("Id")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// Sets a label in a create body.
pub fn set_label(body: &mut Value, name: &str, value: &str) {
    if !body["Labels"].is_object() {
        body["Labels"] = Value::Object(Object::new());
    }
    body["Labels"][name] = Value::from(value);
}

/// A create body with what goes with it.
struct Replacement {
    body: Object,
    connect: Vec<(String, Value)>,
    networks: Vec<String>,
    /// The settings of every endpoint, by what inspect or the patch calls its network.
    endpoints: Vec<(String, Value)>,
    /// The networks whose MAC address may have been configured, and is not kept.
    doubtful_macs: Vec<String>,
    pinned: Vec<String>,
    /// The MAC address on the main network, which inspect prints in `Config`, whichever part of the
    /// body it is sent in; null where none is configured.
    mac_address: Value,
}

fn replacement(inputs: &Inputs<'_>) -> Result<Replacement, Refusal> {
    let &Inputs {
        container,
        patch,
        renewed,
        ..
    } = inputs;
    let host_config = object(container, "HostConfig")?;
    let mut host = mounts::inherit(host_config, container, renewed);
    networks::translate_links(&mut host);
    let asked = |field: &str| patch.get("HostConfig")?.get(field);
    let publishes_all = asked("PublishAllPorts").is_none_or(|all| *all == true);
    let mut pinned = ports::pin(&mut host, container, publishes_all);
    let bound = host.get("PortBindings").cloned();
    patch::apply_host_config(&mut host, patch, container)?;
    let mut networks = networks::Networks::inherit(container, inputs.api);
    networks.patch(patch, &host)?;
    // What the patch binds anew, or not at all, is not pinned by us.
    let mode = host.get("NetworkMode").and_then(Value::as_str);
    if !mode.is_none_or(has_own_network) {
        pinned.clear();
    }
    let binding = |bindings: Option<&Value>, port: &str| bindings?.get(port).cloned();
    pinned.retain(|port| binding(bound.as_ref(), port) == binding(host.get("PortBindings"), port));
    mounts::attach_rest(&mut host, host_config, container, renewed);
    let mine = object(container, "Config")?;
    let mut body = config::inherit(mine, &inputs.base(), &host);
    patch::apply_config(&mut body, patch);
    config::follow_image(&mut body, inputs.new_image);
    ports::expose(&mut body, &host);
    body.insert("Image".to_owned(), Value::from(inputs.reference));
    body.insert("HostConfig".to_owned(), Value::Object(host));
    Ok(Replacement {
        networks: networks.references(),
        endpoints: networks.named(),
        doubtful_macs: networks.doubtful_macs(),
        mac_address: networks.mac_address(),
        connect: networks.write(&mut body, inputs.api),
        body,
        pinned,
    })
}

impl Inputs<'_> {
    /// What the container is by default: the old image's configuration, or nothing where it is gone.
    fn base(&self) -> Object {
        self.old_image
            .map(|image| entries(image.get("Config")))
            .unwrap_or_default()
    }

    /// What the replacement is by default.
    fn theirs(&self) -> Object {
        entries(self.new_image.get("Config"))
    }
}

/// An object, or an empty one where there is none.
fn entries(value: Option<&Value>) -> Object {
    let map = value.and_then(Value::as_object);
    map.cloned().unwrap_or_default()
}

fn object<'a>(document: &'a Value, key: &'static str) -> Result<&'a Object, Refusal> {
    document
        .get(key)
        .and_then(Value::as_object)
        .ok_or(Refusal::Malformed(key))
}

#[cfg(test)]
mod tests;
