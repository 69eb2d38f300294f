//! When new clients are served: so many in a second, in all and from each address. Those who come faster wait, each for
//! its own turn, and nobody waits for them. It is the generic cell rate algorithm (ITU-T I.371), as for messages; time is an
//! argument.

use std::collections::HashMap;

use ipnet::IpNet;

use crate::config::Limits;
use crate::net::{Address, shares};

/// How long a client may have to wait. Whoever would wait longer is refused.
const MOST: u64 = 30_000_000;
/// How many addresses are kept before those are looked for that need not be.
const FEW: usize = 64;

/// Which limit a client has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// `limits.connection-rate`
    InAll,
    /// `limits.connection-rate-per-address`
    PerAddress,
}

/// When a client is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    /// At this time, in ticks.
    At(u64, Reached),
    Refused(Reached),
}

/// Gives each new client its turn.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// The theoretical arrival time of the next client, in ticks.
    all: u64,
    /// The same for each address and each site that it is not over for: in all no more than come within a burst.
    networks: HashMap<IpNet, u64>,
    /// When `networks` has so many, those are removed that may have their whole burst again.
    sweep_at: usize,
    /// How many had to wait or were refused, because too many came in all.
    pub(super) in_all: u64,
    /// The same, because too many came from their address.
    pub(super) per_address: u64,
}

impl Arrivals {
    /// The turn of a client that has come from this address. As many as may be connected at once may also come at once, as
    /// they do when a network or a server is back.
    pub(super) fn turn(&mut self, now: u64, address: &Address, limits: &Limits) -> Turn {
        let all = Cell { rate: limits.connection_rate, burst: limits.connections };
        let each = limits.per_address(address.ip());
        let cell = |times: usize| Cell {
            rate: each.connection_rate.saturating_mul(times as u32),
            burst: each.connections.saturating_mul(times),
        };
        let due = |networks: &HashMap<_, _>, network| networks.get(&network).copied().unwrap_or_default();
        let network_at = |(network, times)| cell(times).turn(now, due(&self.networks, network));
        let (all_at, address_at) = (all.turn(now, self.all), shares(address).map(network_at).max().unwrap_or(now));
        let (at, reached) =
            if address_at >= all_at { (address_at, Reached::PerAddress) } else { (all_at, Reached::InAll) };
        if at > now {
            *(if reached == Reached::InAll { &mut self.in_all } else { &mut self.per_address }) += 1;
        }
        if at > now + MOST {
            return Turn::Refused(reached);
        }
        self.all = all.after(now, self.all);
        self.sweep(now);
        for (network, times) in shares(address) {
            let after = cell(times).after(now, due(&self.networks, network));
            self.networks.insert(network, after);
        }
        if at > now { Turn::At(at, reached) } else { Turn::Now }
    }

    /// Removes the addresses for which nothing need be known. Done when there are twice as many as the last time, so it
    /// costs each client next to nothing.
    fn sweep(&mut self, now: u64) {
        if self.networks.len() >= self.sweep_at.max(FEW) {
            self.networks.retain(|_, due| *due > now);
            self.networks.shrink_to(2 * self.networks.len());
            self.sweep_at = 2 * self.networks.len();
        }
    }
}

/// A rate in clients per second, and how many may come at once.
#[derive(Clone, Copy)]
struct Cell {
    rate: u32,
    burst: usize,
}

impl Cell {
    fn interval(self) -> u64 {
        1_000_000 / u64::from(self.rate.max(1))
    }

    fn turn(self, now: u64, due: u64) -> u64 {
        due.saturating_sub(self.interval() * (self.burst.max(1) as u64 - 1)).max(now)
    }

    fn after(self, now: u64, due: u64) -> u64 {
        due.max(now) + self.interval()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::*;
    use crate::config::{PerAddress, file};
    use crate::directories::Directories;

    const SECOND: u64 = 1_000_000;

    fn limits(in_all: u32, all: usize, per_address: u32, each: usize) -> Limits {
        let directories = Directories { runtime: "/nowhere".into(), state: "/nowhere".into() };
        let limits = file::parse("", &directories).unwrap().limits;
        let per_address = PerAddress { connection_rate: per_address, connections: each, ..limits.per_address };
        Limits { connection_rate: in_all, connections: all, per_address, ..limits }
    }

    fn address(number: u32) -> Address {
        Address::from(SocketAddr::new(IpAddr::V4(number.into()), 1))
    }

    #[test]
    fn a_burst_is_served_at_once_and_the_rest_one_after_the_other() {
        let limits = limits(1000, 1000, 4, 3);
        let mut arrivals = Arrivals::default();
        let mut turn = |now, who| arrivals.turn(now, &address(who), &limits);
        assert_eq!([1, 1, 1].map(|who| turn(SECOND, who)), [Turn::Now; 3]);
        assert_eq!(turn(SECOND, 1), Turn::At(SECOND + 250_000, Reached::PerAddress));
        assert_eq!(turn(SECOND, 1), Turn::At(SECOND + 500_000, Reached::PerAddress));
        assert_eq!(turn(SECOND, 2), Turn::Now, "nobody else waits for them");
        // The whole burst is free again after a pause.
        assert_eq!([1, 1, 1].map(|who| turn(60 * SECOND, who)), [Turn::Now; 3]);
        assert_eq!(arrivals.per_address, 2);
    }

    #[test]
    fn whoever_would_wait_too_long_is_refused_and_delays_nobody() {
        let limits = limits(1000, 1000, 1, 1);
        let mut arrivals = Arrivals::default();
        let mut turn = |now| arrivals.turn(now, &address(1), &limits);
        assert_eq!(turn(0), Turn::Now);
        assert_eq!((1..=30).filter(|_| matches!(turn(0), Turn::At(..))).count(), 30);
        assert!((0..1000).all(|_| turn(0) == Turn::Refused(Reached::PerAddress)));
        assert_eq!(turn(SECOND), Turn::At(31 * SECOND, Reached::PerAddress));
    }

    #[test]
    fn many_addresses_together_are_bounded_too() {
        let limits = limits(10, 5, 1, 1);
        let mut arrivals = Arrivals::default();
        let turns: Vec<Turn> = (0..7).map(|who| arrivals.turn(0, &address(who), &limits)).collect();
        assert_eq!(turns[..5], [Turn::Now; 5]);
        let late = [100_000, 200_000].map(|at| Turn::At(at, Reached::InAll));
        assert_eq!((&turns[5..], arrivals.in_all), (&late[..], 2));
        assert_eq!(
            arrivals.turn(0, &Address::Unix { uid: 0 }, &limits),
            Turn::At(300_000, Reached::InAll),
            "who is on this machine, too"
        );
    }

    #[test]
    fn addresses_are_forgotten() {
        let limits = limits(1_000_000, 1_000_000, 4, 64);
        let mut arrivals = Arrivals::default();
        // A thousand a second, each from another address.
        for number in 0..100_000_u32 {
            assert_eq!(arrivals.turn(u64::from(number) * 1000, &address(number), &limits), Turn::Now);
            assert!(arrivals.networks.len() <= 1000, "{}", arrivals.networks.len());
        }
    }
}
