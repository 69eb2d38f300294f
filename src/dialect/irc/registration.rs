//! Registration: NICK and USER, capability negotiation, SASL, and the welcome.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Irc;
use super::capability::{ALL, Capabilities};
use super::form::write_time;
use super::isupport::USER_LENGTH;
use super::message::{MAX_MESSAGE, Message};
use crate::chat::{Answer, Command, Event, Form as _, Nick, Profile, Refusal, Stamp, TEXT_LENGTH, View, clean};

/// The version string sent to clients.
pub const VERSION: &str = concat!("chatd-", env!("CARGO_PKG_VERSION"));

/// The state of a client that has not registered yet.
#[derive(Serialize, Deserialize)]
pub struct Registration {
    /// The profile collected so far.
    pub profile: Profile,
    /// The nickname requested with NICK.
    pub nick: Option<Box<str>>,
    /// Whether USER has been received.
    user: bool,
    /// Whether capability negotiation is in progress (CAP LS or REQ without CAP END).
    negotiating: bool,
    /// What was refused in the present message, for the journal.
    #[serde(skip)]
    refused: Option<&'static str>,
}

impl Registration {
    /// The state of a new connection.
    #[must_use]
    pub fn new(account: Option<Box<str>>, encrypted: bool) -> Registration {
        let profile = Profile { account, encrypted, ..Profile::default() };
        Registration { profile, nick: None, user: false, negotiating: false, refused: None }
    }
}

