//! A TCP proxy that breaks connections off.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Starts a proxy in front of `server` that cuts each connection once `limit` bytes of answers
/// went through. It ends with the test's process.
pub(crate) fn start(server: SocketAddr, limit: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
            let (from_client, to_server) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || pass(from_client, to_server, usize::MAX));
            thread::spawn(move || pass(server, client, limit));
        }
    });
    address
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut limit: usize) {
    let mut buffer = vec![0; 16 << 10];
    while limit > 0 {
        let room = limit.min(buffer.len());
        let count = from.read(&mut buffer[..room]).unwrap_or(0);
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
        limit -= count;
    }
    // Either side may be gone already.
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
}
