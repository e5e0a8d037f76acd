//! Where a Docker socket is: `unix://PATH` or `tcp://HOST:PORT`.

use std::{fmt, io, path::PathBuf, str::FromStr};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use tokio::net::TcpStream;

use super::Socket;

/// The address of an engine, or of one of our own listeners, as `DOCKER_HOST` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `unix:///run/docker.sock`: an absolute path.
    Unix(PathBuf),
    /// `tcp://host:2375`: host (IPv6 in brackets) and port.
    Tcp(String),
}

/// Why a text is no [`Address`]. The message names the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither `unix://` nor `tcp://`.
    #[error("\"{0}\" is not an address: unix:///absolute/path or tcp://host:port is expected")]
    Scheme(String),
    /// `unix://` with a path that is relative or empty.
    #[error("\"{0}\" is not an address: the path of a unix socket must be absolute")]
    RelativePath(String),
    /// `tcp://` without a host, or with a port that is none.
    #[error("\"{0}\" is not an address: tcp://host:port is expected")]
    HostPort(String),
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads `unix://PATH` or `tcp://HOST:PORT`; the port is never guessed.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix://") {
            let path = PathBuf::from(path);
            return if path.is_absolute() {
                Ok(Self::Unix(path))
            } else {
                Err(AddressError::RelativePath(text.to_owned()))
            };
        }
        let Some(host_port) = text.strip_prefix("tcp://") else {
            return Err(AddressError::Scheme(text.to_owned()));
        };
        let host_port = host_port.trim_end_matches('/');
        match host_port.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(host_port.to_owned()))
            }
            _ => Err(AddressError::HostPort(text.to_owned())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(host_port) => write!(f, "tcp://{host_port}"),
        }
    }
}

impl Address {
    /// Opens one connection.
    ///
    /// # Errors
    /// Whatever `connect(2)` or the host's resolver says. A unix socket whose backlog is full says
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) at once, where a blocking client would wait.
    pub async fn dial(&self) -> io::Result<Socket> {
        match self {
            // There is nothing to wait for: it succeeds, or fails, at once.
            Self::Unix(path) => {
                let address = SocketAddrUnix::new(path)?;
                let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
                let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
                connect(&socket, &address)?;
                Ok(Socket::Unix(socket.into()))
            }
            Self::Tcp(host_port) => {
                let stream = TcpStream::connect(host_port).await?;
                Ok(Socket::tcp(stream.into_std()?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_as_they_are_read() {
        for text in [
            "unix:///run/refit/docker.sock",
            "tcp://localhost:2375",
            "tcp://[::1]:2375",
        ] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn a_bad_address_is_named() {
        for text in [
            "",
            "/run/docker.sock",
            "unix://",
            "unix://relative",
            "tcp://host",
            "tcp://:1",
            "tcp://h:99999",
            "ssh://host",
        ] {
            let error = text.parse::<Address>().expect_err(text);
            assert!(
                error.to_string().contains(&format!("\"{text}\"")),
                "{error}"
            );
        }
    }
}