impl Irc {
    /// Handles a message from a client that has not registered yet.
    pub(super) fn register<'l>(&mut self, message: &Message<'_>, answer: &mut Answer<'_>) -> Option<Command<'l>> {
        let command = message.command.to_ascii_uppercase();
        match command.as_str() {
            "CAP" => self.cap(message, answer),
            "NICK" => match message.filled(0) {
                None => self.numeric(answer, "431", &[], "No nickname given"),
                Some(nick) => {
                    self.request().subject = nick.into();
                    match Nick::choose(nick) {
                        Err(why) => {
                            self.refused(&Refusal::NameNotAllowed(why), answer);
                            self.registration()?.refused = Some("the nickname is not possible");
                        }
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
                _ => self.need_more(answer, "USER"),
            },
            // The server has no password; access is controlled by the network and by client certificates.
            "PASS" if message.filled(0).is_none() => self.need_more(answer, "PASS"),
            "PASS" | "PONG" => {}
            "PING" => self.pong(message, answer),
            "AUTHENTICATE" => self.authenticate(message, answer),
            "QUIT" => {
                return Some(Command::Quit(optional_text(message.parameter(0)).map(|word| word.into_owned().into())));
            }
            _ => self.numeric(answer, "451", &[], "You have not registered"),
        }
        self.complete()
    }

    /// What was refused in this message, if anything was.
    pub(super) fn take_refused(&mut self) -> Option<&'static str> {
        self.registration()?.refused.take()
    }

    /// Requests the name once registration is complete.
    fn complete<'l>(&mut self) -> Option<Command<'l>> {
        let enter = self.server.autojoin;
        let registration = self.registration()?;
        if registration.negotiating || !registration.user {
            return None;
        }
        let name = registration.nick.take()?;
        let (name, profile) = (Cow::Owned(name.into()), Box::new(registration.profile.clone()));
        Some(Command::Register { name, profile, enter, guest: false })
    }

    /// Handles CAP. The capabilities may change how events are rendered.
    pub(super) fn cap(&mut self, message: &Message<'_>, answer: &mut Answer<'_>) {
        let Some(subcommand) = message.filled(0) else { return self.need_more(answer, "CAP") };
        let list = message.parameter(1).unwrap_or_default();
        match subcommand.to_ascii_uppercase().as_str() {
            "LS" => {
                self.negotiate(true);
                if list.parse().is_ok_and(|version: u32| version >= 302) {
                    self.version_302 = true;
                    // Version 302 implies cap-notify, as specified.
                    self.capabilities = self.capabilities.with(Capabilities::CAP_NOTIFY);
                }
                let list = self.capability_list(answer.view);
                self.list_capabilities("LS", list.iter().map(String::as_str), answer);
            }
            "LIST" => {
                let enabled = ALL.iter().filter(|(_, capability, _)| self.has(*capability));
                self.list_capabilities("LIST", enabled.map(|(name, ..)| *name), answer);
            }
            "REQ" => {
                self.negotiate(true);
                let changed = self.requested(list, answer.view);
                let subcommand = if changed.is_some() { "ACK" } else { "NAK" };
                self.capabilities = changed.unwrap_or(self.capabilities);
                self.list_capabilities(subcommand, list.split_ascii_whitespace(), answer);
            }
            "END" => self.negotiate(false),
            _ => self.numeric(answer, "410", &[subcommand], "Invalid CAP command"),
        }
    }

    fn negotiate(&mut self, negotiating: bool) {
        if let Some(registration) = self.registration() {
            registration.negotiating = negotiating;
        }
    }

    /// Sends a list of capabilities in as many lines as necessary. In a multiline list, all lines but the last have an
    /// asterisk, if the client supports that (version 302).
    fn list_capabilities<'t>(&self, subcommand: &str, list: impl Iterator<Item = &'t str>, answer: &mut Answer<'_>) {
        let start = format!(":{} CAP {} {subcommand} ", self.server.name, self.own(answer.view).nick);
        let room = MAX_MESSAGE.saturating_sub(start.len() + "* :".len());
        let mut line = String::new();
        for word in list {
            if !line.is_empty() && line.len() + 1 + word.len() > room {
                let is_list = self.version_302 && matches!(subcommand, "LS" | "LIST");
                self.line(answer, &[&start, if is_list { "* :" } else { ":" }, &line]);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(answer, &[&start, ":", &line]);
    }

    /// The capabilities after a request; `None` if any requested one is not available.
    fn requested(&self, list: &str, view: &dyn View) -> Option<Capabilities> {
        list.split_ascii_whitespace().try_fold(self.capabilities, |capabilities, word| {
            let (name, wanted) = word.strip_prefix('-').map_or((word, true), |name| (name, false));
            let (_, capability, _) =
                ALL.iter().find(|(known, capability, _)| *known == name && self.can(*capability, view))?;
            let fixed = *capability == Capabilities::CAP_NOTIFY && self.version_302;
            match wanted {
                true => Some(capabilities.with(*capability)),
                false if fixed => None,
                false => Some(capabilities.without(*capability)),
            }
        })
    }

    /// Whether a capability is available to this client.
    pub(super) fn can(&self, capability: Capabilities, view: &dyn View) -> bool {
        capability != Capabilities::SASL || self.own(view).profile.account.is_some()
    }

    /// SASL EXTERNAL (RFC 4422, appendix A): the certificate has already identified the client.
    pub(super) fn authenticate(&mut self, message: &Message<'_>, answer: &mut Answer<'_>) {
        let Some(word) = message.filled(0) else { return self.need_more(answer, "AUTHENTICATE") };
        let own = self.own(answer.view);
        let mut refused = None;
        match (word.to_ascii_uppercase().as_str(), &own.profile.account) {
            ("*", _) => self.numeric(answer, "906", &[], "SASL authentication aborted"),
            ("EXTERNAL", Some(_)) => answer.write(&["AUTHENTICATE +\r\n"]),
            // No other authorization identity than the certificate's may be requested.
            ("+", Some(account)) => {
                let source = format!("{}!{}@{}", own.nick, own.profile.user, self.server.name);
                self.numeric(answer, "900", &[&source, account], &format!("You are now logged in as {account}"));
                self.numeric(answer, "903", &[], "SASL authentication successful");
            }
            (_, Some(_)) => {
                self.numeric(answer, "908", &["EXTERNAL"], "are available SASL mechanisms");
                self.numeric(answer, "904", &[], "SASL authentication failed");
                refused = Some("SASL takes EXTERNAL alone");
            }
            (_, None) => {
                self.numeric(answer, "904", &[], "SASL takes a client certificate that this server verifies");
                refused = Some("SASL takes a client certificate");
            }
        }
        if let Some(registration) = self.registration() {
            registration.refused = refused;
        }
    }

    pub(super) fn pong(&self, message: &Message<'_>, answer: &mut Answer<'_>) {
        match message.filled(0) {
            None => self.numeric(answer, "409", &[], "No origin specified"),
            Some(token) => {
                self.line(answer, &[":", &self.server.name, " PONG ", &self.server.name, " :", token]);
            }
        }
    }

    /// The welcome after registration, which all clients wait for.
    pub(super) fn registered(&self, answer: &mut Answer<'_>) {
        let (server, own) = (&self.server, self.own(answer.view));
        let source = format!("{}!{}@{}", own.nick, own.profile.user, server.name);
        let mut started = Vec::new();
        write_time(server.started, &mut started);
        self.numeric(answer, "001", &[], &format!("Welcome to the {} chat, {source}", server.room));
        self.numeric(answer, "002", &[], &format!("Your host is {}, running version {VERSION}", server.name));
        self.numeric(answer, "003", &[], &format!("This server was started {}", String::from_utf8_lossy(&started)));
        self.short_numeric(answer, "004", &[&server.name, VERSION, "B", "bn"]);
        self.isupport(answer);
        self.lusers(self.server.autojoin, answer);
        self.motd(answer);
    }

    pub(super) fn motd(&self, answer: &mut Answer<'_>) {
        self.numeric(answer, "422", &[], "There is no message of the day; the room has a topic");
    }

    /// What a client is sent when it joins: its own JOIN, the topic, the names and the history.
    pub(super) fn welcome(&mut self, stamp: Stamp, event: &Event<'_>, answer: &mut Answer<'_>) {
        self.own_form().render(stamp, event, answer.view, answer.bytes);
        self.topic(false, answer);
        let room = self.server.channel();
        self.names(&room, Some(stamp), answer);
    }
}

/// The text of a QUIT or PART; `None` if it is empty.
pub fn optional_text(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(|text| clean(text.as_bytes(), TEXT_LENGTH).text).filter(|text| !text.is_empty())
}

/// Reduces a user name to ASCII characters that are valid in a message's source.
fn user_name(given: &str) -> Box<str> {
    let harmless = given.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '~'));
    let name: String = harmless.take(USER_LENGTH).collect();
    if name.is_empty() { "chat".into() } else { name.into() }
}
