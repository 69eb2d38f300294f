//! A session's life: its beginning, its turns, its time limits and its end.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustls::ServerConnection;
use tracing::info;

use super::input::{self, Turn, broken};
use super::obey::hold;
use super::output::Output;
use super::rate::Rate;
use super::transport::Transport;
use super::watchers::Presence;
use super::{Admission, Context, Mail, NEVER, Phase, Session, State, count, micros};
use crate::chat::{Reason, Reply};
use crate::dialect::Protocol;
use crate::net::{Readiness, Stream};

/// How long a client may take to speak first, before it is greeted in the text protocol.
const SPEAK_FIRST: Duration = Duration::from_millis(250);
/// How long a leaving client may take to read what it is still owed.
const LAST_WORDS: Duration = Duration::from_secs(4);
/// The same for one that is sent away, and then again for closing its own side.
const PATIENCE: Duration = Duration::from_secs(1);
/// When a full socket is tried again, whatever the kernel says. Short of memory, it turns down what is written to a
/// socket that has nothing to send, and never says that there is room, because no acknowledgment makes any.
const RETRY: Duration = Duration::from_millis(200);

/// The end of a session, step by step.
pub(super) struct Closing {
    /// The feed's position after its own leave; nothing behind that is its business.
    stop: u64,
    /// Whether our side is ended; then only the peer's end is waited for.
    ended: bool,
    /// Whether the peer has ended its side.
    peer_ended: bool,
}

/// A connection that is ready to chat.
pub struct Connection {
    /// The socket, non-blocking.
    pub socket: OwnedFd,
    /// Its TLS, after the handshake.
    pub tls: Option<Box<ServerConnection>>,
    /// Its place, until it ends.
    pub admission: Admission,
    /// What it speaks; `None`: to be found out.
    pub protocol: Option<Protocol>,
}

impl Session {
    /// Begins a session; from now on it gets its turns until its end.
    ///
    /// # Errors
    /// The kernel cannot watch one more socket. The connection is closed then.
    pub fn start(context: &Context, connection: Connection) -> io::Result<()> {
        let Connection { socket, tls, admission, protocol } = connection;
        let now = context.clock.now();
        let limits = context.limits();
        let session = context.sessions.insert(|slot| {
            let state = State {
                phase: Phase::Login,
                transport: Transport::new(Stream::from(socket), tls),
                dialect: None,
                person: None,
                feed: None,
                watching: false,
                output: Output::default(),
                held: Box::default(),
                rate: Rate::default(),
                resume: NEVER,
                deadline: now.ticks + micros(limits.login_timeout),
                alarm: NEVER,
                last_message: now.ticks,
            };
            Session {
                admission,
                slot,
                woken: context.sessions.woken.clone(),
                encrypted: state.transport.tls().is_some(),
                connected: now,
                protocol: OnceLock::new(),
                mailbox: Mutex::default(),
                state: Mutex::new(state),
            }
        });
        let watched = context.sessions.poller.add(session.lock().transport.socket(), session.slot);
        if watched.is_err() {
            context.sessions.remove(session.slot);
            return watched;
        }
        session.begin(Turn { context, limits: &limits, now }, protocol);
        if context.stopping.load(Ordering::Relaxed) {
            session.close(Reason::Stopping);
        }
        session.wake();
        Ok(())
    }

    fn begin(self: &Arc<Self>, turn: Turn<'_>, protocol: Option<Protocol>) {
        let state = &mut *self.lock();
        match protocol {
            Some(protocol) => self.speak(turn, state, protocol),
            None => state.resume = turn.now.ticks + micros(SPEAK_FIRST),
        }
        // What came along with the last message of a TLS handshake is in the TLS library already: no socket will say
        // that it is there.
        if state.transport.tls().is_some()
            && let Err(reason) = self.read_once(turn, state)
        {
            state.phase = Phase::Failed(reason);
        }
    }

    /// Takes note of what has happened to its socket.
    pub(super) fn note(&self, readiness: Readiness) {
        self.lock().transport.note(readiness);
    }

