//! Mounts: every volume of the original is attached again, by name.
//!
//! No volume is ever removed, and none is swapped but those that the request renews. Each is
//! attached with *nocopy*, because create copies an image's files into an empty volume, and the
//! original may be running on it.

use serde_json::{Value, json};

use super::Object;

/// The names of the volumes that a container was given without one: 64 hexadecimal digits, as the
/// engine makes them up (moby `volume/service/service.go`, `Create`).
#[must_use]
pub fn anonymous_volumes(container: &Value) -> Vec<String> {
    let points = Points::of(container, &[]).points.into_iter();
    let anonymous = points.filter(Point::is_anonymous);
    anonymous.map(|point| point.source).collect()
}

/// `HostConfig` with the original's own mounts made explicit: named entries of `Binds` and
/// `Mounts` stay as they are but for nocopy, anonymous ones get their volume's name. Those of the
/// volumes `renewed` become anonymous again.
pub(super) fn inherit(host_config: &Object, container: &Value, renewed: &[String]) -> Object {
    let mut host = host_config.clone();
    let points = Points::of(container, renewed);
    if let Some(binds) = host.get_mut("Binds").and_then(Value::as_array_mut) {
        // A new one takes its place with the rest.
        binds.retain(|bind| !bind.as_str().is_some_and(|bind| points.renews(bind)));
        for bind in binds {
            if let Some(text) = bind.as_str() {
                *bind = Value::from(points.bind(text));
            }
        }
    }
    if let Some(mounts) = host.get_mut("Mounts").and_then(Value::as_array_mut) {
        for mount in mounts.iter_mut().filter_map(Value::as_object_mut) {
            points.mount(mount);
        }
    }
    // Its mounts are attached themselves; the container they came from may be gone.
    if host.get("VolumesFrom").is_some_and(|from| !from.is_null()) {
        host.insert("VolumesFrom".to_owned(), Value::Null);
    }
    host
}

/// Adds to `host` what stands in none of the original's own entries (the volumes of an image's
/// `VOLUME` and of `VolumesFrom`), and every anonymous volume, unless something is mounted there by
/// now. It comes after the patch, which may take away entries, but no volume that has no name to ask
/// for it again.
pub(super) fn attach_rest(
    host: &mut Object,
    host_config: &Object,
    container: &Value,
    renewed: &[String],
) {
    let (taken, asked) = (targets(host), targets(host_config));
    let Points { points, has_labels } = Points::of(container, renewed);
    let is_rest = |point: &Point| point.is_anonymous() || !asked.contains(&point.target);
    let is_free = |point: &Point| !taken.contains(&point.target);
    let rest = points
        .into_iter()
        .filter(|point| is_free(point) && is_rest(point));
    let (fresh, kept): (Vec<Point>, Vec<Point>) = rest.partition(|point| point.is_renewed);
    let binds = kept
        .iter()
        .map(|point| Value::from(point.as_bind(has_labels)));
    append(host, "Binds", binds.collect());
    let driver = host.get("VolumeDriver").and_then(Value::as_str);
    let driver = driver.unwrap_or_default().to_owned();
    let fresh = fresh.iter().map(|point| point.as_fresh(&driver));
    append(host, "Mounts", fresh.collect());
}

/// A patch's entries of `Binds` or `Mounts`; a volume that the original has stays nocopy.
pub(super) fn restated(entries: &[Value], container: &Value) -> Vec<Value> {
    let points = Points::of(container, &[]);
    let has = |name: &str| {
        let mut volumes = points.points.iter().filter(|point| point.is_volume);
        volumes.any(|point| point.source == name)
    };
    let restate = |entry: &Value| match entry {
        Value::String(bind) if bind.split_once(':').is_some_and(|(name, _)| has(name)) => {
            Value::from(points.bind(bind))
        }
        Value::Object(mount) => {
            let source = mount.get("Source").and_then(Value::as_str);
            let mut mount = mount.clone();
            if source.is_some_and(has) {
                points.mount(&mut mount);
            }
            Value::Object(mount)
        }
        other => other.clone(),
    };
    entries.iter().map(restate).collect()
}

/// Adds to a list, which may not be there.
pub(super) fn append(host: &mut Object, field: &str, added: Vec<Value>) {
    if added.is_empty() {
        return;
    }
    match host.get_mut(field).and_then(Value::as_array_mut) {
        Some(list) => list.extend(added),
        None => {
            host.insert(field.to_owned(), Value::Array(added));
        }
    }
}

