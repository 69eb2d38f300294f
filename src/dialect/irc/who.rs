//! WHO with WHOX, WHOIS, WHOWAS.

use serde::{Deserialize, Serialize};

use super::form::write_time;
use super::{Irc, end_line, write};
use crate::chat::{Answer, Gone, Nick, Person, PersonView, View};

/// A WHO query.
#[derive(Serialize, Deserialize)]
pub struct Who {
    /// A channel, a nickname, or a nickname with wildcards.
    pub mask: Box<str>,
    /// The WHOX fields, if any.
    fields: Option<Fields>,
}

/// The WHOX fields: `%` and letters, with an optional token.
#[derive(Serialize, Deserialize)]
struct Fields {
    letters: Box<str>,
    token: Box<str>,
}

/// All fields in the order of the reply.
const ORDER: &str = "tcuihsnfdlaor";

impl Who {
    /// `fields`: the parameter after the mask.
    pub fn new(mask: &str, fields: Option<&str>) -> Who {
        Who { mask: mask.into(), fields: fields.and_then(Fields::parse) }
    }

    /// The numeric of its replies.
    pub fn number(&self) -> &'static str {
        if self.fields.is_some() { "354" } else { "352" }
    }
}

impl Fields {
    fn parse(parameter: &str) -> Option<Fields> {
        let (_, fields) = parameter.split_once('%')?;
        let (letters, token) = fields.split_once(',').unwrap_or((fields, ""));
        let is_token = (1..=3).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_digit());
        Some(Fields { letters: letters.into(), token: if is_token { token } else { "0" }.into() })
    }
}

impl Irc {
    /// Appends one reply; `start` is the beginning that all of them share.
    pub(super) fn who_line(&self, start: &str, who: &Who, channel: &str, seen: &PersonView<'_>, out: &mut Vec<u8>) {
        let line = out.len();
        let Person { profile, .. } = &**seen.person;
        let (nick, server) = (seen.person.as_str(), &*self.server.name);
        let flags = match (seen.away.is_some(), profile.bot) {
            (false, false) => "H",
            (false, true) => "HB",
            (true, false) => "G",
            (true, true) => "GB",
        };
        write(out, &[start]);
        let Some(fields) = &who.fields else {
            write(out, &[" ", channel, " ", &profile.user, " ", server, " ", server, " ", nick, " ", flags, " :0 "]);
            write(out, &[seen.person.real_name()]);
            return end_line(out, line);
        };
        for field in ORDER.chars().filter(|field| fields.letters.contains(*field)) {
            let value = match field {
                't' => &fields.token,
                'c' => channel,
                'u' => &profile.user,
                // Addresses are never shown.
                'i' => "255.255.255.255",
                'h' | 's' => server,
                'n' => nick,
                'f' => flags,
                'd' | 'l' => "0",
                'a' => profile.account.as_deref().unwrap_or("0"),
                'o' => "n/a",
                _ => {
                    write(out, &[" :", seen.person.real_name()]);
                    continue;
                }
            };
            write(out, &[" ", value]);
        }
        end_line(out, line);
    }

    pub(super) fn whois(&self, nick: &str, answer: &mut Answer<'_>) {
        match find(answer.view, nick) {
            None => self.numeric(answer, "401", &[nick], "No such nick"),
            Some(seen) => self.whois_reply(&seen, answer),
        }
        self.numeric(answer, "318", &[nick], "End of WHOIS list");
    }

    fn whois_reply(&self, seen: &PersonView<'_>, answer: &mut Answer<'_>) {
        let Person { profile, .. } = &**seen.person;
        let nick = seen.person.as_str();
        self.numeric(answer, "311", &[nick, &profile.user, &self.server.name, "*"], seen.person.real_name());
        if seen.present {
            self.numeric(answer, "319", &[nick], &self.server.channel());
        }
        self.numeric(answer, "312", &[nick, &self.server.name], "a chat room as a system service");
        if let Some(why) = seen.away {
            self.numeric(answer, "301", &[nick], why);
        }
        if profile.bot {
            self.numeric(answer, "335", &[nick], "is a bot");
        }
        if let Some(account) = &profile.account {
            self.numeric(answer, "330", &[nick, account], "is logged in as");
        }
        if profile.encrypted {
            self.numeric(answer, "671", &[nick], "is using a secure connection");
        }
        let idle = self.last.saturating_sub(seen.active) / 1_000_000;
        let parameters = [nick, &idle.to_string(), &(seen.since.unix / 1000).to_string()];
        self.numeric(answer, "317", &parameters, "seconds idle, signon time");
    }

    pub(super) fn whowas(&self, nick: &str, most: usize, answer: &mut Answer<'_>) {
        let key = Nick::new(nick).ok().map(|nick| nick.key().clone());
        let all = answer.view.gone();
        let mut found = all.filter(|gone| Some(gone.person.nick.key()) == key.as_ref()).take(most).peekable();
        if found.peek().is_none() {
            self.numeric(answer, "406", &[nick], "There was no such nickname");
        }
        for Gone { person, unix, .. } in found {
            let (name, server) = (person.as_str(), &*self.server.name);
            self.numeric(answer, "314", &[name, &person.profile.user, server, "*"], person.real_name());
            let mut when = Vec::new();
            write_time(*unix, &mut when);
            self.numeric(answer, "312", &[name, server], &String::from_utf8_lossy(&when));
        }
        self.numeric(answer, "369", &[nick], "End of WHOWAS");
    }
}

/// The user with this name.
pub fn find<'v>(view: &'v dyn View, name: &str) -> Option<PersonView<'v>> {
    view.find(&Nick::new(name).ok()?)
}
