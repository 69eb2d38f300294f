//! chatd: one chat room as a system service.
//!
//! # The one idea
//!
//! **The room is a log; a session is a cursor.** Whatever happens (a join, a leave, a line, a notice) becomes an
//! *event* and is appended to one log, whose order is the only order. An event is rendered once for each *wire form* in
//! use (a dialect plus the options that change its bytes), never once for each member: a thousand clients share the same
//! bytes. A session owns a position in the log, and one delivery task writes, to every socket that can take it, what lies
//! between that position and the head. There is no queue for each member; so a slow reader costs nothing but its own
//! delay, batching happens by itself, and history is a look back. The disk is one more reader ([`store`]): it takes what was
//! appended, many events at a time, and nobody waits for it.
//!
//! # The rooms of the house
//!
//! From the bottom up; who stands higher may ask who stands lower, never the other way round.
//!
//! | module | what it is for | what it must not know |
//! |---|---|---|
//! | [`chat`] | the vocabulary: names, texts, commands, events and their byte form, refusals | I/O, a clock, tokio |
//! | [`people`] | everybody who has a name: profile, presence, read markers, watches | rooms, dialects |
//! | [`room`] | members, bans, topic, history, and the log with its feeds; decide and apply | dialects, sessions |
//! | [`dialect`] | sans-I/O codecs: bytes in, commands out; events and answers in, bytes out | the room, sessions |
//! | [`config`] | the TOML as written, and the configuration as meant | how a value is used |
//! | [`net`] | listeners, byte streams, TLS and certificates, who may connect | chat, dialects, sessions |
//! | [`store`] | what was said, and who is banned, on disk: one SQLite file, its thread, lookups and search | sessions, dialects, sockets |
//! | [`session`] | one client's conversation, a plain value: between bytes and the room | sockets, a clock, tokio |
//! | [`connections`] | all sessions with their transports: turns, delivery, alarms; a plain value, too | sockets, a clock, tokio |
//! | [`handover`] | what a daemon passes to the one that goes on in its place | sockets' readiness, a clock, tokio |
//! | [`server`] | accept loops, the driver (real sockets, real time), drain; administrators' operations | their transport |
//! | [`admin`] | the control interface: Varlink, its types, the daemon's side | clients' sockets, dialects |
//! | [`ctl`] | `chatctl`: arguments, one request, a table or JSON | everything but [`admin`]'s types |
//! | [`daemon`] | the order of starting and stopping, and nothing else | |
//!
//! Beside these: [`log`] (the journal, or standard error), [`systemd`] (readiness, reload, status, watchdog),
//! [`harmless`] (which characters people may be shown), [`directories`], [`files`], [`arguments`], [`invitation`] (what
//! somebody who starts it by hand reads), [`check`] and [`closed`] (`--check-config`; what people are told when the daemon
//! cannot start), [`signals`] (what they ask for), [`hangup`]
//! (whether SIGHUP is a reload or the end of a terminal), [`trial`] (`--try-classic`: classic
//! clients watched on the terminal).
//! `tests/architecture.rs` holds the directions; `tests/soak` looks at the whole from outside, with nothing of this code.
//!
//! # The way of one line of chat
//!
//! ```text
//! socket                          server::driver: which sockets have something; a turn for each connection
//!   -> net::Socket                one read into a shared buffer; TLS taken off
//!   -> session.step(bytes)        the client's rate, then its dialect -> Command::Say(words), made harmless, borrowed
//!   -> room::State::decide        allowed? -> Event::Said, or a refusal; nothing changes
//!   -> log.append                 its place and time: the one order
//!   -> room::State::apply         the state changes; every feed that has readers renders it into its open tail
//!   -> session.done               the author is answered; without echo, its feed skips its own bytes
//!   -> connections::delivery      once all that can be read is read: tails become blocks, one write for each member
//! socket
//! ```
//!
//! One way, no way back. A member sees its own line because it reads the same log.
//!
//! The dialects are `text` for people with `nc`, `irc` with its capabilities, `classic` (described by data) and
//! `podsixnet` for the clients of networking courses. Only a classic client that cannot tell where a message ends
//! is paced: it is sent one message at a time, in its session's own turns.
//!
//! What is for one member alone (an answer, a private message, a refusal) is kept in its `session::output` as an edit of
//! the feed: it is sent after everything before it, and can neither overtake nor be overtaken. Switching to another feed,
//! when a client changes its wire form or leaves, is an edit, too; a position is always stored with its feed.
//!
//! # Where each fact lives
//!
//! | fact | home |
//! |---|---|
//! | people: profiles, away states, watches, read markers | [`people::People`] |
//! | the room's members, topic and history; who is banned | [`room::Room`] |
//! | the order of events; the bytes of each wire form | [`room::Log`] |
//! | a client's unprocessed input, unsent output and limits | [`session::Session`] |
//! | descriptors, TLS, the readiness of sockets | [`net::Socket`] |
//! | what outlives the process | [`store::Store`] |
//! | the configuration | [`config::Config`], never changed by the running daemon |
//!
//! # Time, locks and bounds
//!
//! - One thread runs the chat (tokio's current-thread runtime). Measured, it is both faster and leaner than two. Beside it
//!   there are the log's, so that a journal that stops reading cannot stop the chat; one for TLS handshakes, whose
//!   signatures take milliseconds; the store's, which writes to the disk and looks things up there; and for a moment one that reads files again or writes a list of thousands.
//! - All that changes stands under one lock (`server::driver`), which is held for half a millisecond at most and never
//!   across an `.await`. Operations over all connections yield in between.
//! - No session has a task. One task runs the turns of sessions whose sockets are readable or writable again, or that are
//!   woken; another delivers; one timer serves all.
//! - The clock is read in `server::clock` alone and passed down as [`chat::Now`]; so `tests/world` runs sessions, room and
//!   delivery in virtual time, with any bytes in any pieces.
//! - Input that has arrived is processed before a deadline is checked: a busy or suspended daemon punishes no client.
//! - Every buffer has a bound: a line (`line-length`), what one read brings, what one client (`max-lag`) and all together
//!   (`backlog`) lag behind, a client's unread answers (64 KiB, then its questions wait), the history (its length, and half
//!   of `max-lag`), the kernel's buffers for a client, the log's queue, an admin frame, a page of the history. Every wait has a
//!   deadline.
//!
//! # How fast it is
//!
//! As fast as the kernel lets one thread be. The reference is a bare loop without names, which sends whatever came in to
//! everybody in one `write` each. Figures are multiples of that loop's in the same run (CPU of the server for
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
//! - *No session is woken for a message.* The delivery writes to those that are caught up; only those behind get turns.
//! - *No walk over all for one.* A newcomer's NAMES are kept ready in pieces (`room::names`); a place in the log is a
//!   number and does not cut it.
//!
//! Keeping what was said costs the chat's thread 0.2 µs a line, whoever is there; the store's own thread writes 80,000 lines
//! a second, each within 60 ms. Of ten million lines a page is found in 5 ms and two words in 20 (99 of 100 times), and the
//! room feels none of it.
//!
//! What it needs: 7.9 MB empty, nearly all of it program text; then 0.8 KB for a client of the text protocol, 1.0 KB for
//! one of IRC, and 8 KB more for TLS, of which rustls' receive buffer is half; 1.6 KB once a restart has carried it along. `session::tests` holds the sizes. In
//! memory, nothing is kept for what was said but `room.history`, what the slowest has still to be sent (`max-lag`), and
//! what waits for the disk (8 MiB at most).
//!
//! | what | grows with | because |
//! |---|---|---|
//! | a delivery | nothing; a fifth more than the bare loop from 10 000 people on | the sessions no longer fit the cache |
//! | a line | the number of wire forms in use | it is rendered once for each |
//! | somebody comes or goes | the people in the room | everybody is told; as many lines as any other event |
//! | NAMES, `/who`, `list` | the people in the room | they are the answer; NAMES is copied, the others are walked |
//! | finding a name, or one that looks like it | its logarithm | names are kept in B-trees |
//! | memory | the people, not the messages | the log frees what nobody needs |
//!
//! No step of the one thread is longer than about half a millisecond, whatever is asked of it: rounds and turns stop by
//! the clock, long answers (WHO, NAMES with hosts, `/who`, `list`) come in parts; files are read, signatures made and the
//! history searched beside it. The exceptions: the history that one newcomer is shown, 0.1 ms for each 1000 lines of `room.history`; and one name's
//! coming or going, if thousands watch it, for as many notices.
//!
//! `cargo bench` measures all this anew: `fanout` against the bare loop, `latency` with a probe, `store` the
//! history on disk, `micro` part by part.
//!
//! # A session's life
//!
//! Accepted and counted, after its TLS handshake ([`server`]); its protocol detected (`dialect::detect`), in which it is told
//! if it may not come in; named; a member; and at last *closing*: it leaves the room and is sent the rest of its output with a goodbye; then our side is closed,
//! and the peer's close is awaited briefly, because closing a socket with unread input would discard what was sent.
//! Who takes nothing meanwhile is reset, because the kernel would keep megabytes for minutes, which no limit counts.
//! Between any two inputs a session can be saved and restored ([`session::SavedSession`]).
//!
//! # A restart
//!
//! The next process is one more reader of the log: it goes on where each session stood. The old one ends its accept loops,
//! says goodbye to those who cannot go along, and takes out everything under one hold of the lock ([`server`]'s
//! `handover`): the state, with the bytes that several are still to be sent; each session, with its own; each socket, with
//! the keys of its TLS connection. All of it goes into one socket ([`handover::Parcel`]), which systemd keeps until the next
//! process starts, or which the process keeps for itself while it executes the program anew. What the kernel has received
//! meanwhile waits there. The next process restores all sessions before it lets anything happen, so that nobody misses an
//! event; who was lost leaves the room. [`signals`] tells a restart from a stop; chatd(8), RESTARTING, what administrators
//! see of it.

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
pub mod handover;
pub mod hangup;
pub mod harmless;
pub mod invitation;
pub mod log;
pub mod net;
pub mod people;
pub mod room;
pub mod server;
pub mod session;
pub mod signals;
pub mod store;
pub mod systemd;
pub mod trial;
