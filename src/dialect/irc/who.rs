//! Who somebody is: WHO with WHOX, WHOIS, WHOWAS.

use super::queries::find;
use super::{Irc, write};
use crate::chat::{Gone, Person, Seen, View};

/// What WHO asks for.
pub struct Who {
    /// A channel, a name, or a name with wildcards.
    pub mask: Box<str>,
    /// By WHOX.
    pub fields: Option<Fields>,
}

/// The fields of WHOX: `%` and letters, and perhaps a token.
pub struct Fields {
    letters: Box<str>,
    token: Box<str>,
}

/// All fields, in the order in which they are answered.
const ORDER: &str = "tcuihsnfdlaor";

impl Fields {
    /// What stands behind the mask, if it is of that kind.
    pub fn parse(parameter: &str) -> Option<Fields> {
        let (_, fields) = parameter.split_once('%')?;
        let (letters, token) = fields.split_once(',').unwrap_or((fields, ""));
        let is_token = (1..=3).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_digit());
        Some(Fields { letters: letters.into(), token: if is_token { token } else { "0" }.into() })
    }
}

impl Irc {
    pub(super) fn who(&self, who: &Who, view: &dyn View, out: &mut Vec<u8>) {
        if self.server.is_room(&who.mask) {
            let room = format!("#{}", self.server.room);
            for seen in view.people().filter(|seen| seen.present) {
                self.who_reply(who, &room, &seen, out);
            }
        } else if !who.mask.contains(['*', '?']) {
            if let Some(seen) = find(view, &who.mask) {
                self.who_reply(who, "*", &seen, out);
            }
        } else {
            // Wildcards find those whom the client meets, and itself: that is what the mode +i is for elsewhere.
            let mask = who.mask.to_lowercase();
            let meets = |seen: &Seen<'_>| (self.in_room && seen.present) || seen.person.as_str() == self.nick();
            let found = view.people().filter(meets);
            for seen in found.filter(|seen| matches(&mask, &seen.person.as_str().to_lowercase())) {
                self.who_reply(who, "*", &seen, out);
            }
        }
        self.numeric(out, "315", &[&who.mask], "End of WHO list");
    }

    fn who_reply(&self, who: &Who, channel: &str, seen: &Seen<'_>, out: &mut Vec<u8>) {
        let Person { profile, .. } = seen.person;
        let (nick, server) = (seen.person.as_str(), &*self.server.name);
        let flags = match (seen.away.is_some(), profile.bot) {
            (false, false) => "H",
            (false, true) => "HB",
            (true, false) => "G",
            (true, true) => "GB",
        };
        let Some(fields) = &who.fields else {
            self.begin(out, "352", &[channel, &profile.user, server, server, nick, flags]);
            return write(out, &[" :0 ", seen.person.real_name(), "\r\n"]);
        };
        self.begin(out, "354", &[]);
        for field in ORDER.chars().filter(|field| fields.letters.contains(*field)) {
            let value = match field {
                't' => &fields.token,
                'c' => channel,
                'u' => &profile.user,
                // Nobody's address is shown.
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
        write(out, &["\r\n"]);
    }

    pub(super) fn whois(&self, nick: &str, view: &dyn View, out: &mut Vec<u8>) {
        match find(view, nick) {
            None => self.numeric(out, "401", &[nick], "No such nick"),
            Some(seen) => self.whois_reply(&seen, out),
        }
        self.numeric(out, "318", &[nick], "End of WHOIS list");
    }

    fn whois_reply(&self, seen: &Seen<'_>, out: &mut Vec<u8>) {
        let Person { profile, .. } = seen.person;
        let nick = seen.person.as_str();
        self.numeric(out, "311", &[nick, &profile.user, &self.server.name, "*"], seen.person.real_name());
        if seen.present {
            self.numeric(out, "319", &[nick], &format!("#{}", self.server.room));
        }
        self.numeric(out, "312", &[nick, &self.server.name], "a chat room as a system service");
        if let Some(why) = seen.away {
            self.numeric(out, "301", &[nick], why);
        }
        if profile.bot {
            self.numeric(out, "335", &[nick], "is a bot");
        }
        if let Some(account) = &profile.account {
            self.numeric(out, "330", &[nick, account], "is logged in as");
        }
        if profile.encrypted {
            self.numeric(out, "671", &[nick], "is using a secure connection");
        }
        let idle = self.last.saturating_sub(seen.active) / 1_000_000;
        let parameters = [nick, &idle.to_string(), &(seen.since.unix / 1000).to_string()];
        self.numeric(out, "317", &parameters, "seconds idle, signon time");
    }

    pub(super) fn whowas(&self, nick: &str, most: usize, view: &dyn View, out: &mut Vec<u8>) {
        let key = crate::chat::Nick::new(nick).ok().map(|nick| nick.key().clone());
        let mut found = view.gone().filter(|gone| Some(gone.person.nick.key()) == key.as_ref()).take(most).peekable();
        if found.peek().is_none() {
            self.numeric(out, "406", &[nick], "There was no such nickname");
        }
        for Gone { person, unix, .. } in found {
            let (name, server) = (person.as_str(), &*self.server.name);
            self.numeric(out, "314", &[name, &person.profile.user, server, "*"], person.real_name());
            let mut when = Vec::new();
            super::form::write_time(*unix, &mut when);
            self.numeric(out, "312", &[name, server], &String::from_utf8_lossy(&when));
        }
        self.numeric(out, "369", &[nick], "End of WHOWAS");
    }
}

/// Whether a name matches a mask, in which `*` is anything and `?` one character; both in lower case.
pub fn matches(mask: &str, name: &str) -> bool {
    let (mask, name): (Vec<char>, Vec<char>) = (mask.chars().collect(), name.chars().collect());
    let (mut m, mut n, mut star) = (0, 0, None);
    while let Some(character) = name.get(n) {
        match mask.get(m) {
            Some('*') => {
                // As little as possible at first; more when the rest does not match.
                star = Some((m, n));
                m += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => (m, n) = (m + 1, n + 1),
            _ => match star {
                None => return false,
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (m, n) = (at + 1, taken + 1);
                }
            },
        }
    }
    mask.iter().skip(m).all(|rest| *rest == '*')
}
