//! Whatever the process before has handed over: it is read, or refused; and whatever state and session are read, the daemon
//! goes on with them.
#![no_main]

#[allow(dead_code, reason = "the world's tests use more of it")]
#[path = "../../world/wire.rs"]
mod wire;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use chatd::chat::{Now, Reason};
use chatd::config::{Endpoint, file};
use chatd::connections::Connections;
use chatd::directories::Directories;
use chatd::handover::{Common, Connection, Handover, Parcel};
use chatd::net::{Admissions, Readiness, Transport as _};
use libfuzzer_sys::fuzz_target;
use wire::{Streams, Wire};

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    match choice % 4 {
        0 => unpack(bytes),
        1 => unpack(&[b"chatd handover\n\x01\x00", bytes].concat()),
        _ => go_on(bytes),
    }
});

fn unpack(state: &[u8]) {
    let parcel = Parcel::pack(state, &[]).unwrap();
    if let Ok(handover) = Handover::unpack(parcel) {
        handover.turn_away();
    }
}

fn go_on(bytes: &[u8]) {
    let Ok((common, mut rest)) = postcard::take_from_bytes::<(Common, usize, Vec<(Endpoint, usize)>)>(bytes) else {
        return;
    };
    let now = Now { ticks: 1 << 40, unix: 1_767_323_045_678 };
    let nowhere = Directories { runtime: "/nowhere".into(), state: "/nowhere".into() };
    let limits = file::parse("", &nowhere).unwrap().limits;
    let mut connections = Connections::<Wire>::new(common.0.state.restore(), Arc::new(limits), Arc::default());
    let admissions = Arc::<Admissions>::default();
    while let Ok((Connection { session, .. }, after)) = postcard::take_from_bytes(rest) {
        rest = after;
        if connections.fits(&session) {
            let admission = admissions.enter(session.origin().address, 100).unwrap();
            let mut wire = Wire(Rc::new(RefCell::new(Streams::new(1 << 20, 1000))));
            wire.note(Readiness { readable: true, writable: true, ..Readiness::default() });
            connections.insert_saved(now, session, wire, admission);
        }
    }
    connections.remove_lost(now, &Reason::Stopping);
    for _ in 0..1000 {
        if let Some(id) = connections.next_woken() {
            connections.turn(id, now);
        } else if connections.state.log.has_pending() {
            let mut delivery = connections.begin_round();
            while !connections.deliver(&mut delivery, now, || true) {}
        } else {
            break;
        }
    }
    connections.save(&Reason::Stopping);
}
