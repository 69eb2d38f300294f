//! What clients speak: sans-I/O codecs between bytes and the vocabulary of [`chat`](crate::chat).
//!
//! A dialect is a value with no socket and no clock, inside a session. Commands go out of it, answers come in, and when it
//! reads it is shown the room through [`View`](crate::chat::View), so that it can answer questions by itself. A new dialect
//! is a module here, one variant of [`Dialect`] and [`Protocol`] and, if clients can be told by their first words, one line
//! in [`detect`].

pub mod classic;
pub mod detect;
pub mod irc;
mod lines;
mod moment;
pub mod podsixnet;
pub mod text;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chat::{Answer, Command, Form, Now, Reason, Reply};
pub use lines::{Line, Lines};
pub use moment::Moments;

/// What one step of reading came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// The client asks something of the room.
    Command(Command<'a>),
    /// A message was read, and the dialect itself had the answer to it, if there was one.
    Answered,
    /// A message was read that makes no sense and was answered so; the journal is to be told this, which completes "a
    /// name was refused: ".
    Nonsense(&'static str),
    /// A part of a long answer was written; the next step writes more, once the client has room for it.
    Unfinished,
    /// There is no whole message in the input any more; what is left of it is kept.
    Incomplete,
}

/// Ends every message of a dialect that is [paced](Dialect::pace), and is not sent itself. No message contains it: UTF-8
/// has no such bytes, and UTF-16 would have to have a noncharacter.
pub const END: &[u8] = &[0xfe, 0xff, 0xff];

/// One client's side of a conversation.
#[derive(Serialize, Deserialize)]
pub enum Dialect {
    /// Lines of text.
    Text(Box<text::Text>),
    /// Internet Relay Chat.
    Irc(Box<irc::Irc>),
    /// The protocols of networking courses.
    Classic(Box<classic::Classic>),
    /// The library PodSixNet.
    PodSixNet(Box<podsixnet::PodSixNet>),
}

/// Does the same for whichever dialect it is.
macro_rules! whichever {
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

    /// The first words, before the client has said anything.
    pub fn greet(&mut self, answer: &mut Answer<'_>) {
        match self {
            Dialect::Text(text) => text.greet(answer),
            // In IRC, the client speaks first.
            Dialect::Irc(_) => {}
            Dialect::Classic(classic) => classic.greet(answer),
            Dialect::PodSixNet(podsixnet) => podsixnet.greet(answer),
        }
    }

    /// Takes the next message off the front of `input`, or goes on with an [unfinished](Input::Unfinished) answer. What
    /// the dialect itself answers is appended to `answer`.
    pub fn next<'i>(&mut self, now: Now, input: &mut &'i [u8], answer: &mut Answer<'_>) -> Input<'i> {
        whichever!(self, dialect => dialect.next(now, input, answer))
    }

    /// Whether there is something to do without further input: an answer is unfinished, or a message is put off.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        match self {
            Dialect::Text(text) => text.is_busy(),
            Dialect::Irc(irc) => irc.is_busy(),
            Dialect::PodSixNet(podsixnet) => podsixnet.is_busy(),
            Dialect::Classic(classic) => classic.is_busy(),
        }
    }

    /// What ends the last message of a client that has ended its side in the middle of it; nothing, if nothing can.
    #[must_use]
    pub fn last_end(&self) -> &'static [u8] {
        match self {
            Dialect::Classic(classic) => classic.last_end(),
            _ => b"\n",
        }
    }

    /// Whether the connection is to end with a reset, if the client does not close it: some read the proper end of a
    /// connection for ever, as fast as they can, and take only an error for the end.
    #[must_use]
    pub fn resets(&self) -> bool {
        matches!(self, Dialect::Classic(classic) if classic.resets())
    }

    /// When [`expire`](Self::expire) is to be called, in ticks, if nothing is read before: a protocol's own time limits.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        match self {
            Dialect::Irc(irc) => irc.due(),
            Dialect::Classic(classic) => classic.due(),
            Dialect::Text(_) | Dialect::PodSixNet(_) => None,
        }
    }

    /// The time that [`due`](Self::due) said has come.
    ///
    /// # Errors
    /// The client has kept the protocol waiting for too long, and is to be disconnected for this reason.
    pub fn expire(&mut self, now: Now, answer: &mut Answer<'_>) -> Result<Input<'static>, Reason> {
        match self {
            Dialect::Irc(irc) => irc.expire(now, answer),
            Dialect::Classic(classic) => classic.expire(now, answer),
            Dialect::Text(_) | Dialect::PodSixNet(_) => Ok(Input::Incomplete),
        }
    }

    /// Whether the client is sent its own events as everybody else is. If not, the dialect is told of each one by
    /// [`Reply::Done`] and writes for the client what it is to see of it.
    #[must_use]
    pub fn echoes(&self) -> bool {
        match self {
            Dialect::Irc(_) => false,
            Dialect::Classic(classic) => classic.echoes(),
            Dialect::Text(text) => text.echoes(),
            Dialect::PodSixNet(_) => true,
        }
    }

    /// How long to wait between two messages to a client that cannot tell by itself where one ends. Then each is sent
    /// alone, and everything that the dialect and its form write ends with [`END`], message by message.
    #[must_use]
    pub fn pace(&self) -> Option<Duration> {
        match self {
            Dialect::Classic(classic) => classic.pace(),
            _ => None,
        }
    }

    /// What the last step of [`next`](Self::next) or [`expire`](Self::expire) brought has been done: `answer` holds all
    /// that the client is answered to it, if there is anything. Not to be called for what the client is told unasked.
    pub fn finish(&mut self, answer: &mut Vec<u8>) {
        if let Dialect::Irc(irc) = self {
            irc.finish(answer);
        }
    }

    /// Puts what the client is told alone into words.
    pub fn reply(&mut self, reply: Reply<'_>, answer: &mut Answer<'_>) {
        whichever!(self, dialect => dialect.reply(reply, answer));
    }

    /// How events look to this client.
    #[must_use]
    pub fn form(&self) -> Arc<dyn Form> {
        whichever!(self, dialect => dialect.form())
    }

    /// Gives a dialect that was read back what is not written down with it: what IRC tells of the server.
    pub fn attach(&mut self, irc: &Arc<irc::Server>) {
        if let Dialect::Irc(client) = self {
            client.attach(irc);
        }
    }
}