/// Something that a `HostConfig` mounts.
pub(super) struct Mounted {
    pub kind: Kind,
    /// The volume's name (empty for an anonymous one), or the folder on the host.
    pub source: String,
    pub target: String,
}

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Volume,
    /// Of the host, which `Binds` and `Mounts` call a bind.
    Folder,
    /// A tmpfs, or what a newer engine may know.
    Other,
}

/// All that `Binds`, `Mounts` and `Tmpfs` of a `HostConfig` mount.
pub(super) fn mounted(host_config: &Object) -> Vec<Mounted> {
    let list = |field: &str| {
        let list = host_config.get(field).and_then(Value::as_array);
        list.into_iter().flatten()
    };
    let tmpfs = host_config.get("Tmpfs").and_then(Value::as_object);
    let binds = list("Binds").filter_map(Value::as_str).map(|bind| {
        let source = bind.split_once(':').map_or("", |(source, _)| source);
        let is_folder = source.starts_with('/');
        Mounted {
            kind: if is_folder {
                Kind::Folder
            } else {
                Kind::Volume
            },
            source: source.to_owned(),
            target: bind_target(bind),
        }
    });
    let mounts = list("Mounts").filter_map(|mount| {
        let text = |key: &str| mount.get(key).and_then(Value::as_str);
        Some(Mounted {
            kind: match text("Type") {
                Some("volume") => Kind::Volume,
                Some("bind") => Kind::Folder,
                _ => Kind::Other,
            },
            source: text("Source").unwrap_or_default().to_owned(),
            target: clean(text("Target")?),
        })
    });
    // A patch takes one away by null.
    let tmpfs = tmpfs.into_iter().flatten().filter(|(_, o)| !o.is_null());
    let tmpfs = tmpfs.map(|(target, _)| Mounted {
        kind: Kind::Other,
        source: String::new(),
        target: clean(target),
    });
    binds.chain(mounts).chain(tmpfs).collect()
}

/// Where a `HostConfig` mounts something.
pub(super) fn targets(host_config: &Object) -> Vec<String> {
    let mounted = mounted(host_config).into_iter();
    mounted.map(|mounted| mounted.target).collect()
}

/// The target of an entry of `Binds`: `/target`, `source:/target` or `source:/target:options`.
pub(super) fn bind_target(bind: &str) -> String {
    clean(
        bind.split(':')
            .nth(usize::from(bind.contains(':')))
            .unwrap_or_default(),
    )
}

