//! Published ports are answered at after an upgrade as before, and under the same numbers: those that
//! the engine chose, too. After a rollback, the answer says where they are.

use std::{
    io::{self, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use compat_tests::{Answer, Scenario, engines::in_network, repeat, rows};
use serde_json::{Value, json};

/// A container that publishes ports.
struct Row {
    /// Its name, and what it shows.
    name: &'static str,
    /// How it publishes them.
    publish: &'static [&'static str],
    /// What it answers at, as [`answers`] takes it.
    ports: &'static [&'static str],
}

const ROWS: [Row; 9] = [
    Row {
        name: "tcp",
        publish: &["-p", "80"],
        ports: &["80"],
    },
    Row {
        name: "udp",
        publish: &["-p", "80/udp"],
        ports: &["80/udp"],
    },
    Row {
        name: "address",
        publish: &["-p", "127.0.0.1::80"],
        ports: &["80"],
    },
    Row {
        name: "addresses",
        publish: &["-p", "127.0.0.1::80", "-p", "127.0.0.2::80"],
        ports: &["80"],
    },
    Row {
        name: "ipv6",
        publish: &["-p", "[::1]::80"],
        ports: &["80"],
    },
    Row {
        name: "range",
        publish: &["-p", "9000-9010:80"],
        ports: &["80"],
    },
    // What the image exposes.
    Row {
        name: "all",
        publish: &["-P"],
        ports: &["7000", "7001/udp"],
    },
    Row {
        name: "several",
        publish: &[
            "-p",
            "80",
            "-p",
            "80/udp",
            "-p",
            "127.0.0.1::81",
            "-p",
            "9100-9110:82/udp",
        ],
        ports: &["80", "80/udp", "81", "82/udp"],
    },
    Row {
        name: "fixed",
        publish: &[
            "-p",
            "9200:80",
            "-p",
            "127.0.0.1:9201:80/udp",
            "-p",
            "9202-9203:81-82",
        ],
        ports: &["80", "80/udp", "81", "82"],
    },
];

/// A published port: the container's, as `80/tcp`, and an address of the host's.
type Published = (String, SocketAddr);

/// Where a container's ports are published now.
fn published(scenario: &Scenario, name: &str) -> Vec<Published> {
    let ports = scenario.document(name)["NetworkSettings"]["Ports"].take();
    let mut published = Vec::new();
    for (port, bindings) in ports.as_object().expect("its ports") {
        for binding in bindings.as_array().into_iter().flatten() {
            let [ip, number] = ["HostIp", "HostPort"].map(|key| binding[key].as_str());
            let ip: IpAddr = ip.expect("an address").parse().expect("an address");
            let number = number.expect("a number").parse().expect("a number");
            published.push((port.clone(), SocketAddr::new(ip, number)));
        }
    }
    published.sort_unstable();
    published
}

/// What whoever answers at a published port says: the name of its image.
fn asked(port: &Published) -> io::Result<String> {
    let (port, mut address) = port.clone();
    // Every address is this one, too.
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    // A datagram to one that does not listen yet is lost.
    let patience = Duration::from_millis(200);
    let mut said = Vec::new();
    if port.ends_with("/udp") {
        let any: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_read_timeout(Some(patience))?;
        socket.connect(address)?;
        socket.send(b"?")?;
        said.resize(64, 0);
        let length = socket.recv(&mut said)?;
        said.truncate(length);
    } else {
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.read_to_end(&mut said)?;
    }
    Ok(String::from_utf8_lossy(&said).trim().to_owned())
}

/// Every port is answered at, by this image.
fn assert_answers(scenario: &Scenario, ports: &[Published], image: &str) {
    assert!(!ports.is_empty(), "nothing is published");
    in_network(|| {
        for port in ports {
            // The process may not listen yet.
            let what = format!("{image} at {port:?}");
            scenario.until(&what, |_| asked(port).is_ok_and(|said| said == image));
        }
    });
}

/// The warnings that speak of ports.
fn of_ports(upgraded: &Answer) -> Vec<String> {
    let warnings = upgraded.warnings().into_iter();
    warnings
        .filter(|warning| warning.contains("port"))
        .collect()
}

/// The container's ports whose host ports the engine chose.
fn ephemeral(row: &Row) -> Vec<String> {
    let with_protocol = |port: &&str| {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        format!("{number}/{protocol}")
    };
    match row.name {
        "fixed" => Vec::new(),
        _ => row.ports.iter().map(with_protocol).collect(),
    }
}

