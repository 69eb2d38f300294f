//! One log entry, owned: the contents of a `tracing` event, limited in size and safe to show.
//!
//! Knows nothing of where entries are written.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata};

use super::events::{self, Kind};
use crate::harmless::is_harmful;

/// The maximum length of one value in bytes; longer ones are cut and end in `…`. Limits the queue's memory and keeps
/// every entry within one datagram to the journal.
const LENGTH: usize = 4096;

/// The field for an event's kind.
pub(super) const EVENT: &str = "chatd.event";

/// One log entry.
///
/// In all texts, [harmful](is_harmful) characters are written as escapes such as `\n`, so no value can forge a line.
#[derive(Debug, Clone)]
pub struct Record {
    /// When it happened.
    pub time: SystemTime,
    /// The message, without the fields below; it never contains an address.
    pub message: String,
    /// `chatd.event`: the kind of event; `None` for other entries.
    pub kind: Option<&'static Kind>,
    /// `chatd.user`: the user concerned.
    pub user: Option<String>,
    /// `chatd.address`: the client's address.
    pub address: Option<String>,
    /// `chatd.transport`: `plain`, `tls`, …
    pub transport: Option<String>,
    /// `chatd.protocol`: `text`, …
    pub protocol: Option<String>,
    /// `chatd.reason`: why it happened.
    pub reason: Option<String>,
    /// `chatd.uid`: the administrator's user ID.
    pub uid: Option<u32>,
    /// Level, module, file and line of the call site.
    pub(super) metadata: &'static Metadata<'static>,
}

impl Record {
    /// Makes a record of an event, with the current time.
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut visitor = Visitor { record: Self::empty(event.metadata()), others: String::new() };
        event.record(&mut visitor);
        let Visitor { mut record, others } = visitor;
        push(&mut record.message, format_args!("{others}"));
        record
    }

    /// A warning of this kind by the log itself.
    pub(super) fn warning(kind: &'static Kind, message: String) -> Self {
        Self { kind: Some(kind), message, ..Self::empty(&OWN) }
    }

    /// The count of many entries of a kind, with the level and the call site of one of them.
    pub(super) fn of_many(
        kind: &'static Kind,
        reason: Option<String>,
        message: String,
        metadata: &'static Metadata<'static>,
    ) -> Self {
        Self { kind: Some(kind), reason, message, ..Self::empty(metadata) }
    }

    fn empty(metadata: &'static Metadata<'static>) -> Self {
        Self {
            time: SystemTime::now(),
            message: String::new(),
            kind: None,
            user: None,
            address: None,
            transport: None,
            protocol: None,
            reason: None,
            uid: None,
            metadata,
        }
    }

    /// The severity.
    pub fn level(&self) -> Level {
        *self.metadata.level()
    }

    /// The message with its fields in parentheses: `luzmi has joined (127.0.0.1:50312, tls, text)`. Omits user, reason
    /// and uid if the message contains them, and the address if `addresses` is false.
    pub fn text(&self, addresses: bool) -> String {
        let unsaid = |fact: &&str| !says(&self.message, fact);
        let uid = self.uid.map(|uid| format!("uid {uid}"));
        let facts = [
            self.user.as_deref().filter(unsaid),
            self.address.as_deref().filter(|_| addresses),
            self.transport.as_deref(),
            self.protocol.as_deref(),
            uid.as_deref().filter(unsaid),
            self.reason.as_deref().filter(unsaid),
        ];
        let facts: Vec<&str> = facts.into_iter().flatten().collect();
        if facts.is_empty() { self.message.clone() } else { format!("{} ({})", self.message, facts.join(", ")) }
    }

    /// The entry as a line of text, without the line end: `2026-11-20T11:05:00Z INFO luzmi has joined (…)`.
    pub(super) fn line(&self, addresses: bool) -> String {
        let time = humantime::format_rfc3339_seconds(self.time);
        format!("{time} {} {}", self.level(), self.text(addresses))
    }
}

