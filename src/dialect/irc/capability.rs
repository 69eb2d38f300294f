//! Capabilities: what a client can ask for, and which of it changes how events look (IRCv3 capability negotiation).

use serde::{Deserialize, Serialize};

/// A set of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities(u32);

impl Capabilities {
    /// Server's clock on every event.
    pub const SERVER_TIME: Capabilities = Capabilities(1);
    /// Tags of clients for each other, message identifiers, who is a bot.
    pub const MESSAGE_TAGS: Capabilities = Capabilities(1 << 1);
    /// The account of whoever does something.
    pub const ACCOUNT_TAG: Capabilities = Capabilities(1 << 2);
    /// Who is away, as soon as they are.
    pub const AWAY_NOTIFY: Capabilities = Capabilities(1 << 3);
    /// Account and real name of whoever comes in.
    pub const EXTENDED_JOIN: Capabilities = Capabilities(1 << 4);
    /// Real names can change.
    pub const SETNAME: Capabilities = Capabilities(1 << 5);
    /// Lines can be taken back.
    pub const REDACTION: Capabilities = Capabilities(1 << 6);
    /// Several lines as one message.
    pub const MULTILINE: Capabilities = Capabilities(1 << 7);
    /// Messages that belong together.
    pub const BATCH: Capabilities = Capabilities(1 << 8);
    /// Its own messages as well.
    pub const ECHO: Capabilities = Capabilities(1 << 9);
    /// Which answer belongs to what.
    pub const LABELS: Capabilities = Capabilities(1 << 10);
    /// What was said can be asked for.
    pub const HISTORY: Capabilities = Capabilities(1 << 11);
    /// How far it has read.
    pub const READ_MARKER: Capabilities = Capabilities(1 << 12);
    /// Names with user and host in NAMES.
    pub const USERHOST_IN_NAMES: Capabilities = Capabilities(1 << 13);
    /// MONITOR tells of more than coming and going.
    pub const EXTENDED_MONITOR: Capabilities = Capabilities(1 << 14);
    /// Changed capabilities are told. Ours never change, so nothing needs to be done for it, as for the next ones.
    pub const CAP_NOTIFY: Capabilities = Capabilities(1 << 15);
    /// Accounts that change: they do not, during a connection.
    const ACCOUNT_NOTIFY: Capabilities = Capabilities(1 << 16);
    /// All prefixes of a member: there are none.
    const MULTI_PREFIX: Capabilities = Capabilities(1 << 17);
    /// FAIL, WARN, NOTE are understood.
    const STANDARD_REPLIES: Capabilities = Capabilities(1 << 18);
    /// A certificate as a proof of who it is.
    pub const SASL: Capabilities = Capabilities(1 << 19);

    /// What changes the bytes of an event.
    pub const OF_FORM: Capabilities = Capabilities((1 << 9) - 1);

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn has(self, other: Capabilities) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 | other.0)
    }

    /// This without the other.
    #[must_use]
    pub fn without(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 & !other.0)
    }

    /// Those that change the bytes of an event.
    #[must_use]
    pub fn of_form(self) -> Capabilities {
        // A multiline message is a batch.
        let useless = if self.has(Self::BATCH) { Self::BATCH } else { Self::BATCH.with(Self::MULTILINE) };
        Capabilities(self.0 & Self::OF_FORM.0).without(useless)
    }

    /// A number that is the same for the same set.
    #[must_use]
    pub fn bits(self) -> u64 {
        u64::from(self.0)
    }
}

/// Every capability that can be asked for: its name, the set that has it alone, and what CAP LS 302 says of it.
pub const ALL: &[(&str, Capabilities, &str)] = &[
    ("account-notify", Capabilities::ACCOUNT_NOTIFY, ""),
    ("account-tag", Capabilities::ACCOUNT_TAG, ""),
    ("away-notify", Capabilities::AWAY_NOTIFY, ""),
    ("batch", Capabilities::BATCH, ""),
    ("cap-notify", Capabilities::CAP_NOTIFY, ""),
    ("draft/chathistory", Capabilities::HISTORY, ""),
    ("draft/message-redaction", Capabilities::REDACTION, ""),
    ("draft/multiline", Capabilities::MULTILINE, "max-bytes=4096,max-lines=32"),
    ("draft/read-marker", Capabilities::READ_MARKER, ""),
    ("echo-message", Capabilities::ECHO, ""),
    ("extended-join", Capabilities::EXTENDED_JOIN, ""),
    ("extended-monitor", Capabilities::EXTENDED_MONITOR, ""),
    ("labeled-response", Capabilities::LABELS, ""),
    ("message-tags", Capabilities::MESSAGE_TAGS, ""),
    ("multi-prefix", Capabilities::MULTI_PREFIX, ""),
    ("sasl", Capabilities::SASL, "EXTERNAL"),
    ("server-time", Capabilities::SERVER_TIME, ""),
    ("setname", Capabilities::SETNAME, ""),
    ("standard-replies", Capabilities::STANDARD_REPLIES, ""),
    ("userhost-in-names", Capabilities::USERHOST_IN_NAMES, ""),
];

/// Bytes of all lines of one multiline message, and how many there may be, as said above.
pub const MULTILINE_BYTES: usize = 4096;
/// See [`MULTILINE_BYTES`].
pub const MULTILINE_LINES: usize = 32;
