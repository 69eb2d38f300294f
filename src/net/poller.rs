//! Watches the sockets of all clients with one epoll(7) instance, polled by one task.
//!
//! Registering each socket with the runtime would cost 512 bytes and a task each. A separate epoll instance costs only
//! the kernel's entry, and its events identify the client by number.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::reactor::register;
use super::stream::Readiness;

/// The maximum number of events returned at once.
const EVENTS: usize = 256;

/// The epoll instance. A socket is removed when it is closed.
#[derive(Debug)]
pub struct Poller {
    set: AsyncFd<OwnedFd>,
}

impl Poller {
    /// Creates an empty instance; must be called on the runtime that will poll it.
    ///
    /// # Errors
    /// The process or the system is out of descriptors or memory.
    pub fn new() -> io::Result<Poller> {
        let set = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Poller { set: register(set, Interest::READABLE)? })
    }

    /// Adds a socket; its events carry `number`. If it is ready already, that is reported as an event.
    ///
    /// # Errors
    /// The system is out of memory, or `fs.epoll.max_user_watches` is reached (epoll_ctl(2)).
    pub fn add(&self, socket: &impl AsFd, number: u32) -> io::Result<()> {
        // Edge-triggered, so that a client whose input is left unread does not cause an event in every poll.
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.set, socket, EventData::new_u64(number.into()), flags)?)
    }

    /// Removes a socket.
    #[cfg(test)]
    pub fn remove(&self, socket: &impl AsFd) {
        epoll::delete(&self.set, socket).unwrap();
    }

    /// Ready if there are events; appends them to `events`: the socket's number, and what happened.
    ///
    /// # Errors
    /// None is expected in practice.
    pub fn poll(&self, context: &mut Context<'_>, events: &mut Vec<(u32, Readiness)>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.set.poll_read_ready(context))?;
            let mut buffer = [const { MaybeUninit::<Event>::uninit() }; EVENTS];
            let (told, rest) = epoll::wait(&self.set, &mut buffer, Some(&Timespec::default()))?;
            if !rest.is_empty() {
                ready.clear_ready();
            }
            if !told.is_empty() {
                events.extend(told.iter().map(readiness));
                return Poll::Ready(Ok(()));
            }
        }
    }
}

fn readiness(event: &Event) -> (u32, Readiness) {
    // Copied because the kernel's structure is packed.
    let Event { flags, data } = *event;
    let ended = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
    let writable = flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR);
    let (readable, broken) = (flags.contains(EventFlags::IN), flags.contains(EventFlags::ERR));
    // The cast is lossless: `add` was given a u32.
    (data.u64() as u32, Readiness { readable, writable, ended, broken })
}
