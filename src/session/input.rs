//! Input: decodes bytes into commands, and turns the outcome of a command into an answer.

use std::borrow::Cow;

use super::ending::CLOSE_TIMEOUT;
use super::output::Source;
use super::{Context, NEVER, Origin, STALL_TIMEOUT, Session, Step, micros};
use crate::chat::{Answer, Command, Event, LookupError, PersonId, Profile, Reason, Refusal, Reply, Stamp, Words};
use crate::dialect::detect::{ENOUGH, Verdict, detect, is_http};
use crate::dialect::{ClientContext, Input, Protocol};
use crate::room::{Mail, Outcome, State};

impl Session {
    /// Decodes the next message of `input` and removes it from the front. `answers` collects the answer to this message
    /// until [`done`](Self::done); between messages it is empty.
    ///
    /// # Errors
    /// The session is to be [closed](Self::close) for this reason.
    pub fn step<'i>(
        &mut self,
        context: Context<'_>,
        state: &mut State,
        input: &mut &'i [u8],
        answers: &mut Vec<u8>,
    ) -> Result<Step<'i>, Reason> {
        let Context { now, limits, .. } = context;
        if std::mem::take(&mut self.enters) {
            return Ok(Step::Command(Command::Enter));
        }
        // Known after the first bytes only where the protocol is fixed; otherwise it was detected from them.
        if self.dialect.is_some() && !input.is_empty() && !std::mem::replace(&mut self.silent, true) && is_http(input) {
            return Err(Reason::WrongProtocol("HTTP on a chat port".into()));
        }
        let full = self.is_full();
        let Some(dialect) = &mut self.dialect else { return self.detect_protocol(context, state, input) };
        let busy = dialect.is_busy();
        if full || self.lookup.is_some() || (input.is_empty() && !busy) {
            return Ok(Step::Wait);
        }
        if !busy && let Err(resume) = self.rate.allows(now, limits) {
            self.resume = resume;
            return Ok(Step::TooFast);
        }
        self.held = false;
        let view = state.view_for(self.person);
        let mute = dialect.is_mute();
        let parsed = dialect.next(now, input, &mut Answer { view: &view, bytes: answers });
        if mute
            && !dialect.is_mute()
            && let Some(reason) = self.origin.barred(now, &state.room.bans, limits)
        {
            self.finish(state, answers);
            return Err(reason);
        }
        self.handle_parsed(context, state, parsed, answers)
    }

    /// Detects the protocol from the first bytes.
    fn detect_protocol<'i>(
        &mut self,
        context: Context<'_>,
        state: &State,
        input: &mut &'i [u8],
    ) -> Result<Step<'i>, Reason> {
        match detect(input.get(..ENOUGH).unwrap_or(input), self.silent) {
            Verdict::Wait => Ok(Step::Wait),
            Verdict::Speak(protocol) => {
                self.resume = NEVER;
                self.set_protocol(context, state, &protocol)?;
                Ok(Step::More)
            }
            Verdict::Refuse { answer, reason } => {
                self.output.post(&state.log, answer, Source::Own);
                Err(Reason::WrongProtocol(reason.into()))
            }
        }
    }

    /// Sets the protocol and queues its greeting.
    ///
    /// # Errors
    /// The client may not come in. Now that its protocol is known, it can be told.
    pub(super) fn set_protocol(
        &mut self,
        context: Context<'_>,
        state: &State,
        protocol: &Protocol,
    ) -> Result<(), Reason> {
        let client = ClientContext {
            line_length: context.limits.line_length,
            encrypted: self.origin.encrypted,
            local: self.origin.address.is_local(),
            account: self.origin.account.clone(),
            irc: context.irc,
        };
        let mut dialect = protocol.new_dialect(context.now, client);
        if let Some(gap) = dialect.pace() {
            self.output.set_pace(micros(gap));
        }
        if let Some(reason) = self.origin.barred(context.now, &state.room.bans, context.limits) {
            let mute = dialect.is_mute();
            self.dialect = Some(dialect);
            if !mute {
                return Err(reason);
            }
            // It is told after its first message, if that comes soon.
            self.deadline = context.now.ticks + micros(CLOSE_TIMEOUT);
            return Ok(());
        }
        let mut greeting = Vec::new();
        dialect.greet(&mut Answer { view: &state.view_for(None), bytes: &mut greeting });
        self.output.post(&state.log, &greeting, Source::Own);
        self.dialect = Some(dialect);
        Ok(())
    }

    /// Handles a time limit that has passed. The caller must have read all input first: it may have met the limit.
    ///
    /// # Errors
    /// The session is to be [closed](Self::close) for this reason.
    pub fn expire(
        &mut self,
        context: Context<'_>,
        state: &mut State,
        answers: &mut Vec<u8>,
    ) -> Result<Step<'static>, Reason> {
        let now = context.now.ticks;
        if self.deadline <= now {
            let barred = self.origin.barred(context.now, &state.room.bans, context.limits);
            return Err(barred.unwrap_or(Reason::LoginTimeout));
        }
        if self.lookup.take_if(|pending| pending.deadline <= now).is_some() {
            return Ok(self.render_found(context, state, &Err(LookupError::Unavailable), answers));
        }
        if self.stalled <= now {
            return Err(Reason::Stalled(STALL_TIMEOUT.as_secs()));
        }
        if self.resume <= now {
            self.resume = NEVER;
            self.silent = true;
            return Ok(Step::More);
        }
        if self.dialect_due() > now {
            return Ok(Step::Wait);
        }
        if let Err(resume) = self.rate.allows(context.now, context.limits) {
            // The pause may have completed a message, and messages are subject to the rate.
            self.resume = resume;
            return Ok(Step::TooFast);
        }
        let Some(dialect) = &mut self.dialect else { return Ok(Step::Wait) };
        let view = state.view_for(self.person);
        let parsed = dialect.expire(context.now, &mut Answer { view: &view, bytes: answers })?;
        match self.handle_parsed(context, state, parsed, answers)? {
            Step::Wait => Ok(Step::More),
            step => Ok(step),
        }
    }

    fn handle_parsed<'i>(
        &mut self,
        context: Context<'_>,
        state: &mut State,
        parsed: Input<'i>,
        answers: &mut Vec<u8>,
    ) -> Result<Step<'i>, Reason> {
        let step = match parsed {
            Input::Incomplete => Step::Wait,
            Input::Answered => Step::Answered,
            Input::Invalid(hint) => Step::Invalid(hint),
            Input::Unfinished => Step::Pause,
            Input::Lookup(lookup) => {
                self.rate.count(context.now, context.limits);
                // What the dialect has remarked comes first; the answer is complete when the lookup is.
                self.output.post(&state.log, answers, Source::Own);
                answers.clear();
                return Ok(Step::Lookup(lookup));
            }
            Input::Command(command) => {
                self.last_message = context.now.ticks;
                self.rate.count(context.now, context.limits);
                return self.dispatch(state, command, answers);
            }
        };
        if !matches!(step, Step::Wait | Step::Pause) {
            self.rate.count(context.now, context.limits);
        }
        self.finish(state, answers);
        Ok(step)
    }

    /// Handles the commands that concern only the session, and passes on the others.
    fn dispatch<'i>(
        &mut self,
        state: &mut State,
        command: Command<'i>,
        answers: &mut Vec<u8>,
    ) -> Result<Step<'i>, Reason> {
        match command {
            Command::Quit(word) => {
                self.finish(state, answers);
                let word = word.map(crate::room::shorten_message);
                Err(Reason::Quit(word.map(|word| word.as_ref().into())))
            }
            Command::ChangeForm => {
                self.change_form(state);
                self.finish(state, answers);
                Ok(Step::More)
            }
            Command::Name(name) if self.person.is_none() => Ok(Step::Command(self.register(name, false))),
            Command::Guest(name) if self.person.is_none() => Ok(Step::Command(self.register(name, true))),
            Command::Register { name, profile, enter, guest } => {
                self.enters = enter && self.person.is_none();
                Ok(Step::Command(Command::Register { name, profile, enter, guest }))
            }
            command => Ok(Step::Command(command)),
        }
    }

    /// The registration of a client whose protocol sends only a name.
    fn register<'i>(&mut self, name: Cow<'i, str>, guest: bool) -> Command<'i> {
        self.enters = true;
        let Origin { account, encrypted, .. } = &self.origin;
        let profile = Profile { account: account.clone(), encrypted: *encrypted, ..Profile::default() };
        Command::Register { name, profile: Box::new(profile), enter: true, guest }
    }

    fn change_form(&mut self, state: &mut State) {
        if let (Some(dialect), Some(_)) = (&self.dialect, self.output.feed()) {
            let cursor = state.log.subscribe(dialect.form());
            self.output.start_reading(&mut state.log, cursor);
        }
    }

    /// Handles the outcome of a [command](Step::Command): queues its answer.
    pub fn done(&mut self, state: &mut State, outcome: Result<Outcome<'_>, Refusal>, answers: &mut Vec<u8>) {
        match outcome {
            Ok(Outcome::Nothing) => {}
            Ok(Outcome::Done(stamp, event)) => {
                self.applied(state, stamp, &event);
                self.reply(state, Reply::Done(stamp, &event), answers);
            }
            Ok(Outcome::Sent(stamp, to, words)) => self.sent(state, stamp, to, &words, answers),
            Err(refusal) => {
                self.enters = false;
                self.reply(state, Reply::Refused(&refusal), answers);
            }
        }
        // Registering and entering the room are answered together.
        if !self.enters {
            self.finish(state, answers);
        }
    }

    /// An event that this client has caused was applied.
    fn applied(&mut self, state: &mut State, stamp: Stamp, event: &Event<'_>) {
        match event {
            Event::Registered(person) => {
                self.person = Some(person.id);
                self.deadline = NEVER;
            }
            Event::Joined(_) => {
                if let Some(dialect) = &self.dialect {
                    let cursor = state.log.subscribe(dialect.form());
                    self.output.start_reading(&mut state.log, cursor);
                }
            }
            Event::Parted(..) => {
                let own = self.output.feed().and_then(|feed| state.log.bytes_of(stamp, feed));
                self.output.stop_reading(&mut state.log, own.map(|(start, _)| start));
            }
            _ if self.dialect.as_ref().is_some_and(|dialect| !dialect.echoes()) => {
                if let Some(own) = self.output.feed().and_then(|feed| state.log.bytes_of(stamp, feed)) {
                    self.output.skip(&state.log, own);
                }
            }
            _ => {}
        }
    }

    fn sent(&mut self, state: &State, stamp: Stamp, to: PersonId, words: &Words<'_>, answers: &mut Vec<u8>) {
        if let Some(to) = state.view_for(None).get(to) {
            self.reply(state, Reply::Sent { stamp, to, words }, answers);
        }
    }

    fn reply(&mut self, state: &State, reply: Reply<'_>, answers: &mut Vec<u8>) {
        if let Some(dialect) = &mut self.dialect {
            dialect.reply(reply, &mut Answer { view: &state.view_for(self.person), bytes: answers });
        }
    }

    /// Queues the complete answer to one message.
    pub(super) fn finish(&mut self, state: &State, answers: &mut Vec<u8>) {
        if let Some(dialect) = &mut self.dialect {
            dialect.finish(answers);
        }
        self.output.post(&state.log, answers, Source::Own);
        answers.clear();
    }

    /// Queues what others have addressed to this client alone.
    pub fn receive(&mut self, state: &State, mail: &Mail) {
        if !self.is_open() {
            return;
        }
        let mut words = Vec::new();
        let reply = match mail {
            Mail::Private { stamp, from, to, words } => Reply::Private { stamp: *stamp, from, to, words },
            Mail::Presence { person, here } => Reply::Presence { person, here: *here },
            Mail::Read { target, time } => Reply::Read { target, time: *time },
            Mail::Watched(stamp, event) => Reply::Watched(*stamp, event),
        };
        self.reply(state, reply, &mut words);
        self.output.post(&state.log, &words, Source::Room);
    }
}
