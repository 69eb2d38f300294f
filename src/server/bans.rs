//! Administrators' bans: whom exactly a ban concerns, and those who are here.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tracing::info;

use super::{Server, clock};
use crate::chat::{BAN_REASON_LENGTH, Ban, Nick, Now, Subject, clean};
use crate::connections::Connections;
use crate::net::{Address, Transport};
use crate::people::SessionId;
use crate::room::MAX_BANS;

/// The longest time of a ban that ends by itself.
const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
/// Longer texts are no durations that anybody means; humantime 2.4 overflows with some of more than 24 bytes.
const DURATION_LENGTH: usize = 20;

/// What an administrator asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BanRequest {
    /// A name, an address or a network; or an account.
    pub target: String,
    /// Whether it is an account.
    pub account: bool,
    /// Whether to ban, with a name, also the address of who has it.
    pub address: bool,
    /// For how long; `None`: for good.
    pub duration: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// What was banned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Banned {
    /// The bans that were made.
    pub bans: Vec<Arc<Ban>>,
    /// How many clients were disconnected.
    pub disconnected: usize,
    /// Where the owner of a banned name comes from, if that was not banned: they may come again under another name.
    pub address: Option<Subject>,
    /// How many others who have a name come from there.
    pub others: usize,
}

/// Why nobody was banned, or no ban ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BanError {
    /// It is neither a name nor an address nor, if that is asked for, an account.
    InvalidTarget {
        /// The target as it was given.
        target: String,
        /// Why not.
        reason: String,
    },
    /// It is not a duration.
    InvalidDuration(String),
    /// Nobody with this name is here, whose address could be banned.
    NoSuchUser(String),
    /// There are as many bans as there may be.
    TooManyBans,
    /// It is not banned.
    NotBanned {
        /// The target as it was given.
        target: String,
        /// The ban that concerns it nevertheless.
        by: Option<Subject>,
    },
}

impl Server {
    /// Bans somebody, and disconnects those whom the ban concerns. From the return of this call on, none of them is here,
    /// and none of them can come.
    ///
    /// # Errors
    /// Nobody was banned.
    pub async fn ban(&self, request: &BanRequest, uid: u32) -> Result<Banned, BanError> {
        let now = clock::now();
        let subject = subject(&request.target, request.account)?;
        let until = match &request.duration {
            None => None,
            Some(text) => Some(now.unix + milliseconds(text)?),
        };
        let reason = request.reason.as_ref().map(|reason| clean(reason.as_bytes(), BAN_REASON_LENGTH).text);
        let reason: Option<Box<str>> = reason.filter(|reason| !reason.trim().is_empty()).map(Into::into);
        let mut banned = Banned::default();
        {
            let mut connections = self.driver.lock();
            let mut subjects = vec![(subject.clone(), None)];
            if let Subject::Name(nick) = &subject {
                let origin = connections.find(nick).and_then(|id| Some(connections.session(id)?.origin()));
                let account = origin.and_then(|origin| Subject::account(origin.account.as_deref()?));
                let place = origin.map(|origin| place(&origin.address));
                subjects.extend(account.map(|account| (account, Some(nick.clone()))));
                match place {
                    None if request.address => return Err(BanError::NoSuchUser(request.target.clone())),
                    Some(place) if request.address => subjects.push((place, Some(nick.clone()))),
                    place => banned.address = place,
                }
            }
            for (subject, with) in subjects {
                let ban = Ban { subject, with, reason: reason.clone(), since: now.unix, until, uid };
                banned.bans.push(connections.state.ban(now, ban).map_err(|_| BanError::TooManyBans)?);
            }
            banned.bans.iter().for_each(|ban| log_ban(ban));
            // At once, before anything else happens.
            if let Subject::Name(nick) = &subject
                && let Some(id) = connections.find(nick)
            {
                banned.look_at(&mut connections, id, now);
            }
        }
        self.driver.for_each(|connections, id| banned.look_at(connections, id, now)).await;
        Ok(banned)
    }

