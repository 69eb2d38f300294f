//! What clients speak: sans-I/O codecs between bytes and the vocabulary of [`chat`](crate::chat).
//!
//! A dialect is a value with no socket and no clock, driven by its session. It knows nothing of the room: a command
//! goes out, an answer comes in. A new dialect is one file here, one line in [`Protocol`]'s table and, if clients can
//! be told by their first words, one in [`detect`].

pub mod classic;
pub mod detect;
pub mod irc;
mod lines;
mod moment;
pub mod podsixnet;
pub mod text;

use std::sync::Arc;
use std::time::Duration;

use crate::chat::{Command, Form, Now, Reason, Reply};
pub use lines::{Line, Lines};
pub use moment::moment;

/// What one step of reading came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// The client asks something of the room.
    Command(Command<'a>),
    /// A message was read, and the dialect itself had the answer to it, if there was one.
    Answered,
    /// There is no whole message in the input any more; what is left of it is kept.
    Incomplete,
}

/// Ends every message of a dialect that is [paced](Dialect::pace), and is not sent itself. No text contains it.
pub const END: u8 = 0;

/// One client's side of a conversation.
pub trait Dialect: Send {
    /// The first words, before the client has said anything.
    fn greet(&mut self, room: &str, out: &mut Vec<u8>);

    /// Takes the next message off the front of `input`. What the dialect itself answers goes to `out`.
    fn next<'i>(&mut self, now: Now, input: &mut &'i [u8], out: &mut Vec<u8>) -> Input<'i>;

    /// When [`expire`](Self::expire) is to be called, in ticks, if nothing is read before: a protocol's own time limits.
    fn due(&self) -> Option<u64> {
        None
    }

    /// The time that [`due`](Self::due) said has come.
    ///
    /// # Errors
    /// The client has kept the protocol waiting for too long, and is to be disconnected for this reason.
    fn expire(&mut self, _now: Now, _out: &mut Vec<u8>) -> Result<Input<'static>, Reason> {
        Ok(Input::Incomplete)
    }

    /// Whether the client is sent its own events as everybody else is. If not, the dialect is told of each one by
    /// [`Reply::Done`].
    fn echoes(&self) -> bool {
        true
    }

    /// How long to wait between two messages to a client that cannot tell by itself where one ends. Then each is sent
    /// alone, and everything that the dialect and its form write ends with [`END`], message by message.
    fn pace(&self) -> Option<Duration> {
        None
    }

    /// All that the last message from [`next`](Self::next) brought has been answered: `out` holds these answers, if any.
    fn finish(&mut self, _out: &mut Vec<u8>) {}

    /// Puts the room's answer into words.
    fn reply(&mut self, reply: Reply<'_>, out: &mut Vec<u8>);

    /// How events look to this client.
    fn form(&self) -> Arc<dyn Form>;
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
    /// The unframed protocols of networking courses, in this variety.
    Classic(Arc<classic::Description>),
    /// The library PodSixNet.
    PodSixNet(Arc<podsixnet::Variety>),
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
        Choice::ALL.iter().find(|(_, known)| *known == choice).map_or("", |(name, _)| name)
    }

    /// A new client's dialect.
    #[must_use]
    pub fn speak(&self, now: Now, setting: Setting<'_>) -> Box<dyn Dialect> {
        let line_length = setting.line_length;
        match self {
            Protocol::Text => Box::new(text::Text::new(line_length)),
            Protocol::Irc => Box::new(irc::Irc::new(now, setting)),
            Protocol::Classic(description) => Box::new(classic::Classic::new(description.clone(), line_length)),
            Protocol::PodSixNet(variety) => Box::new(podsixnet::PodSixNet::new(variety.clone(), now, line_length)),
        }
    }
}
