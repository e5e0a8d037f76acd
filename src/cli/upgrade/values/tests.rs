use super::*;

#[test]
fn variables_are_those_of_docker_run() {
    assert_eq!(variable("A=b=c"), Ok("A=b=c".to_owned()));
    assert_eq!(variable("A="), Ok("A=".to_owned()));
    let home = env::var("HOME").expect("tests have a home");
    assert_eq!(variable("HOME"), Ok(format!("HOME={home}")));
    assert_eq!(
        variable("REFIT_TEST_NOT_SET"),
        Ok("REFIT_TEST_NOT_SET".to_owned())
    );
    for wrong in ["", "=x"] {
        assert!(variable(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_file_has_a_variable_in_each_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("env");
    let text = "\u{feff}A=1\n\n# comment\n  B= x \nREFIT_TEST_NOT_SET\nC=\"q\"\n";
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(
        variables_of_file(path).unwrap(),
        ["A=1", "B= x ", "C=\"q\""]
    );
    for wrong in ["=x\n", "A B=1\n"] {
        fs::write(path, wrong).unwrap();
        let error = variables_of_file(path).unwrap_err();
        assert!(error.contains("no name of a variable"), "{error}");
    }
    assert!(
        variables_of_file("/nonexistent")
            .unwrap_err()
            .contains("/nonexistent")
    );
}

#[test]
fn sizes_are_powers_of_1024() {
    for (text, size) in [
        ("0", 0),
        ("100", 100),
        ("100b", 100),
        ("4k", 4 << 10),
        ("256m", 256 << 20),
        ("256M", 256 << 20),
        ("256mb", 256 << 20),
        ("1.5g", 3 << 29),
        ("1GiB", 1 << 30),
    ] {
        assert_eq!(bytes(text), Ok(Value::from(size)), "{text}");
    }
    for wrong in ["", "m", "1x", "-1", "ten"] {
        assert!(
            bytes(wrong).unwrap_err().contains(&format!("\"{wrong}\"")),
            "{wrong}"
        );
    }
}

#[test]
fn cpus_are_billionths() {
    for (text, cpus_) in [
        ("0.5", 500_000_000),
        ("2", 2_000_000_000),
        ("0.001", 1_000_000),
    ] {
        assert_eq!(cpus(text), Ok(Value::from(cpus_)), "{text}");
    }
    for wrong in ["", "-1", "NaN", "inf", "two"] {
        assert!(cpus(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn volumes_are_those_of_docker_run() {
    for text in ["data:/data", "/srv:/srv:ro", "/anonymous", "a:/b:ro,nocopy"] {
        assert_eq!(volume(text), Ok(Value::from(text)), "{text}");
    }
    let here = env::current_dir().unwrap();
    assert_eq!(
        volume("./conf:/conf:ro"),
        Ok(format!("{}/conf:/conf:ro", here.display()).into())
    );
    let above = here.parent().unwrap().join("conf");
    assert_eq!(
        volume("../conf:/conf"),
        Ok(format!("{}:/conf", above.display()).into())
    );
    assert_eq!(
        volume(".conf:/conf"),
        Ok(format!("{}/.conf:/conf", here.display()).into())
    );
    for wrong in ["", "data", "data:relative", ":/data", "a:/b:ro:x"] {
        assert!(volume(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn mounts_are_those_of_docker_run() {
    for (text, read) in [
        (
            "type=bind,source=/a,target=/b,readonly",
            json!({ "Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": true }),
        ),
        (
            "src=v,dst=/b",
            json!({ "Type": "volume", "Source": "v", "Target": "/b" }),
        ),
        (
            "type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=1770",
            json!({
                "Type": "tmpfs", "Target": "/t",
                "TmpfsOptions": { "SizeBytes": 1 << 20, "Mode": 0o1770 },
            }),
        ),
        (
            "type=volume,target=/b,volume-nocopy,volume-driver=local,ro=false",
            json!({
                "Type": "volume", "Target": "/b", "ReadOnly": false,
                "VolumeOptions": { "NoCopy": true, "DriverConfig": { "Name": "local" } },
            }),
        ),
        (
            "type=bind,\"source=/a,b\",target=/b,bind-propagation=rshared",
            json!({
                "Type": "bind", "Source": "/a,b", "Target": "/b",
                "BindOptions": { "Propagation": "rshared" },
            }),
        ),
        (
            "type=bind,src=/a,dst=/b,bind-recursive=readonly,readonly,bind-propagation=rprivate,bind-create-src",
            json!({
                "Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": true,
                "BindOptions": {
                    "ReadOnlyForceRecursive": true, "Propagation": "rprivate", "CreateMountpoint": true,
                },
            }),
        ),
        (
            "dst=/b,\"volume-opt=o=addr=10.0.0.1,rw\",volume-opt=type=nfs,volume-label=tier=db,volume-subpath=a",
            json!({
                "Type": "volume", "Target": "/b",
                "VolumeOptions": {
                    "DriverConfig": { "Options": { "o": "addr=10.0.0.1,rw", "type": "nfs" } },
                    "Labels": { "tier": "db" },
                    "Subpath": "a",
                },
            }),
        ),
        (
            "type=image,src=tools,dst=/b,image-subpath=bin",
            json!({
                "Type": "image", "Source": "tools", "Target": "/b",
                "ImageOptions": { "Subpath": "bin" },
            }),
        ),
    ] {
        assert_eq!(mount(text), Ok(read), "{text}");
    }
    let here = env::current_dir().unwrap();
    let of_here = mount("type=bind,src=./conf,dst=/conf").unwrap();
    assert_eq!(of_here["Source"], format!("{}/conf", here.display()));
    for (wrong, word) in [
        ("type=bind,source=/a", "target"),
        ("target=/b,colour=red", "colour"),
        ("target=/b,readonly=maybe", "maybe"),
        ("type=tmpfs,target=/b,tmpfs-mode=9", "octal"),
        ("target", "key=value"),
        ("target=/b,volume-opt==x", "no name"),
        ("type=bind,target=/b,bind-recursive=maybe", "writable"),
        ("type=bind,target=/b,volume-nocopy", "of type bind"),
        ("type=bind,target=/b,bind-recursive=writable", "readonly"),
        ("type=bind,target=/b,ro,bind-recursive=readonly", "rprivate"),
        ("", "empty"),
    ] {
        let error = mount(wrong).unwrap_err();
        assert!(error.contains(word), "{wrong}: {error}");
    }
}

#[test]
fn ports_are_those_of_docker_run() {
    let binding = |ip: &str, port: &str| json!([{ "HostIp": ip, "HostPort": port }]);
    for (text, port, bound) in [
        ("80", "80/tcp", binding("", "")),
        ("8080:80", "80/tcp", binding("", "8080")),
        ("53:53/udp", "53/udp", binding("", "53")),
        ("127.0.0.1:8080:80", "80/tcp", binding("127.0.0.1", "8080")),
        ("127.0.0.1::80", "80/tcp", binding("127.0.0.1", "")),
        ("[::1]:8080:80", "80/tcp", binding("::1", "8080")),
        ("8000-8010:80", "80/tcp", binding("", "8000-8010")),
    ] {
        let read = publish(text).unwrap();
        assert_eq!(read, BTreeMap::from([(port.to_owned(), bound)]), "{text}");
    }
    let range = publish("8000-8002:80-82").unwrap();
    assert_eq!(range.len(), 3);
    assert_eq!(range["82/tcp"], binding("", "8002"));
    for wrong in [
        "",
        "0",
        "99999",
        "a:80",
        "80/icmp",
        "1.2.3:80:80",
        "80-70",
        "80-81:90-93",
    ] {
        assert!(publish(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn networks_are_those_of_docker_run() {
    assert_eq!(network("side"), Ok(("side".to_owned(), json!({}))));
    assert_eq!(
        network(
            "name=side,alias=a,alias=b,ip=10.0.0.9,mac-address=02:42:ac:11:00:09,driver-opt=k=v"
        ),
        Ok((
            "side".to_owned(),
            json!({
                "Aliases": ["a", "b"],
                "IPAMConfig": { "IPv4Address": "10.0.0.9" },
                "MacAddress": "02:42:ac:11:00:09",
                "DriverOpts": { "k": "v" },
            })
        ))
    );
    assert_eq!(
        network(
            "name=side,link-local-ip=169.254.1.2,ip6=2001:db8::9,gw-priority=-1,\"driver-opt=k=a,b\""
        ),
        Ok((
            "side".to_owned(),
            json!({
                "IPAMConfig": {
                    "LinkLocalIPs": ["169.254.1.2"], "IPv6Address": "2001:db8::9",
                },
                "GwPriority": -1,
                "DriverOpts": { "k": "a,b" },
            })
        ))
    );
    for wrong in [
        "",
        "alias=a",
        "name=side,colour=red",
        "name=side,driver-opt=k",
        "name=side,alias",
        "name=side,gw-priority=high",
    ] {
        assert!(network(wrong).is_err(), "{wrong}");
    }
}
