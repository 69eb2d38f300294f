//! The method `History`: pages of entries, oldest first, and then what is said from then on.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::task::spawn_blocking;

use super::{Fault, Peer, varlink};
use crate::admin::request::HistoryQuery;
use crate::admin::types::{Error, History};
use crate::chat::{
    Entry, Lookup, LookupError, Nick, Page, Point, Selection, message_id, parse_message_id, parse_moment,
};

/// The most entries that are looked up at once.
const PAGE: usize = 500;
/// About the most bytes of text in one reply.
const REPLY: usize = 256 * 1024;
/// How many entries are sent if neither a time nor a number is given.
const USUAL: u64 = 50;

/// What of the history is wanted.
struct Wanted {
    from: Option<Box<str>>,
    words: Option<Box<str>>,
    /// The point before the first entry.
    after: Option<Point>,
    /// The point behind the last entry.
    before: Option<Point>,
    /// Only the last so many entries.
    limit: Option<u64>,
}

impl Peer {
    /// Sends all replies but the last, which has no entries. An error is the last reply, too.
    ///
    /// As in a watch, writing has no timeout, and one connection stays free for others. A peer that does not read costs one
    /// page.
    pub(super) async fn history(&mut self, query: HistoryQuery) -> Result<Result<History, Error>, Fault> {
        let follow = query.follow;
        let ready = Wanted::new(query).and_then(|wanted| Ok((wanted, self.places.watcher()?)));
        let (wanted, _permit) = match ready {
            Ok(ready) => ready,
            Err(error) => return Ok(Err(error)),
        };
        tracing::info!(chatd.event = "admin", chatd.uid = self.uid, "an administrator reads the history");
        let mut follower = self.server.follow();
        let mut restarting = self.server.restarting();
        let mut after = match self.start(&wanted).await {
            Ok(after) => after,
            Err(error) => return Ok(Err(error)),
        };
        let mut left = if follow { u64::MAX } else { wanted.limit.unwrap_or(u64::MAX) };
        loop {
            if follow && restarting.is_now() {
                return Ok(Err(restarted(after)));
            }
            let newest = follower.newest();
            let limit = left.min(PAGE as u64) as usize;
            let mut page = match self.look_up(&wanted, wanted.behind(after), limit).await {
                Ok(page) => page,
                Err(error) => return Ok(Err(error)),
            };
            // Where the clock was set back, the end may seem to be before the start.
            page.entries.retain(|entry| !matches!(after, Point::Event(last) if entry.stamp().sequence <= last));
            if let Some(last) = page.entries.last() {
                after = Point::Event(last.stamp().sequence);
                left -= (page.entries.len() as u64).min(left);
                for part in parts(page) {
                    // A page takes about a millisecond, so that runs on another thread than the room's.
                    let reply = spawn_blocking(|| varlink::encode_reply(&History::from(part), true));
                    let reply = reply.await.map_err(io::Error::from)?.map_err(Fault::Unwritable)?;
                    self.stream.get_mut().write_all(&reply).await?;
                }
            } else if follow {
                if let Point::Event(last) = &mut after {
                    *last = newest.max(*last);
                }
                tokio::select! {
                    () = follower.news() => {}
                    () = restarting.begun() => {}
                    bytes = self.stream.fill_buf() => {
                        bytes?;
                        return Ok(Ok(History::default()));
                    }
                }
            } else {
                return Ok(Ok(History::default()));
            }
        }
    }

    /// The point before the first entry that is wanted.
    async fn start(&self, wanted: &Wanted) -> Result<Point, Error> {
        let everything = wanted.after.unwrap_or(Point::Event(0));
        let Some(mut left) = wanted.limit else { return Ok(everything) };
        if left == 0 {
            return self.end().await;
        }
        let (mut before, mut first) = (wanted.before, None);
        while left > 0 {
            let limit = left.min(PAGE as u64) as usize;
            let page = self.look_up(wanted, wanted.ahead_of(before), limit).await?;
            let Some(entry) = page.entries.first() else { break };
            let sequence = entry.stamp().sequence;
            (before, first) = (Some(Point::Event(sequence)), Some(sequence));
            left -= (page.entries.len() as u64).min(left);
        }
        Ok(first.map_or(everything, |first| Point::Event(first.saturating_sub(1))))
    }

