//! Tells the delivery that something was appended: once, however much it is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// One flag and one waiter.
#[derive(Debug, Default)]
pub struct Bell {
    rung: AtomicBool,
    waiter: Mutex<Option<Waker>>,
}

impl Bell {
    /// Rings; the waiter is woken only by the first ring since it last looked.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Some(waiter) = &*self.waiter.lock().unwrap_or_else(PoisonError::into_inner)
        {
            waiter.wake_by_ref();
        }
    }

    /// Ready when it has rung since [`silence`](Self::silence).
    pub fn poll_rung(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiter = self.waiter.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *waiter {
            Some(waiter) => waiter.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        if self.rung.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Makes the next ring a new one.
    pub fn silence(&self) {
        self.rung.store(false, Ordering::SeqCst);
    }
}
