//! A client's side of a conversation, without a socket: lines in, lines out, and a room that does what is asked.

use std::sync::Arc;

use chatd::chat::{Command, Event, Nick, Now, Person, Profile, Refusal, Reply, Stamp, View, Words};
use chatd::dialect::irc::markers::AccountMarkers;
use chatd::dialect::irc::{Irc, Server};
use chatd::dialect::{Dialect, Input, Setting};
use chatd::room::{HistoryLimit, Room};

/// 2026-01-02T03:04:05.678Z, and when the server was started: an hour before.
pub const NOW: Now = Now { ticks: 3_600_000_000, unix: 1_767_323_045_678 };
const START: Now = Now { ticks: 0, unix: 1_767_319_445_678 };

/// One client, its room and the people there.
pub struct Desk {
    pub room: Room<()>,
    pub irc: Irc,
    person: Option<Arc<Person>>,
}

/// How a desk is unlike most.
#[derive(Default)]
pub struct Unlike {
    pub account: Option<&'static str>,
    pub secure_port: Option<u16>,
    pub encrypted: bool,
    pub autojoin: bool,
    pub markers: Arc<AccountMarkers>,
}

impl Desk {
    pub fn new() -> Desk {
        Desk::with(Unlike::default())
    }

    pub fn with(unlike: Unlike) -> Desk {
        let server = Arc::new(Server {
            name: "irc.test".into(),
            room: "lobby".into(),
            autojoin: unlike.autojoin,
            started: START.unix,
            secure_port: unlike.secure_port,
            markers: unlike.markers,
        });
        let setting = Setting {
            line_length: 2048,
            encrypted: unlike.encrypted,
            local: false,
            account: unlike.account.map(Into::into),
            irc: &server,
        };
        let limit = HistoryLimit { length: 100, size: 10_000 };
        Desk { room: Room::new(START, "lobby", "tea", limit), irc: Irc::new(START, setting), person: None }
    }

    /// A client called `ana` that has registered with these capabilities.
    pub fn registered(capabilities: &str) -> Desk {
        let mut desk = Desk::new();
        desk.send(&format!("CAP REQ :{capabilities}\r\nNICK ana\r\nUSER ann 0 * :Ana Real\r\nCAP END\r\n"));
        desk
    }

    /// The same in the room.
    pub fn joined(capabilities: &str) -> Desk {
        let mut desk = Desk::registered(capabilities);
        desk.send("JOIN #lobby\r\n");
        desk
    }

    /// Somebody else gets a name, and comes into the room if `present`.
    pub fn arrives(&mut self, name: &str, present: bool) -> Arc<Person> {
        let profile = Profile { user: "chat".into(), real_name: format!("{name} Real").into(), ..Profile::default() };
        let person = Person { profile: Arc::new(profile), ..Person::named(Nick::new(name).unwrap()) };
        let mut room = self.room.lock();
        let person = room.register(NOW, person, ()).unwrap();
        if present {
            room.enter(NOW, &person.nick, self.irc.form()).unwrap();
        }
        person
    }

    /// What the client is answered to these bytes.
    pub fn send(&mut self, bytes: &str) -> String {
        self.send_bytes(bytes.as_bytes())
    }

    pub fn send_bytes(&mut self, mut bytes: &[u8]) -> String {
        let mut all = Vec::new();
        loop {
            let mut out = Vec::new();
            let command = match self.irc.next(NOW, &mut bytes, &mut out) {
                Input::Incomplete => break,
                Input::Answered => None,
                Input::Command(command) => Some(command.into_owned()),
            };
            if let Some(command) = command
                && let Err(refusal) = self.perform(command, &mut out)
            {
                self.irc.reply(Reply::Refused(&refusal), &mut out);
            }
            self.irc.finish(&mut out);
            all.append(&mut out);
        }
        String::from_utf8(all).unwrap()
    }

