//! The values of options, in the forms that `docker run` takes them in (docker/cli, `opts`).

use std::{collections::BTreeMap, env, fs};

use parse_size::{ByteSuffix, Config};
use path_clean::PathClean;
use serde_json::{Map, Value, json};

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// The entries of `Env`: `K=V` as it is; a bare `K` with the value that it has here, and where it has
/// none, bare: that removes it (docker/cli, `opts.ValidateEnv`).
pub(super) fn variable(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some(("", _)) => Err(format!("invalid environment variable: {text}")),
        None if text.is_empty() => Err("invalid environment variable: it has no name".to_owned()),
        Some(_) => Ok(text.to_owned()),
        None => Ok(match env::var(text) {
            Ok(value) => format!("{text}={value}"),
            Err(_) => text.to_owned(),
        }),
    }
}

/// The variables in a file: one in each line, `#` begins a comment, and nothing is quoted
/// (docker/cli, `kvfile`).
pub(super) fn variables_of_file(path: &str) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let lines = text.trim_start_matches('\u{feff}').lines();
    lines
        .map(str::trim_start)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let name = line.split('=').next().unwrap_or_default();
            if name.is_empty() || name.contains(char::is_whitespace) {
                return Err(format!("{path}: \"{name}\" is no name of a variable"));
            }
            // A bare name counts only where it is set.
            variable(line)
        })
        .filter(|line| line.as_ref().map_or(true, |line| line.contains('=')))
        .collect()
}

/// A label: `K=V`, or `K` with an empty value.
pub(super) fn label(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() {
        return Err(format!("invalid label \"{text}\": it has no name"));
    }
    Ok((key.to_owned(), value.into()))
}

/// A number of bytes: `512m`, `1.5g`, `100000`; a unit is a power of 1024.
pub(super) fn bytes(text: &str) -> Result<Value, String> {
    let config = Config::new()
        .with_binary()
        .with_byte_suffix(ByteSuffix::Allow);
    match config.parse_size(text) {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => Err(format!("invalid size \"{text}\": {error} (512m, 1.5g)")),
    }
}

/// A number of CPUs, in billionths of one.
pub(super) fn cpus(text: &str) -> Result<Value, String> {
    match text.parse::<f64>() {
        Ok(cpus) if (0.0..=1_000_000.0).contains(&cpus) => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "it is within 10^15, which a float holds exactly"
            )]
            let billionths = (cpus * 1e9).round() as i64;
            Ok(billionths.into())
        }
        _ => Err(format!("invalid number of CPUs \"{text}\" (0.5, 2)")),
    }
}

/// A mount in the short form, `[SOURCE:]TARGET[:OPTIONS]`, as an entry of `Binds`. A source that is a
/// relative path begins with `.`, and is made absolute, as the CLI does.
pub(super) fn volume(text: &str) -> Result<Value, String> {
    let parts: Vec<_> = text.split(':').collect();
    let target = match parts[..] {
        [target] => target,
        [source, target] | [source, target, _] if !source.is_empty() => target,
        _ => return Err(format!("invalid volume specification: \"{text}\"")),
    };
    if !target.starts_with('/') {
        return Err(format!(
            "invalid volume specification: \"{text}\": the path in the container must be absolute"
        ));
    }
    Ok(match text.split_once(':') {
        Some((from, rest)) => format!("{}:{rest}", source(from)?).into(),
        None => text.into(),
    })
}

