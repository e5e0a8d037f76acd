//! What the caller should know of a plan that is as it has to be.

use serde_json::Value;

use super::{
    Inputs, Object, Replacement,
    config::variable,
    entries,
    merged::{is_nothing, merged},
    mounts::{self, Kind, Mounted},
    patch,
};

/// The label in which compose records whose container it is.
const COMPOSE_SERVICE: &str = "com.docker.compose.service";

/// The fields of `Config` whose default is a whole value.
const WHOLE: [&str; 5] = ["Entrypoint", "Cmd", "User", "WorkingDir", "StopSignal"];

/// The warnings that a plan earns, one fact each.
pub(super) fn warnings(inputs: &Inputs<'_>, wanted: &Replacement) -> Vec<String> {
    let sides = Sides::new(inputs, wanted);
    [
        sides.image_gone(),
        sides.platform(),
        sides.meant(),
        sides.user(),
        sides.volumes(),
        sides.renewed(),
        sides.binds_in_volumes(),
        sides.exposed(),
        macs(&wanted.doubtful_macs),
        sides.compose(),
        sides.unknown(),
    ]
    .concat()
}

/// As [`warnings`], of going back from the container and the image of these inputs: no value follows
/// an image.
pub(super) fn going_back(inputs: &Inputs<'_>, wanted: &Replacement) -> Vec<String> {
    let sides = Sides::new(inputs, wanted);
    [
        sides.data(),
        sides.platform(),
        sides.user(),
        sides.volumes(),
        sides.binds_in_volumes(),
        macs(&wanted.doubtful_macs),
        sides.compose(),
    ]
    .concat()
}

/// What is asked to be taken away although the new image has it, or `-P` publishes it: the engine adds
/// it back.
pub(super) fn unmet(inputs: &Inputs<'_>) -> Vec<String> {
    let theirs = inputs.theirs();
    let of_field = |field: &'static str| {
        let in_image = entries(theirs.get(field));
        let mut asked = entries(inputs.patch.get(field));
        asked.retain(|key, value| value.is_null() && in_image.contains_key(key));
        asked.into_iter().map(move |(key, _)| {
            format!(
                "{field}.{key}: the new image has it, and what an image has, no container can \
                 leave out"
            )
        })
    };
    let fields = ["Labels", "ExposedPorts", "Volumes"].into_iter();
    let mut unmet: Vec<String> = fields.flat_map(of_field).collect();
    for field in ["User", "WorkingDir", "StopSignal"] {
        let is_emptied = inputs.patch.get(field).is_some_and(|value| value == "");
        if is_emptied && !is_nothing(theirs.get(field)) {
            unmet.push(format!(
                "{field}: the new image has one, and an empty one is taken for none said"
            ));
        }
    }
    let host = |document: &Value| entries(document.get("HostConfig"));
    let patch = entries(inputs.patch.get("HostConfig"));
    let all = patch.get("PublishAllPorts").cloned();
    let all = all.or_else(|| host(inputs.container).get("PublishAllPorts").cloned());
    if all == Some(Value::Bool(true)) {
        let ports = entries(patch.get("PortBindings"));
        let closed = ports.into_iter().filter(|(_, bindings)| bindings.is_null());
        unmet.extend(closed.map(|(port, _)| {
            format!("HostConfig.PortBindings.{port}: -P publishes every port that is exposed")
        }));
    }
    unmet
}

struct Sides<'a> {
    inputs: &'a Inputs<'a>,
    /// The container's configuration.
    mine: Object,
    /// The old image's.
    base: Object,
    /// The new image's.
    theirs: Object,
    /// The replacement's, as the engine will print it.
    will: Object,
    /// The replacement's `HostConfig`.
    host: Object,
}

impl<'a> Sides<'a> {
    fn new(inputs: &'a Inputs<'a>, wanted: &Replacement) -> Self {
        let theirs = inputs.theirs();
        Self {
            inputs,
            mine: entries(inputs.container.get("Config")),
            base: inputs.base(),
            will: merged(&wanted.body, &theirs),
            theirs,
            host: entries(wanted.body.get("HostConfig")),
        }
    }