/// What a new client's dialect is told of where it is.
pub struct Setting<'a> {
    /// Bytes of one message.
    pub line_length: usize,
    /// Whether the client came over TLS.
    pub encrypted: bool,
    /// Whether the client is on this machine.
    pub local: bool,
    /// The name in the client's certificate, if it has shown one and it was verified.
    pub account: Option<Box<str>>,
    /// What IRC tells of this server.
    pub irc: &'a Arc<irc::Server>,
}

/// A protocol that a client speaks, and what a listener says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// Lines of text, for `nc`, `telnet`, `openssl s_client` and scripts.
    Text,
    /// Internet Relay Chat.
    Irc,
    /// The protocols of networking courses, in this variety.
    Classic(Arc<classic::Description>),
    /// The library PodSixNet, in this version of its wire format; `None`: found out for each client.
    PodSixNet(Option<podsixnet::rencode::Version>),
}

/// What a listener can be told to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Found out for each client.
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
    /// Every choice, by the name that the configuration, the journal and `chatctl list` have for it.
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
    /// The name of a protocol; without one it is found out.
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

    /// A new client's dialect.
    #[must_use]
    pub fn speak(&self, now: Now, setting: Setting<'_>) -> Dialect {
        let line_length = setting.line_length;
        match self {
            Protocol::Text => Dialect::Text(Box::new(text::Text::new(line_length))),
            Protocol::Irc => Dialect::Irc(Box::new(irc::Irc::new(now, setting))),
            Protocol::Classic(description) => {
                Dialect::Classic(Box::new(classic::Classic::new(description.clone(), line_length)))
            }
            Protocol::PodSixNet(version) => {
                Dialect::PodSixNet(Box::new(podsixnet::PodSixNet::new(*version, line_length)))
            }
        }
    }
}
