//! Commands of registered clients.

use std::borrow::Cow;

use super::Irc;
use super::capability::Capabilities;
use super::message::Message;
use super::queries::MAX_WATCHED;
use super::registration::{VERSION, optional_text};
use super::who::find;
use crate::chat::{Answer, Command, Manner, Nick, Now, Profile, TEXT_LENGTH, clean};

/// The reply to HELP: each command with its parameters.
const HELP: &[(&str, &str)] = &[
    ("AWAY", "[:text] tells others why you do not answer, or that you are back"),
    ("CHATHISTORY", "LATEST|BEFORE|AFTER|AROUND|BETWEEN #room reference... limit: what was said"),
    ("HELP", "[command]"),
    ("INFO", "tells what this server is"),
    ("ISON", "nick... tells which of them are here"),
    ("JOIN", "#room goes into the room"),
    ("LIST", "shows the room"),
    ("LUSERS", "counts who is here"),
    ("MODE", "nick [+B|-B] or #room [b]: shows modes, or who is banned; +B says that you are a program"),
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
    ("SEARCH", "[text=words][;from=nick][;after=time][;before=time][;limit=count]: what was said"),
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
    /// Handles a message: answers it, or returns a command for the room.
    pub(super) fn execute<'l>(
        &mut self,
        now: Now,
        message: Message<'l>,
        answer: &mut Answer<'_>,
    ) -> Option<Command<'l>> {
        let upper;
        let name = if message.command.bytes().all(|byte| byte.is_ascii_uppercase()) {
            message.command
        } else {
            upper = message.command.to_ascii_uppercase();
            upper.as_str()
        };
        match name {
            "PRIVMSG" => return self.say(&message, Manner::Plain, answer),
            "NOTICE" => return self.say(&message, Manner::Notice, answer),
            "TAGMSG" if self.has(Capabilities::MESSAGE_TAGS) => return self.say(&message, Manner::TagsOnly, answer),
            "BATCH" if self.has(Capabilities::MULTILINE) => return self.batch(&message, answer),
            "REDACT" if self.has(Capabilities::REDACTION) => return self.redact(&message, answer),
            "PING" => self.pong(&message, answer),
            "PONG" => {}
            "QUIT" => return Some(Command::Quit(optional_text(message.parameter(0)))),
            "NICK" => return self.change_nick(&message, answer),
            "JOIN" => return self.join(&message, answer),
            "PART" => return self.part(&message, answer),
            "TOPIC" => return self.change_topic(&message, answer),
            "AWAY" => return Some(Command::Away(optional_text(message.parameter(0)))),
            "SETNAME" => return self.set_name(&message, answer),
            "MODE" => return self.mode(now, &message, answer),
            "MONITOR" => return self.monitor(&message, answer),
            "CAP" => return self.change_capabilities(&message, answer),
            "MARKREAD" if self.has(Capabilities::READ_MARKER) => return self.mark_read(&message, answer),
            "CHATHISTORY" => self.history(&message, answer),
            "SEARCH" if self.has(Capabilities::SEARCH) => self.search(&message, answer),
            "NAMES" | "WHO" | "WHOIS" | "WHOWAS" | "LIST" | "LUSERS" | "USERHOST" | "ISON" => {
                self.answer_query(name, &message, answer);
            }
            "AUTHENTICATE" => self.authenticate(&message, answer),
            "USER" | "PASS" => self.numeric(answer, "462", &[], "You may not reregister"),
            "MOTD" => self.motd(answer),
            "VERSION" => {
                self.numeric(answer, "351", &[VERSION, &self.server.name], "a chat room as a system service");
                self.isupport(answer);
            }
            "TIME" => self.time(now, answer),
            "INFO" => {
                self.numeric(answer, "371", &[], &format!("{VERSION}: one chat room as a system service"));
                self.numeric(answer, "371", &[], "Some of those whom you meet here use other protocols than IRC");
                self.numeric(answer, "374", &[], "End of INFO list");
            }
            "HELP" | "HELPOP" => self.help(&message, answer),
            "KICK" => self.refuse_in_room(&message, "KICK", answer),
            "INVITE" => self.refuse_in_room(&message, "INVITE", answer),
            "KILL" | "REHASH" | "DIE" | "RESTART" | "WALLOPS" | "CONNECT" | "SQUIT" => {
                self.numeric(answer, "481", &[], "Permission denied: the administrator uses chatctl");
            }
            "OPER" if message.filled(1).is_none() => self.need_more(answer, "OPER"),
            "OPER" => self.numeric(answer, "491", &[], "There are no operators here: the administrator uses chatctl"),
            _ => self.numeric(answer, "421", &[message.command], "Unknown command"),
        }
        None
    }

    fn change_nick<'l>(&mut self, message: &Message<'l>, answer: &mut Answer<'_>) -> Option<Command<'l>> {
        let Some(nick) = message.filled(0) else {
            self.numeric(answer, "431", &[], "No nickname given");
            return None;
        };
        self.request().subject = nick.into();
        Some(Command::Name(Cow::Borrowed(nick)))
    }

    fn join<'l>(&mut self, message: &Message<'_>, answer: &mut Answer<'_>) -> Option<Command<'l>> {
        let Some(channels) = message.filled(0) else {
            self.need_more(answer, "JOIN");
            return None;
        };
        if channels == "0" {
            return self.own(answer.view).in_room.then_some(Command::Exit(None));
        }
        let mut found = false;
        for channel in channels.split(',').filter(|channel| !channel.is_empty()) {
            if self.server.is_room(channel) {
                found = true;
            } else {
                self.no_such_channel(answer, channel);
            }
        }
        (found && !self.own(answer.view).in_room).then_some(Command::Enter)
    }

    fn part<'l>(&mut self, message: &Message<'l>, answer: &mut Answer<'_>) -> Option<Command<'l>> {
        let Some(channels) = message.filled(0) else {
            self.need_more(answer, "PART");
            return None;
        };
        let in_room = self.own(answer.view).in_room;
        let mut found = false;
        for channel in channels.split(',').filter(|channel| !channel.is_empty()) {
            match self.server.is_room(channel) {
                true if in_room && !found => found = true,
                true => self.not_in_room(answer),
                false => self.no_such_channel(answer, channel),
            }
        }
        found.then(|| Command::Exit(optional_text(message.parameter(1))))
    }

    fn change_topic<'l>(&mut self, message: &Message<'l>, answer: &mut Answer<'_>) -> Option<Command<'l>> {
        let Some(channel) = message.filled(0) else {
            self.need_more(answer, "TOPIC");
            return None;
        };
        if !self.server.is_room(channel) {
            self.no_such_channel(answer, channel);
            return None;
        }
        match message.parameter(1) {
            // In IRC, a channel without members does not exist.
            None if answer.view.present() == 0 => {
                self.no_such_channel(answer, &self.server.channel());
                None
            }
            None => {
                self.topic(true, answer);
                None
            }
            Some(topic) => Some(Command::SetTopic(clean(topic.as_bytes(), TEXT_LENGTH).text)),
        }
    }

    /// RPL_TOPIC and RPL_TOPICWHOTIME. `asked`: send RPL_NOTOPIC if there is none.
    pub(super) fn topic(&self, asked: bool, answer: &mut Answer<'_>) {
        let (topic, room) = (answer.view.topic(), self.server.channel());
        if topic.text.is_empty() {
            if asked {
                self.numeric(answer, "331", &[&room], "No topic is set");
            }
            return;
        }
        self.numeric(answer, "332", &[&room], &topic.text);
        let by = topic.by.as_ref().map_or(&*self.server.name, Nick::as_str);
        self.short_numeric(answer, "333", &[&room, by, &(topic.unix / 1000).to_string()]);
    }

    fn set_name<'l>(&mut self, message: &Message<'_>, answer: &mut Answer<'_>) -> Option<Command<'l>> {
        let Some(name) = message.filled(0) else {
            self.need_more(answer, "SETNAME");
            return None;
        };
        let cleaned = clean(name.as_bytes(), TEXT_LENGTH);
        if cleaned.changes.cut {
            self.fail(answer, "SETNAME", "INVALID_REALNAME", &[], "That name is too long");
            return None;
        }
        let real_name = cleaned.text.into();
        Some(Command::Describe(Box::new(Profile { real_name, ..self.own(answer.view).profile.clone() })))
    }

    /// Handles MODE. A user can set the bot mode; the channel's modes never change.
    fn mode<'l>(&mut self, now: Now, message: &Message<'_>, answer: &mut Answer<'_>) -> Option<Command<'l>> {
        let Some(target) = message.filled(0) else {
            self.need_more(answer, "MODE");
            return None;
        };
        if target.starts_with('#') {
            self.room_mode(now, target, message, answer);
            return None;
        }
        let own = self.own(answer.view);
        match find(answer.view, target) {
            None => {
                self.numeric(answer, "401", &[target], "No such nick");
                return None;
            }
            Some(seen) if seen.person.as_str() != own.nick => {
                self.numeric(answer, "502", &[], "Cannot change mode for other users");
                return None;
            }
            Some(_) => {}
        }
        let profile = own.profile;
        let Some(change) = message.filled(1) else {
            self.short_numeric(answer, "221", &[if profile.bot { "+B" } else { "+" }]);
            return None;
        };
        let (mut add, mut bot) = (true, profile.bot);
        for letter in change.chars() {
            match letter {
                '+' => add = true,
                '-' => add = false,
                'B' => bot = add,
                // Everybody is invisible, set or not: addresses are never shown.
                'i' => {}
                _ => self.numeric(answer, "501", &[], "Unknown MODE flag"),
            }
        }
        if bot == profile.bot {
            return None;
        }
        let profile = Profile { bot, ..profile.clone() };
        self.request().is_mode = true;
        Some(Command::Describe(Box::new(profile)))
    }

    fn room_mode(&self, now: Now, target: &str, message: &Message<'_>, answer: &mut Answer<'_>) {
        if !self.server.is_room(target) {
            return self.no_such_channel(answer, target);
        }
        let room = self.server.channel();
        match message.filled(1) {
            None => {
                self.short_numeric(answer, "324", &[&room, "+n"]);
                self.short_numeric(answer, "329", &[&room, &(self.server.started / 1000).to_string()]);
            }
            Some("b" | "+b") if message.parameter(2).is_none() => {
                self.ban_list(now, answer);
            }
            Some(_) => self.refuse_in_room(message, "MODE", answer),
        }
    }

    /// Refuses commands for channel operators, because there are none.
    fn refuse_in_room(&self, message: &Message<'_>, command: &str, answer: &mut Answer<'_>) {
        let (first, second) = (message.filled(0), message.filled(1));
        let channel = if command == "INVITE" { second } else { first };
        let (Some(channel), Some(_)) = (channel, second) else { return self.need_more(answer, command) };
        match self.server.is_room(channel) {
            false => self.no_such_channel(answer, channel),
            true if !self.own(answer.view).in_room => self.not_in_room(answer),
            true => {
                let room = self.server.channel();
                self.numeric(answer, "482", &[&room], "There are no channel operators: the administrator uses chatctl");
            }
        }
    }

    fn change_capabilities<'l>(&mut self, message: &Message<'_>, answer: &mut Answer<'_>) -> Option<Command<'l>> {
        let before = self.capabilities.of_form();
        self.cap(message, answer);
        (before != self.capabilities.of_form()).then_some(Command::ChangeForm)
    }

    fn monitor<'l>(&mut self, message: &Message<'_>, answer: &mut Answer<'_>) -> Option<Command<'l>> {
        let targets = message.parameter(1).unwrap_or_default();
        let names = || targets.split(',').filter(|name| !name.is_empty()).filter_map(|name| Nick::new(name).ok());
        let watched = answer.view.watched();
        match message.filled(0) {
            Some("+") => {
                let mut add: Vec<Nick> = Vec::new();
                let mut excess = None;
                for nick in names() {
                    if watched.iter().chain(&add).any(|known| known.key() == nick.key()) {
                        continue;
                    }
                    if watched.len() + add.len() == MAX_WATCHED {
                        excess = Some(nick);
                        break;
                    }
                    add.push(nick);
                }
                if let Some(nick) = excess {
                    self.numeric(answer, "734", &[&MAX_WATCHED.to_string(), nick.as_str()], "Monitor list is full");
                }
                self.status(&add, answer);
                Some(Command::Watch { add, remove: Vec::new() })
            }
            Some("-") => Some(Command::Watch { add: Vec::new(), remove: names().collect() }),
            Some("C" | "c") => Some(Command::Watch { add: Vec::new(), remove: watched.to_vec() }),
            Some("L" | "l") => {
                if !watched.is_empty() {
                    self.numeric_list(answer, "732", ",", watched.iter().map(Nick::as_str));
                }
                self.numeric(answer, "733", &[], "End of MONITOR list");
                None
            }
            Some("S" | "s") => {
                self.status(watched, answer);
                None
            }
            _ => {
                self.need_more(answer, "MONITOR");
                None
            }
        }
    }

    fn time(&self, now: Now, answer: &mut Answer<'_>) {
        let mut time = Vec::new();
        super::form::write_time(now.unix, &mut time);
        self.numeric(answer, "391", &[&self.server.name], &String::from_utf8_lossy(&time));
    }

    fn help(&self, message: &Message<'_>, answer: &mut Answer<'_>) {
        let Some(subject) = message.filled(0) else {
            self.numeric(answer, "704", &["*"], "The commands; HELP and one of them tells more");
            let names: Vec<&str> = HELP.iter().map(|(name, _)| *name).collect();
            names.chunks(10).for_each(|names| self.numeric(answer, "705", &["*"], &names.join(" ")));
            return self.numeric(answer, "706", &["*"], "End of help");
        };
        match HELP.iter().find(|(name, _)| name.eq_ignore_ascii_case(subject)) {
            None => self.numeric(answer, "524", &[subject], "There is no help on that"),
            Some((name, text)) => {
                self.numeric(answer, "704", &[subject], &format!("{name} {text}"));
                self.numeric(answer, "706", &[subject], "End of help");
            }
        }
    }
}