/// Whether the message contains the value as separate words.
fn says(sentence: &str, fact: &str) -> bool {
    sentence.match_indices(fact).any(|(start, found)| {
        let before = sentence.get(..start).and_then(|text| text.chars().next_back());
        let after = sentence.get(start + found.len()..).and_then(|text| text.chars().next());
        [before, after].iter().flatten().all(|next| !next.is_alphanumeric())
    })
}

/// Collects an event's fields into a record.
struct Visitor {
    record: Record,
    /// Unknown fields, as ` name=value`.
    others: String,
}

impl Visit for Visitor {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field.name(), format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format_args!("{value:?}"));
    }
}

impl Visitor {
    fn put(&mut self, name: &str, value: fmt::Arguments<'_>) {
        let Self { record, others } = self;
        let known = match name {
            "message" => return push(&mut record.message, value),
            "chatd.user" => &mut record.user,
            "chatd.address" => &mut record.address,
            "chatd.transport" => &mut record.transport,
            "chatd.protocol" => &mut record.protocol,
            "chatd.reason" => &mut record.reason,
            "chatd.uid" => match clean(value).parse() {
                Ok(uid) => return record.uid = Some(uid),
                Err(_) => return push(others, format_args!(" {name}={value}")),
            },
            EVENT => match events::find(&clean(value)) {
                Some(kind) => return record.kind = Some(kind),
                None => return push(others, format_args!(" {name}={value}")),
            },
            _ => return push(others, format_args!(" {name}={value}")),
        };
        *known = Some(clean(value));
    }
}

fn clean(value: fmt::Arguments<'_>) -> String {
    let mut text = String::new();
    push(&mut text, value);
    text
}

/// Appends a value, escaped and up to [`LENGTH`].
fn push(text: &mut String, value: fmt::Arguments<'_>) {
    // Fails only if the text is full, which the text then shows, or if the value's own formatting fails; then the value
    // is cut.
    if (Harmless { text }).write_fmt(value).is_err() {
        text.push('…');
    }
}

/// Escapes harmful characters; fails when [`LENGTH`] is reached.
struct Harmless<'a> {
    text: &'a mut String,
}

impl fmt::Write for Harmless<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        for character in piece.chars() {
            if self.text.len() + character.len_utf8() > LENGTH {
                return Err(fmt::Error);
            }
            if is_harmful(character) {
                self.text.extend(character.escape_default());
            } else {
                self.text.push(character);
            }
        }
        Ok(())
    }
}

/// The call site of the log's own warnings. Also provides the field names for the journal.
pub(super) static OWN: Metadata<'static> = tracing::metadata! {
    name: "entry",
    target: module_path!(),
    level: Level::WARN,
    fields: &[
        "message", "message_id", EVENT, "chatd.user", "chatd.address", "chatd.transport", "chatd.protocol",
        "chatd.reason", "chatd.uid",
    ],
    callsite: &CALLSITE,
    kind: tracing::metadata::Kind::EVENT,
};

/// `tracing` identifies a call site by its address, so this type must not be zero-sized.
struct Callsite {
    _address: u8,
}

static CALLSITE: Callsite = Callsite { _address: 0 };

impl tracing::Callsite for Callsite {
    /// Interest does not matter: the log's own warnings are always written.
    fn set_interest(&self, _interest: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        &OWN
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LENGTH, clean};
    use crate::harmless::is_harmful;

    proptest! {
        #[test]
        fn no_value_has_a_harmful_character(text in any::<String>(), more in "[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}a]{0,40}") {
            let text = clean(format_args!("{text}{more}"));
            prop_assert!(!text.contains(is_harmful));
        }
    }

    #[test]
    fn what_is_cut_has_no_half_an_escape() {
        let text = clean(format_args!("{}", "\u{202e}".repeat(LENGTH)));
        assert!(text.len() <= LENGTH + 16 && text.ends_with("}…"), "{}", text.len());
    }
}
