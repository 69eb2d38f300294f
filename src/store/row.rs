//! Entries as rows of the table `line`, and back.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::chat::{Entry, Event, Further, Gap, Manner, Nick, Person, Reason, Record, Stamp, Words};

/// The kinds of rows. The numbers are part of the file's format: never change one, never use one again. Those up to
/// [`LAST_MESSAGE`] are what is shown when only messages are asked for.
pub mod kind {
    /// Somebody said something.
    pub const PLAIN: i64 = 1;
    /// The same as an action.
    pub const ACTION: i64 = 2;
    /// The same as a notice.
    pub const NOTICE: i64 = 3;
    /// A notice from the administrator.
    pub const SERVER_NOTICE: i64 = 4;
    /// Events that were not kept.
    pub const GAP: i64 = 5;
    /// The last of those.
    pub const LAST_MESSAGE: i64 = GAP;
    /// Message tags without a text.
    pub const TAGS: i64 = 10;
    /// The topic was changed.
    pub const TOPIC: i64 = 11;
    /// Somebody entered the room.
    pub const JOIN: i64 = 12;
    /// Somebody left the room, still connected.
    pub const PART: i64 = 13;
    /// Somebody disconnected.
    pub const LEAVE: i64 = 14;
    /// Somebody changed their name.
    pub const RENAME: i64 = 15;
    /// Somebody deleted a message.
    pub const REDACTION: i64 = 16;
}

/// The columns of a row, apart from its person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<'a> {
    /// Its position and time.
    pub stamp: Stamp,
    /// See [`kind`].
    pub kind: i64,
    /// The text, or its first line.
    pub text: Option<Cow<'a, str>>,
    /// What else belongs to this kind, in postcard's encoding.
    pub more: Option<Vec<u8>>,
}

impl<'a> Row<'a> {
    /// The row of an event, and its person; `None` if events of this kind are not kept.
    pub fn of_event(record: &'a Record) -> Option<(Row<'a>, Option<&'a Arc<Person>>)> {
        let (kind, text, more) = match &record.event {
            Event::Said(_, words) => {
                let kind = match words.manner {
                    Manner::Plain => kind::PLAIN,
                    Manner::Action => kind::ACTION,
                    Manner::Notice => kind::NOTICE,
                    Manner::TagsOnly => kind::TAGS,
                };
                let plain = words.tags.is_empty() && words.more.is_empty();
                (kind, Some(&*words.text), (!plain).then(|| encode(&(&words.tags, &words.more))))
            }
            Event::Notice(text) => (kind::SERVER_NOTICE, Some(&**text), None),
            Event::Topic { text, .. } => (kind::TOPIC, Some(&**text), None),
            Event::Joined(_) => (kind::JOIN, None, None),
            Event::Parted(_, word) => (kind::PART, word.as_deref(), None),
            Event::Left(_, reason) => (kind::LEAVE, None, Some(encode(reason))),
            Event::Renamed { to, .. } => (kind::RENAME, Some(to.as_str()), None),
            Event::Redacted { line, reason, .. } => (kind::REDACTION, reason.as_deref(), Some(encode(line))),
            Event::Registered(_) | Event::Away(..) | Event::Described(_) => return None,
        };
        let row = Row { stamp: record.stamp, kind, text: text.map(Cow::Borrowed), more };
        Some((row, record.event.author()))
    }

    /// The row of a gap.
    pub fn of_gap(gap: &Gap) -> Row<'static> {
        Row { stamp: gap.first, kind: kind::GAP, text: None, more: Some(encode(&(gap.last, gap.count))) }
    }

    /// The entry that this row and its person stand for; `None` if it is not understood.
    pub fn entry(self, person: Option<Arc<Person>>) -> Option<Entry> {
        let Row { stamp, kind, text, more } = self;
        let owned = |text: Option<Cow<'_, str>>| text.map(|text| Cow::Owned(text.into_owned()));
        let text = owned(text);
        let more = more.as_deref();
        let event = match kind {
            kind::PLAIN => said(person?, Manner::Plain, text?, more)?,
            kind::ACTION => said(person?, Manner::Action, text?, more)?,
            kind::NOTICE => said(person?, Manner::Notice, text?, more)?,
            kind::TAGS => said(person?, Manner::TagsOnly, text?, more)?,
            kind::SERVER_NOTICE => Event::Notice(text?),
            kind::TOPIC => Event::Topic { by: person, text: text? },
            kind::JOIN => Event::Joined(person?),
            kind::PART => Event::Parted(person?, text),
            kind::LEAVE => Event::Left(person?, postcard::from_bytes::<Reason>(more?).ok()?),
            kind::RENAME => Event::Renamed { from: person?, to: Nick::new(&text?).ok()? },
            kind::REDACTION => Event::Redacted { by: person?, line: postcard::from_bytes(more?).ok()?, reason: text },
            kind::GAP => {
                let (last, count) = postcard::from_bytes(more?).ok()?;
                return Some(Entry::Gap(Gap { first: stamp, last, count }));
            }
            _ => return None,
        };
        Some(Entry::Event(Record { stamp, event }))
    }
}

fn said(who: Arc<Person>, manner: Manner, text: Cow<'static, str>, more: Option<&[u8]>) -> Option<Event<'static>> {
    let (tags, more): (String, Vec<Further>) = match more {
        Some(more) => postcard::from_bytes(more).ok()?,
        None => Default::default(),
    };
    Some(Event::Said(who, Words { manner, text, more, tags: tags.into() }))
}

fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    // Fails only for types without a length known in advance.
    postcard::to_extend(value, Vec::new()).unwrap_or_default()
}

/// What of an event can be searched for.
pub fn searchable<'r>(event: &'r Event<'_>) -> Cow<'r, str> {
    match event {
        Event::Said(_, words) if words.more.is_empty() => Cow::Borrowed(&words.text),
        Event::Said(_, words) => Cow::Owned(words.lines().collect::<Vec<_>>().join("\n")),
        Event::Notice(text) | Event::Topic { text, .. } => Cow::Borrowed(text),
        _ => Cow::Borrowed(""),
    }
}

/// A name as one word of the search index: its comparison form in hexadecimal, because the index would split and fold a
/// name as it does a text.
pub fn name_token(key: &str) -> String {
    let mut token = String::with_capacity(1 + 2 * key.len());
    token.push('x');
    for byte in key.bytes() {
        // Writing to a String cannot fail.
        let _ = write!(token, "{byte:02x}");
    }
    token
}
