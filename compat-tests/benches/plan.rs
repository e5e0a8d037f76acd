//! How long planning takes: `compat-tests/bench.sh plan`.

#![expect(missing_docs, reason = "criterion's macros write functions without")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use refit::{
    engine::ApiVersion,
    plan::{Inputs, Object, compute},
};
use serde_json::{Value, json};

/// An image with this many variables, each of which says the image's version.
fn image(version: &str, variables: usize) -> Value {
    let env: Vec<String> = (0..variables)
        .map(|n| format!("IMAGE_{n}={version}"))
        .collect();
    json!({
        "Id": format!("sha256:{version}"), "Os": "linux", "Architecture": "amd64",
        "Config": {
            "Env": env, "Cmd": ["serve"], "Labels": { "version": version },
            "Volumes": { "/data": {} }, "ExposedPorts": { "80/tcp": {} },
        },
    })
}

/// A container of 200 variables, half of them the image's, and 50 mounts: binds, named volumes and
/// anonymous ones, in all forms.
fn container() -> Value {
    let env = (0..100)
        .map(|n| format!("MINE_{n}=value"))
        .chain((0..100).map(|n| format!("IMAGE_{n}=1")));
    let mut binds = Vec::new();
    let mut mounts = Vec::new();
    let mut printed = Vec::new();
    for n in 0..50 {
        let target = format!("/mnt/{n}");
        let name = match n % 4 {
            0 => format!("/srv/{n}"),
            1 => format!("volume-{n}"),
            _ => format!("{n:064x}"),
        };
        match n % 4 {
            2 => binds.push(target.clone()),
            3 => mounts.push(json!({ "Type": "volume", "Target": target })),
            _ => binds.push(format!("{name}:{target}:ro")),
        }
        let kind = if n % 4 == 0 { "bind" } else { "volume" };
        printed.push(json!({
            "Type": kind, "Name": name, "Source": name, "Destination": target, "Mode": "", "RW": true,
        }));
    }
    json!({
        "Id": "c0".repeat(32), "Name": "/web", "Image": "sha256:1",
        "State": { "Status": "running" },
        "Config": {
            "Hostname": "web", "Env": env.collect::<Vec<_>>(), "Cmd": ["serve"], "Image": "web:1",
            "Labels": { "version": "1", "owner": "alice" }, "Volumes": { "/data": {} },
            "ExposedPorts": { "80/tcp": {} },
        },
        "HostConfig": {
            "Binds": binds, "Mounts": mounts, "NetworkMode": "app", "Memory": 0,
            "PortBindings": { "80/tcp": [{ "HostIp": "", "HostPort": "" }] },
        },
        "Mounts": printed,
        "NetworkSettings": {
            "Networks": { "app": { "NetworkID": "a1", "Aliases": ["web"], "IPAddress": "10.0.0.2" } },
            "Ports": { "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "32768" }] },
        },
    })
}

fn plan(criterion: &mut Criterion) {
    let (container, old_image, new_image) = (container(), image("1", 100), image("2", 100));
    let patch = json!({ "Env": ["MINE_1=other", "IMAGE_1"], "HostConfig": { "Memory": 1 } });
    let patch: &Object = patch.as_object().expect("an object");
    let inputs = Inputs {
        api: ApiVersion {
            major: 1,
            minor: 51,
        },
        container: &container,
        old_image: Some(&old_image),
        new_image: &new_image,
        reference: "web:2",
        patch,
        renewed: &[],
    };
    // The 100 variables of the image follow it, or the figure is one of nothing.
    let planned = compute(&inputs).expect("a plan");
    assert!(planned.diff.len() >= 100 && planned.pinned == ["80/tcp"]);
    criterion.bench_function("plan of 200 variables and 50 mounts", |bencher| {
        bencher.iter(|| compute(black_box(&inputs)));
    });
}

criterion_group!(benches, plan);
criterion_main!(benches);
