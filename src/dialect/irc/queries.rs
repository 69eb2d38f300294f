//! Questions that are answered from what may be seen of the room.

use super::capability::Capabilities;
use super::history::HistoryQuery;
use super::message::Message;
use super::who::{Fields, Who};
use super::{Irc, write};
use crate::chat::{Command, Nick, Person, Seen, View};

/// How many people a client can be told of when they come and go.
pub const MOST_WATCHED: usize = 100;
/// Names that one message may ask for.
const MOST_NAMES: usize = 16;
/// Bytes of a line of names, without its end.
const NAMES_LINE: usize = super::MAX_MESSAGE;

/// What the client wants to know when the view comes.
pub enum Query {
    Names(Box<str>),
    Topic,
    Who(Who),
    Whois(Box<str>),
    Whowas {
        nick: Box<str>,
        most: usize,
    },
    List(Option<Box<str>>),
    Lusers,
    UserHost(Vec<Box<str>>),
    IsOn(Vec<Box<str>>),
    Status(Vec<Nick>),
    Mode(Box<str>),
    History(HistoryQuery),
    /// Nothing is asked: the client's own change of its bot mode is under way.
    BotMode,
}

impl Irc {
    /// Notes a question.
    pub(super) fn ask<'l>(&mut self, name: &str, message: &Message<'_>, out: &mut Vec<u8>) -> Option<Command<'l>> {
        let first = message.filled(0);
        let names = || message.parameters().iter().flat_map(|names| names.split(' ')).filter(|name| !name.is_empty());
        let query = match (name, first) {
            ("NAMES", None) => Query::Names("*".into()),
            ("NAMES", Some(channel)) => Query::Names(channel.split(',').next().unwrap_or_default().into()),
            ("LIST", channel) => Query::List(channel.map(Into::into)),
            ("LUSERS", _) => Query::Lusers,
            ("WHO", mask) => Query::Who(Who {
                mask: mask.unwrap_or("*").into(),
                fields: message.parameter(1).and_then(Fields::parse),
            }),
            ("WHOIS" | "WHOWAS", None) => {
                self.numeric(out, "431", &[], "No nickname given");
                return None;
            }
            // With two parameters, the first one is a server.
            ("WHOIS", Some(nick)) => Query::Whois(message.filled(1).unwrap_or(nick).into()),
            ("WHOWAS", Some(nick)) => {
                let most = message.parameter(1).and_then(|count| count.parse().ok()).filter(|count| *count > 0);
                Query::Whowas { nick: nick.into(), most: most.unwrap_or(usize::MAX) }
            }
            (_, None) => {
                self.need_more(out, name);
                return None;
            }
            ("USERHOST", _) => Query::UserHost(names().take(5).map(Into::into).collect()),
            (_, _) => Query::IsOn(names().take(MOST_NAMES).map(Into::into).collect()),
        };
        self.look_for(query);
        Some(Command::Look)
    }

    /// Answers a question.
    pub(super) fn answer(&mut self, query: Query, view: &dyn View, out: &mut Vec<u8>) {
        match query {
            Query::Names(channel) => {
                if self.server.is_room(&channel) {
                    self.names(view, out);
                }
                self.end_of_names(&channel, out);
            }
            // A channel that nobody is in does not exist, as IRC has it.
            Query::Topic if view.present() == 0 => {
                self.no_such_channel(&format!("#{}", self.server.room), out);
            }
            Query::Topic => self.topic(view.topic(), true, out),
            Query::Who(who) => self.who(&who, view, out),
            Query::Whois(nick) => self.whois(&nick, view, out),
            Query::Whowas { nick, most } => self.whowas(&nick, most, view, out),
            Query::List(channel) => self.list(channel.as_deref(), view, out),
            Query::Lusers => self.lusers(view, false, out),
            Query::UserHost(names) => self.user_host(&names, view, out),
            Query::IsOn(names) => self.is_on(&names, view, out),
            Query::Status(names) => self.status(&names, view, out),
            Query::Mode(nick) => match find(view, &nick) {
                None => self.numeric(out, "401", &[&nick], "No such nick"),
                Some(_) => self.numeric(out, "502", &[], "Cannot change mode for other users"),
            },
            Query::History(query) => self.history(&query, view, out),
            Query::BotMode => {}
        }
    }

    /// RPL_NAMREPLY for everybody in the room, in as many lines as they fill.
    pub(super) fn names(&self, view: &dyn View, out: &mut Vec<u8>) {
        let mut prefix = Vec::new();
        self.begin(&mut prefix, "353", &["=", "#"]);
        write(&mut prefix, &[&self.server.room, " :"]);
        let mut length = 0;
        let mut add = |names: &[&str]| {
            let added: usize = names.iter().map(|name| name.len()).sum();
            if length > 0 && length + 1 + added <= NAMES_LINE {
                out.push(b' ');
                length += 1;
            } else {
                if length > 0 {
                    out.extend_from_slice(b"\r\n");
                }
                out.extend_from_slice(&prefix);
                length = prefix.len();
            }
            write(out, names);
            length += added;
        };
        if self.has(Capabilities::USERHOST_IN_NAMES) {
            for Person { nick, profile, .. } in view.people().filter(|seen| seen.present).map(|seen| seen.person) {
                add(&[nick.as_str(), "!", &profile.user, "@", &self.server.name]);
            }
        } else {
            view.names().for_each(|names| add(&[names]));
        }
        if length > 0 {
            out.extend_from_slice(b"\r\n");
        }
    }

    pub(super) fn end_of_names(&self, channel: &str, out: &mut Vec<u8>) {
        self.numeric(out, "366", &[channel], "End of NAMES list");
    }

    /// The room, unless nobody is in it: then it is no channel, as IRC has it.
    fn list(&self, channel: Option<&str>, view: &dyn View, out: &mut Vec<u8>) {
        self.numeric(out, "321", &["Channel"], "Users  Name");
        let wanted = channel.is_none_or(|list| list.split(',').any(|channel| self.server.is_room(channel)));
        let present = view.present();
        if wanted && present > 0 {
            let room = format!("#{}", self.server.room);
            self.numeric(out, "322", &[&room, &present.to_string()], &view.topic().text);
        }
        self.numeric(out, "323", &[], "End of LIST");
    }

    /// RPL_LUSERCLIENT and what belongs to it; `entering`: the client is on its way into the room.
    pub(super) fn lusers(&self, view: &dyn View, entering: bool, out: &mut Vec<u8>) {
        let all = view.named();
        let (are, users, clients) = if all == 1 { ("is", "user", "client") } else { ("are", "users", "clients") };
        let formed = entering || view.present() > 0;
        self.numeric(out, "251", &[], &format!("There {are} {all} {users} and 0 invisible on 1 server"));
        self.numeric(out, "252", &["0"], "operator(s) online");
        self.numeric(
            out,
            "254",
            &[if formed { "1" } else { "0" }],
            if formed { "channel formed" } else { "channels formed" },
        );
        self.numeric(out, "255", &[], &format!("I have {all} {clients} and 0 servers"));
        let (all, most) = (all.to_string(), view.most().to_string());
        self.numeric(out, "265", &[&all, &most], &format!("Current local users {all}, max {most}"));
        self.numeric(out, "266", &[&all, &most], &format!("Current global users {all}, max {most}"));
    }

    fn user_host(&self, names: &[Box<str>], view: &dyn View, out: &mut Vec<u8>) {
        let found = names.iter().filter_map(|name| find(view, name)).map(|seen| {
            let away = if seen.away.is_some() { '-' } else { '+' };
            format!("{}={away}{}@{}", seen.person.as_str(), seen.person.profile.user, self.server.name)
        });
        self.numeric(out, "302", &[], &found.collect::<Vec<_>>().join(" "));
    }

    fn is_on(&self, names: &[Box<str>], view: &dyn View, out: &mut Vec<u8>) {
        let found = names.iter().filter_map(|name| find(view, name)).map(|seen| seen.person.as_str().to_owned());
        self.numeric(out, "303", &[], &found.collect::<Vec<_>>().join(" "));
    }

    /// Who of the watched is here, and who is not.
    fn status(&self, names: &[Nick], view: &dyn View, out: &mut Vec<u8>) {
        for names in names.chunks(4) {
            let (mut here, mut gone) = (Vec::new(), Vec::new());
            for nick in names {
                match view.find(nick) {
                    Some(Seen { person, .. }) => {
                        here.push(format!("{}!{}@{}", person.as_str(), person.profile.user, self.server.name));
                    }
                    None => gone.push(nick.as_str().to_owned()),
                }
            }
            for (number, names) in [("730", here), ("731", gone)] {
                if !names.is_empty() {
                    self.numeric(out, number, &[], &names.join(","));
                }
            }
        }
    }
}

/// The person with this name.
pub fn find<'v>(view: &'v dyn View, name: &str) -> Option<Seen<'v>> {
    view.find(&Nick::new(name).ok()?)
}
