//! A conversation with a dialect, without a socket, in a real room that carries out its commands.
//!
//! Beside the tested dialect there is a copy, which is serialized and restored after every step, as when the daemon
//! restarts. Both must always give the same results.

use std::sync::Arc;

use chatd::chat::{
    Answer, Command, Durable, Event, Nick, Now, Person, PersonId, Profile, Reason, Record, Reply, Stamp, Words,
};
use chatd::dialect::irc::Server;
use chatd::dialect::{ClientContext, Dialect, Input, Protocol};
use chatd::room::{Actor, HistoryLimit, Outcome, State};

/// 2026-01-02T03:04:05.678Z; the server started an hour before.
pub const NOW: Now = Now { ticks: 3_600_000_000, unix: 1_767_323_045_678 };
const START: Now = Now { ticks: 0, unix: 1_767_319_445_678 };
/// The client's connection number.
const SESSION: u32 = 0;

/// A client, and the room with its other users.
pub struct Talk {
    pub state: State,
    pub dialect: Dialect,
    restored: Dialect,
    person: Option<PersonId>,
    irc: Arc<Server>,
    /// What the history on disk would hold, if there is one.
    kept: Vec<Record>,
}

/// Properties of the client and its server; the default is an unencrypted client of `irc.test`.
pub struct ClientOptions {
    pub name: &'static str,
    pub room: &'static str,
    pub account: Option<&'static str>,
    pub secure_port: Option<u16>,
    pub encrypted: bool,
    pub autojoin: bool,
    pub line_length: usize,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions {
            name: "irc.test",
            room: "lobby",
            account: None,
            secure_port: None,
            encrypted: false,
            autojoin: false,
            line_length: 2048,
        }
    }
}

impl Talk {
    /// A client that has just connected.
    pub fn new(protocol: &Protocol) -> Talk {
        Talk::with(protocol, ClientOptions::default())
    }

    pub fn with(protocol: &Protocol, options: ClientOptions) -> Talk {
        let irc = Arc::new(Server {
            name: options.name.into(),
            room: options.room.into(),
            autojoin: options.autojoin,
            started: START.unix,
            secure_port: options.secure_port,
        });
        let client = ClientContext {
            line_length: options.line_length,
            encrypted: options.encrypted,
            local: false,
            account: options.account.map(Into::into),
            irc: &irc,
        };
        let dialect = protocol.new_dialect(START, client);
        let restored = read_back(&dialect, &irc);
        let limit = HistoryLimit { length: 100, size: 10_000 };
        Talk {
            state: State::new(START, options.room, "tea", limit),
            dialect,
            restored,
            person: None,
            irc,
            kept: Vec::new(),
        }
    }

    /// Disconnects the client and connects another one to the same room.
    pub fn succeeded_by(mut self, protocol: &Protocol, options: ClientOptions) -> Talk {
        if let Some(person) = self.person.and_then(|id| Some(self.state.people.get(id)?.person.clone())) {
            self.state.commit(NOW, &Event::Left(person, Reason::Closed));
        }
        Talk { state: self.state, ..Talk::with(protocol, options) }
    }

