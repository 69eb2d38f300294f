//! SEARCH (soju.im/search): messages with some words, of somebody, or of some time.

use super::Irc;
use super::history::{Asked, MOST, parse_time};
use super::message::{Message, tags, unescape};
use crate::chat::{Answer, Entry, Found, Lookup, LookupError, Nick, Point, Selection, View};

/// Attributes that are not valid: the one that is wrong, if it is one, and why.
type Invalid = (&'static [&'static str], &'static str);

impl Irc {
    /// Handles SEARCH.
    pub(super) fn search(&mut self, message: &Message<'_>, answer: &mut Answer<'_>) {
        match self.parse_attributes(message, answer.view) {
            Ok(Some(lookup)) => self.look_up(Asked::Search, lookup),
            Ok(None) => self.searched(&Ok(Default::default()), answer),
            Err((wrong, why)) => self.fail(answer, "SEARCH", "INVALID_PARAMS", wrong, why),
        }
    }

    /// The lookup for these attributes; `Ok(None)` if nothing can match.
    fn parse_attributes(&self, message: &Message<'_>, view: &dyn View) -> Result<Option<Lookup>, Invalid> {
        let Some(attributes) = message.filled(0) else { return Err((&[], "SEARCH takes attributes")) };
        if !self.own(view).in_room {
            return Err((&[], "Only those who are in the room can search it"));
        }
        let (mut after, mut before) = (None, None);
        let mut lookup = Lookup::messages(Selection::Latest(None), MOST);
        for (name, value) in tags(attributes) {
            let value = unescape(value);
            match name {
                "in" if !self.server.is_room(&value) => return Err((&["in"], "Only the room can be searched")),
                "from" => match Nick::new(&value) {
                    Ok(nick) => lookup.from = Some((**nick.key()).into()),
                    Err(_) => return Ok(None),
                },
                "after" => after = Some(parse_time(&value).ok_or((&["after"][..], "Invalid timestamp"))?),
                "before" => before = Some(parse_time(&value).ok_or((&["before"][..], "Invalid timestamp"))?),
                "text" => lookup.words = Some(&*value).filter(|text| !text.is_empty()).map(Into::into),
                "limit" => match value.parse::<usize>() {
                    Ok(limit) if limit > 0 => lookup.limit = limit.min(MOST),
                    _ => return Err((&["limit"], "Invalid limit")),
                },
                // Others have no meaning here.
                _ => {}
            }
        }
        // These times are included, while the points of a selection are not.
        let from = |time: u64| Point::Time(time.saturating_sub(1));
        let to = |time: u64| Point::Time(time.saturating_add(1));
        lookup.selection = match (after, before) {
            (None, None) => Selection::Latest(None),
            (Some(after), None) => Selection::After(from(after)),
            (None, Some(before)) => Selection::Before(to(before)),
            (Some(after), Some(before)) if after > before => return Ok(None),
            (Some(after), Some(before)) => Selection::Between(from(after), to(before)),
        };
        Ok(Some(lookup))
    }

    /// Sends the reply to SEARCH.
    pub(super) fn searched(&mut self, found: &Found, answer: &mut Answer<'_>) {
        let page = match found {
            Ok(page) => page,
            Err(error @ LookupError::NoWords) => {
                return self.fail(answer, "SEARCH", "INVALID_PARAMS", &["text"], &error.to_string());
            }
            Err(error) => return self.fail(answer, "SEARCH", "INTERNAL_ERROR", &[], &error.to_string()),
        };
        let form = self.own_form();
        let batch = self.open_batch("soju.im/search", answer);
        for entry in &page.entries {
            // A gap is nothing that was said.
            if let Entry::Event(past) = entry {
                form.write_event(past.stamp, &past.event, batch.as_deref(), answer.bytes);
            }
        }
        self.close_batch(batch, answer);
    }
}
