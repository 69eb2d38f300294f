//! Talks to systemd: readiness, status, reload, watchdog and the descriptor store (sd_notify(3)).
//!
//! Without `NOTIFY_SOCKET` everything here does nothing, so callers need not check for a service manager. Callers
//! decide what the status line says and which loops the watchdog covers.

#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::pipe::{PipeFlags, pipe_with};
use sd_notify::NotifyState;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::harmless::is_harmful;

/// How long the service manager may take to process what it was sent.
const BARRIER: Duration = Duration::from_secs(5);

/// Reports that starting or reloading has finished.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Reports the start of a reload; [`ready`] must follow.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!("the monotonic clock cannot be read for the service manager: {error}"),
    }
}

/// Sends a keep-alive to the watchdog, for a time in which nothing else does.
pub fn keep_alive() {
    notify(&[NotifyState::Watchdog]);
}

/// Reports the start of stopping.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Sets the line shown by `systemctl status`.
///
/// Harmful characters become spaces, because a line break, perhaps in a user's name, would start another field of the
/// message.
pub fn status(text: &str) {
    notify(&[NotifyState::Status(&one_line(text))]);
}

/// Whether there is a service manager.
#[must_use]
pub fn is_there() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Has the service manager keep a descriptor under this name until the next process of the service starts, which is given
/// it beside its sockets (sd_pid_notify_with_fds(3)). Waits until it is kept, for a moment at most.
///
/// # Errors
/// There is no service manager, or it does not answer.
pub fn store(name: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    if !is_there() {
        return Err(io::ErrorKind::NotFound.into());
    }
    // It would not keep a socket whose other end is closed, if it watched it.
    let states = [NotifyState::FdStore, NotifyState::FdName(name), NotifyState::Custom("FDPOLL=0")];
    sd_notify::notify_with_fds(&states, &[descriptor])?;
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    sd_notify::notify_with_fds(&[NotifyState::Custom("BARRIER=1")], &[writer.as_fd()])?;
    drop(writer);
    let limit = Timespec::try_from(BARRIER).map_err(io::Error::other)?;
    // A signal that comes meanwhile is no reason to give up.
    match retry_on_intr(|| poll(&mut [PollFd::new(&reader, PollFlags::empty())], Some(&limit)))? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

/// Has the service manager forget the descriptors of this name.
pub fn forget(name: &str) {
    notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
}

fn one_line(text: &str) -> String {
    text.chars().map(|character| if is_harmful(character) { ' ' } else { character }).collect()
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager cannot be told about our state: {error}");
    }
}

/// Keeps the status line up to date: at most one update per second, and no wake-ups while nothing changes.
///
/// Clones share the same line.
#[derive(Debug, Clone, Default)]
pub struct Status {
    touched: Arc<Notify>,
}

impl Status {
    /// The minimum time between two updates.
    const INTERVAL: Duration = Duration::from_secs(1);

    /// Marks the status line as possibly out of date; cheap enough for every join and leave.
    pub fn touch(&self) {
        self.touched.notify_one();
    }

    /// After each [`touch`](Self::touch), sends the line that `render` returns if it has changed. Returns at once if
    /// there is no service manager; otherwise never.
    pub async fn run(&self, render: impl FnMut() -> String) {
        if is_there() {
            self.send(render, status).await;
        }
    }

    async fn send(&self, mut render: impl FnMut() -> String, mut send: impl FnMut(&str)) {
        let mut last = String::new();
        loop {
            self.touched.notified().await;
            let text = render();
            if text != last {
                send(&text);
                last = text;
            }
            sleep(Self::INTERVAL).await;
        }
    }
}

/// Sends keep-alive messages to the service manager's watchdog while every critical loop makes progress.
///
/// Each critical loop is a member and holds a [`Heartbeat`]. A check of all members starts every half watchdog
/// interval; the keep-alive is sent only if all have answered by the next one. So a loop that hangs gets the service
/// restarted even if the runtime and its timers still work. Clones share the members.
#[derive(Debug, Clone, Default)]
pub struct Watchdog {
    members: Arc<Mutex<Vec<Weak<Member>>>>,
}

/// A loop's registration with the [`Watchdog`]. Drop it when the loop ends; that is not reported.
///
/// The loop waits for its next event with [`answer_while`](Self::answer_while). If it blocks, or waits elsewhere, for
/// longer than half the watchdog interval, it counts as stuck.
#[derive(Debug)]
pub struct Heartbeat {
    member: Arc<Member>,
}

#[derive(Debug)]
struct Member {
    name: String,
    check: Mutex<Check>,
}

#[derive(Debug, Default)]
struct Check {
    pending: bool,
    waker: Option<Waker>,
}

impl Watchdog {
    /// Registers a critical loop. The name is for the log: `accept [::]:6697`, `delivery`.
    pub fn register(&self, name: impl Into<String>) -> Heartbeat {
        let member = Arc::new(Member { name: name.into(), check: Mutex::default() });
        lock(&self.members).push(Arc::downgrade(&member));
        Heartbeat { member }
    }

    /// Sends the keep-alives. Returns at once if the service manager has set no watchdog; otherwise never.
    pub async fn run(&self) {
        if let Some(interval) = watchdog_interval() {
            self.feed(interval, || notify(&[NotifyState::Watchdog])).await;
        }
    }

    async fn feed(&self, interval: Duration, mut feed: impl FnMut()) {
        loop {
            self.start_check();
            sleep(interval / 2).await;
            let stuck = self.stuck();
            if stuck.is_empty() {
                feed();
            } else {
                tracing::error!(
                    chatd.event = "stuck",
                    "no progress within {:?}, the watchdog is not fed: {}",
                    interval / 2,
                    stuck.join(", ")
                );
            }
        }
    }

    fn start_check(&self) {
        for member in self.members() {
            let waker = {
                let mut check = lock(&member.check);
                check.pending = true;
                check.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn stuck(&self) -> Vec<String> {
        self.members().iter().filter(|member| lock(&member.check).pending).map(|member| member.name.clone()).collect()
    }

    /// The members that are still running; drops those that have ended.
    fn members(&self) -> Vec<Arc<Member>> {
        let mut members = lock(&self.members);
        members.retain(|member| member.strong_count() > 0);
        members.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Heartbeat {
    /// Ready while a check waits for its [`answer`](Self::answer). Wakes the task that polled last when a check starts.
    pub fn poll_check(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut check = lock(&self.member.check);
        if check.pending {
            return Poll::Ready(());
        }
        match &mut check.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Waits for the next check, to be [answered](Self::answer). Cancel-safe: a check stays pending until it is
    /// answered.
    pub async fn checked(&self) {
        poll_fn(|context| self.poll_check(context)).await;
    }

    /// Awaits `future` and answers checks meanwhile, because waiting for an event is not being stuck.
    pub async fn answer_while<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                biased;
                () = self.checked() => self.answer(),
                value = &mut future => return value,
            }
        }
    }

    /// Answers the pending check, if there is one. Call it once per iteration of the loop.
    pub fn answer(&self) {
        lock(&self.member.check).pending = false;
    }
}

/// The watchdog timeout, `WatchdogSec=`; `None` if the service manager has set none.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
}

/// Ignores poisoning: a panic while the lock is held leaves no inconsistent state here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