/// A mount in the long form, `type=bind,source=/a,target=/b,readonly`, as an entry of `Mounts`
/// (docker/cli, `opts.MountOpt`). Of the keys, each that the engine knows is taken; a source that is a
/// relative path is made absolute.
pub(super) fn mount(text: &str) -> Result<Value, String> {
    let wrong = |what: &str| format!("invalid mount \"{text}\": {what}");
    let mut mount = Object::from_iter([("Type".to_owned(), json!("volume"))]);
    for field in &fields(text).map_err(|error| wrong(&error))? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.trim().to_ascii_lowercase(), value),
            None => (field.trim().to_ascii_lowercase(), ""),
        };
        if !field.contains('=') && !FLAGS.contains(&&*key) {
            return Err(wrong(&format!("'{field}' must be a key=value pair")));
        }
        let flag = || match value {
            "" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err(wrong(&format!(
                "{key} is \"{value}\", neither true nor false"
            ))),
        };
        let pair = || match value.split_once('=').unwrap_or((value, "")) {
            ("", _) => Err(wrong(&format!("{key} is \"{value}\", which has no name"))),
            pair => Ok(pair),
        };
        match &*key {
            "type" => set(&mut mount, &["Type"], value.to_ascii_lowercase()),
            "source" | "src" => set(&mut mount, &["Source"], source(value)?),
            "target" | "dst" | "destination" => set(&mut mount, &["Target"], value),
            "readonly" | "ro" => set(&mut mount, &["ReadOnly"], flag()?),
            "consistency" => set(&mut mount, &["Consistency"], value.to_ascii_lowercase()),
            "bind-propagation" => {
                let propagation = value.to_ascii_lowercase();
                set(&mut mount, &["BindOptions", "Propagation"], propagation);
            }
            "bind-nonrecursive" => set(&mut mount, &["BindOptions", "NonRecursive"], flag()?),
            "bind-create-src" => set(&mut mount, &["BindOptions", "CreateMountpoint"], flag()?),
            "bind-recursive" => {
                let field = match value {
                    "enabled" => continue,
                    "disabled" => "NonRecursive",
                    "writable" => "ReadOnlyNonRecursive",
                    "readonly" => "ReadOnlyForceRecursive",
                    _ => {
                        return Err(wrong(&format!(
                            "bind-recursive is \"{value}\", none of enabled, disabled, writable \
                             and readonly"
                        )));
                    }
                };
                set(&mut mount, &["BindOptions", field], true);
            }
            "volume-nocopy" => set(&mut mount, &["VolumeOptions", "NoCopy"], flag()?),
            "volume-subpath" => set(&mut mount, &["VolumeOptions", "Subpath"], value),
            "volume-label" => {
                let (name, value) = pair()?;
                set(&mut mount, &["VolumeOptions", "Labels", name], value);
            }
            "volume-driver" => {
                let path = ["VolumeOptions", "DriverConfig", "Name"];
                set(&mut mount, &path, value);
            }
            "volume-opt" => {
                let (name, value) = pair()?;
                let path = ["VolumeOptions", "DriverConfig", "Options", name];
                set(&mut mount, &path, value);
            }
            "image-subpath" => set(&mut mount, &["ImageOptions", "Subpath"], value),
            "tmpfs-size" => set(&mut mount, &["TmpfsOptions", "SizeBytes"], bytes(value)?),
            "tmpfs-mode" => {
                let mode = u32::from_str_radix(value, 8)
                    .map_err(|_| wrong(&format!("tmpfs-mode is \"{value}\", no octal number")))?;
                set(&mut mount, &["TmpfsOptions", "Mode"], mode);
            }
            _ => return Err(wrong(&format!("unexpected key '{key}'"))),
        }
    }
    if !mount.contains_key("Target") {
        return Err(wrong("target is required"));
    }
    let of = mount
        .get("Type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    for (kind, options) in OPTIONS {
        if of != kind && mount.contains_key(options) {
            return Err(wrong(&format!("{kind}-… is not for a mount of type {of}")));
        }
    }
    let mount = Value::from(mount);
    let bind = &mount["BindOptions"];
    let only_read = bind["ReadOnlyForceRecursive"] == true;
    if (only_read || bind["ReadOnlyNonRecursive"] == true) && mount["ReadOnly"] != true {
        return Err(wrong("this bind-recursive requires readonly"));
    }
    if only_read && bind["Propagation"] != "rprivate" {
        return Err(wrong(
            "bind-recursive=readonly requires bind-propagation=rprivate",
        ));
    }
    Ok(mount)
}

/// The keys of a mount that may stand alone.
const FLAGS: [&str; 5] = [
    "readonly",
    "ro",
    "volume-nocopy",
    "bind-nonrecursive",
    "bind-create-src",
];

/// What a mount of each type has options in.
const OPTIONS: [(&str, &str); 4] = [
    ("bind", "BindOptions"),
    ("volume", "VolumeOptions"),
    ("image", "ImageOptions"),
    ("tmpfs", "TmpfsOptions"),
];

/// A source: what begins with `.` is a relative path, and is made absolute, as the CLI does.
fn source(text: &str) -> Result<String, String> {
    if !text.starts_with('.') {
        return Ok(text.to_owned());
    }
    let path = std::path::absolute(text).map_err(|error| format!("{text}: {error}"))?;
    Ok(path.clean().display().to_string())
}

/// The fields of a value in the notation of a line of CSV.
fn fields(text: &str) -> Result<csv::StringRecord, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes());
    match reader.records().next() {
        Some(fields) => fields.map_err(|error| error.to_string()),
        None => Err("it is empty".to_owned()),
    }
}

/// Sets what is at the end of a path.
fn set(object: &mut Object, path: &[&str], value: impl Into<Value>) {
    *at(object, path) = value.into();
}

/// Adds to the list at the end of a path.
fn add(object: &mut Object, path: &[&str], value: impl Into<Value>) {
    match at(object, path) {
        Value::Array(list) => list.push(value.into()),
        none => *none = json!([value.into()]),
    }
}