    /// Does all that there is to do now. Says whether that was its end.
    pub(super) fn turn(self: &Arc<Self>, context: &Context) -> bool {
        let now = context.clock.now();
        let state = &mut *self.lock();
        let turn = Turn { context, limits: &context.limits(), now };
        if state.alarm <= now.ticks {
            state.alarm = NEVER;
            state.transport.note(Readiness { readable: false, writable: true, ended: false });
        }
        if let Err(reason) = self.live(turn, state) {
            self.leave(turn, state, reason);
        }
        // An error here is the connection's, which is about to end anyway.
        let over = matches!(state.phase, Phase::Closing(_)) && self.close_down(turn, state).unwrap_or(true);
        set_alarm(turn, state, self.slot, over);
        if !over && may_go_on(state) {
            self.wake();
        }
        over
    }

    /// Everything a session does until there is a reason to end.
    fn live(self: &Arc<Self>, turn: Turn<'_>, state: &mut State) -> Result<(), Reason> {
        let now = turn.now;
        if matches!(state.phase, Phase::Closing(_)) {
            return Ok(());
        }
        // Mail first: whoever was kicked may have no name any more, whatever else has happened.
        self.open_mail(state)?;
        if let Phase::Failed(reason) = &state.phase {
            return Err(reason.clone());
        }
        if state.deadline <= now.ticks {
            return Err(Reason::LoginTimeout);
        }
        if state.resume <= now.ticks {
            state.resume = NEVER;
            self.take_held(turn, state, true)?;
        }
        if due(state) <= now.ticks {
            self.expire(turn, state)?;
        }
        if input::may_read(state) {
            self.read_once(turn, state)?;
        }
        let State { output, transport, .. } = state;
        if output.is_paced() {
            // What is left has an alarm, or waits for the socket.
            let _ = output.send_paced(transport, u64::MAX, now).map_err(broken)?;
            return Ok(());
        }
        if !output.is_blocked() {
            // Its own answers; the feed is the delivery's affair.
            output.send(transport, output.position()).map_err(broken)?;
        }
        if output.is_blocked() && transport.is_writable() {
            output.send(transport, u64::MAX).map_err(broken)?;
        }
        if state.output.is_blocked() {
            let end = input::end_of_feed(&turn.context.room.lock(), state);
            if state.output.lag(end) > turn.limits.max_lag as u64 {
                return Err(turn.context.too_slow(turn.limits.max_lag));
            }
        }
        Ok(())
    }