    /// Ends a ban; that of a name with what was banned by it. Returns what was banned.
    ///
    /// # Errors
    /// It is not banned.
    pub fn unban(&self, target: &str, account: bool, uid: u32) -> Result<Vec<Arc<Ban>>, BanError> {
        let now = clock::now();
        let subject = subject(target, account)?;
        let mut connections = self.driver.lock();
        let ended = connections.state.unban(now, &subject);
        if ended.is_empty() {
            let bans = &connections.state.room.bans;
            let by = match &subject {
                Subject::Network(network) => bans.of_address(now.unix, network.addr()),
                Subject::Name(nick) => bans.of_name(now.unix, nick),
                _ => None,
            };
            let by = by.map(|ban| ban.subject.clone());
            return Err(BanError::NotBanned { target: target.to_owned(), by });
        }
        drop(connections);
        ended.iter().for_each(|ban| log_unban(ban, uid));
        Ok(ended)
    }

    /// The bans in force, the latest first.
    #[must_use]
    pub fn bans(&self) -> Vec<Arc<Ban>> {
        let now = clock::now();
        self.driver.lock().state.room.bans.iter(now.unix).cloned().collect()
    }
}

impl Banned {
    /// Disconnects a client if it is concerned, or counts it if it comes from the same address.
    fn look_at<T: Transport>(&mut self, connections: &mut Connections<T>, id: SessionId, now: Now) {
        if self.bans.iter().any(|ban| connections.enforce(id, now, ban)) {
            self.disconnected += 1;
        } else if let Some(address) = &self.address
            && let Some(session) = connections.session(id)
            && session.person().is_some()
            && session.origin().is_subject(address, None)
        {
            self.others += 1;
        }
    }
}

fn subject(target: &str, account: bool) -> Result<Subject, BanError> {
    let invalid = |reason: String| BanError::InvalidTarget { target: target.to_owned(), reason };
    match account {
        true => Subject::account(target).ok_or_else(|| invalid("no account is called so".to_owned())),
        false => Subject::parse(target).map_err(|error| invalid(error.to_string())),
    }
}

/// What keeps a client out that comes from here: the IPv4 address or the IPv6 /64, because an IPv6 host can choose among
/// the addresses of a whole /64; or the user of this machine.
fn place(address: &Address) -> Subject {
    match address {
        Address::Unix { uid } => Subject::User(*uid),
        Address::Tcp(socket) => Subject::Network(address.network().unwrap_or(IpNet::from(socket.ip()))),
    }
}

fn milliseconds(text: &str) -> Result<u64, BanError> {
    let parsed = if text.len() <= DURATION_LENGTH { humantime::parse_duration(text).ok() } else { None };
    let duration = parsed.filter(|duration| (Duration::from_secs(1)..=CENTURY).contains(duration));
    let duration = duration.ok_or_else(|| BanError::InvalidDuration(text.to_owned()))?;
    Ok(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// A ban for a journal that may not have addresses: they are a field of their own.
struct Entry {
    what: String,
    user: Option<String>,
    address: Option<String>,
}

impl From<&Ban> for Entry {
    fn from(ban: &Ban) -> Entry {
        let user = match &ban.subject {
            Subject::Name(nick) => Some(nick),
            _ => ban.with.as_ref(),
        };
        let (what, address) = match &ban.subject {
            Subject::Name(nick) => (nick.to_string(), None),
            Subject::Account(account) => (format!("the account {account}"), None),
            place => ("an address".to_owned(), Some(place.to_string())),
        };
        Entry { what, user: user.map(Nick::to_string), address }
    }
}

fn log_ban(ban: &Ban) {
    let Entry { what, user, address } = Entry::from(ban);
    let end = ban.until_text().map(|until| format!(" until {until}")).unwrap_or_default();
    info!(
        chatd.event = "ban",
        chatd.user = user,
        chatd.address = address,
        chatd.reason = ban.reason.as_deref(),
        chatd.uid = ban.uid,
        "{what} was banned by an administrator{end}"
    );
}

fn log_unban(ban: &Ban, uid: u32) {
    let Entry { what, user, address } = Entry::from(ban);
    info!(
        chatd.event = "unban",
        chatd.user = user,
        chatd.address = address,
        chatd.uid = uid,
        "the ban of {what} was ended by an administrator"
    );
}

impl BanError {
    /// How many bans there may be.
    pub const MOST: usize = MAX_BANS;
}