    /// Runs the same step on both dialects and compares the results.
    fn both<T: PartialEq + std::fmt::Debug>(
        &mut self,
        out: &mut Vec<u8>,
        mut act: impl FnMut(&mut Dialect, &mut Answer<'_>) -> T,
    ) -> T {
        let view = &self.state.view_for(self.person);
        let (mut bytes, mut same) = (std::mem::take(out), out.clone());
        same.clone_from(&bytes);
        let result = act(&mut self.dialect, &mut Answer { view, bytes: &mut bytes });
        let again = act(&mut self.restored, &mut Answer { view, bytes: &mut same });
        assert_eq!(result, again, "the restored dialect gives another result");
        assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&same), "the restored dialect");
        assert_eq!((self.dialect.is_busy(), self.dialect.due()), (self.restored.is_busy(), self.restored.due()));
        self.restored = read_back(&self.restored, &self.irc);
        *out = bytes;
        result
    }

    /// The greeting.
    pub fn greeting(&mut self) -> String {
        String::from_utf8(self.greeting_bytes()).unwrap()
    }

    pub fn greeting_bytes(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.both(&mut out, |dialect, answer| dialect.greet(answer));
        out
    }

    /// Sends these bytes and returns the answer.
    pub fn send(&mut self, bytes: &str) -> String {
        String::from_utf8(self.send_bytes(bytes.as_bytes())).unwrap()
    }

    pub fn send_bytes(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some((command, mut out)) = self.step(&mut bytes) {
            if let Some(command) = command {
                self.perform(command, &mut out);
            }
            self.finish(&mut out);
            all.append(&mut out);
        }
        assert!(bytes.is_empty());
        all
    }

    /// The commands that these bytes cause, and the dialect's own answers; nothing is carried out.
    pub fn asks(&mut self, mut bytes: &[u8]) -> (Vec<String>, String) {
        let (mut commands, mut all) = (Vec::new(), Vec::new());
        while let Some((command, mut out)) = self.step(&mut bytes) {
            commands.extend(command.map(|command| format!("{command:?}")));
            all.append(&mut out);
        }
        assert!(bytes.is_empty());
        (commands, String::from_utf8(all).unwrap())
    }

    /// One parsing step: its command, if any, and the answer so far. `None`: nothing is left to do.
    pub fn step(&mut self, bytes: &mut &[u8]) -> Option<(Option<Command<'static>>, Vec<u8>)> {
        let (before, mut after, mut out) = (*bytes, *bytes, Vec::new());
        let kept = self.kept();
        let command = self.both(&mut out, |dialect, answer| {
            let mut rest = before;
            let command = match dialect.next(NOW, &mut rest, answer) {
                Input::Command(command) => Some(Some(command.into_owned())),
                Input::Lookup(lookup) => {
                    let found = match &kept {
                        Some(kept) => lookup.answer(kept.iter()),
                        None => lookup.answer(answer.view.history()),
                    };
                    Some(dialect.found(NOW, &found, answer))
                }
                Input::Answered | Input::Unfinished | Input::Invalid(_) => Some(None),
                Input::Incomplete => None,
            };
            after = rest;
            command
        });
        *bytes = after;
        command.map(|command| (command, out))
    }

    /// From now on, lookups are answered as from disk: there are other events than messages, too, what has been deleted is
    /// gone, and nobody's identity is known.
    pub fn keeps_history(&mut self) {
        self.state.set_durable(true);
    }

    fn kept(&mut self) -> Option<Vec<Record>> {
        for item in self.state.take_durable() {
            let Durable::Event(record) = item else { continue };
            if let Event::Redacted { line, .. } = record.event {
                self.kept.retain(|kept| kept.stamp.sequence != line);
            }
            self.kept.push(record);
        }
        self.state.is_durable().then(|| self.kept.iter().cloned().map(without_identity).collect())
    }

    /// Completes the answer to a step.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.both(out, |dialect, answer| dialect.finish(answer.bytes));
    }

    /// Carries out a command, like a session.
    fn perform(&mut self, command: Command<'static>, out: &mut Vec<u8>) {
        let plain = |name, guest| Command::Register { name, profile: Box::default(), enter: true, guest };
        let command = match command {
            Command::Name(name) if self.person.is_none() => plain(name, false),
            Command::Guest(name) if self.person.is_none() => plain(name, true),
            Command::Quit(_) | Command::ChangeForm => {
                return out.extend_from_slice(format!("-> {command:?}\r\n").as_bytes());
            }
            command => command,
        };
        let enters = matches!(command, Command::Register { enter: true, .. });
        let before = self.person;
        self.perform_one(command, out);
        if enters && before != self.person {
            self.perform_one(Command::Enter, out);
        }
    }

    fn perform_one(&mut self, command: Command<'static>, out: &mut Vec<u8>) {
        let actor = Actor { person: self.person, session: SESSION };
        match self.state.perform(NOW, actor, command) {
            Ok(Outcome::Done(stamp, event)) => {
                if let Event::Registered(person) = &event {
                    self.person = Some(person.id);
                }
                self.both(out, |dialect, answer| dialect.reply(Reply::Done(stamp, &event), answer));
            }
            Ok(Outcome::Sent(stamp, to, words)) => {
                self.both(out, |dialect, answer| {
                    let view = answer.view;
                    let known = view.people().find(|seen| seen.person.id == to).unwrap();
                    dialect.reply(Reply::Sent { stamp, to: known, words: &words }, answer);
                });
            }
            Ok(Outcome::Nothing) => {}
            Err(refusal) => self.both(out, |dialect, answer| dialect.reply(Reply::Refused(&refusal), answer)),
        }
    }

    /// Renders this reply for the client.
    pub fn told(&mut self, reply: Reply<'_>) -> String {
        String::from_utf8(self.told_bytes(reply)).unwrap()
    }

    pub fn told_bytes(&mut self, reply: Reply<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        self.both(&mut out, |dialect, answer| dialect.reply(reply, answer));
        out
    }

    /// The result and the output when the dialect's timeout expires.
    pub fn expire(&mut self, ticks: u64) -> (Result<Input<'static>, Reason>, Vec<u8>) {
        let mut out = Vec::new();
        let input = self.both(&mut out, |dialect, answer| dialect.expire(Now { ticks, unix: 0 }, answer));
        (input, out)
    }

    /// Another user registers, and joins if `present`.
    pub fn arrives(&mut self, name: &str, present: bool) -> Arc<Person> {
        let profile = Profile { real_name: format!("{name} Real").into(), ..Profile::default() };
        let name = name.to_owned().into();
        let command = Command::Register { name, profile: Box::new(profile), enter: present, guest: false };
        let Event::Registered(person) = self.does(None, command).1 else { panic!("not registered") };
        if present {
            self.does(Some(&person), Command::Enter);
        }
        person
    }

    /// Another user issues this command.
    pub fn does(&mut self, who: Option<&Person>, command: Command<'static>) -> (Stamp, Event<'static>) {
        let actor = Actor { person: who.map(|who| who.id), session: 1 };
        let Ok(Outcome::Done(stamp, event)) = self.state.perform(NOW, actor, command) else { panic!("not done") };
        (stamp, event)
    }

    /// Another user says this to the room.
    pub fn says(&mut self, who: &Person, text: &str) -> Stamp {
        self.does(Some(who), Command::Say(Words::plain(text.to_owned()))).0
    }

    /// Another user sets their away message.
    pub fn leaves_for(&mut self, who: &Person, why: &str) {
        self.does(Some(who), Command::Away(Some(why.to_owned().into())));
    }

    /// Renders this event for the client.
    pub fn sees(&self, event: &Event<'_>) -> String {
        String::from_utf8(self.sees_bytes(event)).unwrap()
    }

    pub fn sees_bytes(&self, event: &Event<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let stamp = Stamp { sequence: 255, unix: NOW.unix };
        self.dialect.form().render(stamp, event, &self.state.view_for(None), &mut out);
        out
    }

    /// Plays a transcript: sends each line after `> ` and expects the following lines after `< ` as the answer.
    pub fn plays(&mut self, conversation: &str) {
        let mut steps: Vec<(&str, String)> = Vec::new();
        for line in conversation.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            match line.split_at(2) {
                ("> ", sent) => steps.push((sent, String::new())),
                ("< ", answer) => steps.last_mut().unwrap().1 += &format!("{answer}\n"),
                _ => panic!("neither sent nor answered: {line}"),
            }
        }
        for (sent, expected) in steps {
            let answer = self.send(&format!("{sent}\r\n")).replace("\r\n", "\n");
            assert_eq!(answer, expected, "to {sent}");
        }
    }
}

/// A user of whom only the name is known.
pub fn person(name: &str) -> Arc<Person> {
    Arc::new(Person::named(Nick::new(name).unwrap()))
}

fn without_identity(mut record: Record) -> Record {
    if let Event::Said(who, _) = &mut record.event {
        *who = Arc::new(Person { id: PersonId(0), ..(**who).clone() });
    }
    record
}

fn read_back(dialect: &Dialect, irc: &Arc<Server>) -> Dialect {
    let mut dialect: Dialect = postcard::from_bytes(&postcard::to_allocvec(dialect).unwrap()).unwrap();
    dialect.attach(irc);
    dialect
}
