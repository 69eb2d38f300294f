//! Watches all clients' sockets at once: one set of the kernel's (epoll(7)), one task that is told of it.
//!
//! The runtime could watch each socket itself, for 512 bytes and a task each; a set of our own costs nothing but the
//! kernel's entry, and tells by number who is meant.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::stream::Readiness;
use super::watched::watched;

/// Sockets that are told of at once.
const EVENTS: usize = 256;

/// The set. A socket leaves it when it is closed.
#[derive(Debug)]
pub struct Poller {
    set: AsyncFd<OwnedFd>,
}

impl Poller {
    /// An empty set; must be made on the runtime that is to wait for it.
    ///
    /// # Errors
    /// The process or the machine is out of something.
    pub fn new() -> io::Result<Poller> {
        let set = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Poller { set: watched(set, Interest::READABLE)? })
    }

    /// Watches a socket from now on; `number` is what its events are called by. What is already there is an event.
    ///
    /// # Errors
    /// There is no memory, or `fs.epoll.max_user_watches` is reached (epoll_ctl(2)).
    pub fn add(&self, socket: &impl AsFd, number: u32) -> io::Result<()> {
        // Each event is told once, so that nobody who leaves something unread is told again and again.
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.set, socket, EventData::new_u64(number.into()), flags)?)
    }

    /// Watches a socket no more.
    #[cfg(test)]
    pub fn remove(&self, socket: &impl AsFd) {
        epoll::delete(&self.set, socket).unwrap();
    }

    /// Ready when something has happened to somebody: `events` says to whom, by number, and what.
    ///
    /// # Errors
    /// None that is to be expected.
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
    // Copied: the kernel's structure is packed.
    let Event { flags, data } = *event;
    let ended = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
    let writable = flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR);
    // The number is what `add` was given.
    (data.u64() as u32, Readiness { readable: flags.contains(EventFlags::IN), writable, ended })
}
