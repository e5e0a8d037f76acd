//! Whether two addresses lead to the same socket, however they are written.

use std::{
    fs,
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::engine::Address;

/// How many symbolic links are followed; the kernel's own limit (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// Whether a client that connects to `a` and one that connects to `b` end at the same socket.
pub(super) fn same_socket(a: &Address, b: &Address) -> bool {
    match (a, b) {
        (Address::Unix(a), Address::Unix(b)) => same_file(a, b),
        (Address::Tcp(a), Address::Tcp(b)) => a == b || same_port_here(a, b),
        _ => false,
    }
}

/// Whether only clients on this machine can connect to `address`. As above, names are not resolved.
pub(super) fn is_local(address: &Address) -> bool {
    let Address::Tcp(host_port) = address else {
        return true;
    };
    let host = host_port.rsplit_once(':').map_or("", |(host, _)| host);
    is_loopback(host)
}

/// By device and inode, which sees through hard links and bind mounts; by name as well, because
/// the file need not exist yet.
fn same_file(a: &Path, b: &Path) -> bool {
    if let (Ok(a), Ok(b)) = (fs::metadata(a), fs::metadata(b))
        && (a.dev(), a.ino()) == (b.dev(), b.ino())
    {
        return true;
    }
    resolve(a) == resolve(b)
}

/// The path without symbolic links, also where it leads to nothing yet.
fn resolve(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        if let Ok(real) = path.canonicalize() {
            return real;
        }
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        if let Ok(target) = fs::read_link(&path) {
            path = folder.join(target);
            continue;
        }
        return match (folder.canonicalize(), path.file_name()) {
            (Ok(folder), Some(name)) => folder.join(name),
            _ => path,
        };
    }
    path
}

/// Whether both are the same port of this machine. Names are not resolved: but for `localhost`, a
/// name counts as another machine.
fn same_port_here(a: &str, b: &str) -> bool {
    match (port_here(a), port_here(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// The port, if the host is this machine by any address, or by a loopback one.
fn port_here(host_port: &str) -> Option<&str> {
    let (host, port) = host_port.rsplit_once(':')?;
    let here = is_loopback(host) || ip(host).is_some_and(|ip| ip.is_unspecified());
    (here && port != "0").then_some(port)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || ip(host).is_some_and(|ip| ip.is_loopback())
}

/// The address that a host is written as, IPv6 in brackets.
fn ip(host: &str) -> Option<IpAddr> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn unix(path: &Path) -> Address {
        Address::Unix(path.to_owned())
    }

    #[test]
    fn a_unix_socket_is_known_under_every_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("real"), "").expect("write");
        fs::hard_link(at("real"), at("hard")).expect("link");
        symlink("real", at("soft")).expect("link");
        symlink("missing", at("dangling")).expect("link");
        symlink(".", at("folder")).expect("link");
        symlink("loop", at("loop")).expect("link");
        for (a, b, same) in [
            ("real", "hard", true),
            ("real", "soft", true),
            ("real", "folder/real", true),
            ("missing", "dangling", true),
            ("missing", "folder/dangling", true),
            ("real", "missing", false),
            ("loop", "real", false),
        ] {
            assert_eq!(same_socket(&unix(&at(a)), &unix(&at(b))), same, "{a} {b}");
        }
    }

    #[test]
    fn a_port_of_this_machine_is_known_under_every_address() {
        for (a, b, same) in [
            ("localhost:2375", "127.0.0.1:2375", true),
            ("[::]:2375", "127.0.0.1:2375", true),
            ("0.0.0.0:2375", "[::1]:2375", true),
            ("127.0.0.1:2375", "127.0.0.1:2376", false),
            ("0.0.0.0:2375", "10.0.0.7:2375", false),
            ("10.0.0.7:2375", "10.0.0.7:2375", true),
            ("docker:2375", "localhost:2375", false),
            ("0.0.0.0:0", "127.0.0.1:0", false),
        ] {
            let (a, b) = (Address::Tcp(a.to_owned()), Address::Tcp(b.to_owned()));
            assert_eq!(same_socket(&a, &b), same, "{a} {b}");
        }
        assert!(!same_socket(
            &Address::Tcp("localhost:1".to_owned()),
            &unix(Path::new("/localhost:1"))
        ));
    }

    #[test]
    fn what_is_local_is_known() {
        for text in [
            "unix:///run/admin.sock",
            "tcp://127.0.0.1:9100",
            "tcp://127.8.9.1:9100",
            "tcp://[::1]:9100",
            "tcp://localhost:9100",
        ] {
            assert!(is_local(&text.parse().expect(text)), "{text}");
        }
        for text in [
            "tcp://0.0.0.0:9100",
            "tcp://[::]:9100",
            "tcp://10.0.0.1:9100",
            "tcp://localhost.example:9100",
        ] {
            assert!(!is_local(&text.parse().expect(text)), "{text}");
        }
    }
}