/// What the message of a rollback says of the ports is what is so.
fn assert_truth(failed: &Answer, before: &[Published], after: &[Published]) {
    assert_eq!(failed.status, 500, "{}", failed.text);
    assert_eq!(failed.text_of("Rollback"), "restored", "{}", failed.text);
    let message = failed.text_of("message");
    let mut ports: Vec<&String> = before.iter().map(|(port, _)| port).collect();
    ports.dedup();
    for port in ports {
        let of = |all: &[Published]| -> Vec<String> {
            let of_port = all.iter().filter(|(other, _)| other == port);
            let mut of_port: Vec<_> = of_port.map(|(_, address)| address.to_string()).collect();
            of_port.sort_unstable();
            of_port
        };
        let [was, is] = [of(before), of(after)];
        let told = format!(
            "port {port} was published at {}, and is at {} now",
            was.join(" "),
            is.join(" ")
        );
        assert_eq!(message.contains(&told), was != is, "{told}: {message}");
        let is_mentioned = message.contains(&format!("port {port} was published"));
        assert_eq!(is_mentioned, was != is, "{port}: {message}");
    }
}

/// An upgrade whose replacement ends at once.
fn fail(scenario: &Scenario, name: &str) -> Answer {
    scenario.upgrade_in_vain(
        name,
        &json!({ "Image": "refit-test/after", "Entrypoint": ["false"] }),
    )
}

/// A volume with the program that answers.
fn tool(scenario: &Scenario) -> String {
    let (volume, carrier) = (scenario.named("tool"), scenario.named("carrier"));
    let mount = format!("{volume}:/tool");
    let label = scenario.label();
    scenario.docker(&[
        "create", "--name", &carrier, &label, "-v", &mount, "busybox",
    ]);
    let to = format!("{carrier}:/tool/answers");
    scenario.docker(&["cp", env!("CARGO_BIN_EXE_answers"), &to]);
    format!("{volume}:/tool:ro")
}

fn check(scenario: &Scenario, tool: &str, row: &Row) {
    let name = scenario.named(row.name);
    let program = [
        "--stop-signal",
        "KILL",
        "-v",
        tool,
        "--entrypoint",
        "/tool/answers",
    ];
    let run = [
        &["--name", &name][..],
        &program,
        row.publish,
        &["refit-test/before", "/which"],
    ];
    scenario.run(&[&run.concat()[..], row.ports].concat());
    let chosen = published(scenario, &name);
    assert_answers(scenario, &chosen, "before");

    // A rollback is a restart to the engine, which may choose anew.
    let failed = fail(scenario, &name);
    let first = published(scenario, &name);
    assert_truth(&failed, &chosen, &first);
    assert_answers(scenario, &first, "before");

    for round in 0..repeat().max(2) {
        let image = ["after", "before"][round % 2];
        let patch = json!({ "Image": format!("refit-test/{image}") });
        let upgraded = scenario.upgrade_with(&name, &patch);
        assert_eq!(upgraded.status, 200, "{}", upgraded.text);
        assert_eq!(published(scenario, &name), first, "round {round}");
        assert_answers(scenario, &first, image);
        let warnings = of_ports(&upgraded);
        let pinned = if round == 0 {
            ephemeral(row)
        } else {
            Vec::new()
        };
        let pinned: Vec<_> = pinned.iter().map(|port| warning(port)).collect();
        let mut sorted = warnings.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, pinned, "round {round}: {warnings:?}");
    }

    // Pinned, they stay where they are, a rollback or not.
    let image = scenario.text(&name, "/Config/Image");
    let failed = fail(scenario, &name);
    assert_truth(&failed, &first, &published(scenario, &name));
    assert_eq!(published(scenario, &name), first);
    let word = image.strip_prefix("refit-test/").expect("one of ours");
    assert_answers(scenario, &first, word);
    let bindings = scenario.inspect(&name, "/HostConfig/PortBindings");
    assert!(has_numbers(&bindings), "{bindings}");
}

fn warning(port: &str) -> String {
    format!("port {port} keeps the host port that the engine chose, and is pinned to it now")
}

/// Whether every binding has one number.
fn has_numbers(bindings: &Value) -> bool {
    let bindings = bindings.as_object().expect("bindings").values();
    let mut bindings = bindings.filter_map(Value::as_array).flatten();
    bindings.all(|binding| {
        let number = binding["HostPort"].as_str().expect("a text");
        number.parse::<u16>().is_ok_and(|number| number > 0)
    })
}

#[test]
fn host_ports_keep_their_numbers_and_are_answered_at() {
    let scenario = Scenario::new("ports");
    let tool = tool(&scenario);
    rows::each(&ROWS, |row| row.name, |row| check(&scenario, &tool, row));
}