/// A mount target as the engine prints it (moby `volume/mounts/linux_parser.go`: `path.Clean`).
pub(super) fn clean(target: &str) -> String {
    let mut parts = Vec::new();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The volume and bind mounts that the original has, whoever asked for them.
struct Points {
    points: Vec<Point>,
    /// Whether the engine labels files for `SELinux`. It shares a volume's among containers only
    /// where a mount has no options (moby `daemon/volumes.go`, `setBindModeIfNull`), which ours
    /// has.
    has_labels: bool,
}

struct Point {
    /// The volume's name, or the folder on the host.
    source: String,
    target: String,
    options: Vec<String>,
    is_volume: bool,
    /// Whether another volume takes its place.
    is_renewed: bool,
}

impl Points {
    /// Reads `Mounts` of an inspect document. A mount through `HostConfig.Tmpfs` or `Mounts` of
    /// another type than volume and bind stays where it stands.
    fn of(container: &Value, renewed: &[String]) -> Self {
        let printed = container.get("Mounts").and_then(Value::as_array);
        let points = printed.into_iter().flatten().filter_map(Point::read);
        let mut points: Vec<Point> = points.collect();
        for point in &mut points {
            point.is_renewed = point.is_volume && renewed.contains(&point.source);
        }
        // The engine prints them in any order; the same container gives the same plan.
        points.sort_by(|a, b| a.target.cmp(&b.target));
        let label = container.get("MountLabel").and_then(Value::as_str);
        Self {
            points,
            has_labels: label.is_some_and(|label| !label.is_empty()),
        }
    }

    fn at(&self, target: &str) -> Option<&Point> {
        let target = clean(target);
        let mut points = self.points.iter();
        points.find(|point| point.is_volume && point.target == target)
    }

    /// Whether an entry of `Binds` mounts a renewed volume by its name.
    fn renews(&self, bind: &str) -> bool {
        let Some((source, _)) = bind.split_once(':') else {
            return false;
        };
        let point = self.at(&bind_target(bind));
        point.is_some_and(|point| point.is_renewed && point.source == source)
    }

    /// An entry of `Binds`: a volume gets its name and nocopy.
    fn bind(&self, bind: &str) -> String {
        let mut parts = bind.splitn(3, ':');
        let first = parts.next().unwrap_or_default();
        match (parts.next(), parts.next()) {
            // A folder of the host.
            (Some(_), _) if first.starts_with('/') => bind.to_owned(),
            (Some(path), options) => {
                let options = options.into_iter().flat_map(|o| o.split(','));
                let options = options.map(str::to_owned).collect();
                with_nocopy(first, path, options, self.has_labels)
            }
            (None, _) => match self.at(bind) {
                Some(point) if !point.is_renewed => point.as_bind(self.has_labels),
                _ => bind.to_owned(),
            },
        }
    }

    /// An entry of `Mounts`: a volume gets its name and nocopy.
    fn mount(&self, mount: &mut Object) {
        let text = |key: &str| mount.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("Type") != "volume" {
            return;
        }
        let (point, is_anonymous) = (self.at(text("Target")), text("Source").is_empty());
        match point {
            Some(point) if point.is_renewed => {
                mount.shift_remove("Source");
                let options = mount
                    .get_mut("VolumeOptions")
                    .and_then(Value::as_object_mut);
                // That of a volume which bears its name here is ours.
                if let Some(options) = options.filter(|_| !is_anonymous) {
                    options.shift_remove("NoCopy");
                }
                return;
            }
            Some(point) if is_anonymous => {
                mount.insert("Source".to_owned(), Value::from(point.source.clone()));
            }
            None if is_anonymous => return,
            _ => {}
        }
        let options = mount.entry("VolumeOptions").or_insert(Value::Null);
        if !options.is_object() {
            *options = json!({});
        }
        options["NoCopy"] = Value::Bool(true);
    }
}

impl Point {
    fn read(printed: &Value) -> Option<Self> {
        let text = |key: &str| printed.get(key).and_then(Value::as_str).unwrap_or_default();
        let is_volume = text("Type") == "volume";
        if !is_volume && text("Type") != "bind" {
            return None;
        }
        let source = if is_volume {
            text("Name")
        } else {
            text("Source")
        };
        let mut options: Vec<String> = text("Mode")
            .split(',')
            .filter(|o| !o.is_empty())
            .map(str::to_owned)
            .collect();
        let is_read_only = printed.get("RW") == Some(&Value::Bool(false));
        if is_read_only && !options.iter().any(|option| option == "ro") {
            options.push("ro".to_owned());
        }
        // `VolumesFrom` hands it on without a mode.
        let propagation = text("Propagation");
        if !matches!(propagation, "" | "rprivate") && !options.iter().any(|o| o == propagation) {
            options.push(propagation.to_owned());
        }
        Some(Self {
            source: source.to_owned(),
            target: clean(text("Destination")),
            options,
            is_volume,
            is_renewed: false,
        })
    }

    /// Whether the engine made up its name: 64 hexadecimal digits.
    fn is_anonymous(&self) -> bool {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        self.is_volume && self.source.len() == 64 && self.source.bytes().all(is_digit)
    }

    /// A new volume without a name in its place, for `Mounts`; of a `driver`, or the engine's own.
    fn as_fresh(&self, driver: &str) -> Value {
        let mut mount = json!({ "Type": "volume", "Target": self.target });
        if !driver.is_empty() {
            mount["VolumeOptions"] = json!({ "DriverConfig": { "Name": driver } });
        }
        if self.options.iter().any(|option| option == "ro") {
            mount["ReadOnly"] = Value::Bool(true);
        }
        mount
    }

    fn as_bind(&self, has_labels: bool) -> String {
        if self.is_volume {
            let options = self.options.clone();
            return with_nocopy(&self.source, &self.target, options, has_labels);
        }
        let options = self.options.join(",");
        let separator = if options.is_empty() { "" } else { ":" };
        format!("{}:{}{separator}{options}", self.source, self.target)
    }
}

fn with_nocopy(source: &str, target: &str, mut options: Vec<String>, has_labels: bool) -> String {
    options.retain(|option| !option.is_empty());
    if options.is_empty() && has_labels {
        // What the engine takes the lack of options for.
        options.push("z".to_owned());
    }
    if !options.iter().any(|option| option == "nocopy") {
        options.push("nocopy".to_owned());
    }
    format!("{source}:{target}:{}", options.join(","))
}
