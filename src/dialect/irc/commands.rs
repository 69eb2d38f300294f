//! The commands of a client that has registered.

use std::borrow::Cow;

use super::capability::Capabilities;
use super::isupport::TEXT_LENGTH;
use super::message::Message;
use super::queries::{MOST_WATCHED, Query};
use super::registration::{VERSION, last_word};
use super::{Irc, write};
use crate::chat::{Command, Manner, Nick, Now, Profile, Topic, clean};

/// What HELP says: each command with what it takes.
const HELP: &[(&str, &str)] = &[
    ("AWAY", "[:text] tells others why you do not answer, or that you are back"),
    ("CHATHISTORY", "LATEST|BEFORE|AFTER|AROUND|BETWEEN #room reference... limit: what was said"),
    ("HELP", "[command]"),
    ("INFO", "tells what this server is"),
    ("ISON", "nick... tells which of them are here"),
    ("JOIN", "#room goes into the room"),
    ("LIST", "shows the room"),
    ("LUSERS", "counts who is here"),
    ("MODE", "nick [+B|-B] or #room: shows modes; +B says that you are a program"),
    ("MONITOR", "+ nick,... | - nick,... | C | L | S tells when people come and go"),
    ("MOTD", "has nothing to say"),
    ("NAMES", "#room lists who is in the room"),
    ("NICK", "nick changes your name"),
    ("NOTICE", "nick|#room :text as PRIVMSG, and nothing answers it by itself"),
    ("PART", "#room [:text] goes out of the room"),
    ("PING", "token is answered with PONG"),
    ("PRIVMSG", "nick|#room :text says something"),
    ("QUIT", "[:text] leaves"),
    ("REDACT", "#room msgid [:reason] takes back what you have said"),
    ("SETNAME", ":real name changes your real name"),
    ("TIME", "tells the server's time"),
    ("TOPIC", "#room [:topic] shows or changes the topic"),
    ("USERHOST", "nick... tells who is here and away"),
    ("VERSION", "tells the server's version and limits"),
    ("WHO", "#room|nick|mask [%fields] lists people"),
    ("WHOIS", "nick tells who somebody is"),
    ("WHOWAS", "nick [count] tells who somebody was"),
];

