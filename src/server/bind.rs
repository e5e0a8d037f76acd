//! Addresses become ours in two steps: *bind* reserves them, *listen* opens them to clients.
//! Between the two, unfinished upgrades are recovered.

use std::{io, net::SocketAddr, path::PathBuf};

use tokio::net::{TcpSocket, UnixSocket, lookup_host};

use super::{
    Inherited, Listener, SocketAccess,
    activation::InheritedSocket,
    listener::Socket,
    socket_file::{self, SocketFile},
};
use crate::engine::Address;

/// How many clients may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// Why an address can't be listened on. The message names the address.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else accepts connections there.
    #[error("unix://{}: another process is listening there", .0.display())]
    Live(PathBuf),
    /// The path exists, and it leads to something that is no socket file.
    #[error("unix://{}: the path exists and is {what}, not a socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
        /// What is there: "a folder".
        what: &'static str,
    },
    /// The socket file was replaced between bind and listen.
    #[error("unix://{}: another process took the path", .0.display())]
    Taken(PathBuf),
    /// The operating system refuses; what it says is the source.
    #[error("{address}: {doing}")]
    Io {
        /// The address as it was given.
        address: String,
        /// What was tried: "create the folder /run/refit".
        doing: String,
        /// What the system says.
        source: io::Error,
    },
}

/// An address that is ours, and that nobody can connect to yet (but for sockets that a service
/// manager handed over: it listens on those itself, so that clients wait in the queue).
#[derive(Debug)]
pub struct Bound {
    name: String,
    file: Option<SocketFile>,
    socket: Unopened,
}

#[derive(Debug)]
enum Unopened {
    Unix(UnixSocket),
    Tcp(TcpSocket),
    Open(Socket),
}

/// Makes `address` ours. A stale socket file is replaced; `access` says who may connect.
///
/// # Errors
/// See [`BindError`].
pub async fn bind(address: &Address, access: &SocketAccess) -> Result<Bound, BindError> {
    match address {
        Address::Unix(path) => {
            let (socket, file) = socket_file::bind(path, access).await?;
            Ok(Bound {
                name: address.to_string(),
                file: Some(file),
                socket: Unopened::Unix(socket),
            })
        }
        Address::Tcp(host_port) => {
            let socket = bind_tcp(host_port).await.map_err(|source| BindError::Io {
                address: address.to_string(),
                doing: "bind".to_owned(),
                source,
            })?;
            let name = match socket.local_addr() {
                Ok(got) => format!("tcp://{got}"),
                Err(_) => address.to_string(),
            };
            Ok(Bound {
                name,
                file: None,
                socket: Unopened::Tcp(socket),
            })
        }
    }
}

/// Takes over a socket that the service manager handed to us. Its file, if it has one, is the
/// service manager's: it stays when we go.
///
/// # Errors
/// The socket can't be made non-blocking.
pub fn adopt(inherited: Inherited) -> Result<Bound, BindError> {
    let name = inherited.name;
    let socket = match inherited.socket {
        InheritedSocket::Unix(socket) => {
            socket.set_nonblocking(true).map(|()| Socket::Unix(socket))
        }
        InheritedSocket::Tcp(socket) => socket.set_nonblocking(true).map(|()| Socket::Tcp(socket)),
    };
    match socket {
        Ok(socket) => Ok(Bound {
            name,
            file: None,
            socket: Unopened::Open(socket),
        }),
        Err(source) => Err(BindError::Io {
            address: name,
            doing: "take over the socket".to_owned(),
            source,
        }),
    }
}

impl Bound {
    /// Opens the address to clients.
    ///
    /// # Errors
    /// The socket file was replaced by somebody meanwhile, or `listen(2)` fails: of two TCP
    /// sockets that are bound alike, only one may listen.
    pub fn listen(self) -> Result<Listener, BindError> {
        if let Some(file) = &self.file
            && !file.is_ours()
        {
            return Err(BindError::Taken(file.path().to_owned()));
        }
        let name = self.name.clone();
        self.socket
            .listen()
            .and_then(|socket| Listener::new(self.name, self.file, socket))
            .map_err(|source| BindError::Io {
                address: name,
                doing: "listen".to_owned(),
                source,
            })
    }
}

impl Unopened {
    fn listen(self) -> io::Result<Socket> {
        Ok(match self {
            Self::Unix(socket) => Socket::Unix(socket.listen(BACKLOG)?.into_std()?),
            Self::Tcp(socket) => Socket::Tcp(socket.listen(BACKLOG)?.into_std()?),
            Self::Open(socket) => socket,
        })
    }
}

/// Binds the first of the addresses that `host_port` resolves to which can be bound.
async fn bind_tcp(host_port: &str) -> io::Result<TcpSocket> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in lookup_host(host_port).await? {
        match bind_one(address) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// What `TcpListener::bind` does, but for the listening.
fn bind_one(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
