//! Bans: whom the administrator keeps out.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::reason::minute;
use super::{Nick, NickError, Reason};

/// The most bytes of a ban's reason.
pub const BAN_REASON_LENGTH: usize = 200;
/// The most bytes of an account.
const ACCOUNT_LENGTH: usize = 200;
/// How a user of this machine is written, as an address is.
const USER: &str = "unix:uid=";

/// A ban.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Whom it keeps out.
    pub subject: Subject,
    /// The name with which this was banned, if it is something else: the account or the address of its owner.
    pub with: Option<Nick>,
    /// Why, in one line that is safe to show.
    pub reason: Option<Box<str>>,
    /// When it was made, in milliseconds since 1970-01-01 UTC.
    pub since: u64,
    /// When it ends, in milliseconds since 1970-01-01 UTC; `None`: never.
    pub until: Option<u64>,
    /// The user ID of the administrator who made it.
    pub uid: u32,
}

/// Whom a ban keeps out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// Whoever wants to have this name.
    Name(Nick),
    /// Whoever has this account.
    Account(Box<str>),
    /// Whoever comes from this network, which may be a single address.
    Network(IpNet),
    /// This user of the machine, who comes by a Unix socket.
    User(u32),
}

/// Why a text names nobody who could be banned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// It is not a name.
    #[error(transparent)]
    Name(#[from] NickError),
    /// It is an address with something else behind it than the length of a network.
    #[error("behind the slash of an address goes a number of bits, at most 32 for IPv4 and 128 for IPv6")]
    Network,
}

impl Ban {
    /// Whether it is in force at this time (milliseconds since 1970-01-01 UTC).
    #[must_use]
    pub fn is_in_force(&self, unix: u64) -> bool {
        self.until.is_none_or(|until| unix < until)
    }

    /// When it ends, for people; `None`: never.
    #[must_use]
    pub fn until_text(&self) -> Option<String> {
        self.until.map(minute)
    }

    /// What the one concerned is told.
    #[must_use]
    pub fn told(&self) -> Reason {
        Reason::Banned { until: self.until, reason: self.reason.clone() }
    }

    /// Whether this subject is banned by it, or was the name with which it was made.
    #[must_use]
    pub fn belongs_to(&self, subject: &Subject) -> bool {
        let with = matches!((&self.with, subject), (Some(with), Subject::Name(name)) if with.key() == name.key());
        with || self.subject.is_same(subject)
    }
}

impl Subject {
    /// Interprets a name, an address, a network such as `192.0.2.0/24`, or an address as `chatctl list` shows it, with its
    /// port or as `unix:uid=1000`.
    ///
    /// # Errors
    /// It is neither an address nor a name that anybody can have.
    pub fn parse(text: &str) -> Result<Subject, SubjectError> {
        let text = text.trim();
        let user = text.strip_prefix(USER).and_then(|uid| uid.parse().ok()).map(Subject::User);
        let network = || parse_network(text).map(Subject::Network);
        let listed = || text.parse().ok().map(|address: SocketAddr| Subject::Network(single(address.ip())));
        match user.or_else(network).or_else(listed) {
            Some(subject) => Ok(subject),
            None if text.split('/').next().is_some_and(|start| start.parse::<IpAddr>().is_ok()) => {
                Err(SubjectError::Network)
            }
            None => Ok(Subject::Name(Nick::new(text)?)),
        }
    }

    /// An account; `None` if no account can be called so.
    #[must_use]
    pub fn account(name: &str) -> Option<Subject> {
        let fits = !name.is_empty() && name.len() <= ACCOUNT_LENGTH && !name.contains(char::is_whitespace);
        fits.then(|| Subject::Account(name.into()))
    }

    /// Whether they are the same: names and accounts by their comparison form.
    #[must_use]
    pub fn is_same(&self, other: &Subject) -> bool {
        match (self, other) {
            (Subject::Name(one), Subject::Name(other)) => one.key() == other.key(),
            _ => self == other,
        }
    }

    /// What kind it is, in one word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Subject::Name(_) => "name",
            Subject::Account(_) => "account",
            Subject::Network(_) | Subject::User(_) => "address",
        }
    }
}

impl fmt::Display for Subject {
    /// As [`parse`](Subject::parse) takes it, except for accounts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Name(nick) => nick.fmt(f),
            Subject::Account(account) => f.write_str(account),
            Subject::Network(network) if network.prefix_len() == network.max_prefix_len() => network.addr().fmt(f),
            Subject::Network(network) => network.fmt(f),
            Subject::User(uid) => write!(f, "{USER}{uid}"),
        }
    }
}

/// The network of this address alone. IPv4 addresses that are written as IPv6 are IPv4 addresses.
#[must_use]
pub fn single(address: IpAddr) -> IpNet {
    IpNet::from(address.to_canonical())
}

/// Parses an address or a network. Bits of the address behind the network's are dropped.
#[must_use]
pub fn parse_network(text: &str) -> Option<IpNet> {
    match text.parse() {
        Ok(IpNet::V6(network)) => Some(canonical(network)),
        Ok(IpNet::V4(network)) => Some(IpNet::V4(network.trunc())),
        Err(_) => text.parse().ok().map(single),
    }
}

/// `::ffff:192.0.2.0/120` is `192.0.2.0/24`.
fn canonical(network: Ipv6Net) -> IpNet {
    let inner = network.addr().to_ipv4_mapped().zip(network.prefix_len().checked_sub(96));
    match inner.and_then(|(address, length)| Ipv4Net::new(address, length).ok()) {
        Some(inner) => IpNet::V4(inner.trunc()),
        None => IpNet::V6(network.trunc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        let subject = Subject::parse(text).unwrap();
        format!("{} {subject}", subject.kind())
    }

    #[test]
    fn names_and_addresses_are_told_apart() {
        for (text, expected) in [
            ("ana", "name ana"),
            ("12", "name 12"),
            ("192.0.2", "name 192.0.2"),
            ("192.0.2.7", "address 192.0.2.7"),
            ("192.0.2.7:40312", "address 192.0.2.7"),
            ("192.0.2.7/24", "address 192.0.2.0/24"),
            ("192.0.2.7/32", "address 192.0.2.7"),
            ("2001:db8::7", "address 2001:db8::7"),
            ("[2001:db8::7]:40312", "address 2001:db8::7"),
            ("2001:db8::7/64", "address 2001:db8::/64"),
            ("::ffff:192.0.2.7", "address 192.0.2.7"),
            ("::ffff:192.0.2.7/120", "address 192.0.2.0/24"),
            ("[::ffff:192.0.2.7]:1", "address 192.0.2.7"),
            ("::/0", "address ::/0"),
            ("unix:uid=1000", "address unix:uid=1000"),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
            let again = Subject::parse(expected.split_once(' ').unwrap().1).unwrap();
            assert_eq!(again, Subject::parse(text).unwrap());
        }
        for text in ["", "two words", "unix:uid=x", "a@b"] {
            assert!(matches!(Subject::parse(text), Err(SubjectError::Name(_))), "{text}");
        }
        for text in ["192.0.2.7/33", "192.0.2.7/", "2001:db8::/129", "192.0.2.0/24/2"] {
            assert_eq!(Subject::parse(text), Err(SubjectError::Network), "{text}");
        }
        assert_eq!(Subject::account("ana@example.org").unwrap().kind(), "account");
        assert_eq!((Subject::account(""), Subject::account("a b")), (None, None));
    }
}
