//! Capabilities (IRCv3 capability negotiation), and which of them change how events are rendered.

use serde::{Deserialize, Serialize};

/// A set of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities(u32);

impl Capabilities {
    /// server-time: a time on every message.
    pub const SERVER_TIME: Capabilities = Capabilities(1);
    /// message-tags: client-only tags, message identifiers, the bot tag.
    pub const MESSAGE_TAGS: Capabilities = Capabilities(1 << 1);
    /// account-tag: the sender's account on every message.
    pub const ACCOUNT_TAG: Capabilities = Capabilities(1 << 2);
    /// away-notify: AWAY when a member's away message changes.
    pub const AWAY_NOTIFY: Capabilities = Capabilities(1 << 3);
    /// extended-join: account and real name in JOIN.
    pub const EXTENDED_JOIN: Capabilities = Capabilities(1 << 4);
    /// setname: real names can be changed.
    pub const SETNAME: Capabilities = Capabilities(1 << 5);
    /// draft/message-redaction: messages can be deleted.
    pub const REDACTION: Capabilities = Capabilities(1 << 6);
    /// draft/multiline: messages of several lines.
    pub const MULTILINE: Capabilities = Capabilities(1 << 7);
    /// batch: groups of messages.
    pub const BATCH: Capabilities = Capabilities(1 << 8);
    /// echo-message: the client receives its own messages.
    pub const ECHO: Capabilities = Capabilities(1 << 9);
    /// labeled-response: answers carry the label of the request.
    pub const LABELS: Capabilities = Capabilities(1 << 10);
    /// draft/chathistory: the history can be requested.
    pub const HISTORY: Capabilities = Capabilities(1 << 11);
    /// draft/read-marker: how far the client has read.
    pub const READ_MARKER: Capabilities = Capabilities(1 << 12);
    /// userhost-in-names: user and host in NAMES.
    pub const USERHOST_IN_NAMES: Capabilities = Capabilities(1 << 13);
    /// extended-monitor: MONITOR reports more than coming online and going offline.
    pub const EXTENDED_MONITOR: Capabilities = Capabilities(1 << 14);
    /// cap-notify. The server's capabilities never change, so it needs no code; nor do the next three.
    pub const CAP_NOTIFY: Capabilities = Capabilities(1 << 15);
    /// account-notify: accounts do not change during a connection.
    const ACCOUNT_NOTIFY: Capabilities = Capabilities(1 << 16);
    /// multi-prefix: members have no prefixes.
    const MULTI_PREFIX: Capabilities = Capabilities(1 << 17);
    /// standard-replies: FAIL, WARN and NOTE.
    const STANDARD_REPLIES: Capabilities = Capabilities(1 << 18);
    /// sasl: authentication by client certificate.
    pub const SASL: Capabilities = Capabilities(1 << 19);
    /// draft/event-playback: the history includes joins, leaves and the like.
    pub const EVENT_PLAYBACK: Capabilities = Capabilities(1 << 20);
    /// soju.im/search: the history can be searched.
    pub const SEARCH: Capabilities = Capabilities(1 << 21);

    /// The capabilities that change how events are rendered.
    pub const OF_FORM: Capabilities = Capabilities((1 << 9) - 1);

    /// Whether the set contains all of `other`.
    #[must_use]
    pub fn has(self, other: Capabilities) -> bool {
        self.0 & other.0 == other.0
    }

    /// The union.
    #[must_use]
    pub fn with(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 | other.0)
    }

    /// The difference.
    #[must_use]
    pub fn without(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 & !other.0)
    }

    /// The subset that changes how events are rendered.
    #[must_use]
    pub fn of_form(self) -> Capabilities {
        // draft/multiline depends on batch.
        let useless = if self.has(Self::BATCH) { Self::BATCH } else { Self::BATCH.with(Self::MULTILINE) };
        Capabilities(self.0 & Self::OF_FORM.0).without(useless)
    }

    /// The set as a number.
    #[must_use]
    pub fn bits(self) -> u64 {
        u64::from(self.0)
    }
}

/// All capabilities: the name, the flag, and the value in CAP LS 302.
pub const ALL: &[(&str, Capabilities, &str)] = &[
    ("account-notify", Capabilities::ACCOUNT_NOTIFY, ""),
    ("account-tag", Capabilities::ACCOUNT_TAG, ""),
    ("away-notify", Capabilities::AWAY_NOTIFY, ""),
    ("batch", Capabilities::BATCH, ""),
    ("cap-notify", Capabilities::CAP_NOTIFY, ""),
    ("draft/chathistory", Capabilities::HISTORY, ""),
    ("draft/event-playback", Capabilities::EVENT_PLAYBACK, ""),
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
    ("soju.im/search", Capabilities::SEARCH, ""),
    ("standard-replies", Capabilities::STANDARD_REPLIES, ""),
    ("userhost-in-names", Capabilities::USERHOST_IN_NAMES, ""),
];

/// The maximum size of a multiline message in bytes, as in the value above.
pub const MULTILINE_BYTES: usize = 4096;
/// The maximum number of its lines, as in the value above.
pub const MULTILINE_LINES: usize = 32;
