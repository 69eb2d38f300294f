//! A session's life: its task, its time limits and its end.

use std::future::poll_fn;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use rustls::ServerConnection;
use tracing::info;

use super::input::{self, Turn, broken};
use super::obey::hold;
use super::output::Output;
use super::rate::Rate;
use super::watchers::Presence;
use super::{Context, Mail, Phase, Session, State, count, micros};
use crate::chat::{Now, Reason, Reply};
use crate::config::Limits;
use crate::dialect::Protocol;
use crate::net::{Address, Stream};

/// How long a client may take to speak first, before it is greeted in the text protocol.
const SPEAK_FIRST: Duration = Duration::from_millis(250);
/// How long a leaving client may take to read what it is still owed.
const LAST_WORDS: Duration = Duration::from_secs(4);
/// The same for one that is sent away, and then again for closing its own side.
const PATIENCE: Duration = Duration::from_secs(1);

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
    /// The socket.
    pub stream: Stream,
    /// Its TLS, after the handshake.
    pub tls: Option<Box<ServerConnection>>,
    /// Where it comes from.
    pub address: Address,
    /// What it speaks; `None`: to be found out.
    pub protocol: Option<Protocol>,
}

impl Session {
    /// Looks after one connection until its end; `admission` is let go of then.
    pub fn start<A: Send + 'static>(context: Arc<Context>, connection: Connection, admission: A) {
        let Connection { stream, tls, address, protocol } = connection;
        let now = context.clock.now();
        let limits = context.limits();
        let session = Arc::new(Session::new(stream, address, tls, now, &limits));
        session.begin(Turn { context: &context, limits: &limits, now }, protocol);
        let slot = context.sessions.insert(session.clone());
        if context.stopping.load(Ordering::Relaxed) {
            session.close(Reason::Stopping);
        }
        tokio::spawn(poll_fn(move |cx| {
            let _held_until_the_end = &admission;
            let done = session.poll(&context, slot, cx);
            if done.is_ready() {
                session.end(&context, slot);
            }
            done
        }));
    }

    /// A session that nobody looks after yet.
    pub(super) fn new(
        stream: Stream,
        address: Address,
        tls: Option<Box<ServerConnection>>,
        now: Now,
        limits: &Limits,
    ) -> Session {
        let state = State {
            phase: Phase::Login,
            dialect: None,
            person: None,
            feed: None,
            output: Output::default(),
            tls,
            held: Vec::new(),
            rate: Rate::default(),
            resume: None,
            deadline: Some(now.ticks + micros(limits.login_timeout)),
            alarm: None,
            watching: false,
            last_message: now,
        };
        Session {
            stream,
            address,
            encrypted: state.tls.is_some(),
            connected: now,
            protocol: OnceLock::new(),
            waker: OnceLock::new(),
            mailbox: Mutex::default(),
            state: Mutex::new(state),
        }
    }

    fn begin(self: &Arc<Self>, turn: Turn<'_>, protocol: Option<Protocol>) {
        let state = &mut *self.lock();
        match protocol {
            Some(protocol) => self.speak(turn, state, protocol),
            None => state.resume = Some(turn.now.ticks + micros(SPEAK_FIRST)),
        }
        // What came along with the last message of a TLS handshake is in the TLS library already: no socket will say
        // that it is there.
        if state.tls.is_some()
            && let Err(reason) = self.read_once(turn, state)
        {
            state.phase = Phase::Failed(reason);
        }
    }

    /// The session's task.
    fn poll(self: &Arc<Self>, context: &Context, slot: usize, cx: &mut TaskContext<'_>) -> Poll<()> {
        self.waker.get_or_init(|| cx.waker().clone());
        let now = context.clock.now();
        let state = &mut *self.lock();
        let turn = Turn { context, limits: &context.limits(), now };
        if let Err(reason) = self.live(turn, state, cx) {
            self.leave(turn, state, reason);
        }
        let State { phase, output, tls, deadline, .. } = state;
        if let Phase::Closing(closing) = phase {
            let mut end = End { stream: &self.stream, output, tls, deadline };
            match closing.poll(&mut end, now, cx) {
                Ok(Poll::Pending) => {}
                // An error here is the connection's, which is about to end anyway.
                Ok(Poll::Ready(())) | Err(_) => return Poll::Ready(()),
            }
        }
        set_alarm(context, state, now, slot, cx);
        Poll::Pending
    }

    fn end(&self, context: &Context, slot: usize) {
        context.sessions.remove(slot);
        if let Some(alarm) = self.lock().alarm.take() {
            context.alarms.cancel(alarm, slot);
        }
    }

    /// Everything a session does until there is a reason to end.
    fn live(self: &Arc<Self>, turn: Turn<'_>, state: &mut State, cx: &mut TaskContext<'_>) -> Result<(), Reason> {
        let now = turn.now;
        if matches!(state.phase, Phase::Closing(_)) {
            return Ok(());
        }
        // Mail first: whoever was kicked may have no name any more, whatever else has happened.
        self.open_mail(state)?;
        if let Phase::Failed(reason) = &state.phase {
            return Err(reason.clone());
        }
        if state.deadline.is_some_and(|deadline| deadline <= now.ticks) {
            return Err(Reason::LoginTimeout);
        }
        if state.resume.is_some_and(|resume| resume <= now.ticks) {
            state.resume = None;
            self.take_held(turn, state, true)?;
        }
        if due(state).is_some_and(|due| due <= now.ticks) {
            self.expire(turn, state)?;
        }
        self.read_ready(turn, state, cx)?;
        let State { output, tls, .. } = state;
        if output.is_paced() {
            // What is left has an alarm, or waits for the socket.
            let _ = output.poll_paced(&self.stream, tls, u64::MAX, now, cx).map_err(broken)?;
            return Ok(());
        }
        if !output.is_blocked() {
            // Its own answers; the feed is the delivery's affair.
            output.send(&self.stream, tls, output.position()).map_err(broken)?;
        }
        while output.is_blocked() && self.stream.poll_write_ready(cx).map_err(broken)?.is_ready() {
            output.send(&self.stream, tls, u64::MAX).map_err(broken)?;
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
        let mut stop = state.feed.map_or(0, |feed| room.end(feed));
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
            info!(chatd.event = "refused", chatd.address = %self.address, chatd.transport = self.transport(),
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
        state.held = Vec::new();
        state.resume = None;
        state.deadline = Some(now.ticks + micros(patience));
        let peer_ended = reason == Reason::Closed;
        state.phase = Phase::Closing(Closing { stop, ended: false, peer_ended });
    }
}

/// Asks to be woken for whatever is due next. An alarm that rings too early costs one poll; so only an earlier one
/// replaces it, or none at all.
fn set_alarm(context: &Context, state: &mut State, now: Now, slot: usize, cx: &TaskContext<'_>) {
    if state.alarm.is_some_and(|alarm| alarm <= now.ticks) {
        state.alarm = None;
    }
    let times = [state.resume, state.deadline, due(state), state.output.due()];
    let next = times.into_iter().flatten().min();
    if state.alarm.is_some_and(|alarm| next.is_some_and(|next| alarm <= next)) {
        return;
    }
    if let Some(alarm) = std::mem::replace(&mut state.alarm, next) {
        context.alarms.cancel(alarm, slot);
    }
    if let Some(next) = next {
        context.alarms.set(next, slot, cx.waker().clone());
    }
}

/// The dialect's own next time limit, while the client may still do something about it. Over its rate it may not.
fn due(state: &State) -> Option<u64> {
    let waiting = matches!(state.phase, Phase::Closing(_)) || state.resume.is_some();
    state.dialect.as_ref().filter(|_| !waiting).and_then(|dialect| dialect.due())
}

/// What a session's end needs of it.
struct End<'a> {
    stream: &'a Stream,
    output: &'a mut Output,
    tls: &'a mut Option<Box<ServerConnection>>,
    deadline: &'a mut Option<u64>,
}

