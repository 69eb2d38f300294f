//! The baseline server: reads what there is and writes it to everybody, once per round.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;

use rustix::event::epoll;

/// Serves until it is killed.
pub fn serve() -> ! {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 4096).unwrap();
    listener.set_nonblocking(true).unwrap();
    eprintln!("listening on {}", listener.local_addr().unwrap());
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    epoll::add(&poll, &listener, epoll::EventData::new_u64(u64::MAX), epoll::EventFlags::IN).unwrap();
    let mut clients: Vec<TcpStream> = Vec::new();
    let mut events = Vec::with_capacity(1024);
    let (mut round, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None).unwrap();
        for event in &events {
            let data = event.data.u64();
            if data == u64::MAX {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true).unwrap();
                    stream.set_nodelay(true).unwrap();
                    let data = epoll::EventData::new_u64(clients.len() as u64);
                    epoll::add(&poll, stream.as_fd(), data, epoll::EventFlags::IN).unwrap();
                    clients.push(stream);
                }
            } else if let Ok(length) = clients[data as usize].read(&mut buffer) {
                round.extend_from_slice(&buffer[..length]);
            }
        }
        for client in &mut clients {
            write_all(client, &round);
        }
        round.clear();
    }
}

/// The load's clients always read, so it waits while a socket is full.
fn write_all(client: &mut TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match client.write(bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(_) => return,
        }
    }
}