    /// What the client is told when this happens.
    pub fn told(&mut self, reply: Reply<'_>) -> String {
        let mut out = Vec::new();
        self.irc.reply(reply, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// Plays a conversation: each line after `> ` is sent, and all lines after `< ` that follow are the answer to it.
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

    /// What a session does with a command.
    fn perform(&mut self, command: Command<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let mut room = self.room.lock();
        let irc = &mut self.irc;
        let me = self.person.clone();
        let done = |irc: &mut Irc, out: &mut Vec<u8>, stamp: Stamp, event: Event<'_>| {
            irc.reply(Reply::Done(stamp, event), out);
        };
        match (command, me) {
            (Command::Register { name, profile, enter }, None) => {
                let nick = Nick::new(&name).map_err(Refusal::NameNotAllowed)?;
                let person = Person { profile: Arc::from(*profile), ..Person::named(nick) };
                let person = room.register(NOW, person, ())?;
                irc.reply(Reply::Registered { person: &person, view: &room }, out);
                self.person = Some(person.clone());
                if enter {
                    let (_, stamp) = room.enter(NOW, &person.nick, irc.form())?;
                    irc.reply(Reply::Welcome { person: &person, stamp, view: &room }, out);
                }
            }
            (Command::Enter, Some(me)) => {
                let (_, stamp) = room.enter(NOW, &me.nick, irc.form())?;
                irc.reply(Reply::Welcome { person: &me, stamp, view: &room }, out);
            }
            (Command::Exit(word), Some(me)) => {
                let stamp = room.exit(NOW, &me, word.as_deref())?;
                done(irc, out, stamp, Event::Parted(&me, word.as_deref()));
            }
            (Command::Name(name), Some(me)) => {
                let to = Nick::new(&name).map_err(Refusal::NameNotAllowed)?;
                let stamp = room.rename(NOW, &me.nick, &to)?;
                done(irc, out, stamp, Event::Renamed { from: &me, to: &to });
                self.person = Some(Arc::new(Person { nick: to, ..(*me).clone() }));
            }
            (Command::Say(words), Some(me)) => {
                let stamp = room.say(NOW, Event::Said(&me, &words));
                done(irc, out, stamp, Event::Said(&me, &words));
            }
            (Command::Private { to, words }, Some(me)) => {
                let stamp = room.stamp(NOW);
                let to = Nick::new(&to).ok().and_then(|to| room.find(&to)).ok_or(Refusal::NoSuchUser((&*to).into()))?;
                irc.reply(Reply::Sent { stamp, from: &me, to, words: &words }, out);
            }
            (Command::Redact { line, reason }, Some(me)) => {
                let stamp = room.redact(NOW, &me, line, reason.as_deref())?;
                done(irc, out, stamp, Event::Redacted { by: &me, line, reason: reason.as_deref() });
            }
            (Command::SetTopic(text), Some(me)) => {
                let stamp = room.set_topic(NOW, Some(&me), &text);
                let topic = room.topic().clone();
                done(irc, out, stamp, Event::Topic { by: Some(&me), topic: &topic });
            }
            (Command::Away(why), Some(me)) => {
                let stamp = room.set_away(NOW, &me.nick, why.as_deref()).unwrap();
                done(irc, out, stamp, Event::Away(&me, why.as_deref()));
            }
            (Command::Describe(profile), Some(me)) => {
                let (stamp, person) = room.describe(NOW, &me.nick, *profile).unwrap();
                done(irc, out, stamp, Event::Described(&person));
                self.person = Some(person);
            }
            (Command::Look | Command::Watch { .. }, _) => irc.reply(Reply::Look(&room), out),
            (other, _) => out.extend_from_slice(format!("-> {other:?}\r\n").as_bytes()),
        }
        Ok(())
    }
}

/// Somebody says this to the room.
pub fn said(desk: &Desk, who: &Person, text: &str) -> Stamp {
    desk.room.lock().say(NOW, Event::Said(who, &Words::plain(text)))
}