impl Closing {
    /// Sends what is still owed, ends our side, and waits for the peer to end its own: closing a socket that has
    /// unread input would take what we have sent out of the peer's hands again (RFC 9293, section 3.6).
    fn poll(&mut self, end: &mut End<'_>, now: Now, cx: &mut TaskContext<'_>) -> io::Result<Poll<()>> {
        if end.deadline.is_some_and(|deadline| deadline <= now.ticks) {
            return Ok(Poll::Ready(()));
        }
        // Reading goes on, or both sides might wait for the other to read first.
        while !self.peer_ended && end.stream.poll_read_ready(cx)?.is_ready() {
            self.peer_ended = input::discard(end.stream, end.tls)?;
        }
        while !self.ended {
            if end.output.is_paced() {
                if end.output.poll_paced(end.stream, end.tls, self.stop, now, cx)?.is_pending() {
                    return Ok(Poll::Pending);
                }
                self.ended = end.output.end(end.stream, end.tls)?;
                continue;
            }
            if end.output.is_blocked() && end.stream.poll_write_ready(cx)?.is_pending() {
                return Ok(Poll::Pending);
            }
            end.output.send(end.stream, end.tls, self.stop)?;
            if !end.output.is_blocked() {
                self.ended = end.output.end(end.stream, end.tls)?;
                let limit = now.ticks + micros(PATIENCE);
                *end.deadline = Some(end.deadline.map_or(limit, |deadline| deadline.min(limit)));
            }
        }
        Ok(if self.peer_ended { Poll::Ready(()) } else { Poll::Pending })
    }
}
