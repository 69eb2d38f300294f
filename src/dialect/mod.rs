//! Dialects: sans-I/O codecs that translate between a protocol's bytes and the vocabulary of [`chat`](crate::chat).
//!
//! A dialect is the state of one client's protocol, held by its session, without a socket or a clock. It parses input
//! into commands and renders replies. While parsing it has a [`View`](crate::chat::View) of the room, from which it
//! answers queries itself. To add a dialect, add a module here, a variant to [`Dialect`] and [`Protocol`] and, if
//! clients can be recognized by their first bytes, a rule to [`detect`].

pub mod classic;
pub mod detect;
pub mod irc;
mod lines;
pub mod podsixnet;
pub mod text;
mod time;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chat::{Answer, Command, Form, Found, Lookup, Now, Reason, Reply};
pub use lines::{Line, Lines};
pub use time::TimeFormatter;

/// The result of one parsing step.
#[derive(Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// A command for the room.
    Command(Command<'a>),
    /// The message needs nothing from the room; any answer has been written.
    Answered,
    /// The message is invalid, and the client has been told. The text is for the journal and completes "a name was
    /// refused: ".
    Invalid(&'static str),
    /// A part of a long answer was written; the next step continues once the client has room for it.
    Unfinished,
    /// A question to the history. Nothing further is to be parsed before its [answer](Dialect::found).
    Lookup(Lookup),
    /// The input contains no further complete message; the rest has been buffered.
    Incomplete,
}

/// Marks the end of a message in the output of a [paced](Dialect::pace) dialect; not sent to the client. No message
/// contains it: these bytes are invalid in UTF-8, and in UTF-16 they would be a noncharacter.
pub const END: &[u8] = &[0xfe, 0xff, 0xff];

/// The protocol state of one client.
#[derive(Serialize, Deserialize)]
pub enum Dialect {
    /// The text protocol.
    Text(Box<text::Text>),
    /// IRC.
    Irc(Box<irc::Irc>),
    /// The protocols of networking courses.
    Classic(Box<classic::Classic>),
    /// PodSixNet, a library for games.
    PodSixNet(Box<podsixnet::PodSixNet>),
}

/// How a connection ends (RFC 9293, section 3.6) when everything is sent. A reset comes a second later, so that what was
/// sent is read before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Properly; the client's end is waited for.
    Fin,
    /// Properly, and with a reset if the client does not close the connection then.
    FinThenReset,
    /// With a reset alone, if the client does not close the connection before: some clients read the proper end for ever,
    /// as fast as they can, and take only an error for the end.
    Reset,
}

/// Calls the same method on every variant.
macro_rules! dispatch {
    ($dialect:expr, $of:pat => $what:expr) => {
        match $dialect {
            Dialect::Text($of) => $what,
            Dialect::Irc($of) => $what,
            Dialect::Classic($of) => $what,
            Dialect::PodSixNet($of) => $what,
        }
    };
}

