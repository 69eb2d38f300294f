//! Keeps rejected clients from filling the log. Whoever connects and resets in a loop makes tens of thousands of entries
//! a second; the journal would then drop others, too.
//!
//! Of the kinds that anybody can cause without a name ([`Kind::many`]), the first few are logged as they are; what
//! follows is counted, and each period ends with one entry that has the count. A plain value: time is an argument.

use std::time::{Duration, Instant};

use tracing::Metadata;

use super::Record;
use super::events::Kind;

/// How many entries of one kind and reason are logged in a period.
const FIRST: u64 = 10;
/// How long is counted.
pub(super) const PERIOD: Duration = Duration::from_secs(10);

/// The kinds and reasons that occurred lately. There are as many as the program has reasons, about a dozen.
#[derive(Debug, Default)]
pub(super) struct Flood {
    runs: Vec<Run>,
}

/// Entries of one kind and reason in the current period.
#[derive(Debug)]
struct Run {
    kind: &'static Kind,
    reason: Option<String>,
    since: Instant,
    /// How many more are logged as they are.
    left: u64,
    /// How many were left out.
    omitted: u64,
    /// The level and call site of the last one that was left out.
    metadata: &'static Metadata<'static>,
}

impl Flood {
    /// Whether this entry is to be logged. If not, it is counted.
    pub(super) fn admits(&mut self, now: Instant, record: &Record) -> bool {
        let Some(kind) = record.kind.filter(|kind| kind.many.is_some()) else { return true };
        let known = self.runs.iter_mut().find(|run| run.kind == kind && run.reason == record.reason);
        let Some(run) = known else {
            let (reason, metadata) = (record.reason.clone(), record.metadata);
            self.runs.push(Run { kind, reason, since: now, left: FIRST - 1, omitted: 0, metadata });
            return true;
        };
        if run.left > 0 {
            run.left -= 1;
            return true;
        }
        run.omitted += 1;
        run.metadata = record.metadata;
        false
    }

    /// When the next period ends.
    pub(super) fn due(&self) -> Option<Instant> {
        self.runs.iter().map(|run| run.since + PERIOD).min()
    }

    /// The counts of the periods that are over, as entries.
    pub(super) fn counts(&mut self, now: Instant) -> Vec<Record> {
        self.report(now, |run| run.since + PERIOD <= now)
    }

    /// All counts, although their periods are not over.
    pub(super) fn all_counts(&mut self, now: Instant) -> Vec<Record> {
        self.report(now, |_| true)
    }

    fn report(&mut self, now: Instant, is_over: impl Fn(&Run) -> bool) -> Vec<Record> {
        let mut counts = Vec::new();
        self.runs.retain_mut(|run| {
            if !is_over(run) {
                return true;
            }
            let omitted = std::mem::take(&mut run.omitted);
            if omitted > 0 {
                counts.push(run.count(omitted, now));
            }
            // As long as the flood goes on, only counts are logged.
            run.since = now;
            run.left = 0;
            omitted > FIRST
        });
        counts
    }
}

impl Run {
    fn count(&self, omitted: u64, now: Instant) -> Record {
        let seconds = now.saturating_duration_since(self.since).as_secs_f64().round().max(1.0);
        let [one, many] = self.kind.many.unwrap_or_default();
        let what = if omitted == 1 { one } else { many };
        let message = format!("{omitted} more {what} in the last {seconds} s");
        Record::of_many(self.kind, self.reason.clone(), message, self.metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::events::find;

    fn record(kind: &str, reason: &str) -> Record {
        let mut record = Record::warning(find(kind).unwrap(), "single".to_owned());
        record.reason = Some(reason.to_owned());
        record
    }

    /// How many of `count` entries are logged.
    fn admitted(flood: &mut Flood, now: Instant, reason: &str, count: usize) -> usize {
        (0..count).filter(|_| flood.admits(now, &record("refused", reason))).count()
    }

    fn texts(counts: &[Record]) -> Vec<String> {
        counts.iter().map(|count| count.text(true)).collect()
    }

    #[test]
    fn a_few_are_logged_and_many_are_counted_until_it_is_calm() {
        let (mut flood, start) = (Flood::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(flood.due(), None);
        assert_eq!(admitted(&mut flood, at(0), "broken", 4), 4);
        assert_eq!(flood.due(), Some(at(10)));
        assert_eq!(admitted(&mut flood, at(5), "broken", 1000), 6);
        assert_eq!(admitted(&mut flood, at(6), "tls", 3), 3, "another reason is counted by itself");
        assert!(flood.counts(at(9)).is_empty());
        let count = "994 more clients or names were refused in the last 10 s (broken)";
        assert_eq!(texts(&flood.counts(at(10))), [count]);

        assert_eq!(admitted(&mut flood, at(12), "broken", 11), 0, "the flood goes on");
        assert!(flood.counts(at(16)).is_empty(), "none of the other reason was left out");
        let count = "11 more clients or names were refused in the last 10 s (broken)";
        assert_eq!(texts(&flood.counts(at(20))), [count]);
        assert_eq!(admitted(&mut flood, at(21), "broken", 1), 0);
        let count = "1 more client or name was refused in the last 10 s (broken)";
        assert_eq!(texts(&flood.counts(at(30))), [count]);
        assert_eq!(flood.due(), None);
        assert_eq!(admitted(&mut flood, at(31), "broken", 20), 10, "it was calm");
    }

    #[test]
    fn the_end_does_not_wait_for_a_period() {
        let (mut flood, start) = (Flood::default(), Instant::now());
        assert_eq!(admitted(&mut flood, start, "broken", 12), 10);
        let count = "2 more clients or names were refused in the last 1 s (broken)";
        assert_eq!(texts(&flood.all_counts(start)), [count]);
        assert!(flood.all_counts(start).is_empty());
    }

    /// Also when the writer of the log is late.
    #[test]
    fn every_entry_is_logged_or_counted_once() {
        let (mut flood, mut now) = (Flood::default(), Instant::now());
        let (mut logged, mut counted) = (0, 0);
        for step in 0..5000_u64 {
            now += Duration::from_millis(step * 37 % 400);
            logged += u64::from(flood.admits(now, &record("limit", "connections")));
            if step % 70 == 0 {
                let number = |count: Record| count.message.split(' ').next().unwrap().parse::<u64>().unwrap();
                counted += flood.counts(now).into_iter().map(number).sum::<u64>();
            }
        }
        counted += flood.runs.iter().map(|run| run.omitted).sum::<u64>();
        assert!(logged >= FIRST && counted > 0);
        assert_eq!(logged + counted, 5000);
    }

    #[test]
    fn what_people_and_administrators_do_is_always_logged() {
        let (mut flood, now) = (Flood::default(), Instant::now());
        for kind in ["join", "leave", "rename", "kick", "notice", "reload", "stop"] {
            assert!((0..1000).all(|_| flood.admits(now, &record(kind, "broken"))), "{kind}");
        }
        assert_eq!(flood.due(), None);
    }
}
