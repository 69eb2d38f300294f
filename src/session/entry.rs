//! Who may come in: asked when a client connects, and again when its handshake is done and its protocol is known; and how
//! often it may try.

use super::{Origin, Phase, Session};
use crate::chat::{Nick, Now, Reason, Subject, are_alike};
use crate::config::Limits;
use crate::net::Address;
use crate::room::Bans;

/// Why nobody may come from this address, if so.
#[must_use]
pub fn barred(now: Now, bans: &Bans, limits: &Limits, address: &Address) -> Option<Reason> {
    match *address {
        Address::Unix { uid } => bans.of_user(now.unix, uid).map(|ban| ban.told()),
        Address::Tcp(address) => {
            let ban = bans.of_address(now.unix, address.ip()).map(|ban| ban.told());
            ban.or_else(|| (!limits.allows(address.ip())).then_some(Reason::NotAllowed))
        }
    }
}

impl Origin {
    /// Why this client may not come in, if so.
    #[must_use]
    pub fn barred(&self, now: Now, bans: &Bans, limits: &Limits) -> Option<Reason> {
        let account = || bans.of_account(now.unix, self.account.as_deref()).map(|ban| ban.told());
        barred(now, bans, limits, &self.address).or_else(account)
    }

    /// Whether a ban concerns this client, who is called `nick`, if it has a name.
    #[must_use]
    pub fn is_subject(&self, subject: &Subject, nick: Option<&Nick>) -> bool {
        match subject {
            Subject::Name(name) => nick.is_some_and(|nick| are_alike(nick, name)),
            Subject::Account(account) => self.account.as_ref() == Some(account),
            Subject::Network(network) => self.address.ip().is_some_and(|ip| network.contains(&ip.to_canonical())),
            Subject::User(uid) => self.address == Address::Unix { uid: *uid },
        }
    }
}

impl Session {
    /// Counts a name or a login that was refused, unless the client has a name already.
    ///
    /// # Errors
    /// It was the last one.
    pub fn count_refused(&mut self, limits: &Limits) -> Result<(), Reason> {
        match &mut self.phase {
            Phase::Open { refused } if self.person.is_none() => {
                *refused += 1;
                if *refused < limits.login_attempts { Ok(()) } else { Err(Reason::TooManyAttempts(*refused)) }
            }
            _ => Ok(()),
        }
    }
}
