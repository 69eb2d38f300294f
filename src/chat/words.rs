//! Messages: the content of what a user says.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Manner {
    /// An ordinary message.
    #[default]
    Plain,
    /// An action: `/me`.
    Action,
    /// A notice, mostly from a bot; it must not be answered automatically (IRC's `NOTICE`).
    Notice,
    /// Tags without a text, for clients that support them (IRC's `TAGMSG`).
    TagsOnly,
}

/// The content of a message.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Words<'a> {
    /// The kind.
    pub manner: Manner,
    /// The text or its first line, which may be empty if there are more. Safe to show (see [`clean`](super::clean)).
    pub text: Cow<'a, str>,
    /// Further lines; nearly always none.
    pub more: Vec<Further>,
    /// IRC client-only message tags.
    pub tags: Cow<'a, str>,
}

/// A further line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Further {
    /// The text, safe to show.
    pub text: Box<str>,
    /// Whether the line continues the one before it, without a line break.
    pub joined: bool,
}

impl<'a> Words<'a> {
    /// An ordinary message.
    pub fn plain(text: impl Into<Cow<'a, str>>) -> Words<'a> {
        Words { text: text.into(), ..Words::default() }
    }

    /// An action.
    pub fn action(text: impl Into<Cow<'a, str>>) -> Words<'a> {
        Words { manner: Manner::Action, ..Words::plain(text) }
    }

    /// All lines that are not empty, with joined ones put together.
    pub fn lines(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let mut further = self.more.iter().peekable();
        let mut first = Some(Cow::Borrowed(&*self.text));
        let lines = std::iter::from_fn(move || {
            let mut line = match first.take() {
                Some(first) => first,
                None => Cow::Borrowed(&*further.next()?.text),
            };
            while let Some(joined) = further.next_if(|next| next.joined) {
                line.to_mut().push_str(&joined.text);
            }
            Some(line)
        });
        lines.filter(|line| !line.is_empty())
    }

    /// The memory it holds, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.text.len() + self.tags.len() + self.more.iter().map(|line| line.text.len()).sum::<usize>()
    }

    /// The same message, independent of the input buffer it was borrowed from.
    #[must_use]
    pub fn into_owned(self) -> Words<'static> {
        Words {
            manner: self.manner,
            text: Cow::Owned(self.text.into_owned()),
            more: self.more,
            tags: Cow::Owned(self.tags.into_owned()),
        }
    }
}

impl fmt::Debug for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.manner != Manner::Plain {
            write!(f, "{:?} ", self.manner)?;
        }
        write!(f, "{:?}", self.text)?;
        for line in &self.more {
            write!(f, "{} {:?}", if line.joined { "" } else { " /" }, line.text)?;
        }
        if self.tags.is_empty() { Ok(()) } else { write!(f, " with {:?}", self.tags) }
    }
}
