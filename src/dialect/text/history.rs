//! Playback of the history, with times in the text, because plain clients cannot show them.

use super::{TextForm, write, write_notice};
use crate::chat::{Form as _, Person, View};
use crate::dialect::TimeFormatter;

/// A user who returns within this time, in milliseconds, is not shown again what they have already seen.
const ABSENCE: u64 = 10 * 60 * 1000;

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
    let (mut any, mut lines, mut times) = (false, Vec::new(), TimeFormatter::new(now));
    for past in view.history().filter(|past| past.stamp.sequence > shown) {
        if !any {
            write_notice(out, &[heading]);
            any = true;
        }
        lines.clear();
        TextForm.render(past.stamp, &past.event, view, &mut lines);
        let time = times.format(past.stamp.unix);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            write(out, &["[", time, "] "]);
            out.extend_from_slice(line);
        }
    }
    if any {
        write_notice(out, &["You are up to date; it is ", times.format(now), " UTC."]);
    }
    any
}
