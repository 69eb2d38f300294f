//! Renders events for IRC. This is the hot path: one pass, no formatting machinery, no allocation.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::capability::Capabilities;
use super::message::MAX_MESSAGE;
use super::{Server, end_line, write};
use crate::chat::{Event, Form, Manner, Person, Stamp, View, Words, shorten, write_message_id};

/// One combination of the capabilities that change how events are rendered.
pub struct IrcForm {
    /// The server.
    pub server: Arc<Server>,
    /// The capabilities; those not in [`Capabilities::OF_FORM`] have no effect.
    pub capabilities: Capabilities,
}

/// A message's metadata, for its tags and source.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The event's position and time.
    pub stamp: Stamp,
    /// Who caused it; `None`: the server.
    pub who: Option<&'a Person>,
    /// The batch that it belongs to.
    pub batch: Option<&'a str>,
}

impl Form for IrcForm {
    fn id(&self) -> (&'static str, u64) {
        ("irc", self.capabilities.of_form().bits())
    }

    fn render(&self, stamp: Stamp, event: &Event<'_>, _view: &dyn View, out: &mut Vec<u8>) {
        self.write_event(stamp, event, None, out);
    }
}

impl IrcForm {
    /// Writes an event of the room, as part of this batch if one is given; nothing if the client does not understand it.
    pub fn write_event(&self, stamp: Stamp, event: &Event<'_>, batch: Option<&str>, out: &mut Vec<u8>) {
        let room: &[&str] = &["#", &self.server.room];
        let line = match event {
            Event::Said(who, words) => {
                return self.write_message(About { stamp, who: Some(who), batch }, room, words, out);
            }
            Event::Notice(text) => {
                let words = Words { manner: Manner::Notice, ..Words::plain(&**text) };
                return self.write_message(About { stamp, who: None, batch }, room, &words, out);
            }
            Event::Joined(who) => {
                let line = self.of(stamp, who, batch, out);
                write(out, &["JOIN #", &self.server.room]);
                if self.capabilities.has(Capabilities::EXTENDED_JOIN) {
                    write(out, &[" ", who.profile.account.as_deref().unwrap_or("*"), " :", who.real_name()]);
                }
                line
            }
            Event::Left(who, reason) => {
                let line = self.of(stamp, who, batch, out);
                write(out, &["QUIT :", &reason.to_string()]);
                line
            }
            Event::Parted(who, word) => {
                let line = self.of(stamp, who, batch, out);
                write(out, &["PART #", &self.server.room]);
                write_trailing(word.as_deref(), out);
                line
            }
            Event::Renamed { from, to } => {
                let line = self.of(stamp, from, batch, out);
                write(out, &["NICK ", to.as_str()]);
                line
            }
            Event::Redacted { by, line: redacted, reason } if self.capabilities.has(Capabilities::REDACTION) => {
                let line = self.of(stamp, by, batch, out);
                write(out, &["REDACT #", &self.server.room, " "]);
                write_message_id(*redacted, out);
                write_trailing(reason.as_deref(), out);
                line
            }
            Event::Topic { by, text } => {
                let line = self.start(About { stamp, who: by.as_deref(), batch }, "", true, out);
                write(out, &["TOPIC #", &self.server.room, " :", text]);
                line
            }
            Event::Away(who, why) if self.capabilities.has(Capabilities::AWAY_NOTIFY) => {
                let line = self.of(stamp, who, batch, out);
                write(out, &["AWAY"]);
                write_trailing(why.as_deref(), out);
                line
            }
            Event::Described(who) if self.capabilities.has(Capabilities::SETNAME) => {
                let line = self.of(stamp, who, batch, out);
                write(out, &["SETNAME :", who.real_name()]);
                line
            }
            Event::Registered(_) | Event::Redacted { .. } | Event::Away(..) | Event::Described(_) => return,
        };
        end_line(out, line);
    }

    /// Writes a message to `target`, a channel or a nickname given in pieces.
    pub fn write_message(&self, about: About<'_>, target: &[&str], words: &Words<'_>, out: &mut Vec<u8>) {
        if words.manner == Manner::TagsOnly {
            if self.capabilities.has(Capabilities::MESSAGE_TAGS) {
                self.start(about, &words.tags, true, out);
                write(out, &["TAGMSG "]);
                write(out, target);
                write(out, &["\r\n"]);
            }
            return;
        }
        let limit = self.room_for_text(about.who, target, words.manner);
        if words.more.is_empty() && words.text.len() <= limit {
            self.start(about, &words.tags, true, out);
            line(target, words.manner, &words.text, out);
            return;
        }
        let whole = self.capabilities.has(Capabilities::MULTILINE) && words.manner != Manner::Action;
        if whole {
            self.multiline(about, target, words, limit, out)
        } else {
            self.singly(about, target, words, limit, out)
        }
    }

