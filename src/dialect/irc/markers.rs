//! Read markers (IRCv3 draft/read-marker): how far a client has read. Those of an account outlive its connection; a name
//! alone proves nothing, because anybody may have it next.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Irc, write};
use crate::chat::clean;
use crate::dialect::irc::form::write_time;
use crate::dialect::irc::history::parse_time;
use crate::dialect::irc::isupport::TEXT_LENGTH;
use crate::dialect::irc::message::Message;

/// Targets whose markers are kept for one client.
const MOST_TARGETS: usize = 64;
/// Accounts whose markers are kept; of more, those that have not been used for longest are forgotten.
const MOST_ACCOUNTS: usize = 4096;

/// The markers of one client: by target in lower case, in milliseconds since 1970-01-01 UTC.
#[derive(Debug, Default)]
pub struct Markers(Vec<(Box<str>, u64)>);

/// The markers of all accounts.
#[derive(Debug, Default)]
pub struct AccountMarkers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    accounts: HashMap<Box<str>, (u64, Markers)>,
    /// Counts what is done here, to know what was done last.
    uses: u64,
}

impl Markers {
    fn get(&self, target: &str) -> Option<u64> {
        self.0.iter().find(|(known, _)| **known == *target).map(|(_, time)| *time)
    }

    /// A marker only moves forward.
    fn set(&mut self, target: &str, time: u64) {
        if let Some((_, kept)) = self.0.iter_mut().find(|(known, _)| **known == *target) {
            *kept = time.max(*kept);
            return;
        }
        if self.0.len() == MOST_TARGETS {
            self.0.remove(0);
        }
        self.0.push((target.into(), time));
    }
}

impl AccountMarkers {
    fn get(&self, account: &str, target: &str) -> Option<u64> {
        self.lock().accounts.get(account)?.1.get(target)
    }

    fn set(&self, account: &str, target: &str, time: u64) {
        let Kept { accounts, uses } = &mut *self.lock();
        if accounts.len() == MOST_ACCOUNTS
            && !accounts.contains_key(account)
            && let Some(oldest) = accounts.iter().min_by_key(|(_, (used, _))| *used).map(|(name, _)| name.clone())
        {
            accounts.remove(&oldest);
        }
        *uses += 1;
        let (used, markers) = accounts.entry(account.into()).or_default();
        *used = *uses;
        markers.set(target, time);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Irc {
    /// MARKREAD: asks for a marker, or moves it.
    pub(super) fn mark_read(&mut self, message: &Message<'_>, out: &mut Vec<u8>) {
        let Some(target) = message.filled(0) else {
            return self.fail(out, "MARKREAD", "NEED_MORE_PARAMS", &[], "MARKREAD takes a target");
        };
        let target = clean(target.as_bytes(), TEXT_LENGTH).text;
        if let Some(marker) = message.parameter(1) {
            let Some(time) = marker.strip_prefix("timestamp=").and_then(parse_time) else {
                return self.fail(out, "MARKREAD", "INVALID_PARAMS", &[&target], "That is not a timestamp");
            };
            let key = target.to_lowercase();
            match self.profile().account.clone() {
                Some(account) => self.server.markers.set(&account, &key, time),
                None => self.kept().markers.set(&key, time),
            }
        }
        self.say_marker(&target, out);
    }

    pub(super) fn say_marker(&self, target: &str, out: &mut Vec<u8>) {
        let key = target.to_lowercase();
        let marker = match &self.profile().account {
            Some(account) => self.server.markers.get(account, &key),
            None => self.kept.as_ref().and_then(|kept| kept.markers.get(&key)),
        };
        write(out, &[":", &self.server.name, " MARKREAD ", target, " "]);
        match marker {
            Some(time) => {
                write(out, &["timestamp="]);
                write_time(time, out);
            }
            None => write(out, &["*"]),
        }
        write(out, &["\r\n"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_is_forgotten() {
        let markers = AccountMarkers::default();
        for number in 0..MOST_ACCOUNTS {
            markers.set(&number.to_string(), "#lobby", 1);
        }
        markers.set("0", "#lobby", 2);
        markers.set("new", "#lobby", 3);
        let found = ["0", "1", "2", "new"].map(|account| markers.get(account, "#lobby"));
        assert_eq!(found, [Some(2), None, Some(1), Some(3)]);
        for number in 0..MOST_TARGETS {
            markers.set("0", &number.to_string(), 1);
        }
        assert_eq!((markers.get("0", "#lobby"), markers.get("0", "0")), (None, Some(1)));
    }
}