    /// The newest entry, whatever is wanted.
    async fn end(&self) -> Result<Point, Error> {
        let everything = Lookup { events: true, ..Lookup::messages(Selection::Latest(None), 1) };
        let page = self.find(everything).await?;
        Ok(Point::Event(page.entries.last().map_or(0, |entry| entry.stamp().sequence)))
    }

    async fn look_up(&self, wanted: &Wanted, selection: Selection, limit: usize) -> Result<Page, Error> {
        let (from, words) = (wanted.from.clone(), wanted.words.clone());
        self.find(Lookup { selection, limit, events: true, from, words }).await
    }

    async fn find(&self, lookup: Lookup) -> Result<Page, Error> {
        self.server.look_up(lookup).await.map_err(|error| {
            let trouble = self.server.store().status().trouble.filter(|_| error == LookupError::Unavailable);
            let trouble = trouble.map(|trouble| format!(": {trouble}")).unwrap_or_default();
            Error::HistoryUnavailable { reason: format!("{error}{trouble}") }
        })
    }
}

/// The last reply to somebody who follows, with the place where to go on.
fn restarted(after: Point) -> Error {
    let after = match after {
        Point::Event(last) => Some(message_id(last)),
        // Nothing was found yet.
        Point::Time(_) => None,
    };
    Error::Restarting { after }
}

/// Divides a page into parts of about [`REPLY`] bytes.
fn parts(page: Page) -> Vec<Page> {
    let (mut parts, mut part, mut size) = (Vec::new(), Page::default(), 0);
    for entry in page.entries {
        size += match &entry {
            Entry::Event(record) => record.size(),
            Entry::Gap(_) => 0,
        };
        part.entries.push(entry);
        if size >= REPLY {
            parts.push(std::mem::take(&mut part));
            size = 0;
        }
    }
    parts.push(part);
    parts.retain(|part| !part.entries.is_empty());
    parts
}

impl Wanted {
    fn new(query: HistoryQuery) -> Result<Wanted, Error> {
        let HistoryQuery { since, after, until, from, search, limit, follow: _ } = query;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let (start, end) = (moment(since.as_deref(), now)?, moment(until.as_deref(), now)?);
        if let (Some(since), Some(until)) = (since, until)
            && start >= end
        {
            return Err(Error::InvalidTime { time: until, reason: format!("it is not later than {since:?}") });
        }
        let from = match from {
            None => None,
            Some(name) => match Nick::new(&name) {
                Ok(nick) => Some((**nick.key()).into()),
                Err(reason) => return Err(Error::InvalidName { name, reason: reason.to_string() }),
            },
        };
        let after = match after.as_deref().map(parse_message_id) {
            None => None,
            Some(Some(sequence)) => Some(Point::Event(sequence)),
            Some(None) => return Err(Error::InvalidParameter { parameter: "after".to_owned() }),
        };
        // An entry of exactly this time is one that happened since.
        let after = after.or_else(|| start.map(|start| Point::Time(start.saturating_sub(1))));
        let usual = (after, end) == (None, None);
        Ok(Wanted {
            from,
            words: search.map(Into::into),
            after,
            before: end.map(Point::Time),
            limit: limit.or(usual.then_some(USUAL)),
        })
    }

    /// The first entries behind a point.
    fn behind(&self, after: Point) -> Selection {
        self.before.map_or(Selection::After(after), |before| Selection::Between(after, before))
    }

    /// The last entries before a point.
    fn ahead_of(&self, before: Option<Point>) -> Selection {
        match (self.after, before) {
            (after, None) => Selection::Latest(after),
            (None, Some(before)) => Selection::Before(before),
            (Some(after), Some(before)) => Selection::Between(before, after),
        }
    }
}

fn moment(text: Option<&str>, now: u64) -> Result<Option<u64>, Error> {
    let Some(text) = text else { return Ok(None) };
    let reason = "say 14:30, 2026-11-20 or \"2026-11-20 14:30\", all in UTC, or 2h for two hours ago";
    let invalid = || Error::InvalidTime { time: text.to_owned(), reason: reason.to_owned() };
    parse_moment(text, now).map(Some).ok_or_else(invalid)
}