impl Dialect {
    /// The name of the protocol.
    #[must_use]
    pub fn name(&self) -> &'static str {
        Choice::name(match self {
            Dialect::Text(_) => Choice::Text,
            Dialect::Irc(_) => Choice::Irc,
            Dialect::Classic(_) => Choice::Classic,
            Dialect::PodSixNet(_) => Choice::PodSixNet,
        })
    }

    /// Writes the greeting that is sent before the client says anything.
    pub fn greet(&mut self, answer: &mut Answer<'_>) {
        match self {
            Dialect::Text(text) => text.greet(answer),
            // In IRC, the client speaks first.
            Dialect::Irc(_) => {}
            Dialect::Classic(classic) => classic.greet(answer),
            Dialect::PodSixNet(podsixnet) => podsixnet.greet(answer),
        }
    }

    /// Whether nothing can be sent before the client has sent its first message, which tells how it reads.
    #[must_use]
    pub fn is_mute(&self) -> bool {
        matches!(self, Dialect::PodSixNet(podsixnet) if podsixnet.is_mute())
    }

    /// Parses the next message at the front of `input`, or continues an [unfinished](Input::Unfinished) answer. Appends
    /// the dialect's own answer to `answer`.
    pub fn next<'i>(&mut self, now: Now, input: &mut &'i [u8], answer: &mut Answer<'_>) -> Input<'i> {
        dispatch!(self, dialect => dialect.next(now, input, answer))
    }

    /// Whether [`next`](Self::next) can make progress without further input: an answer is unfinished, or a message was
    /// deferred.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        match self {
            Dialect::Text(text) => text.is_busy(),
            Dialect::Irc(irc) => irc.is_busy(),
            Dialect::PodSixNet(podsixnet) => podsixnet.is_busy(),
            Dialect::Classic(classic) => classic.is_busy(),
        }
    }

    /// What to append to the input to complete a last message without an end; empty if nothing can.
    #[must_use]
    pub fn last_end(&self) -> &'static [u8] {
        match self {
            Dialect::Classic(classic) => classic.last_end(),
            _ => b"\n",
        }
    }

    /// How the connection ends when everything is sent.
    #[must_use]
    pub fn ending(&self) -> Ending {
        match self {
            Dialect::Classic(classic) if classic.resets() => Ending::Reset,
            // nc notices the end of the connection, but waits for the end of its input; an error ends it.
            Dialect::Text(_) => Ending::FinThenReset,
            _ => Ending::Fin,
        }
    }

    /// When to call [`expire`](Self::expire) if nothing is read before, in ticks; for the protocol's own timeouts.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        match self {
            Dialect::Irc(irc) => irc.due(),
            Dialect::Classic(classic) => classic.due(),
            Dialect::Text(_) | Dialect::PodSixNet(_) => None,
        }
    }

    /// To be called at the time that [`due`](Self::due) returned.
    ///
    /// # Errors
    /// The client has exceeded a timeout and must be disconnected for this reason.
    pub fn expire(&mut self, now: Now, answer: &mut Answer<'_>) -> Result<Input<'static>, Reason> {
        match self {
            Dialect::Irc(irc) => irc.expire(now, answer),
            Dialect::Classic(classic) => classic.expire(now, answer),
            Dialect::Text(_) | Dialect::PodSixNet(_) => Ok(Input::Incomplete),
        }
    }

    /// Whether the client receives its own events from the room like everybody else. If not, the dialect is passed each
    /// one in a [`Reply::Done`] and renders what the client should see of it.
    #[must_use]
    pub fn echoes(&self) -> bool {
        match self {
            Dialect::Irc(_) => false,
            Dialect::Classic(classic) => classic.echoes(),
            Dialect::Text(text) => text.echoes(),
            Dialect::PodSixNet(_) => true,
        }
    }

    /// The pause between two messages, for a client that cannot find their ends. Each message is then sent separately,
    /// and in all output of the dialect and its form each message ends with [`END`].
    #[must_use]
    pub fn pace(&self) -> Option<Duration> {
        match self {
            Dialect::Classic(classic) => classic.pace(),
            _ => None,
        }
    }

    /// To be called when the result of the last [`next`](Self::next) or [`expire`](Self::expire) has been carried out.
    /// `answer` holds the complete answer to it, if any. Not to be called for output that is not an answer.
    pub fn finish(&mut self, answer: &mut Vec<u8>) {
        if let Dialect::Irc(irc) = self {
            irc.finish(answer);
        }
    }

    /// Renders the answer to a [lookup](Input::Lookup). Returns the command that the lookup was for, if it was for one.
    pub fn found(&mut self, now: Now, found: &Found, answer: &mut Answer<'_>) -> Option<Command<'static>> {
        match self {
            Dialect::Text(text) => {
                text.found(now, found, answer);
                None
            }
            Dialect::Irc(irc) => irc.found(found, answer),
            // These protocols have no questions.
            Dialect::Classic(_) | Dialect::PodSixNet(_) => None,
        }
    }

    /// Renders a reply for this client.
    pub fn reply(&mut self, reply: Reply<'_>, answer: &mut Answer<'_>) {
        dispatch!(self, dialect => dialect.reply(reply, answer));
    }

    /// The form in which this client receives the room's events.
    #[must_use]
    pub fn form(&self) -> Arc<dyn Form> {
        dispatch!(self, dialect => dialect.form())
    }

    /// Restores what is not serialized with a dialect: the IRC server's properties.
    pub fn attach(&mut self, irc: &Arc<irc::Server>) {
        if let Dialect::Irc(client) = self {
            client.attach(irc);
        }
    }
}

/// Properties of a new client's connection and of the server.
pub struct ClientContext<'a> {
    /// The maximum length of a message in bytes.
    pub line_length: usize,
    /// Whether the connection uses TLS.
    pub encrypted: bool,
    /// Whether the client is on this machine.
    pub local: bool,
    /// The name in the client certificate, if one was presented and verified.
    pub account: Option<Box<str>>,
    /// The server's properties for IRC.
    pub irc: &'a Arc<irc::Server>,
}

/// A protocol, with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// Lines of text, for `nc`, `telnet`, `openssl s_client` and scripts.
    Text,
    /// Internet Relay Chat.
    Irc,
    /// A protocol of networking courses, in this variety.
    Classic(Arc<classic::Description>),
    /// PodSixNet, in this version of its wire format; `None` to detect it for each client.
    PodSixNet(Option<podsixnet::rencode::Version>),
}

/// A listener's choice of protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Detect the protocol for each client.
    Auto,
    /// [`Protocol::Text`]
    Text,
    /// [`Protocol::Irc`]
    Irc,
    /// [`Protocol::Classic`]
    Classic,
    /// [`Protocol::PodSixNet`]
    PodSixNet,
}

impl Choice {
    /// All choices, by their names in the configuration, the journal and `chatctl list`.
    pub const ALL: &[(&str, Choice)] = &[
        ("auto", Choice::Auto),
        ("text", Choice::Text),
        ("irc", Choice::Irc),
        ("classic", Choice::Classic),
        ("podsixnet", Choice::PodSixNet),
    ];

    fn name(self) -> &'static str {
        Choice::ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

impl Protocol {
    /// The name of a protocol; `None` is `auto`.
    #[must_use]
    pub fn name(protocol: Option<&Protocol>) -> &'static str {
        let choice = match protocol {
            None => Choice::Auto,
            Some(Protocol::Text) => Choice::Text,
            Some(Protocol::Irc) => Choice::Irc,
            Some(Protocol::Classic(_)) => Choice::Classic,
            Some(Protocol::PodSixNet(_)) => Choice::PodSixNet,
        };
        Choice::name(choice)
    }

    /// Creates the dialect for a new client.
    #[must_use]
    pub fn new_dialect(&self, now: Now, client: ClientContext<'_>) -> Dialect {
        let line_length = client.line_length;
        match self {
            Protocol::Text => Dialect::Text(Box::new(text::Text::new(line_length))),
            Protocol::Irc => Dialect::Irc(Box::new(irc::Irc::new(now, client))),
            Protocol::Classic(description) => {
                Dialect::Classic(Box::new(classic::Classic::new(description.clone(), line_length)))
            }
            Protocol::PodSixNet(version) => {
                Dialect::PodSixNet(Box::new(podsixnet::PodSixNet::new(*version, line_length)))
            }
        }
    }
}
