//! How a client comes in: NICK and USER, capabilities, SASL, and what it is greeted with.

use std::borrow::Cow;
use std::sync::Arc;

use super::capability::{ALL, Capabilities};
use super::client::Standing;
use super::form::write_time;
use super::isupport::{TEXT_LENGTH, USER_LENGTH};
use super::message::Message;
use super::{Irc, write};
use crate::chat::{Command, Event, Form as _, Nick, Person, Profile, Stamp, View, clean};

/// What this program calls itself.
pub const VERSION: &str = concat!("chatd-", env!("CARGO_PKG_VERSION"));

/// What is known of a client that has not registered yet.
pub struct Registration {
    /// What it tells of itself, and what its connection does.
    pub profile: Profile,
    /// The name that it asks for.
    pub nick: Option<Box<str>>,
    /// Whether it has said who it is.
    user: bool,
    /// Whether it speaks of capabilities, and has not ended that.
    negotiating: bool,
}

impl Registration {
    /// Nothing but this.
    #[must_use]
    pub fn new(account: Option<Box<str>>, encrypted: bool) -> Registration {
        let profile = Profile { account, encrypted, ..Profile::default() };
        Registration { profile, nick: None, user: false, negotiating: false }
    }
}

impl Irc {
    /// A message of a client that has not registered yet.
    pub(super) fn register<'l>(&mut self, message: &Message<'_>, out: &mut Vec<u8>) -> Option<Command<'l>> {
        let command = message.command.to_ascii_uppercase();
        match command.as_str() {
            "CAP" => self.cap(message, out),
            "NICK" => match message.filled(0) {
                None => self.numeric(out, "431", &[], "No nickname given"),
                Some(nick) => {
                    self.exchange().wanted = nick.into();
                    match Nick::new(nick) {
                        Err(why) => self.refused(&crate::chat::Refusal::NameNotAllowed(why), out),
                        Ok(_) => self.registration()?.nick = Some(nick.into()),
                    }
                }
            },
            "USER" => match (message.filled(0), message.filled(3)) {
                (Some(user), Some(real_name)) => {
                    let registration = self.registration()?;
                    registration.profile.user = user_name(user);
                    registration.profile.real_name = clean(real_name.as_bytes(), TEXT_LENGTH).text.into();
                    registration.user = true;
                }
                _ => self.need_more(out, "USER"),
            },
            // There is no password; who may come in is decided by the network and by certificates.
            "PASS" if message.filled(0).is_none() => self.need_more(out, "PASS"),
            "PASS" | "PONG" => {}
            "PING" => self.pong(message, out),
            "AUTHENTICATE" => self.authenticate(message, out),
            "QUIT" => return Some(Command::Quit(last_word(message.parameter(0)).map(|word| word.into_owned().into()))),
            _ => self.numeric(out, "451", &[], "You have not registered"),
        }
        self.complete()
    }

    /// Asks for the name, once all that is needed is there.
    fn complete<'l>(&mut self) -> Option<Command<'l>> {
        let enter = self.server.autojoin;
        let registration = self.registration()?;
        if registration.negotiating || !registration.user {
            return None;
        }
        let name = registration.nick.take()?;
        let (name, profile) = (Cow::Owned(name.into()), Box::new(registration.profile.clone()));
        Some(Command::Register { name, profile, enter })
    }

    /// CAP. Says whether events look different from now on.
    pub(super) fn cap(&mut self, message: &Message<'_>, out: &mut Vec<u8>) {
        let Some(subcommand) = message.filled(0) else { return self.need_more(out, "CAP") };
        let list = message.parameter(1).unwrap_or_default();
        match subcommand.to_ascii_uppercase().as_str() {
            "LS" => {
                self.negotiate(true);
                if list.parse().is_ok_and(|version: u32| version >= 302) {
                    self.version_302 = true;
                    // Implied by the version, as the specification has it.
                    self.capabilities = self.capabilities.with(Capabilities::CAP_NOTIFY);
                }
                self.say_capabilities("LS", &self.capability_list(), out);
            }
            "LIST" => {
                let enabled = ALL.iter().filter(|(_, capability, _)| self.has(*capability));
                let enabled: Vec<String> = enabled.map(|(name, ..)| (*name).to_owned()).collect();
                self.say_capabilities("LIST", &enabled, out);
            }
            "REQ" => {
                self.negotiate(true);
                let changed = self.request(list);
                let answer = if changed.is_some() { " ACK :" } else { " NAK :" };
                self.capabilities = changed.unwrap_or(self.capabilities);
                write(out, &[":", &self.server.name, " CAP ", self.nick(), answer, list, "\r\n"]);
            }
            "END" => self.negotiate(false),
            _ => self.numeric(out, "410", &[subcommand], "Invalid CAP command"),
        }
    }

    fn negotiate(&mut self, negotiating: bool) {
        if let Some(registration) = self.registration() {
            registration.negotiating = negotiating;
        }
    }

    fn registration(&mut self) -> Option<&mut Registration> {
        match &mut self.standing {
            Standing::Registering(registration) => Some(registration),
            Standing::Registered(_) => None,
        }
    }

    fn say_capabilities(&self, subcommand: &str, list: &[String], out: &mut Vec<u8>) {
        write(out, &[":", &self.server.name, " CAP ", self.nick(), " ", subcommand, " :", &list.join(" "), "\r\n"]);
    }

    /// The capabilities after a request; `None` if any of what it asks for is not possible.
    fn request(&self, list: &str) -> Option<Capabilities> {
        list.split_ascii_whitespace().try_fold(self.capabilities, |capabilities, word| {
            let (name, wanted) = word.strip_prefix('-').map_or((word, true), |name| (name, false));
            let (_, capability, _) =
                ALL.iter().find(|(known, capability, _)| *known == name && self.can(*capability))?;
            let fixed = *capability == Capabilities::CAP_NOTIFY && self.version_302;
            match wanted {
                true => Some(capabilities.with(*capability)),
                false if fixed => None,
                false => Some(capabilities.without(*capability)),
            }
        })
    }

    /// Whether this client can have a capability.
    pub(super) fn can(&self, capability: Capabilities) -> bool {
        capability != Capabilities::SASL || self.profile().account.is_some()
    }

    /// SASL EXTERNAL (RFC 4422, appendix A): the certificate has said who it is already.
    pub(super) fn authenticate(&mut self, message: &Message<'_>, out: &mut Vec<u8>) {
        let Some(word) = message.filled(0) else { return self.need_more(out, "AUTHENTICATE") };
        match (word.to_ascii_uppercase().as_str(), &self.profile().account) {
            ("*", _) => self.numeric(out, "906", &[], "SASL authentication aborted"),
            ("EXTERNAL", Some(_)) => write(out, &["AUTHENTICATE +\r\n"]),
            // No other identity can be asked for than the certificate's.
            ("+", Some(account)) => {
                let source = format!("{}!{}@{}", self.nick(), self.profile().user, self.server.name);
                self.numeric(out, "900", &[&source, account], &format!("You are now logged in as {account}"));
                self.numeric(out, "903", &[], "SASL authentication successful");
            }
            (_, Some(_)) => {
                self.numeric(out, "908", &["EXTERNAL"], "are available SASL mechanisms");
                self.numeric(out, "904", &[], "SASL authentication failed");
            }
            (_, None) => self.numeric(out, "904", &[], "SASL takes a client certificate that this server verifies"),
        }
    }

    pub(super) fn pong(&self, message: &Message<'_>, out: &mut Vec<u8>) {
        match message.filled(0) {
            None => self.numeric(out, "409", &[], "No origin specified"),
            Some(token) => {
                write(out, &[":", &self.server.name, " PONG ", &self.server.name, " :", token, "\r\n"]);
            }
        }
    }

    /// The client has its name: what every client waits for.
    pub(super) fn registered(&mut self, person: &Arc<Person>, view: &dyn View, out: &mut Vec<u8>) {
        self.standing = Standing::Registered(person.clone());
        let server = self.server.clone();
        let source = format!("{}!{}@{}", self.nick(), self.profile().user, server.name);
        let mut started = Vec::new();
        write_time(server.started, &mut started);
        self.numeric(out, "001", &[], &format!("Welcome to the {} chat, {source}", server.room));
        self.numeric(out, "002", &[], &format!("Your host is {}, running version {VERSION}", server.name));
        self.numeric(out, "003", &[], &format!("This server was started {}", String::from_utf8_lossy(&started)));
        self.begin(out, "004", &[&server.name, VERSION, "B", "n"]);
        write(out, &["\r\n"]);
        self.isupport(out);
        self.lusers(view, server.autojoin, out);
        self.motd(out);
    }

    pub(super) fn motd(&self, out: &mut Vec<u8>) {
        self.numeric(out, "422", &[], "There is no message of the day; the room has a topic");
    }

    /// The client is in the room: its own JOIN, the topic, the names, and what was said before.
    pub(super) fn welcome(&mut self, person: &Person, stamp: Stamp, view: &dyn View, out: &mut Vec<u8>) {
        self.in_room = true;
        self.own_form().render(stamp, Event::Joined(person), out);
        self.topic(view.topic(), false, out);
        self.names(view, out);
        if self.has(Capabilities::READ_MARKER) {
            let room = format!("#{}", self.server.room);
            self.say_marker(&room, out);
        }
        self.end_of_names(&format!("#{}", self.server.room), out);
        // Those who can ask for the history do so.
        if !self.has(Capabilities::HISTORY) {
            self.play_back(stamp, view, out);
        }
    }
}

/// The text of a QUIT or PART, unless it is empty.
pub fn last_word(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(|text| clean(text.as_bytes(), TEXT_LENGTH).text).filter(|text| !text.is_empty())
}

/// One word of ASCII that can stand in a source; what cannot is left out.
fn user_name(given: &str) -> Box<str> {
    let harmless = given.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '~'));
    let name: String = harmless.take(USER_LENGTH).collect();
    if name.is_empty() { "chat".into() } else { name.into() }
}