    /// Writes a multiline message as a batch (draft/multiline).
    fn multiline(&self, about: About<'_>, target: &[&str], words: &Words<'_>, limit: usize, out: &mut Vec<u8>) {
        self.start(about, &words.tags, true, out);
        let batch = format!("m{:x}", about.stamp.sequence);
        write(out, &["BATCH +", &batch, " draft/multiline "]);
        write(out, target);
        write(out, &["\r\n"]);
        let further = words.more.iter().map(|further| (&*further.text, further.joined));
        for (text, joined) in std::iter::once((&*words.text, false)).chain(further) {
            let (mut rest, mut joined) = (text, joined);
            loop {
                let (piece, after) = cut(rest, limit);
                write(out, &["@batch=", &batch, if joined { ";draft/multiline-concat " } else { " " }]);
                self.source(about.who, out);
                line(target, words.manner, piece, out);
                (rest, joined) = (after, true);
                if rest.is_empty() {
                    break;
                }
            }
        }
        self.source(about.who, out);
        write(out, &["BATCH -", &batch, "\r\n"]);
    }

    /// Writes a multiline message for clients without draft/multiline; only the first line has the message identifier.
    fn singly(&self, about: About<'_>, target: &[&str], words: &Words<'_>, limit: usize, out: &mut Vec<u8>) {
        let mut first = true;
        for text in words.lines() {
            let mut rest = &*text;
            while !rest.is_empty() {
                let (piece, after) = cut(rest, limit);
                self.start(about, &words.tags, first, out);
                line(target, words.manner, piece, out);
                (rest, first) = (after, false);
            }
        }
    }

    /// How many bytes of text fit into a message to `target` without being truncated by a client (RFC 1459, section
    /// 2.3).
    fn room_for_text(&self, who: Option<&Person>, target: &[&str], manner: Manner) -> usize {
        let source = who.map_or(self.server.name.len(), |who| {
            who.as_str().len() + who.profile.user.len() + self.server.name.len() + 2
        });
        let target: usize = target.iter().map(|piece| piece.len()).sum();
        let action = if manner == Manner::Action { "\u{1}ACTION \u{1}".len() } else { 0 };
        MAX_MESSAGE.saturating_sub(": PRIVMSG  :".len() + action + source + target)
    }

    /// Writes tags and source for an action of `who`. Returns the offset of the source, after the tags.
    fn of(&self, stamp: Stamp, who: &Person, batch: Option<&str>, out: &mut Vec<u8>) -> usize {
        self.start(About { stamp, who: Some(who), batch }, "", true, out)
    }

    /// Writes tags and source. `named`: include the message identifier. Returns the offset of the source, after the
    /// tags.
    pub fn start(&self, about: About<'_>, client_tags: &str, named: bool, out: &mut Vec<u8>) -> usize {
        let mut separator = "@";
        let mut tag = |out: &mut Vec<u8>, name: &str| {
            write(out, &[separator, name]);
            separator = ";";
        };
        if let Some(batch) = about.batch {
            tag(out, "batch=");
            write(out, &[batch]);
        }
        if self.capabilities.has(Capabilities::SERVER_TIME) {
            tag(out, "time=");
            write_time(about.stamp.unix, out);
        }
        if let Some(who) = about.who
            && self.capabilities.has(Capabilities::ACCOUNT_TAG)
            && let Some(account) = &who.profile.account
        {
            tag(out, "account=");
            super::message::escape(account, out);
        }
        if self.capabilities.has(Capabilities::MESSAGE_TAGS) {
            if named {
                tag(out, "msgid=");
                write_message_id(about.stamp.sequence, out);
            }
            if about.who.is_some_and(|who| who.profile.bot) {
                tag(out, "bot");
            }
            if !client_tags.is_empty() {
                tag(out, client_tags);
            }
        }
        if separator == ";" {
            out.push(b' ');
        }
        let line = out.len();
        self.source(about.who, out);
        line
    }

    fn source(&self, who: Option<&Person>, out: &mut Vec<u8>) {
        match who {
            Some(who) => write(out, &[":", who.as_str(), "!", &who.profile.user, "@", &self.server.name, " "]),
            None => write(out, &[":", &self.server.name, " "]),
        }
    }
}

fn line(target: &[&str], manner: Manner, text: &str, out: &mut Vec<u8>) {
    write(out, &[if manner == Manner::Notice { "NOTICE " } else { "PRIVMSG " }]);
    write(out, target);
    match manner {
        Manner::Action => write(out, &[" :\u{1}ACTION ", text, "\u{1}\r\n"]),
        _ => write(out, &[" :", text, "\r\n"]),
    }
}

fn write_trailing(text: Option<&str>, out: &mut Vec<u8>) {
    if let Some(text) = text {
        write(out, &[" :", text]);
    }
}

/// Appends a time, given in milliseconds since 1970-01-01 UTC, in IRCv3's format.
pub fn write_time(unix: u64, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{}", humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(unix)));
}

/// Splits `text` so that the first part fits: at the end of a word if there is one in its second half.
fn cut(text: &str, limit: usize) -> (&str, &str) {
    if text.len() <= limit {
        return (text, "");
    }
    let piece = shorten(text, limit.max(4));
    let end = piece.len();
    let end = piece.rfind(' ').map(|space| space + 1).filter(|space| *space > end / 2).unwrap_or(end);
    text.split_at_checked(end).unwrap_or((text, ""))
}
