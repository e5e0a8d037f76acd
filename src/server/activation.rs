//! Sockets that a service manager opened for us (`LISTEN_FDS`, `sd_listen_fds(3)`).

use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

use crate::engine::Address;

/// The first descriptor that is handed over, by systemd's convention.
const FIRST_DESCRIPTOR: usize = 3;

/// A listening socket that was handed over.
#[derive(Debug)]
pub struct Inherited {
    /// What it is called in logs: its address, or its descriptor.
    pub(super) name: String,
    pub(super) socket: InheritedSocket,
    address: Option<Address>,
}

/// What was handed over.
#[derive(Debug)]
pub(super) enum InheritedSocket {
    Unix(UnixListener),
    Tcp(std::net::TcpListener),
}

/// A descriptor that was handed over and is of no use. The message names it.
#[derive(Debug, thiserror::Error)]
#[error("file descriptor {0} is neither a unix nor a TCP stream socket")]
pub struct Refused(usize);

impl Inherited {
    /// Where clients find it, as far as that can be written as an address: an abstract unix
    /// socket has none.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.address.as_ref()
    }

    fn unix(descriptor: usize, socket: UnixListener) -> Self {
        let address = socket
            .local_addr()
            .ok()
            .and_then(|address| Some(Address::Unix(address.as_pathname()?.to_owned())));
        Self::new(descriptor, address, InheritedSocket::Unix(socket))
    }

    fn tcp(descriptor: usize, socket: std::net::TcpListener) -> Self {
        let address = socket
            .local_addr()
            .ok()
            .map(|address| Address::Tcp(address.to_string()));
        Self::new(descriptor, address, InheritedSocket::Tcp(socket))
    }

    fn new(descriptor: usize, address: Option<Address>, socket: InheritedSocket) -> Self {
        let name = match &address {
            Some(address) => address.to_string(),
            None => format!("file descriptor {descriptor}"),
        };
        Self {
            name,
            socket,
            address,
        }
    }
}

/// Takes every socket that was handed over, in order.
///
/// To be called once, before any thread is started: it removes `LISTEN_FDS` from the
/// environment, so that nobody takes the descriptors twice.
#[must_use]
pub fn inherit() -> Vec<Result<Inherited, Refused>> {
    let mut handed = ListenFd::from_env();
    (0..handed.len())
        .filter_map(|index| take(&mut handed, index).transpose())
        .collect()
}

/// Takes one socket; `None` where it is gone.
fn take(handed: &mut ListenFd, index: usize) -> Result<Option<Inherited>, Refused> {
    let descriptor = FIRST_DESCRIPTOR + index;
    if let Ok(taken) = handed.take_unix_listener(index) {
        return Ok(taken.map(|socket| Inherited::unix(descriptor, socket)));
    }
    match handed.take_tcp_listener(index) {
        Ok(taken) => Ok(taken.map(|socket| Inherited::tcp(descriptor, socket))),
        Err(_) => Err(Refused(descriptor)),
    }
}
