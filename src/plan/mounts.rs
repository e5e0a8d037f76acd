//! Mounts: every volume of the original is attached again, by name.
//!
//! No volume is ever removed or swapped. Each is attached with *nocopy*, because create copies
//! an image's files into an empty volume, and the original may be running on it.

use serde_json::{Value, json};

use super::Object;

/// `HostConfig` with the original's own mounts made explicit: named entries of `Binds` and
/// `Mounts` stay as they are but for nocopy, anonymous ones get their volume's name.
pub(super) fn inherit(host_config: &Object, container: &Value) -> Object {
    let mut host = host_config.clone();
    let points = Points::of(container);
    if let Some(binds) = host.get_mut("Binds").and_then(Value::as_array_mut) {
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

/// Adds to the `Binds` of `host` what stands in none of the original's own entries (the volumes of
/// an image's `VOLUME` and of `VolumesFrom`), unless something is mounted there by now. It comes
/// after the patch, which may take away those entries, but none of these volumes.
pub(super) fn attach_rest(host: &mut Object, host_config: &Object, container: &Value) {
    let taken = [targets(host), targets(host_config)].concat();
    let rest: Vec<Value> = Points::of(container)
        .0
        .iter()
        .filter(|point| !taken.contains(&clean(&point.target)))
        .map(|point| Value::from(point.as_bind()))
        .collect();
    if rest.is_empty() {
        return;
    }
    match host.get_mut("Binds").and_then(Value::as_array_mut) {
        Some(binds) => binds.extend(rest),
        None => {
            host.insert("Binds".to_owned(), Value::Array(rest));
        }
    }
}

/// Where the entries of a `HostConfig` mount something.
pub(super) fn targets(host_config: &Object) -> Vec<String> {
    let list = |field: &str| host_config.get(field).and_then(Value::as_array);
    let binds = list("Binds").into_iter().flatten();
    let mounts = list("Mounts").into_iter().flatten();
    let tmpfs = host_config.get("Tmpfs").and_then(Value::as_object);
    let target = |mount: &Value| mount.get("Target").and_then(Value::as_str).map(clean);
    (binds.filter_map(Value::as_str).map(bind_target))
        .chain(mounts.filter_map(target))
        .chain(tmpfs.into_iter().flatten().map(|(at, _)| clean(at)))
        .collect()
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
struct Points(Vec<Point>);

struct Point {
    /// The volume's name, or the folder on the host.
    source: String,
    target: String,
    options: Vec<String>,
    is_volume: bool,
}

impl Points {
    /// Reads `Mounts` of an inspect document. A mount through `HostConfig.Tmpfs` or `Mounts` of
    /// another type than volume and bind stays where it stands.
    fn of(container: &Value) -> Self {
        let printed = container.get("Mounts").and_then(Value::as_array);
        let points = printed.into_iter().flatten().filter_map(Point::read);
        let mut points: Vec<Point> = points.collect();
        // The engine prints them in any order; the same container gives the same plan.
        points.sort_by(|a, b| a.target.cmp(&b.target));
        Self(points)
    }

    fn at(&self, target: &str) -> Option<&Point> {
        self.0
            .iter()
            .find(|point| point.is_volume && clean(&point.target) == clean(target))
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
                with_nocopy(first, path, options.map(str::to_owned).collect())
            }
            (None, _) => self.at(bind).map_or(bind.to_owned(), Point::as_bind),
        }
    }

    /// An entry of `Mounts`: a volume gets its name and nocopy.
    fn mount(&self, mount: &mut Object) {
        if mount.get("Type").and_then(Value::as_str) != Some("volume") {
            return;
        }
        let source = mount
            .get("Source")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if source.is_empty() {
            let target = mount
                .get("Target")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let Some(point) = self.at(target) else { return };
            mount.insert("Source".to_owned(), Value::from(point.source.clone()));
        }
        match mount
            .get_mut("VolumeOptions")
            .and_then(Value::as_object_mut)
        {
            Some(options) => {
                options.insert("NoCopy".to_owned(), Value::Bool(true));
            }
            None => {
                mount.insert("VolumeOptions".to_owned(), json!({ "NoCopy": true }));
            }
        }
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
            target: text("Destination").to_owned(),
            options,
            is_volume,
        })
    }

    fn as_bind(&self) -> String {
        if self.is_volume {
            return with_nocopy(&self.source, &self.target, self.options.clone());
        }
        let options = self.options.join(",");
        let separator = if options.is_empty() { "" } else { ":" };
        format!("{}:{}{separator}{options}", self.source, self.target)
    }
}

fn with_nocopy(source: &str, target: &str, mut options: Vec<String>) -> String {
    options.retain(|option| !option.is_empty());
    if !options.iter().any(|option| option == "nocopy") {
        options.push("nocopy".to_owned());
    }
    format!("{source}:{target}:{}", options.join(","))
}
