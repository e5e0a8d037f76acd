//! What an upgrade is known to change, each with its reason. Everything else stays.

use std::{collections::BTreeSet, ops::Range};

use serde_json::{Value, json};

use crate::{AFTER, differences::Difference, line::Version};

/// A difference, with all there is to judge it by.
pub struct Seen<'a> {
    /// The whole documents.
    pub documents: [&'a Value; 2],
    /// What was typed.
    pub typed: &'a str,
    /// What the answer warned of.
    pub warnings: &'a str,
    pub difference: &'a Difference<'a>,
}

/// A listed difference.
pub struct Expected {
    /// A JSON pointer; `*` stands for any one segment, and `**` at the end for whatever is below.
    pub path: &'static str,
    pub why: &'static str,
    /// Whether it is just that difference, and no other at the same path.
    pub holds: fn(&Seen<'_>) -> bool,
    /// The first engine on which it comes to pass, and the first on which it does no more.
    pub on: Range<Version>,
}

const ALWAYS: Range<Version> = (0, 0)..(u32::MAX, 0);

const fn listed(path: &'static str, why: &'static str, holds: fn(&Seen<'_>) -> bool) -> Expected {
    only(ALWAYS, path, why, holds)
}

/// An entry of some engines.
const fn only(
    on: Range<Version>,
    path: &'static str,
    why: &'static str,
    holds: fn(&Seen<'_>) -> bool,
) -> Expected {
    Expected {
        path,
        why,
        holds,
        on,
    }
}

const ANOTHER: &str = "it is another container";
const IMAGE: &str = "the image is what the upgrade changes";
const ENDPOINT: &str = "the engine makes another endpoint";
const BY_NAME: &str = "every volume is held by name, and never filled from the image";
const SHARED: &str =
    "on the network that all lines share, others take and free addresses meanwhile";

const NAMES: &str = "it answers to its new ID; the old one is its host name";

const BEFORE_25: Range<Version> = (0, 0)..(25, 0);
const SINCE_25: Range<Version> = (25, 0)..(u32::MAX, 0);
const SINCE_28: Range<Version> = (28, 0)..(u32::MAX, 0);

/// The list.
pub const EXPECTED: &[Expected] = &[
    listed("/Id", ANOTHER, both),
    listed("/Created", ANOTHER, both),
    listed("/State/Pid", ANOTHER, |seen| seen.difference.is.is_u64()),
    listed("/State/StartedAt", ANOTHER, both),
    listed("/ResolvConfPath", ANOTHER, follows_id),
    listed("/HostnamePath", ANOTHER, follows_id),
    listed("/HostsPath", ANOTHER, follows_id),
    listed("/LogPath", ANOTHER, follows_id),
    listed("/GraphDriver/Data/*", ANOTHER, both),
    listed("/Image", IMAGE, both),
    listed("/Config/Image", IMAGE, |seen| *seen.difference.is == AFTER),
    listed("/Config/Labels/io.refit.upgrade", "the marker", |seen| {
        seen.difference.was.is_null()
    }),
    listed(
        "/Config/Env/*",
        "a variable that is as the image has it comes from there, and so behind a person's own",
        |seen| of_both(seen, "/Config/Env", texts),
    ),
    listed(
        "/Config/Hostname",
        "the engine takes none beside the host's, and prints one that nobody sees",
        |seen| seen.documents[0].pointer("/HostConfig/UTSMode") == Some(&"host".into()),
    ),
    listed(
        "/State/Health/Log/**",
        "it has the probes since the start",
        |seen| {
            let log = seen.documents[1].pointer("/State/Health/Log");
            let mut log = log.and_then(Value::as_array).into_iter().flatten();
            log.all(|probe| probe["ExitCode"] == 0)
        },
    ),
    listed("/HostConfig/Binds/**", BY_NAME, bound_by_name),
    listed("/Mounts/*/Mode", BY_NAME, mode_by_name),
    listed("/HostConfig/Mounts/*/Source", BY_NAME, |seen| {
        seen.difference.was.is_null() && is_volume(seen, seen.difference.is)
    }),
    listed("/HostConfig/Mounts/*/VolumeOptions/**", BY_NAME, |seen| {
        let Difference { path, is, .. } = seen.difference;
        **is == json!({ "NoCopy": true }) || (path.ends_with("/NoCopy") && **is == true)
    }),
    listed(
        "/HostConfig/VolumesFrom",
        "its volumes are held by name: the container that they came from may be gone",
        |seen| seen.difference.is.is_null(),
    ),
    listed(
        "/HostConfig/PortBindings/**",
        "a port that the engine chose keeps its number",
        pinned,
    ),
    listed("/NetworkSettings/SandboxID", ANOTHER, both),
    listed("/NetworkSettings/SandboxKey", ANOTHER, both),
    listed("/NetworkSettings/EndpointID", ENDPOINT, both),
    listed("/NetworkSettings/Networks/*/EndpointID", ENDPOINT, both),
    listed("/NetworkSettings/IPAddress", SHARED, both),
    listed("/NetworkSettings/MacAddress", SHARED, generated),
    listed("/NetworkSettings/Networks/bridge/IPAddress", SHARED, both),
    listed(
        "/NetworkSettings/Networks/bridge/MacAddress",
        SHARED,
        generated,
    ),
    only(
        SINCE_28,
        "/NetworkSettings/Networks/*/MacAddress",
        "a generated one is drawn at each start",
        generated,
    ),
    only(
        SINCE_28,
        "/NetworkSettings/Networks/*/MacAddress",
        "on a further network, nothing tells a configured one from a generated one",
        |seen| {
            let warning = format!("the MAC address on network {}", network(seen));
            both(seen) && is_typed(seen) && !is_main(seen) && seen.warnings.contains(&warning)
        },
    ),
    only(
        SINCE_25,
        "/NetworkSettings/Networks/none/MacAddress",
        "there is no interface that could have it, and nothing else tells that it was asked for",
        |seen| (seen.documents[0].pointer("/Config/MacAddress")).is_none_or(|mac| mac == ""),
    ),
    only(
        SINCE_25,
        "/NetworkSettings/Networks/*/DNSNames/**",
        NAMES,
        answers_to_its_id,
    ),
    only(
        BEFORE_25,
        "/NetworkSettings/Networks/*/Aliases/**",
        NAMES,
        answers_to_its_id,
    ),
    only(
        SINCE_25,
        "/NetworkSettings/Networks/*/Aliases",
        "no aliases either way",
        |seen| *seen.difference.was == json!([]) && seen.difference.is.is_null(),
    ),
    only(
        SINCE_28,
        "/Mounts/*/Source",
        "the engine mounts an image anew for each container",
        |seen| {
            let mount = seen.difference.path.trim_end_matches("/Source");
            let kind = seen.documents[1].pointer(&format!("{mount}/Type"));
            kind == Some(&"image".into())
        },
    ),
];

impl Expected {
    /// Whether a path is its.
    pub fn matches(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        for pattern in self.path.split('/') {
            match segments.next() {
                _ if pattern == "**" => return true,
                Some(segment) if pattern == "*" || pattern == segment => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }
}

/// Both say something.
fn both(seen: &Seen<'_>) -> bool {
    let says = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    says(seen.difference.was) && says(seen.difference.is)
}

/// It is the same but for the container's own ID.
fn follows_id(seen: &Seen<'_>) -> bool {
    let [before, after] = seen.documents.map(|document| text(&document["Id"]));
    !before.is_empty()
        && text(seen.difference.was).replace(before, after) == text(seen.difference.is)
}

/// A MAC address that nobody asked for.
fn generated(seen: &Seen<'_>) -> bool {
    both(seen) && !is_typed(seen)
}

/// Somebody asked for the value.
fn is_typed(seen: &Seen<'_>) -> bool {
    seen.typed.contains(text(seen.difference.was))
}

/// Whether it is about the network that `NetworkMode` names.
fn is_main(seen: &Seen<'_>) -> bool {
    let mode = seen.documents[0]
        .pointer("/HostConfig/NetworkMode")
        .map_or("", text);
    mode == network(seen)
}

/// The network that it is about.
fn network<'a>(seen: &Seen<'a>) -> &'a str {
    let mut segments = seen.difference.path.split('/');
    segments.nth(3).unwrap_or_default()
}

/// The list has the new short ID where it had the old one, which may be the host name besides.
fn answers_to_its_id(seen: &Seen<'_>) -> bool {
    let pointer = seen.difference.path.split('/').take(5).collect::<Vec<_>>();
    let pointer = pointer.join("/");
    let [before, after] = seen.documents.map(|document| texts(document, &pointer));
    let [old, new] = seen
        .documents
        .map(|document| text(&document["Id"]).get(..12).unwrap_or(""));
    let moved: BTreeSet<String> = before.iter().map(|name| name.replace(old, new)).collect();
    moved.is_subset(&after) && after.difference(&moved).all(|name| name == old)
}

/// Every volume that was bound is bound as it was, by its name, and every other that the container
/// had is bound beside them; folders of the host stay.
fn bound_by_name(seen: &Seen<'_>) -> bool {
    let [before, after] = seen.documents.map(|document| {
        let binds = texts(document, "/HostConfig/Binds");
        binds
            .iter()
            .map(|bind| Bind::read(bind))
            .collect::<Vec<_>>()
    });
    let was_mounted = |bind: &Bind| {
        let mounts = seen.documents[0]["Mounts"].as_array().into_iter().flatten();
        mounts.into_iter().any(|mount| {
            let source = if mount["Type"] == "volume" {
                "Name"
            } else {
                "Source"
            };
            text(&mount["Destination"]) == bind.target && text(&mount[source]) == bind.source
        })
    };
    let is_old = |bind: &Bind| before.iter().any(|old| old.target == bind.target);
    before.iter().all(|bind| after.contains(bind))
        && after
            .iter()
            .all(|bind| before.contains(bind) || (!is_old(bind) && was_mounted(bind)))
}

/// An entry of `Binds`.
#[derive(PartialEq)]
struct Bind {
    source: String,
    target: String,
    /// But for `nocopy`.
    options: BTreeSet<String>,
}

impl Bind {
    fn read(bind: &str) -> Self {
        let mut parts = bind.splitn(3, ':').map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        let (source, target, options) = (part(), part(), part());
        Self {
            source,
            target,
            options: options_of(&options),
        }
    }
}

/// The mode is as the bind is written; what it means stands in `RW` and `Propagation`.
fn mode_by_name(seen: &Seen<'_>) -> bool {
    let [was, is] = [seen.difference.was, seen.difference.is].map(|mode| options_of(text(mode)));
    let mount = seen.difference.path.trim_end_matches("/Mode");
    let is_writable = seen.documents[1].pointer(&format!("{mount}/RW"));
    // The engine writes `z` where nothing was said, and nothing at all for a volume from another
    // container.
    let says_nothing = was.is_empty() || was.iter().eq(["z"]);
    let is_read_only = is_writable == Some(&false.into()) && is.iter().eq(["ro"]);
    was == is || (says_nothing && (is.is_empty() || is_read_only))
}

fn options_of(options: &str) -> BTreeSet<String> {
    let options = options.split(',').filter(|o| !matches!(*o, "" | "nocopy"));
    options.map(str::to_owned).collect()
}

/// Whether it is the name of a volume that the container had.
fn is_volume(seen: &Seen<'_>, name: &Value) -> bool {
    let mut mounts = seen.documents[0]["Mounts"].as_array().into_iter().flatten();
    mounts.any(|mount| mount["Name"] == *name)
}

/// Each binding of the port is one that it had, or is to a number that the engine had chosen.
fn pinned(seen: &Seen<'_>) -> bool {
    let port = seen.difference.path.split('/').nth(3).unwrap_or_default();
    let list = |document: usize, of: &str| -> Vec<&Value> {
        let list = seen.documents[document].pointer(&format!("{of}/{port}"));
        list.and_then(Value::as_array)
            .into_iter()
            .flatten()
            .collect()
    };
    let asked = list(0, "/HostConfig/PortBindings");
    let published = list(0, "/NetworkSettings/Ports");
    let now = list(1, "/HostConfig/PortBindings");
    let is_one = |binding: &&Value| {
        asked.contains(binding)
            || published.iter().any(|published| {
                let at = |address: &str| binding["HostIp"] == *address;
                binding["HostPort"] == published["HostPort"]
                    && (at("") || at(text(&published["HostIp"])))
            })
    };
    !now.is_empty() && now.len() >= asked.len() && now.iter().all(is_one)
}

/// Whether a list of both documents holds the same, in whatever order.
fn of_both(seen: &Seen<'_>, pointer: &str, list: fn(&Value, &str) -> BTreeSet<String>) -> bool {
    let [before, after] = seen.documents.map(|document| list(document, pointer));
    before == after
}

/// A list's texts.
fn texts(document: &Value, pointer: &str) -> BTreeSet<String> {
    let list = document.pointer(pointer).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .map(|value| text(value).to_owned())
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
