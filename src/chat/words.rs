//! What people say.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Manner {
    /// Said.
    #[default]
    Plain,
    /// Done: `/me`.
    Action,
    /// Remarked, mostly by a program; nothing may answer it by itself.
    Remark,
    /// Not said at all: only the tags are of interest, and only to clients that know them.
    Silent,
}

/// What somebody says, as it goes from one client to the others.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Words<'a> {
    /// How it is said.
    pub manner: Manner,
    /// The text, or its first line, which may then be empty; harmless (see [`clean`](super::clean)).
    pub text: Cow<'a, str>,
    /// What follows the first line; nearly always nothing.
    pub more: Vec<Further>,
    /// What clients tell each other beside the text, in the form of IRC's client-only message tags.
    pub tags: Cow<'a, str>,
}

/// A further line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Further {
    /// The text, harmless.
    pub text: Box<str>,
    /// Whether it goes on where the line before it ends.
    pub joined: bool,
}

impl<'a> Words<'a> {
    /// Words that are simply said.
    pub fn plain(text: impl Into<Cow<'a, str>>) -> Words<'a> {
        Words { text: text.into(), ..Words::default() }
    }

    /// Words that are done.
    pub fn action(text: impl Into<Cow<'a, str>>) -> Words<'a> {
        Words { manner: Manner::Action, ..Words::plain(text) }
    }

    /// All lines that are not empty; what is joined is one line.
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

    /// Bytes of all that is kept of it.
    #[must_use]
    pub fn size(&self) -> usize {
        self.text.len() + self.tags.len() + self.more.iter().map(|line| line.text.len()).sum::<usize>()
    }

    /// The same words, held for longer than the input that they came in.
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
