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
//! From the bottom up; who stands higher may ask who stands lower, never the other way round.
//!
//! | module | what it is for | what it must not know |
//! |---|---|---|
//! | [`chat`] | the vocabulary: names, texts, commands, events and their byte form, refusals | I/O, a clock, tokio |
//! | [`people`] | who has a name: profile, presence, read markers, who watches whom | rooms, dialects |
//! | [`room`] | members, topic, history, and the log with its feeds; decide and apply | dialects, sessions |
//! | [`dialect`] | sans-I/O codecs: bytes in, commands out; events and answers in, bytes out | the room, sessions |
//! | [`config`] | the TOML as written, and the configuration as meant | how a value is used |
//! | [`net`] | listeners, byte streams, TLS and certificates, who may connect | chat, dialects, sessions |
//! | [`session`] | one client's conversation, a plain value: where bytes meet the room | sockets, a clock, tokio |
//! | [`connections`] | all sessions with their transports: turns, delivery, alarms; a plain value, too | sockets, a clock, tokio |
//! | [`server`] | accept loops, the driver (real sockets, real time), drain; what administrators can ask | how they asked |
//! | [`admin`] | the control interface: Varlink, its types, the daemon's side | clients' sockets, dialects |
//! | [`ctl`] | `chatctl`: arguments, one request, a table or JSON | everything but [`admin`]'s types |
//! | [`daemon`] | the order of starting and stopping, and nothing else | |
//!
//! Beside these: [`log`] (the journal, or standard error), [`systemd`] (readiness, reload, status, watchdog),
//! [`directories`], [`files`], [`arguments`], [`invitation`] (what somebody who starts it by hand reads), [`check`] and
//! [`closed`] (`--check-config`; what people are told when the daemon cannot start), [`hangup`] (whether SIGHUP is a reload
//! or the end of a terminal), [`trial`] (`--try-classic`: classic clients watched on the terminal).
//! `tests/architecture.rs` holds the directions.
//!
//! # The way of one line of chat
//!
//! ```text
//! socket                          server::driver: which sockets have something; a turn for each connection
//!   -> net::Socket                one read into a shared buffer; TLS taken off
//!   -> session.step(bytes)        the client's rate, then its dialect -> Command::Say(words), made harmless, borrowed
//!   -> room::State::decide        may they? -> Event::Said, or a refusal; nothing changes
//!   -> log.append                 its place and time: the one order
//!   -> room::State::apply         the state changes; every feed that has readers renders it into its open tail
//!   -> session.done               the author is told, and which bytes of its feed are its own
//!   -> connections::delivery      once all that can be read is read: tails become blocks, one write for each member
//! socket
//! ```
//!
//! One way, no way back. A member sees its own line because it reads the same log.
//!
//! The dialects are `text` for people with `nc`, `irc` with its capabilities, `classic` (described by data) and
//! `podsixnet` for the clients of networking courses. A classic client that cannot tell where a message ends,
//! and no other, is sent each one apart, in its session's own turns.
//!
//! What is for one member alone (an answer, a private message, a refusal) stands in its `session::output` as an edit of
//! the feed: it is sent when everything before it is, and can neither overtake nor be overtaken. Going on in another feed,
//! when a client changes its wire form or leaves, is an edit, too; a position never stands without its feed.
//!
//! # Where each fact lives
//!
//! | fact | home |
//! |---|---|
//! | who somebody is, whether they are away, whom they watch, how far they have read | [`people::People`] |
//! | who is in the room, its topic, what was said | [`room::Room`] |
//! | the order of events; the bytes of each wire form | [`room::Log`] |
//! | what a client has said so far, is still owed, may still say | [`session::Session`] |
//! | descriptors, TLS, what the kernel has told of them | [`net::Socket`] |
//! | what the administrator meant | [`config::Config`], never changed by running |
//!
//! # Time, locks and bounds
//!
//! - One thread runs the chat (tokio's current-thread runtime). Measured, it is both faster and leaner than two. Beside it
//!   there are the log's, so that a journal that stops reading cannot stop the chat; one for TLS handshakes, whose
//!   signatures take milliseconds; and for a moment one that reads files again or writes a list of thousands.
//! - All that changes stands under one lock (`server::driver`), which is held for half a millisecond at most and never
//!   across an `.await`. Whoever walks all connections lets others go on in between.
//! - No session has a task. One task gives sessions their turns, when their socket has something or room again, or when
//!   they are woken; another delivers; one timer serves all.
//! - The clock is asked in `server::clock` alone and handed down as [`chat::Now`]; so `tests/world` runs sessions, room and
//!   delivery in virtual time, with any bytes in any pieces.
//! - What has arrived is looked at before a deadline is judged: a busy or suspended daemon never punishes its clients.
//! - Every buffer has a bound: a line (`line-length`), what one read brings, what one client (`max-lag`) and all together
//!   (`backlog`) lag behind, a client's unread answers (64 KiB, then its questions wait), the history (its length, and half
//!   of `max-lag`), the log's queue, an admin frame. Every wait has a deadline.
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
//! | finding a name | its logarithm | names are kept in a B-tree |
//! | memory | the people, not the messages | the log frees what nobody needs |
//!
//! No step of the one thread is longer than about half a millisecond, whatever is asked of it: rounds and turns stop by
//! the clock, long answers (WHO, NAMES with hosts, `/who`, `list`) come in parts, files are read and signatures made beside
//! it. The exceptions: the history that one newcomer is shown, 0.1 ms for each 1000 lines of `room.history`; and one name's
//! coming or going, if thousands watch it, for as many notices.
//!
//! `cargo bench` measures all this anew: `fanout` against the bare loop, `latency` with a probe, `micro` part by part.
//!
//! # A session's life
//!
//! Accepted, counted, TLS-shaken hands with ([`server`]); its protocol found out (`dialect::detect`), named, a member,
//! and at last *closing*: out of the room, sent what it is owed, told why, its side ended properly and the peer's awaited
//! for a moment, because closing a socket with unread input would take back what was sent. Between any two inputs it can be
//! written down and read back ([`session::SavedSession`]).

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
pub mod trial;
