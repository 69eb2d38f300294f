//! The history, with times in the text, because plain clients cannot show them: what a newcomer is shown, `/history` and
//! `/search`.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{TextForm, write, write_notice};
use crate::chat::{Entry, Form as _, Found, Gap, Lookup, Person, Point, Record, Selection, View, parse_moment};
use crate::dialect::TimeFormatter;

/// A user who returns within this time, in milliseconds, is not shown again what they have already seen.
const ABSENCE: u64 = 10 * 60 * 1000;

/// Lines that `/history` and `/search` show if no count is given.
const USUAL: usize = 50;
/// The most lines that `/history` shows.
const MOST: usize = 500;

/// What a client has asked of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// The latest lines.
    Latest,
    /// The lines since some time.
    Since,
    /// Lines with some words.
    Search,
}

/// Shows the history to a newcomer; to a user who has just returned, only what they have missed.
pub fn remind(out: &mut Vec<u8>, person: &Person, now: u64, view: &dyn View) {
    let last = view.gone().find(|gone| gone.person.nick.key() == person.nick.key());
    let lately = last.filter(|gone| now.saturating_sub(gone.unix) <= ABSENCE);
    let same = lately.filter(|gone| gone.person.profile.account == person.profile.account);
    let Some(shown) = same.and_then(|gone| gone.shown) else {
        play(out, view, 0, now, "What was said before you came:");
        return;
    };
    let any = play(out, view, shown, now, "What was said since you left (/history shows all that is kept):");
    if !any && view.history().len() > 0 {
        write_notice(out, &["Nothing was said since you left; /history shows all that is kept."]);
    }
}

/// Shows the history after the event `shown`, each line with its time, and a marker at the end. Returns whether there
/// was any.
pub fn play(out: &mut Vec<u8>, view: &dyn View, shown: u64, now: u64, heading: &str) -> bool {
    let (mut any, mut times) = (false, TimeFormatter::new(now));
    for past in view.history().filter(|past| past.stamp.sequence > shown) {
        if !any {
            write_notice(out, &[heading]);
            any = true;
        }
        write_record(out, past, &mut times, view);
    }
    if any {
        write_up_to_date(out, now);
    }
    any
}

/// Parses the arguments of `/history`; `None` if they are not understood. `now`: in milliseconds since 1970-01-01 UTC.
pub fn parse(arguments: &str, now: u64) -> Option<(Asked, Lookup)> {
    let latest = |count| (Asked::Latest, Lookup::messages(Selection::Latest(None), count));
    if arguments.is_empty() {
        return Some(latest(USUAL));
    }
    if let Ok(count) = arguments.parse::<usize>() {
        return (count > 0).then(|| latest(count.min(MOST)));
    }
    let (word, time) = arguments.split_once(char::is_whitespace)?;
    let time = time.trim().trim_end_matches(" ago");
    let since = parse_moment(time, now).filter(|_| word == "since")?;
    Some((Asked::Since, Lookup::messages(Selection::After(Point::Time(since.saturating_sub(1))), MOST)))
}

/// The lookup for `/search`.
pub fn search(words: &str) -> Lookup {
    Lookup { words: Some(words.into()), ..Lookup::messages(Selection::Latest(None), USUAL) }
}

/// Shows what was found.
pub fn write_found(out: &mut Vec<u8>, asked: Asked, found: &Found, now: u64, view: &dyn View) {
    let page = match found {
        Ok(page) => page,
        Err(error) => return write_notice(out, &["Not found: ", &error.to_string(), "."]),
    };
    let (heading, nothing) = match asked {
        Asked::Latest => ("What was said:", "Nothing that was said is kept."),
        Asked::Since => ("What was said since then:", "Nothing was said since then."),
        Asked::Search => ("Found, times in UTC:", "Nothing was found."),
    };
    let Some(last) = page.entries.last() else { return write_notice(out, &[nothing]) };
    write_notice(out, &[heading]);
    let mut times = TimeFormatter::new(now);
    for entry in &page.entries {
        match entry {
            Entry::Event(record) => write_record(out, record, &mut times, view),
            Entry::Gap(gap) => write_gap(out, gap, &mut times),
        }
    }
    let is_full = page.entries.len() >= if asked == Asked::Search { USUAL } else { MOST };
    match asked {
        Asked::Since if is_full => {
            // To the second: more lines than are shown at once may be of one minute.
            let last = UNIX_EPOCH + Duration::from_millis(last.stamp().unix);
            write_notice(
                out,
                &["There is more: /history since ", &humantime::format_rfc3339_seconds(last).to_string()],
            );
        }
        Asked::Latest | Asked::Since => write_up_to_date(out, now),
        Asked::Search if is_full => {
            write_notice(out, &["These are the latest ", &USUAL.to_string(), "; there may be more."])
        }
        Asked::Search => {}
    }
}

fn write_record(out: &mut Vec<u8>, past: &Record, times: &mut TimeFormatter, view: &dyn View) {
    let mut lines = Vec::new();
    TextForm.render(past.stamp, &past.event, view, &mut lines);
    let time = times.format(past.stamp.unix);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        write(out, &["[", time, "] "]);
        out.extend_from_slice(line);
    }
}

fn write_gap(out: &mut Vec<u8>, gap: &Gap, times: &mut TimeFormatter) {
    write(out, &["[", times.format(gap.first.unix), "] "]);
    let until = times.format(gap.last.unix);
    write_notice(out, &[&gap.count.to_string(), " lines until ", until, " could not be kept"]);
}

fn write_up_to_date(out: &mut Vec<u8>, now: u64) {
    write_notice(out, &["You are up to date; it is ", TimeFormatter::new(now).format(now), " UTC."]);
}