impl Irc {
    /// Does what a message asks, or has it done.
    pub(super) fn obey<'l>(&mut self, now: Now, message: Message<'l>, out: &mut Vec<u8>) -> Option<Command<'l>> {
        let upper;
        let name = if message.command.bytes().all(|byte| byte.is_ascii_uppercase()) {
            message.command
        } else {
            upper = message.command.to_ascii_uppercase();
            upper.as_str()
        };
        match name {
            "PRIVMSG" => return self.speak(&message, Manner::Plain, out),
            "NOTICE" => return self.speak(&message, Manner::Remark, out),
            "TAGMSG" if self.has(Capabilities::MESSAGE_TAGS) => return self.speak(&message, Manner::Silent, out),
            "BATCH" if self.has(Capabilities::MULTILINE) => return self.batch(&message, out),
            "REDACT" if self.has(Capabilities::REDACTION) => return self.redact(&message, out),
            "PING" => self.pong(&message, out),
            "PONG" => {}
            "QUIT" => return Some(Command::Quit(last_word(message.parameter(0)))),
            "NICK" => return self.change_nick(&message, out),
            "JOIN" => return self.join(&message, out),
            "PART" => return self.part(&message, out),
            "TOPIC" => return self.change_topic(&message, out),
            "AWAY" => return Some(Command::Away(last_word(message.parameter(0)))),
            "SETNAME" => return self.set_name(&message, out),
            "MODE" => return self.mode(&message, out),
            "MONITOR" => return self.monitor(&message, out),
            "CAP" => return self.change_capabilities(&message, out),
            "MARKREAD" if self.has(Capabilities::READ_MARKER) => self.mark_read(&message, out),
            "CHATHISTORY" => return self.ask_history(&message, out),
            "NAMES" | "WHO" | "WHOIS" | "WHOWAS" | "LIST" | "LUSERS" | "USERHOST" | "ISON" => {
                return self.ask(name, &message, out);
            }
            "AUTHENTICATE" => self.authenticate(&message, out),
            "USER" | "PASS" => self.numeric(out, "462", &[], "You may not reregister"),
            "MOTD" => self.motd(out),
            "VERSION" => {
                self.numeric(out, "351", &[VERSION, &self.server.name], "a chat room as a system service");
                self.isupport(out);
            }
            "TIME" => self.time(now, out),
            "INFO" => {
                self.numeric(out, "371", &[], &format!("{VERSION}: one chat room as a system service"));
                self.numeric(out, "371", &[], "Some of those whom you meet here use other protocols than IRC");
                self.numeric(out, "374", &[], "End of INFO list");
            }
            "HELP" | "HELPOP" => self.help(&message, out),
            "KICK" => self.refuse_in_room(&message, "KICK", out),
            "INVITE" => self.refuse_in_room(&message, "INVITE", out),
            "KILL" | "REHASH" | "DIE" | "RESTART" | "WALLOPS" | "CONNECT" | "SQUIT" => {
                self.numeric(out, "481", &[], "Permission denied: the administrator uses chatctl");
            }
            "OPER" if message.filled(1).is_none() => self.need_more(out, "OPER"),
            "OPER" => self.numeric(out, "491", &[], "There are no operators here: the administrator uses chatctl"),
            _ => self.numeric(out, "421", &[message.command], "Unknown command"),
        }
        None
    }

    fn change_nick<'l>(&mut self, message: &Message<'l>, out: &mut Vec<u8>) -> Option<Command<'l>> {
        let Some(nick) = message.filled(0) else {
            self.numeric(out, "431", &[], "No nickname given");
            return None;
        };
        self.exchange().wanted = nick.into();
        Some(Command::Name(Cow::Borrowed(nick)))
    }

    fn join<'l>(&mut self, message: &Message<'_>, out: &mut Vec<u8>) -> Option<Command<'l>> {
        let Some(channels) = message.filled(0) else {
            self.need_more(out, "JOIN");
            return None;
        };
        if channels == "0" {
            return self.in_room.then_some(Command::Exit(None));
        }
        let mut found = false;
        for channel in channels.split(',').filter(|channel| !channel.is_empty()) {
            if self.server.is_room(channel) {
                found = true;
            } else {
                self.no_such_channel(channel, out);
            }
        }
        (found && !self.in_room).then_some(Command::Enter)
    }

    fn part<'l>(&mut self, message: &Message<'l>, out: &mut Vec<u8>) -> Option<Command<'l>> {
        let Some(channels) = message.filled(0) else {
            self.need_more(out, "PART");
            return None;
        };
        let mut found = false;
        for channel in channels.split(',').filter(|channel| !channel.is_empty()) {
            match self.server.is_room(channel) {
                true if self.in_room && !found => found = true,
                true => self.not_in_room(out),
                false => self.no_such_channel(channel, out),
            }
        }
        found.then(|| Command::Exit(last_word(message.parameter(1))))
    }

    fn change_topic<'l>(&mut self, message: &Message<'l>, out: &mut Vec<u8>) -> Option<Command<'l>> {
        let Some(channel) = message.filled(0) else {
            self.need_more(out, "TOPIC");
            return None;
        };
        if !self.server.is_room(channel) {
            self.no_such_channel(channel, out);
            return None;
        }
        match message.parameter(1) {
            None => {
                self.look_for(Query::Topic);
                Some(Command::Look)
            }
            Some(topic) => Some(Command::SetTopic(clean(topic.as_bytes(), TEXT_LENGTH).text)),
        }
    }

    /// RPL_TOPIC and who has set it; `asked`: also that there is none.
    pub(super) fn topic(&self, topic: &Topic, asked: bool, out: &mut Vec<u8>) {
        let room = format!("#{}", self.server.room);
        if topic.text.is_empty() {
            if asked {
                self.numeric(out, "331", &[&room], "No topic is set");
            }
            return;
        }
        self.numeric(out, "332", &[&room], &topic.text);
        let by = topic.by.as_ref().map_or(&*self.server.name, Nick::as_str);
        self.begin(out, "333", &[&room, by, &(topic.unix / 1000).to_string()]);
        write(out, &["\r\n"]);
    }

    fn set_name<'l>(&mut self, message: &Message<'_>, out: &mut Vec<u8>) -> Option<Command<'l>> {
        let Some(name) = message.filled(0) else {
            self.need_more(out, "SETNAME");
            return None;
        };
        let cleaned = clean(name.as_bytes(), TEXT_LENGTH);
        if cleaned.changes.cut {
            self.fail(out, "SETNAME", "INVALID_REALNAME", &[], "That name is too long");
            return None;
        }
        let real_name = cleaned.text.into();
        Some(Command::Describe(Box::new(Profile { real_name, ..self.profile().clone() })))
    }

    /// Modes: a member can say that it is a program, and the room has one that never changes.
    fn mode<'l>(&mut self, message: &Message<'_>, out: &mut Vec<u8>) -> Option<Command<'l>> {
        let Some(target) = message.filled(0) else {
            self.need_more(out, "MODE");
            return None;
        };
        if target.starts_with('#') {
            self.room_mode(target, message, out);
            return None;
        }
        if !Nick::new(target).is_ok_and(|nick| Nick::new(self.nick()).is_ok_and(|own| own.key() == nick.key())) {
            self.look_for(Query::Mode(target.into()));
            return Some(Command::Look);
        }
        let Some(change) = message.filled(1) else {
            self.begin(out, "221", &[if self.profile().bot { "+B" } else { "+" }]);
            write(out, &["\r\n"]);
            return None;
        };
        let (mut add, mut bot) = (true, self.profile().bot);
        for letter in change.chars() {
            match letter {
                '+' => add = true,
                '-' => add = false,
                'B' => bot = add,
                // Everybody is that, whatever they say: nobody's address is shown.
                'i' => {}
                _ => self.numeric(out, "501", &[], "Unknown MODE flag"),
            }
        }
        if bot == self.profile().bot {
            return None;
        }
        self.look_for(Query::BotMode);
        Some(Command::Describe(Box::new(Profile { bot, ..self.profile().clone() })))
    }

    fn room_mode(&self, target: &str, message: &Message<'_>, out: &mut Vec<u8>) {
        if !self.server.is_room(target) {
            return self.no_such_channel(target, out);
        }
        let room = format!("#{}", self.server.room);
        match message.filled(1) {
            None => {
                self.begin(out, "324", &[&room, "+n"]);
                write(out, &["\r\n"]);
                self.begin(out, "329", &[&room, &(self.server.started / 1000).to_string()]);
                write(out, &["\r\n"]);
            }
            Some("b" | "+b") if message.parameter(2).is_none() => {
                self.numeric(out, "368", &[&room], "End of channel ban list: nobody is banned");
            }
            Some(_) => self.refuse_in_room(message, "MODE", out),
        }
    }

    /// What only channel operators do, and there are none.
    fn refuse_in_room(&self, message: &Message<'_>, command: &str, out: &mut Vec<u8>) {
        let (first, second) = (message.filled(0), message.filled(1));
        let channel = if command == "INVITE" { second } else { first };
        let (Some(channel), Some(_)) = (channel, second) else { return self.need_more(out, command) };
        match self.server.is_room(channel) {
            false => self.no_such_channel(channel, out),
            true if !self.in_room => self.not_in_room(out),
            true => {
                let room = format!("#{}", self.server.room);
                self.numeric(out, "482", &[&room], "There are no channel operators: the administrator uses chatctl");
            }
        }
    }

    pub(super) fn no_such_channel(&self, channel: &str, out: &mut Vec<u8>) {
        let why = format!("No such channel; the only one here is #{}", self.server.room);
        self.numeric(out, "403", &[channel], &why);
    }

    fn change_capabilities<'l>(&mut self, message: &Message<'_>, out: &mut Vec<u8>) -> Option<Command<'l>> {
        let before = self.capabilities.of_form();
        self.cap(message, out);
        (before != self.capabilities.of_form()).then_some(Command::Reform)
    }

    fn monitor<'l>(&mut self, message: &Message<'_>, out: &mut Vec<u8>) -> Option<Command<'l>> {
        let targets = message.parameter(1).unwrap_or_default();
        let names = || targets.split(',').filter(|name| !name.is_empty()).filter_map(|name| Nick::new(name).ok());
        match message.filled(0) {
            Some("+") => {
                let mut add: Vec<Nick> = Vec::new();
                for nick in names() {
                    if self.watched().iter().chain(&add).any(|known| known.key() == nick.key()) {
                        continue;
                    }
                    if self.watched().len() + add.len() == MOST_WATCHED {
                        self.numeric(out, "734", &[&MOST_WATCHED.to_string(), nick.as_str()], "Monitor list is full");
                        break;
                    }
                    add.push(nick);
                }
                self.kept().watched.extend(add.iter().cloned());
                self.look_for(Query::Status(add.clone()));
                Some(Command::Watch { add, remove: Vec::new() })
            }
            Some("-") => {
                let remove: Vec<Nick> = names().collect();
                self.kept().watched.retain(|known| !remove.iter().any(|nick| nick.key() == known.key()));
                Some(Command::Watch { add: Vec::new(), remove })
            }
            Some("C" | "c") => Some(Command::Watch { add: Vec::new(), remove: self.take_watched() }),
            Some("L" | "l") => {
                for names in self.watched().chunks(8) {
                    let names: Vec<&str> = names.iter().map(Nick::as_str).collect();
                    self.numeric(out, "732", &[], &names.join(","));
                }
                self.numeric(out, "733", &[], "End of MONITOR list");
                None
            }
            Some("S" | "s") => {
                self.look_for(Query::Status(self.watched().to_vec()));
                Some(Command::Look)
            }
            _ => {
                self.need_more(out, "MONITOR");
                None
            }
        }
    }

    fn time(&self, now: Now, out: &mut Vec<u8>) {
        let mut time = Vec::new();
        super::form::write_time(now.unix, &mut time);
        self.numeric(out, "391", &[&self.server.name], &String::from_utf8_lossy(&time));
    }

    fn help(&self, message: &Message<'_>, out: &mut Vec<u8>) {
        let Some(subject) = message.filled(0) else {
            self.numeric(out, "704", &["*"], "The commands; HELP and one of them tells more");
            let names: Vec<&str> = HELP.iter().map(|(name, _)| *name).collect();
            names.chunks(10).for_each(|names| self.numeric(out, "705", &["*"], &names.join(" ")));
            return self.numeric(out, "706", &["*"], "End of help");
        };
        match HELP.iter().find(|(name, _)| name.eq_ignore_ascii_case(subject)) {
            None => self.numeric(out, "524", &[subject], "There is no help on that"),
            Some((name, text)) => {
                self.numeric(out, "704", &[subject], &format!("{name} {text}"));
                self.numeric(out, "706", &[subject], "End of help");
            }
        }
    }
}
