//! chatd: one chat room as a system service.
//!
//! # The one idea
//!
//! **The room is a log; a session is a cursor.** Whatever happens (a join, a leave, a line, a notice) becomes an
//! *event* and is appended to one log, whose order is the only order. An event is rendered once for each *wire form* in
//! use (a dialect plus the options that change its bytes), never once for each member: a thousand clients share the same
//! bytes. A session owns a position in the log, and one delivery task writes, to every socket that can take it, what lies
//! between that position and the head. There is no queue for each member; so a slow reader costs nothing but its own
//! delay, batching happens by itself, and history is a look back.
//!
//! # The rooms of the house
//!
//! | module | what it is for | what it must not know |
//! |---|---|---|
//! | [`chat`] | the vocabulary: names, texts, commands, events, refusals | I/O, a clock, tokio |
//! | [`dialect`] | sans-I/O codecs: bytes in, commands out; events and answers in, bytes out | the room, sessions, sockets |
//! | [`room`] | roster and log, and the feeds: the log rendered for one wire form | sockets, dialects, a clock |
//! | [`net`] | listeners, byte streams, TLS and certificates | everything but the configuration |
//! | [`session`] | the only place where bytes meet the room: reading, delivery, a session's life | listeners, administrators |
//! | [`server`] | accept loops, limits, drain; what an administrator can ask for | how the question came |
//! | [`admin`] | the control interface: Varlink, its types, the daemon's side | clients' sockets, dialects |
//! | [`ctl`] | `chatctl`: arguments, one request, a table or JSON | everything but [`admin`]'s types |
//! | [`config`] | the TOML as written, and the configuration as meant | how a value is used |
//! | [`directories`] | where runtime and state files are | the configuration |
//! | [`log`] | the journal, or standard error; the kinds of entries and their message IDs | the room |
//! | [`systemd`] | readiness, reload, status, watchdog | what they report on |
//! | [`daemon`] | the order of starting and stopping, and nothing else | |
//! | [`arguments`], [`invitation`] | command lines; what somebody who starts it by hand reads | |
//!
//! Dependencies point one way: `dialect` and `room` to `chat`; `session` to `dialect`, `room` and `net`; `server` to
//! `session`; `admin` to `server`; `daemon` wires everything. `tests/architecture.rs` holds this.
//!
//! # The way of one line of chat
//!
//! ```text
//! socket                          net::Poller: which sockets have something; a turn for each (session::driver)
//!   -> net::Stream                one read into the thread's scratch buffer
//!   -> session::input             (TLS taken off by session::transport) the client's rate, then its dialect
//!   -> dialect.next(bytes)        -> Command::Say(words), made harmless, borrowed from the scratch buffer
//!   -> session::obey              who says it, and whether they may
//!   -> room.say(Event::Said)      rendered into the open tail of every feed that has readers; the bell rings once
//!   -> session::delivery          yields once, so that all that can be read is read; freezes the tails into blocks
//!   -> session::output            for each member one write of the blocks that all share
//! socket
//! ```
//!
//! One way, no way back. A member sees its own line because it reads the same log.
//!
//! The dialects are `text` for people with `nc`, `irc` with its capabilities, `classic` (described by data) and
//! `podsixnet` for the clients of networking courses. A classic client cannot tell where a message ends, so it alone is
//! sent each one apart, in its session's own turns.
//!
//! What is for one member alone (an answer, a private message, a refusal) stands in its `session::output` as an edit of
//! the feed: it is sent when everything before it is, and can neither overtake nor be overtaken.
//!
//! # Time, locks and bounds
//!
//! - One thread runs everything (tokio's current-thread runtime). Measured, it is both faster and leaner than two. Beside
//!   it there is only the log's, so that a journal that stops reading cannot stop the chat, and for a moment one that
//!   does what would keep everybody waiting: reading files again, writing a list of thousands. Whoever walks all
//!   sessions lets others go on in between.
//! - No session has a task. One task gives sessions their turns, when their socket has something or room again
//!   (`net::Poller`), or when they are woken; another delivers. Both stop after half a millisecond to let others go on.
//! - The clock is asked in one place (`session::clock`) and handed down as [`chat::Now`]; one timer serves all sessions
//!   (`session::alarms`).
//! - Locks are taken in one order, and never held across an `.await`: a session's state, then the room, then a mailbox.
//! - The room's lock is the only point where order is decided. A kick takes somebody out of the room under it at once and
//!   leaves the connection's end to the session.
//! - Every buffer has a bound: a line (`line-length`), what one read brings, the outbox and the feed together (`max-lag`),
//!   the history (its length, and half of `max-lag`), the log's queue, an admin frame. Every wait has a deadline.
//!
//! # A session's life
//!
//! Accepted, counted, TLS-shaken hands with ([`server`]); its protocol found out (`dialect::detect`), named, a member,
//! and at last *closing*: out of the room, sent what it is owed, told why, its side ended properly and the peer's awaited
//! for a moment, because closing a socket with unread input would take back what was sent. Whoever ends a session from
//! outside (the delivery, an administrator, the end of the daemon) leaves a word in its mailbox or its phase and wakes
//! it.

pub mod admin;
pub mod arguments;
pub mod chat;
pub mod config;
pub mod ctl;
pub mod daemon;
pub mod dialect;
pub mod directories;
pub mod invitation;
pub mod log;
pub mod net;
pub mod room;
pub mod server;
pub mod session;
pub mod systemd;
