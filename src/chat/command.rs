//! What a client asks of the room.

use std::borrow::Cow;

/// One request, as a dialect understood it; texts are already harmless (see [`clean`](super::clean)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// Be known by this name from now on: the first one is the login.
    Name(Cow<'a, str>),
    /// Be known by this name, or by the first free one that is made of it and a number.
    Guest(Cow<'a, str>),
    /// Say this to everybody.
    Say(Cow<'a, str>),
    /// Do this: `/me`.
    Act(Cow<'a, str>),
    /// Say this to one person alone.
    Private {
        /// The person's name.
        to: Cow<'a, str>,
        /// What they are told.
        text: Cow<'a, str>,
    },
    /// Who is here?
    Who,
    /// What is the topic?
    Topic,
    /// Leave, perhaps with a last word.
    Quit(Option<Cow<'a, str>>),
}
