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
//! | [`files`] | a small file read with bounds | what is in it |
//! | [`log`] | the journal, or standard error; the kinds of entries and their message IDs | the room |
//! | [`systemd`] | readiness, reload, status, watchdog | what they report on |
//! | [`daemon`] | the order of starting and stopping, and nothing else | |
//! | [`check`], [`closed`] | `--check-config`; what people are told when the daemon cannot start | |
//! | [`hangup`] | whether SIGHUP is a reload or the end of a terminal | |
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
//! # How fast it is
//!
//! As fast as the kernel lets one thread be, and that is held against a bare loop that knows no names: whatever came in
//! goes to everybody in one `write` each. Figures are multiples of that loop's in the same run (CPU of the server for
//! each delivery; medians, of the last row one run; IRC and text):
//!
//! | people in the room | everybody talks as fast as they can | 100 000 deliveries a second |
//! |---|---|---|
//! | 100 | 1.07, 1.02 | 1.16, 1.13 |
//! | 1 000 | 1.17, 0.94 | 1.02, 1.00 |
//! | 5 000 | 1.10, 0.99 | 1.06, 0.99 |
//! | 19 000 | 0.89, 0.83 | 1.21, 1.25 |
//!
//! Nine tenths of that are the kernel's. What keeps the last tenth small:
//!
//! - *Rendered once.* A line is rendered once for each wire form, and all members are sent the same bytes. No delivery
//!   allocates.
//! - *Batched by load.* The delivery yields once before a round; what has arrived by then goes out in one write for each
//!   member, and in full TLS records. A quiet room waits for nothing.
//! - *Nobody is woken for a message.* Who keeps up is written to by the delivery; only who is behind gets turns of its own.
//! - *Nothing is walked for one.* A newcomer's NAMES lie ready in pieces (`room::names`); a place in the log is a number
//!   and does not cut it.
//!
//! What it needs: 4 MB empty, nearly all of it program text; then 0.8 KB for a client of the text protocol, 1.0 KB for
//! one of IRC, and 8 KB more for TLS, of which rustls' receive buffer is half. `session::tests` holds the sizes. Nothing
//! is kept for what was said but the history, and what the slowest has still to be sent (`max-lag`).
//!
//! | what | grows with | because |
//! |---|---|---|
//! | a delivery | nothing; a fifth more than the bare loop from 10 000 people on | the sessions no longer fit the cache |
//! | a line | the number of wire forms in use | it is rendered once for each |
//! | somebody comes or goes | the people in the room | everybody is told; as many lines as any other event |
//! | NAMES, `/who`, `list` | the people in the room | they are the answer; NAMES is copied, the others are walked |
//! | finding a name | its logarithm | the roster is a B-tree |
//! | memory | the people, not the messages | the log frees what nobody needs |
//!
//! No step of the one thread is longer than about half a millisecond, whatever is asked of it: rounds and turns stop by
//! the clock, lists go in slices, files are read beside it. The exception is an answer to one client that is as long as the
//! room is large: a WHO of everybody takes 1.3 ms for each 10 000 (NAMES, seven microseconds).
//!
//! `cargo bench` measures all this anew: `fanout` against the bare loop, `latency` with a probe, `micro` part by part.
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
pub mod check;
pub mod closed;
pub mod config;
pub mod connections;
pub mod ctl;
pub mod daemon;
pub mod dialect;
pub mod directories;
pub mod files;
pub mod hangup;
pub mod invitation;
pub mod log;
pub mod net;
pub mod people;
pub mod room;
pub mod server;
pub mod session;
pub mod systemd;
