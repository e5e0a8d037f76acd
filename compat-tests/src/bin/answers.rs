//! Says what stands in a file to whoever connects, or sends a datagram: `answers FILE PORT[/udp]…`.

use std::{
    env, fs,
    io::{self, Write},
    net::{Ipv4Addr, TcpListener, UdpSocket},
    thread,
};

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let word = fs::read(arguments.next().unwrap_or_default())?;
    let ports = arguments.map(|port| {
        let word = word.clone();
        thread::spawn(move || match port.strip_suffix("/udp") {
            Some(port) => datagrams(port, &word),
            None => connections(&port, &word),
        })
    });
    for answering in ports.collect::<Vec<_>>() {
        answering.join().map_err(|_| io::ErrorKind::Other)??;
    }
    Ok(())
}

fn number(port: &str) -> io::Result<u16> {
    port.parse().map_err(io::Error::other)
}

fn connections(port: &str, word: &[u8]) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, number(port)?))?;
    for client in listener.incoming() {
        // One that is gone by now needs no answer.
        let _ = client.and_then(|mut client| client.write_all(word));
    }
    Ok(())
}

fn datagrams(port: &str, word: &[u8]) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, number(port)?))?;
    let mut datagram = [0; 64];
    loop {
        let (_, client) = socket.recv_from(&mut datagram)?;
        socket.send_to(word, client)?;
    }
}
