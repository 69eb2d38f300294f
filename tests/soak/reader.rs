//! What the observer knows of one client.

use std::rc::Rc;

use super::kinds::Protocol;
use super::observer::{Entry, Event, Queue};

/// How a client ends, as far as it or those who disturb have decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Not at all so far.
    None,
    /// It has said that it leaves.
    Quit,
    /// It has closed its side, and reads on.
    HalfClose,
    /// It has closed the connection.
    Close,
    /// It has reset it.
    Reset,
    /// It reads nothing.
    Stall,
    /// It answers no PING.
    Silence,
    /// The daemon has ended the connection.
    Daemon,
}

impl Ending {
    /// Of which kind a reason is, as the room is told it.
    pub fn class(reason: &str) -> &'static str {
        const CLASSES: [&str; 10] = [
            "quit",
            "connection closed",
            "connection broken",
            "TLS error",
            "too slow",
            "kicked",
            "banned",
            "the server restarts",
            "no answer to PING",
            "nothing was read",
        ];
        CLASSES.into_iter().find(|class| reason.starts_with(class)).unwrap_or("without a reason that was read")
    }

    pub fn class_name(self) -> &'static str {
        match self {
            Ending::None => "not at all",
            Ending::Quit => "quit",
            Ending::HalfClose => "half-closed",
            Ending::Close => "closed",
            Ending::Reset => "reset",
            Ending::Stall => "stalled",
            Ending::Silence => "silent",
            Ending::Daemon => "ended by the daemon",
        }
    }
}

pub struct Reader {
    pub protocol: Protocol,
    /// The address that it comes from, by TCP.
    pub own: Option<[u8; 4]>,
    /// Protocol and way, for a failure.
    pub description: String,
    /// The place in the order of what it has read last.
    pub place: Option<usize>,
    /// What it has read, and the order does not have yet.
    pub queue: Queue,
    /// The place of its own join.
    pub joined: usize,
    /// What it was shown of the history, and whether something that is no history came after it.
    pub past: Vec<Event>,
    pub live: bool,
    /// The last of its lines that it has sent, and that the room has heard.
    pub sent: u64,
    pub accepted: u64,
    /// Whether it has said a lot at once.
    pub pasted: bool,
    pub ending: Ending,
    /// Whether its connection is no more.
    pub gone: bool,
    /// Something was wrong already.
    pub lost: bool,
    /// Whether it is sent one message at a time.
    pub paced: bool,
    /// Whether it reads what comes when it comes; and whether it did so up to the end.
    pub reads_at_once: bool,
    pub reads_to_the_end: bool,
    /// Whether it stops reading for a while, or has done so.
    pub stalls: bool,
    /// Whether it has to go at a restart.
    pub cannot_stay: bool,
    /// Why it was kicked, and banned.
    pub kicked: Option<String>,
    pub banned: Option<String>,
    /// What the room was told when it left.
    pub reason: Option<String>,
    /// What the server has told it.
    pub told: String,
}

impl Reader {
    pub fn new(protocol: Protocol, description: String) -> Reader {
        Reader {
            protocol,
            own: None,
            description,
            place: None,
            queue: Queue::new(),
            joined: 0,
            past: Vec::new(),
            live: false,
            sent: 0,
            accepted: 0,
            pasted: false,
            ending: Ending::None,
            gone: false,
            lost: false,
            paced: false,
            reads_at_once: true,
            reads_to_the_end: true,
            stalls: false,
            cannot_stay: false,
            kicked: None,
            banned: None,
            reason: None,
            told: String::new(),
        }
    }

    /// The place of the event that it has to read next: where its last one is, and one further, but for its own lines if
    /// they do not come back. Looks no further than `end`.
    pub fn next(&self, order: &[Entry], name: &Rc<str>, end: usize) -> usize {
        let mut next = self.place.map_or(end, |place| place + 1);
        let own = |entry: &Entry| matches!(&entry.event, Event::Said(who, _) if who == name);
        while next < end && !self.protocol.echo() && own(&order[next]) {
            next += 1;
        }
        next
    }

    /// Why it should not have left with this reason, if so.
    pub fn why_not(&mut self, reason: &str) -> Option<String> {
        self.reason = Some(reason.to_owned());
        let right = match Ending::class(reason) {
            "quit" => self.ending == Ending::Quit,
            // A Unix socket knows no reset.
            "connection closed" if self.own.is_none() && self.ending == Ending::Reset => true,
            "connection closed" => matches!(self.ending, Ending::HalfClose | Ending::Close | Ending::Quit),
            // A close with something unread is a reset; over TLS, one without a close_notify is an error.
            "connection broken" | "TLS error" => {
                matches!(self.ending, Ending::Close | Ending::Reset | Ending::Stall | Ending::Silence)
            }
            // On a busy machine, the daemon itself may be late with one message at a time.
            "too slow" | "nothing was read" => self.stalls || self.paced,
            "kicked" => self.kicked.as_ref().is_some_and(|why| reason == format!("kicked: {why}")),
            "banned" => self.banned.as_ref().is_some_and(|why| reason.ends_with(&format!(": {why}"))),
            // A TLS connection of which one side is closed is not carried.
            "the server restarts" if reason.contains("closing") => self.ending != Ending::None,
            "the server restarts" => self.cannot_stay,
            "no answer to PING" => matches!(self.ending, Ending::Silence | Ending::Stall) || self.stalls,
            _ => false,
        };
        (!right).then(|| format!("there was no cause for it, its end: {}", self.ending.class_name()))
    }

    /// What is wrong with it now that it is gone and the room was told. `complete`: it has read all up to that.
    pub fn why_not_at_end(&self, complete: bool) -> Option<String> {
        let reason = self.reason.as_deref().unwrap_or_default();
        if complete && self.reads_to_the_end && !self.stalls {
            let due = match Ending::class(reason) {
                "kicked" | "banned" => Some(reason.split(" until ").next().unwrap_or(reason)),
                "the server restarts" => Some("the server restarts"),
                _ => None,
            };
            if let Some(due) = due.filter(|due| !self.told.contains(due)) {
                return Some(format!("was not told {due:?}, only {:?}", self.told));
            }
        }
        let orderly = matches!(Ending::class(reason), "quit" | "connection closed");
        let said_all = matches!(self.ending, Ending::Quit | Ending::HalfClose);
        if orderly && said_all && self.accepted != self.sent {
            return Some(format!("left in order and had sent {} lines, heard were {}", self.sent, self.accepted));
        }
        None
    }

    /// Whether it has to have read everything up to its leave. Who is made to leave has a second for it, and who can only be
    /// sent one message at a time may need longer than the daemon waits.
    pub fn is_told_all(&self) -> bool {
        let orderly = matches!(Ending::class(self.reason.as_deref().unwrap_or_default()), "quit" | "connection closed");
        let reads = matches!(self.ending, Ending::Quit | Ending::HalfClose) && !self.lost;
        orderly && reads && !self.paced
    }

    /// Whether it need not have read all by now.
    pub fn is_excused(&self) -> bool {
        self.stalls || matches!(self.ending, Ending::Stall)
    }

    /// Whether it has heard nothing but its own join.
    pub fn own_join_only(&self, name: &Rc<str>) -> bool {
        self.queue.iter().all(|(event, ..)| *event == Event::Joined(name.clone()))
    }
}
