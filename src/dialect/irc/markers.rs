//! Read markers (IRCv3 draft/read-marker).

use super::Irc;
use super::capability::Capabilities;
use super::form::write_time;
use super::history::parse_time;
use super::message::Message;
use crate::chat::{Answer, Command, TEXT_LENGTH, clean};

impl Irc {
    /// Handles MARKREAD: a query for a marker, or an update.
    pub(super) fn mark_read<'l>(&mut self, message: &Message<'_>, answer: &mut Answer<'_>) -> Option<Command<'l>> {
        let Some(target) = message.filled(0) else {
            self.fail(answer, "MARKREAD", "NEED_MORE_PARAMS", &[], "MARKREAD takes a target");
            return None;
        };
        let target = clean(target.as_bytes(), TEXT_LENGTH).text;
        let Some(marker) = message.parameter(1) else {
            self.say_marker(&target, answer);
            return None;
        };
        let Some(time) = marker.strip_prefix("timestamp=").and_then(parse_time) else {
            self.fail(answer, "MARKREAD", "INVALID_PARAMS", &[&target], "That is not a timestamp");
            return None;
        };
        let key = target.to_lowercase();
        // A marker never moves back.
        let time = answer.view.read_marker(&key).map_or(time, |known| known.max(time));
        self.write_marker(&target, Some(time), answer);
        Some(Command::MarkRead { target: key.into(), time })
    }

    pub(super) fn say_marker(&self, target: &str, answer: &mut Answer<'_>) {
        let marker = answer.view.read_marker(&target.to_lowercase());
        self.write_marker(target, marker, answer);
    }

    /// Another client of the same account has read so far.
    pub(super) fn marker_moved(&self, target: &str, time: u64, answer: &mut Answer<'_>) {
        if self.has(Capabilities::READ_MARKER) {
            let room = self.server.channel();
            self.write_marker(if self.server.is_room(target) { &room } else { target }, Some(time), answer);
        }
    }

    fn write_marker(&self, target: &str, time: Option<u64>, answer: &mut Answer<'_>) {
        answer.write(&[":", &self.server.name, " MARKREAD ", target, " "]);
        match time {
            Some(time) => {
                answer.write(&["timestamp="]);
                write_time(time, answer.bytes);
            }
            None => answer.write(&["*"]),
        }
        answer.write(&["\r\n"]);
    }
}
