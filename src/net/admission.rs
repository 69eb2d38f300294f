//! Connection limits: in total, and per address.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use tokio::sync::Notify;
use tracing::warn;

use super::Address;

/// As how many addresses an IPv6 site counts: a /48 is given to whoever asks for one and has 65,536 networks, each of which
/// counts as an address.
const SITE: usize = 8;

/// Counts connections. The limits are passed as arguments, because a reload can change them.
#[derive(Debug, Default)]
pub struct Admissions {
    open: AtomicUsize,
    freed: Notify,
    per_network: Mutex<HashMap<IpNet, Place>>,
    /// How often accepting paused because the limit on connections was reached.
    pub full: AtomicU64,
    /// How many clients were rejected because their address had reached its limit.
    pub address_full: AtomicU64,
}

/// An address, or a site of many, that has connections.
#[derive(Debug, Default)]
struct Place {
    connections: usize,
    paid: Arc<AtomicU64>,
}

/// Counts one connection until it is dropped.
#[derive(Debug)]
pub struct Admission {
    admissions: Arc<Admissions>,
    address: Address,
    /// When everything that was said from its address is paid for, in ticks.
    paid: Option<Arc<AtomicU64>>,
}

impl Admissions {
    /// The number of open connections.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Waits until fewer than `limit()` connections are open. New clients wait in the kernel's accept queue meanwhile.
    pub async fn wait(&self, limit: impl Fn() -> usize) {
        let mut told = false;
        loop {
            let freed = self.freed.notified();
            if self.open() < limit() {
                return;
            }
            if !told {
                self.full.fetch_add(1, Ordering::Relaxed);
                warn!(
                    chatd.event = "limit",
                    chatd.reason = "connections",
                    "all {} connections are in use; further clients wait",
                    self.open()
                );
                told = true;
            }
            freed.await;
        }
    }

    /// Counts a new connection, or returns `None` if its address has `limit` connections already, or its IPv6 site
    /// eight times as many. Call [`wait`](Self::wait) first.
    pub fn enter(self: &Arc<Self>, address: Address, limit: usize) -> Option<Admission> {
        let mut per_network = self.per_network.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full =
            |(network, times)| per_network.get(&network).is_some_and(|p| p.connections >= limit.saturating_mul(times));
        if shares(&address).any(is_full) {
            self.address_full.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        for (network, _) in shares(&address) {
            per_network.entry(network).or_default().connections += 1;
        }
        let paid = address.network().and_then(|network| per_network.get(&network)).map(|place| place.paid.clone());
        drop(per_network);
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Admission { admissions: self.clone(), address, paid })
    }

    /// Makes all waiting tasks check the limit again.
    pub fn limit_changed(&self) {
        self.freed.notify_waiters();
    }
}

impl Admission {
    /// The client's address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Something was said from its address that takes so long to pay for. Returns when everything from there is paid for;
    /// all in ticks. What is said on this machine costs nothing.
    pub fn pay(&self, now: u64, price: u64) -> u64 {
        let Some(paid) = &self.paid else { return 0 };
        let until = paid.load(Ordering::Relaxed).max(now) + price;
        paid.store(until, Ordering::Relaxed);
        until
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut per_network = self.admissions.per_network.lock().unwrap_or_else(PoisonError::into_inner);
        for (network, _) in shares(&self.address) {
            if let Some(place) = per_network.get_mut(&network) {
                place.connections -= 1;
                if place.connections == 0 {
                    per_network.remove(&network);
                }
            }
        }
        drop(per_network);
        self.admissions.open.fetch_sub(1, Ordering::Relaxed);
        self.admissions.freed.notify_waiters();
    }
}

/// Whose limits hold for an address, and how many times as much as an address each may use.
pub fn shares(address: &Address) -> impl Iterator<Item = (IpNet, usize)> + use<> {
    let alone = address.network().map(|network| (network, 1));
    alone.into_iter().chain(address.site().map(|site| (site, SITE)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn address(text: &str) -> Address {
        Address::from(text.parse::<std::net::SocketAddr>().unwrap())
    }

    #[tokio::test]
    async fn accepting_waits_until_a_place_is_free_or_the_limit_grows() {
        let admissions = Arc::new(Admissions::default());
        let limit = Cell::new(2);
        let mut context = Context::from_waker(Waker::noop());
        let places: Vec<_> =
            (0..2).map(|port| admissions.enter(address(&format!("192.0.2.1:{port}")), 9).unwrap()).collect();
        let mut waiting = pin!(admissions.wait(|| limit.get()));
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        assert_eq!((admissions.open(), admissions.full.load(Ordering::Relaxed)), (2, 1));
        limit.set(3);
        admissions.limit_changed();
        waiting.await;
        limit.set(2);
        let mut waiting = pin!(admissions.wait(|| limit.get()));
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        drop(places);
        waiting.await;
        assert_eq!(admissions.open(), 0);
    }

    #[test]
    fn connections_per_address_are_counted_and_freed() {
        let admissions = Arc::new(Admissions::default());
        let enter = |text: &str| admissions.enter(address(text), 2);
        let first = enter("[2001:db8::1]:1").unwrap();
        let _second = enter("[2001:db8::2]:1").unwrap();
        assert!(enter("[2001:db8::3]:1").is_none(), "a /64 counts as one");
        let _other = enter("[2001:db8:0:1::1]:1").unwrap();
        assert_eq!((admissions.open(), admissions.address_full.load(Ordering::Relaxed)), (3, 1));
        drop(first);
        let _third = enter("[2001:db8::3]:1").unwrap();
        let local = Address::Unix { uid: 1000 };
        let locals: Vec<_> = (0..9).map(|_| admissions.enter(local, 2).unwrap()).collect();
        assert_eq!(admissions.open(), 12, "the users of this machine are not counted by address");
        drop(locals);
        assert_eq!(admissions.open(), 3);
    }

    #[test]
    fn the_networks_of_a_site_count_together() {
        let admissions = Arc::new(Admissions::default());
        let enter = |network: usize| admissions.enter(address(&format!("[2001:db8:0:{network:x}::1]:1")), 2);
        let places: Vec<_> = (0..100).filter_map(enter).collect();
        assert_eq!(places.len(), 2 * SITE);
        assert!(enter(0).is_none() && admissions.enter(address("[2001:db8:1::1]:1"), 2).is_some());
        drop(places);
        assert!(enter(0).is_some());
        let unlimited: Vec<_> = (0..3).map(|_| admissions.enter(address("[2001:db8::1]:1"), usize::MAX)).collect();
        assert!(unlimited.iter().all(Option::is_some));
    }

    #[test]
    fn an_address_without_connections_is_not_kept() {
        let admissions = Arc::new(Admissions::default());
        drop(admissions.enter(address("192.0.2.1:1"), 1));
        drop(admissions.enter(address("[2001:db8::1]:1"), 1));
        assert!(admissions.per_network.lock().unwrap().is_empty());
    }
}