    /// Going back takes nothing out of a volume again.
    fn data(&self) -> Vec<String> {
        let mounted = mounts::mounted(&self.host);
        let has_data = mounted.iter().any(|mounted| mounted.kind != Kind::Other);
        let warning = || {
            "volumes are as they are now, with all that was written since: the container goes back, \
             its data does not"
                .to_owned()
        };
        has_data.then(warning).into_iter().collect()
    }

    fn image_gone(&self) -> Vec<String> {
        let is_gone = self.inputs.old_image.is_none();
        let warning = || {
            "the image that the container was created from is gone: none of its settings can be \
             told from the image's defaults, so all that are set are kept"
                .to_owned()
        };
        is_gone.then(warning).into_iter().collect()
    }

    fn platform(&self) -> Vec<String> {
        let platform = |image: &Value| {
            let part = |field: &str| image.get(field)?.as_str().map(str::to_owned);
            Some(format!("{}/{}", part("Os")?, part("Architecture")?))
        };
        let old = self.inputs.old_image.and_then(platform);
        match (old, platform(self.inputs.new_image)) {
            (Some(old), Some(new)) if old != new => {
                vec![format!(
                    "the new image is for {new}, and the old one for {old}"
                )]
            }
            _ => Vec::new(),
        }
    }

    /// Values that equal the old image's default, and so follow the new image's: somebody may have
    /// set them all the same.
    fn meant(&self) -> Vec<String> {
        let followed = |field: &str| {
            let mine = self.mine.get(field);
            mine == self.base.get(field) && !is_nothing(mine) && mine != self.will.get(field)
        };
        // Another user may have a warning of its own.
        let is_told = |field: &str| field == "User" && !self.user().is_empty();
        // An Entrypoint that is given shuts out the image's Cmd.
        let patched = |field: &str| {
            let patch = self.inputs.patch;
            patch.contains_key(field) || (field == "Cmd" && patch.contains_key("Entrypoint"))
        };
        let fields = WHOLE
            .into_iter()
            .filter(|field| followed(field) && !patched(field) && !is_told(field));
        let fields = fields.map(str::to_owned);
        let value_of = |env: &[Value], name: &str| {
            let entry = env.iter().rfind(|entry| variable(entry) == name);
            entry.cloned()
        };
        let [mine, base, will] = [&self.mine, &self.base, &self.will].map(env);
        let asked = env(self.inputs.patch);
        let mut given = given(&mine, &base);
        given.retain(|name| !asked.iter().any(|entry| variable(entry) == name));
        let variables = given
            .into_iter()
            .filter(|name| value_of(&mine, name) != value_of(&will, name))
            .map(|name| format!("Env.{name}"));
        let all: Vec<String> = fields.chain(variables).collect();
        if all.is_empty() {
            return Vec::new();
        }
        vec![format!(
            "{}: equal to what the old image says, and so what the new image says now; name in the \
             request what was set on purpose",
            all.join(", ")
        )]
    }

    fn user(&self) -> Vec<String> {
        let user = |config: &Object| {
            let user = config
                .get("User")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let is_root = matches!(user, "" | "0" | "0:0");
            if is_root { "root" } else { user }.to_owned()
        };
        let (was, is) = (user(&self.mine), user(&self.will));
        let mounted = mounts::mounted(&self.host);
        if was == is || mounted.iter().all(|mounted| mounted.kind == Kind::Other) {
            return Vec::new();
        }
        vec![format!(
            "the user was {was}, and is {is} now: files on the volumes may not be readable or \
             writable any more"
        )]
    }

    /// Paths that only one of the images declares a `VOLUME`.
    fn volumes(&self) -> Vec<String> {
        if self.inputs.old_image.is_none() {
            return Vec::new();
        }
        let [base, theirs] = [&self.base, &self.theirs].map(|image| entries(image.get("Volumes")));
        let mounted = mounts::mounted(&self.host);
        let at = |path: &str| {
            mounted
                .iter()
                .find(|mount| mount.target == mounts::clean(path))
        };
        let added = theirs.keys().filter(|path| !base.contains_key(*path));
        let added = added.filter(|path| at(path).is_none()).map(|path| {
            format!("the new image declares a VOLUME at {path}: a new volume is mounted there")
        });
        let gone = base.keys().filter(|path| !theirs.contains_key(*path));
        let gone = gone.filter(|path| at(path).is_some()).map(|path| {
            format!("the new image declares no VOLUME at {path}: what is mounted there stays")
        });
        added.chain(gone).collect()
    }

