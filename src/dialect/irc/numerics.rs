//! Building blocks of answers: numerics, standard replies, and lists over several lines.

use super::message::MAX_MESSAGE;
use super::{Irc, end_line};
use crate::chat::Answer;

impl Irc {
    /// `:server NUMBER nick PARAMETERS :TEXT`
    pub(super) fn numeric(&self, answer: &mut Answer<'_>, number: &str, parameters: &[&str], text: &str) {
        let start = self.begin(answer, number, parameters);
        answer.write(&[" :", text]);
        end_line(answer.bytes, start);
    }

    /// `:server NUMBER nick PARAMETERS`
    pub(super) fn short_numeric(&self, answer: &mut Answer<'_>, number: &str, parameters: &[&str]) {
        let start = self.begin(answer, number, parameters);
        end_line(answer.bytes, start);
    }

    /// Starts such a line without ending it. Returns its offset in `answer`.
    pub(super) fn begin(&self, answer: &mut Answer<'_>, number: &str, parameters: &[&str]) -> usize {
        let start = answer.bytes.len();
        let own = self.own(answer.view);
        answer.write(&[":", &self.server.name, " ", number, " ", own.nick]);
        parameters.iter().for_each(|parameter| answer.write(&[" ", parameter]));
        start
    }

    /// `:server NUMBER nick :ITEMS`, in as many lines as necessary, at least one.
    pub(super) fn numeric_list<'t>(
        &self,
        answer: &mut Answer<'_>,
        number: &str,
        separator: &str,
        items: impl Iterator<Item = impl AsRef<str> + 't>,
    ) {
        let mut start = self.begin(answer, number, &[]);
        answer.write(&[" :"]);
        let mut is_first = true;
        for item in items {
            let item = item.as_ref();
            if !is_first && answer.bytes.len() - start + separator.len() + item.len() > MAX_MESSAGE {
                end_line(answer.bytes, start);
                start = self.begin(answer, number, &[]);
                answer.write(&[" :"]);
                is_first = true;
            }
            answer.write(if is_first { &[""] } else { std::slice::from_ref(&separator) });
            answer.write(&[item]);
            is_first = false;
        }
        end_line(answer.bytes, start);
    }

    /// A standard reply (IRCv3) FAIL, for programs and people.
    pub(super) fn fail(&self, answer: &mut Answer<'_>, command: &str, code: &str, context: &[&str], text: &str) {
        let start = answer.bytes.len();
        answer.write(&[":", &self.server.name, " FAIL ", command, " ", code]);
        context.iter().for_each(|parameter| answer.write(&[" ", parameter]));
        answer.write(&[" :", text]);
        end_line(answer.bytes, start);
    }

    /// A line made of these pieces.
    pub(super) fn line(&self, answer: &mut Answer<'_>, pieces: &[&str]) {
        let start = answer.bytes.len();
        answer.write(pieces);
        end_line(answer.bytes, start);
    }

    pub(super) fn need_more(&self, answer: &mut Answer<'_>, command: &str) {
        self.numeric(answer, "461", &[command], "Not enough parameters");
    }

    pub(super) fn not_in_room(&self, answer: &mut Answer<'_>) {
        self.numeric(answer, "442", &[&self.server.channel()], "You're not on that channel");
    }

    pub(super) fn no_such_channel(&self, answer: &mut Answer<'_>, channel: &str) {
        let why = format!("No such channel; the only one here is {}", self.server.channel());
        self.numeric(answer, "403", &[channel], &why);
    }
}
