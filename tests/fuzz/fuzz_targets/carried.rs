//! A TLS connection that was carried on takes any records; whatever was saved is refused or goes on, and can be saved
//! again.
#![no_main]

use std::io::{IoSlice, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use chatd::net::records::direction::Direction;
use chatd::net::records::{SavedDirection, SavedTls, Secret, Suite};
use chatd::net::{Readiness, SavedTransport, Socket, Transport as _};
use libfuzzer_sys::fuzz_target;

const ALL: Readiness = Readiness { readable: true, writable: true, ended: false, broken: false };

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    match choice % 3 {
        0 => {
            if let Ok(saved) = postcard::from_bytes(bytes) {
                talk(saved, &[], 65536);
            }
        }
        1 => talk(fresh(), bytes, usize::from(*choice).max(1)),
        _ => talk(fresh(), &sealed(bytes), usize::from(*choice) * 100),
    }
});

fn direction() -> SavedDirection {
    SavedDirection { secret: Secret::new(&[1; 32]).unwrap(), sequence: 0 }
}

fn fresh() -> SavedTransport {
    SavedTransport::Tls(Box::new(SavedTls {
        suite: Suite::Aes128.number(),
        ours: direction(),
        theirs: direction(),
        partial: Vec::new(),
        unread: Vec::new(),
        unsent: Vec::new(),
    }))
}

/// Records that are encrypted properly, with any types and contents: each a type, a length and that many bytes. After a
/// KeyUpdate, the next key is used.
fn sealed(mut bytes: &[u8]) -> Vec<u8> {
    let mut peer = Direction::new(Suite::Aes128, direction()).unwrap();
    let mut records = Vec::new();
    while let [kind, length, rest @ ..] = bytes {
        let (content, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        peer.seal(*kind, &mut records, |out| out.extend(content)).unwrap();
        if *kind == 22 {
            peer.update().unwrap();
        }
        bytes = rest;
    }
    records
}

fn talk(saved: SavedTransport, arrived: &[u8], size: usize) {
    let (mut peer, socket) = UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    peer.set_nonblocking(true).unwrap();
    let Ok(mut socket) = Socket::restore(OwnedFd::from(socket), saved) else { return };
    let mut buffer = vec![0; size.max(1)];
    for part in arrived.chunks(size.max(1)) {
        if peer.write_all(part).is_err() {
            return;
        }
        socket.note(ALL);
        while socket.read(&mut buffer).is_ok_and(|length| length > 0) {}
        let _ = socket.write(&[IoSlice::new(b"an"), IoSlice::new(b"swer")]);
        let _ = peer.read(&mut [0; 4096]);
        if socket.cannot_be_saved().is_some() {
            break;
        }
        let (descriptor, saved) = socket.save().unwrap();
        socket = Socket::restore(descriptor, saved).unwrap();
    }
    socket.note(ALL);
    let _ = socket.read(&mut buffer);
    let _ = socket.flush();
    let _ = socket.end();
}
