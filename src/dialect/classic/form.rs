//! Renders events for one variety.

use std::hash::Hasher as _;
use std::sync::Arc;

use super::{Description, present};
use crate::chat::{Event, Form, Manner, Stamp, View};

/// The form for clients with one description.
pub(super) struct ClassicForm {
    description: Arc<Description>,
    /// Equal for equal descriptions, because a restored session has its own copy.
    hash: u64,
}

impl ClassicForm {
    pub(super) fn new(description: Arc<Description>) -> ClassicForm {
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(&postcard::to_extend(&*description, Vec::new()).unwrap_or_default());
        ClassicForm { description, hash: hasher.finish() }
    }
}

impl Form for ClassicForm {
    fn id(&self) -> (&'static str, u64) {
        ("classic", self.hash)
    }

    fn render(&self, stamp: Stamp, event: &Event<'_>, view: &dyn View, out: &mut Vec<u8>) {
        let words = &*self.description;
        match event {
            Event::Said(who, said) => {
                let does =
                    words.notice.iter().map(|template| template.replace("{text}", "{name} {text}").into()).collect();
                let shown = match said.manner {
                    Manner::Plain | Manner::Notice => &words.line,
                    Manner::Action => &does,
                    Manner::TagsOnly => return,
                };
                let (name, time) = (words.name(&who.nick), words.time(stamp.unix));
                for line in said.lines() {
                    words.send_long(shown, ("text", &line), &[("name", &name), ("time", &time)], out);
                }
                return;
            }
            Event::Redacted { by, .. } => {
                return words.send_notice(&format!("{} has taken a line back", words.name(&by.nick)), out);
            }
            Event::Notice(text) => return words.send_notice(text, out),
            Event::Topic { text, .. } => return words.send_notice(&format!("Topic: {text}"), out),
            Event::Registered(_) | Event::Away(..) | Event::Described(_) => return,
            Event::Joined(who) => {
                let values = [("name", &*words.name(&who.nick)), ("time", &words.time(stamp.unix))];
                words.send(&words.join, &values, out);
            }
            Event::Left(who, _) | Event::Parted(who, _) => {
                let values = [("name", &*words.name(&who.nick)), ("time", &words.time(stamp.unix))];
                words.send(&words.leave, &values, out);
            }
            Event::Renamed { from, to } => {
                let (from, to) = (words.name(&from.nick), words.name(to));
                words.send_notice(&format!("{from} is now known as {to}"), out);
            }
        }
        if words.users_on_change {
            words.send_users(present(view), out);
        }
    }
}