/// What is at the end of a path, which is made: `null` where nothing is.
fn at<'a>(object: &'a mut Object, path: &[&str]) -> &'a mut Value {
    let (first, rest) = path.split_first().expect("a path has a key");
    let first = object.entry(*first).or_insert(Value::Null);
    rest.iter().fold(first, |value, key| &mut value[*key])
}

/// The bindings of a published port, `[[IP:]HOST:]CONTAINER[/PROTOCOL]`, by container port. Ports may
/// be ranges (docker/go-connections, `nat.ParsePortSpec`).
pub(super) fn publish(text: &str) -> Result<BTreeMap<String, Value>, String> {
    let wrong = |what: &str| format!("invalid published port \"{text}\": {what}");
    let (rest, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if !matches!(protocol, "tcp" | "udp" | "sctp") {
        return Err(wrong(&format!("there is no protocol {protocol}")));
    }
    let (rest, container) = match rest.rsplit_once(':') {
        Some((rest, container)) => (Some(rest), container),
        None => (None, rest),
    };
    let (ip, host) = match rest {
        None => ("", ""),
        Some(rest) => rest.rsplit_once(':').unwrap_or(("", rest)),
    };
    let ip = ip.trim_start_matches('[').trim_end_matches(']');
    if !ip.is_empty() && ip.parse::<std::net::IpAddr>().is_err() {
        return Err(wrong(&format!("{ip} is no IP address")));
    }
    let ports = range(container).map_err(|what| wrong(&what))?;
    let hosts = match host {
        "" => None,
        host => Some(range(host).map_err(|what| wrong(&what))?),
    };
    let binding = |host: String| json!([{ "HostIp": ip, "HostPort": host }]);
    let key = |port: u16| format!("{port}/{protocol}");
    match hosts {
        None => Ok(ports
            .map(|port| (key(port), binding(String::new())))
            .collect()),
        Some(hosts) if hosts.len() == ports.len() => Ok(ports
            .zip(hosts)
            .map(|(port, host)| (key(port), binding(host.to_string())))
            .collect()),
        // The engine picks one of the range.
        Some(_) if ports.len() == 1 => Ok(ports
            .map(|port| (key(port), binding(host.to_owned())))
            .collect()),
        Some(_) => Err(wrong("the two ranges are of different lengths")),
    }
}

/// `80`, or `80-90`.
fn range(text: &str) -> Result<std::ops::RangeInclusive<u16>, String> {
    let port = |text: &str| {
        let port = text.parse::<u16>().ok().filter(|port| *port > 0);
        port.ok_or_else(|| format!("\"{text}\" is no port"))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = port(first)?..=port(last)?;
    if range.is_empty() {
        return Err(format!("{text} is no range"));
    }
    Ok(range)
}

/// A network and its endpoint: `NAME`, or `name=NAME,alias=A,ip=I,ip6=I,link-local-ip=I,mac-address=M,
/// driver-opt=K=V,gw-priority=N` (docker/cli, `opts.NetworkOpt`).
pub(super) fn network(text: &str) -> Result<(String, Value), String> {
    let wrong = |what: &str| format!("invalid network \"{text}\": {what}");
    if !text.contains('=') {
        if text.is_empty() {
            return Err("a network has a name".to_owned());
        }
        return Ok((text.to_owned(), json!({})));
    }
    let mut name = None;
    let mut endpoint = Object::new();
    for field in &fields(text).map_err(|error| wrong(&error))? {
        let Some((key, value)) = field.split_once('=') else {
            return Err(wrong(&format!("'{field}' must be a key=value pair")));
        };
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        match &*key {
            "name" => name = Some(value.to_owned()),
            "alias" => add(&mut endpoint, &["Aliases"], value),
            "ip" => set(&mut endpoint, &["IPAMConfig", "IPv4Address"], value),
            "ip6" => set(&mut endpoint, &["IPAMConfig", "IPv6Address"], value),
            "link-local-ip" => add(&mut endpoint, &["IPAMConfig", "LinkLocalIPs"], value),
            "mac-address" => set(&mut endpoint, &["MacAddress"], value),
            "driver-opt" => match value.split_once('=') {
                Some((key, value)) if !key.is_empty() => {
                    set(&mut endpoint, &["DriverOpts", key.trim()], value.trim());
                }
                _ => {
                    return Err(wrong(&format!(
                        "driver-opt is \"{value}\", no key=value pair"
                    )));
                }
            },
            "gw-priority" => {
                let priority: i64 = value
                    .parse()
                    .map_err(|_| wrong(&format!("gw-priority is \"{value}\", no number")))?;
                set(&mut endpoint, &["GwPriority"], priority);
            }
            _ => return Err(wrong(&format!("unexpected key '{key}'"))),
        }
    }
    match name.filter(|name| !name.is_empty()) {
        Some(name) => Ok((name, endpoint.into())),
        None => Err(wrong("it has no name")),
    }
}

#[cfg(test)]
mod tests;