    fn renewed(&self) -> Vec<String> {
        let renewed = self.inputs.renewed.iter();
        let warning = |name| {
            format!(
                "volume {name} is left as it is, and mounted no more: remove it when it is not missed"
            )
        };
        renewed.map(warning).collect()
    }

    fn binds_in_volumes(&self) -> Vec<String> {
        let mounted = mounts::mounted(&self.host);
        let is_inside = |bind: &Mounted, volume: &Mounted| {
            let inner = bind.target.strip_prefix(&volume.target);
            inner.is_some_and(|inner| inner.starts_with('/'))
        };
        let binds = mounted.iter().filter(|mount| mount.kind == Kind::Folder);
        let inside = binds.filter_map(|bind| {
            let mut volumes = mounted.iter().filter(|mount| mount.kind == Kind::Volume);
            Some((bind, volumes.find(|volume| is_inside(bind, volume))?))
        });
        inside
            .map(|(bind, volume)| {
                format!(
                    "{} of the host is mounted at {}, inside the volume at {}: what is there is no \
                     part of the volume",
                    bind.source, bind.target, volume.target
                )
            })
            .collect()
    }

    /// Under `-P`, the ports that the images expose are published.
    fn exposed(&self) -> Vec<String> {
        if self.host.get("PublishAllPorts") != Some(&Value::Bool(true)) {
            return Vec::new();
        }
        let ports = |config: &Object| entries(config.get("ExposedPorts"));
        let [mine, will, theirs] = [&self.mine, &self.will, &self.theirs].map(ports);
        let added = will.keys().filter(|port| !mine.contains_key(*port));
        let added = added.map(|port| {
            format!("the new image exposes port {port}: -P publishes it, at a port that the engine chooses")
        });
        let base = ports(&self.base);
        let gone = base.keys().filter(|port| !theirs.contains_key(*port));
        let gone = gone.map(|port| {
            let is = if will.contains_key(port) {
                "it stays published"
            } else {
                "-P publishes it no more"
            };
            format!("the new image does not expose port {port}: {is}")
        });
        added.chain(gone).collect()
    }

    fn compose(&self) -> Vec<String> {
        let labels = entries(self.mine.get("Labels"));
        let Some(service) = labels.get(COMPOSE_SERVICE).and_then(Value::as_str) else {
            return Vec::new();
        };
        let was = self
            .mine
            .get("Image")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let is = self.inputs.reference;
        let mut warnings = Vec::new();
        if was != is {
            warnings.push(format!(
                "compose up will go back to the image in its file, unless service {service} says \
                 {is} there (it was {was})"
            ));
        }
        if self.inputs.patch.keys().any(|field| field != "Image") {
            warnings.push(format!(
                "compose knows nothing of what the request changes: the next container that it \
                 makes of service {service} is as its file says"
            ));
        }
        warnings
    }

    fn unknown(&self) -> Vec<String> {
        let fields = patch::unknown(self.inputs.patch).into_iter();
        let warning = |field| format!("{field}: unknown to Refit, handed on to the engine");
        fields.map(warning).collect()
    }
}

fn macs(networks: &[String]) -> Vec<String> {
    let warning = |network| {
        format!(
            "the MAC address on network {network} is made anew: this engine does not tell whether \
             it was configured (name it in the request's NetworkingConfig if it was)"
        )
    };
    networks.iter().map(warning).collect()
}

fn env(config: &Object) -> Vec<Value> {
    let env = config.get("Env").and_then(Value::as_array);
    env.cloned().unwrap_or_default()
}

/// The variables that somebody gave the container although the image says the same of them. The
/// engine puts the image's variables, in the image's order, behind those that were given: one that
/// stands elsewhere was given.
fn given(mine: &[Value], base: &[Value]) -> Vec<String> {
    let mut places = base.len();
    let mut from_image = mine.len();
    for entry in mine.iter().rev() {
        match base[..places].iter().rposition(|of_base| of_base == entry) {
            Some(place) => places = place,
            None => break,
        }
        from_image -= 1;
    }
    let given = mine[..from_image]
        .iter()
        .filter(|entry| base.contains(entry));
    given.map(|entry| variable(entry).to_owned()).collect()
}
