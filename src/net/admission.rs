//! Connection limits: in total, and per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tracing::warn;

use super::Address;

/// Counts connections. The limits are passed as arguments, because a reload can change them.
#[derive(Debug, Default)]
pub struct Admissions {
    open: AtomicUsize,
    freed: Notify,
    per_address: Mutex<HashMap<IpAddr, Place>>,
    /// How often accepting paused because the limit on connections was reached.
    pub full: AtomicU64,
    /// How many clients were rejected because their address had reached its limit.
    pub address_full: AtomicU64,
}

/// An address that has connections.
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

    /// Counts a new connection, or returns `None` if its address has `limit` connections already. Call
    /// [`wait`](Self::wait) first.
    pub fn enter(self: &Arc<Self>, address: Address, limit: usize) -> Option<Admission> {
        let mut paid = None;
        if let Some(key) = address.limit_key() {
            let mut per_address = self.per_address.lock().unwrap_or_else(PoisonError::into_inner);
            let place = per_address.entry(key).or_default();
            if place.connections >= limit {
                self.address_full.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            place.connections += 1;
            paid = Some(place.paid.clone());
        }
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
        if let Some(key) = self.address.limit_key() {
            let mut per_address = self.admissions.per_address.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = per_address.get_mut(&key) {
                place.connections -= 1;
                if place.connections == 0 {
                    per_address.remove(&key);
                }
            }
        }
        self.admissions.open.fetch_sub(1, Ordering::Relaxed);
        self.admissions.freed.notify_waiters();
    }
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
    fn an_address_without_connections_is_not_kept() {
        let admissions = Arc::new(Admissions::default());
        drop(admissions.enter(address("192.0.2.1:1"), 1));
        assert!(admissions.per_address.lock().unwrap().is_empty());
    }
}