    /// Takes in what others have for this session.
    pub(super) fn open_mail(&self, state: &mut State) -> Result<(), Reason> {
        let mails = std::mem::take(&mut *self.mailbox.lock().unwrap_or_else(PoisonError::into_inner));
        for mail in mails {
            match mail {
                Mail::Close(reason) => return Err(reason),
                Mail::Private { at, stamp, from, to, words } => {
                    let mut out = Vec::new();
                    if let Some(dialect) = &mut state.dialect {
                        dialect.reply(Reply::Private { stamp, from: &from, to: &to, words: &words }, &mut out);
                    }
                    // Where the sender found the room, unless this client has left it meanwhile.
                    state.output.post(if state.feed.is_some() { at } else { 0 }, &out);
                }
                Mail::Presence(notice) => {
                    let mut out = Vec::new();
                    if let Some(dialect) = &mut state.dialect
                        && let Some(reply) = notice.reply(state.feed.is_some())
                    {
                        dialect.reply(reply, &mut out);
                        state.output.post(0, &out);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes the session out of the room and prepares its last words.
    fn leave(&self, turn: Turn<'_>, state: &mut State, reason: Reason) {
        let Turn { context, now, .. } = turn;
        let mut room = context.room.lock();
        // Its own leave is for the others; what it reads last is its dialect's goodbye.
        let mut stop = input::end_of_feed(&room, state);
        if state.watching {
            context.watchers.forget(self);
        }
        if let Some(person) = state.person.take() {
            // Whoever was kicked is out of the room already, and the journal knows; perhaps somebody else has the name.
            if room.roster().find(&person.nick).is_some_and(|member| std::ptr::eq(&*member.handle, self)) {
                room.leave(now, &person.nick, &reason);
                context.watchers.tell(&person, Presence::Gone);
                if state.feed.is_some() {
                    self.log_left(&person.nick, &reason);
                }
            }
        } else if !matches!(reason, Reason::Kicked(_) | Reason::Quit(_) | Reason::Closed | Reason::Stopping) {
            count(&context.counters.refused);
            if reason == Reason::LoginTimeout {
                count(&context.counters.login_timeout);
            }
            info!(chatd.event = "refused", chatd.address = %self.address(), chatd.transport = self.transport(),
                chatd.protocol = self.protocol(), chatd.reason = reason.code(), "a connection was ended: {reason}");
        }
        let patience = match reason {
            Reason::Broken(_) | Reason::Tls(_) => Duration::ZERO,
            Reason::Kicked(_) | Reason::TooSlow(_) => PATIENCE,
            _ => LAST_WORDS,
        };
        if matches!(reason, Reason::TooSlow(_)) {
            state.output.abandon();
            stop = state.output.position();
        } else {
            hold(&mut room, state);
        }
        drop(room);
        if let Some(dialect) = &mut state.dialect {
            let mut words = Vec::new();
            dialect.reply(Reply::Closing(&reason), &mut words);
            state.output.post(stop, &words);
        }
        state.held = Box::default();
        state.resume = NEVER;
        state.deadline = now.ticks + micros(patience);
        let peer_ended = reason == Reason::Closed;
        state.phase = Phase::Closing(Closing { stop, ended: false, peer_ended });
    }

    /// Sends what is still owed, ends our side, and waits for the peer to end its own: closing a socket that has unread
    /// input would take what we have sent out of the peer's hands again (RFC 9293, section 3.6). Says whether all that
    /// is done.
    fn close_down(&self, turn: Turn<'_>, state: &mut State) -> io::Result<bool> {
        let State { phase: Phase::Closing(closing), output, transport, deadline, .. } = state else { return Ok(true) };
        if *deadline <= turn.now.ticks {
            return Ok(true);
        }
        // Reading goes on, or both sides might wait for the other to read first.
        if !closing.peer_ended && transport.is_readable() {
            closing.peer_ended = input::discard(transport)?;
        }
        if closing.ended {
            return Ok(closing.peer_ended);
        }
        if output.is_paced() {
            if output.send_paced(transport, closing.stop, turn.now)?.is_pending() {
                return Ok(false);
            }
        } else {
            output.send(transport, closing.stop)?;
            if output.is_blocked() {
                return Ok(false);
            }
        }
        closing.ended = output.end(transport)?;
        *deadline = (*deadline).min(turn.now.ticks + micros(PATIENCE));
        Ok(closing.ended && closing.peer_ended)
    }
}

/// Asks to be woken for whatever is due next. An alarm that rings too early costs one turn; so only an earlier one
/// replaces it, or none at all.
fn set_alarm(turn: Turn<'_>, state: &mut State, slot: u32, over: bool) {
    let alarms = &turn.context.alarms;
    let retry = if state.transport.is_writable() { NEVER } else { turn.now.ticks + micros(RETRY) };
    let next = state.resume.min(state.deadline).min(due(state)).min(state.output.due()).min(retry);
    let next = if over { NEVER } else { next };
    if state.alarm <= next && next != NEVER {
        return;
    }
    if state.alarm != NEVER {
        alarms.cancel(state.alarm, slot);
    }
    if next != NEVER {
        alarms.set(next, slot);
    }
    state.alarm = next;
}

/// The dialect's own next time limit, while the client may still do something about it. Over its rate it may not.
fn due(state: &State) -> u64 {
    let waiting = matches!(state.phase, Phase::Closing(_)) || state.resume != NEVER;
    state.dialect.as_ref().filter(|_| !waiting).and_then(|dialect| dialect.due()).unwrap_or(NEVER)
}

/// Whether one turn was not enough for what the socket has, or has room for.
fn may_go_on(state: &State) -> bool {
    let State { phase, output, transport, .. } = state;
    match phase {
        Phase::Closing(closing) => {
            let owes = !closing.ended && !output.is_paced() && transport.is_writable();
            owes || !closing.peer_ended && transport.is_readable()
        }
        _ => input::may_read(state) || output.is_blocked() && !output.is_paced() && transport.is_writable(),
    }
}
