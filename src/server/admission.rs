//! Who may come in: how many connections altogether, and how many from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tracing::warn;

use crate::net::Address;
use crate::session::count;

/// Counts connections against their limits. The limits are arguments, because a reload changes them.
#[derive(Debug, Default)]
pub struct Admissions {
    open: AtomicUsize,
    freed: Notify,
    per_address: Mutex<HashMap<IpAddr, usize>>,
    /// Times that accepting paused because every connection was in use.
    pub full: AtomicU64,
    /// Clients turned away because too many came from their address.
    pub address_full: AtomicU64,
}

/// One connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub struct Admission {
    admissions: Arc<Admissions>,
    key: Option<IpAddr>,
}

impl Admissions {
    /// Connections that have a place now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Waits until fewer than `limit()` connections are open. Clients wait in the kernel's queue meanwhile.
    pub async fn wait(&self, limit: impl Fn() -> usize) {
        let mut told = false;
        loop {
            let freed = self.freed.notified();
            if self.open() < limit() {
                return;
            }
            if !told {
                count(&self.full);
                warn!(chatd.event = "limit", "all {} connections are in use; further clients wait", self.open());
                told = true;
            }
            freed.await;
        }
    }

    /// A place for a client, unless `limit` of its address have one. Whoever asks has [waited](Self::wait).
    pub fn enter(self: &Arc<Self>, address: Address, limit: usize) -> Option<Admission> {
        let key = address.limit_key();
        if let Some(key) = key {
            let mut per_address = self.per_address.lock().unwrap_or_else(PoisonError::into_inner);
            let connections = per_address.entry(key).or_default();
            if *connections >= limit {
                count(&self.address_full);
                return None;
            }
            *connections += 1;
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Admission { admissions: self.clone(), key })
    }

    /// Has everybody who waits look at the limit again.
    pub fn limit_changed(&self) {
        self.freed.notify_waiters();
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let mut per_address = self.admissions.per_address.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(connections) = per_address.get_mut(&key) {
                *connections -= 1;
                if *connections == 0 {
                    per_address.remove(&key);
                }
            }
        }
        self.admissions.open.fetch_sub(1, Ordering::Relaxed);
        self.admissions.freed.notify_waiters();
    }
}
