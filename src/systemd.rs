//! systemd's side: readiness, status, reload, watchdog (sd_notify(3)).
//!
//! Without `NOTIFY_SOCKET` everything here does nothing, so callers need not know whether a service manager listens.
//! What the status says and which loops are critical is decided elsewhere.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Says that starting, or reloading, is finished.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Says that a reload begins; [`ready`] must follow.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!("the monotonic clock cannot be read for the service manager: {error}"),
    }
}

/// Says that stopping begins.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Sets the line that `systemctl status` shows.
///
/// Control characters become spaces: a line end in it, perhaps from a user's name, would begin a field of its own.
pub fn status(text: &str) {
    notify(&[NotifyState::Status(&one_line(text))]);
}

fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager cannot be told about our state: {error}");
    }
}

/// Keeps the status line up to date: at most once a second, and without any wake-up while nothing changes.
///
/// Clones share the line.
#[derive(Debug, Clone, Default)]
pub struct Status {
    touched: Arc<Notify>,
}

impl Status {
    /// The least time between two lines.
    const INTERVAL: Duration = Duration::from_secs(1);

    /// Says that what the line shows may have changed; cheap enough for every join and leave.
    pub fn touch(&self) {
        self.touched.notify_one();
    }

    /// Sends the line that `render` makes after a [`touch`](Self::touch), when it is another than the last one.
    /// Returns at once when no service manager listens, and never otherwise.
    pub async fn run(&self, render: impl FnMut() -> String) {
        if std::env::var_os("NOTIFY_SOCKET").is_some() {
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

/// Feeds the service manager's watchdog while every critical loop makes progress.
///
/// Each such loop is a member and holds a [`Beat`]. Every half watchdog interval all are asked; only when all have
/// answered by the next time is the watchdog fed. A loop that hangs therefore gets the service restarted, also when
/// the runtime and its timers still work. Clones share the members.
#[derive(Debug, Clone, Default)]
pub struct Pulse {
    members: Arc<Mutex<Vec<Weak<Member>>>>,
}

/// One loop's side of the [`Pulse`]; dropped when the loop ends, which is no fault.
///
/// A loop waits for its next event with [`answer_while`](Self::answer_while). A place where it is busy, or waits, for
/// long without looking at its beat counts as stuck.
#[derive(Debug)]
pub struct Beat {
    member: Arc<Member>,
}

#[derive(Debug)]
struct Member {
    name: String,
    question: Mutex<Question>,
}

#[derive(Debug, Default)]
struct Question {
    open: bool,
    waker: Option<Waker>,
}

impl Pulse {
    /// Makes a loop critical. The name is for the log: `accept [::]:6697`, `delivery`.
    pub fn member(&self, name: impl Into<String>) -> Beat {
        let member = Arc::new(Member { name: name.into(), question: Mutex::default() });
        lock(&self.members).push(Arc::downgrade(&member));
        Beat { member }
    }

    /// Feeds the watchdog. Returns at once when the service manager has none for us, and never otherwise.
    pub async fn run(&self) {
        if let Some(interval) = watchdog_interval() {
            self.feed(interval, || notify(&[NotifyState::Watchdog])).await;
        }
    }

    async fn feed(&self, interval: Duration, mut feed: impl FnMut()) {
        loop {
            self.ask();
            sleep(interval / 2).await;
            let stuck = self.unanswered();
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

    fn ask(&self) {
        for member in self.members() {
            let waker = {
                let mut question = lock(&member.question);
                question.open = true;
                question.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn unanswered(&self) -> Vec<String> {
        self.members().iter().filter(|member| lock(&member.question).open).map(|member| member.name.clone()).collect()
    }

    /// The members that still run; those that ended are forgotten.
    fn members(&self) -> Vec<Arc<Member>> {
        let mut members = lock(&self.members);
        members.retain(|member| member.strong_count() > 0);
        members.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Beat {
    /// Ready while a question waits for its [`answer`](Self::answer). The last task that polled is woken when a
    /// question comes.
    pub fn poll_asked(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut question = lock(&self.member.question);
        if question.open {
            return Poll::Ready(());
        }
        match &mut question.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Waits until a question waits for its [`answer`](Self::answer). Cancel-safe: a question stays until it is
    /// answered.
    pub async fn asked(&self) {
        poll_fn(|context| self.poll_asked(context)).await;
    }

    /// Waits for `future`, and answers meanwhile: waiting for an event is not being stuck.
    pub async fn answer_while<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                biased;
                () = self.asked() => self.answer(),
                value = &mut future => return value,
            }
        }
    }

    /// Answers the question, if there is one: the loop has made its way round.
    pub fn answer(&self) {
        lock(&self.member.question).open = false;
    }
}

/// How long the service manager waits for a sign of life, `WatchdogSec=`; `None`: it does not.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
}

/// A panic while a lock is held leaves nothing half-done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use tokio::time::{Instant, timeout};

    use super::*;

    const WATCHDOG: Duration = Duration::from_secs(30);

    /// Runs the future on paused time for that long; time passes only when nothing else can happen.
    fn run_for(duration: Duration, future: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async { timeout(duration, future).await.unwrap_err() });
    }

    /// A loop that answers whenever it is asked.
    async fn answering(beat: &Beat) {
        loop {
            beat.asked().await;
            beat.answer();
        }
    }

    #[test]
    fn the_watchdog_is_fed_every_half_interval_while_all_answer() {
        let pulse = Pulse::default();
        let (accept, delivery) = (pulse.member("accept"), pulse.member("delivery"));
        let fed = Cell::new(0);
        run_for(WATCHDOG * 2 + Duration::from_secs(1), async {
            tokio::join!(pulse.feed(WATCHDOG, || fed.set(fed.get() + 1)), answering(&accept), answering(&delivery));
        });
        assert_eq!(fed.get(), 4);
    }

    #[test]
    fn one_that_does_not_answer_stops_the_feeding_until_it_does() {
        let pulse = Pulse::default();
        let (accept, delivery) = (pulse.member("accept"), pulse.member("delivery"));
        let fed = RefCell::new(Vec::new());
        run_for(WATCHDOG * 2 + Duration::from_secs(1), async {
            let start = Instant::now();
            tokio::join!(pulse.feed(WATCHDOG, || fed.borrow_mut().push(start.elapsed())), answering(&accept), async {
                sleep(WATCHDOG + Duration::from_secs(1)).await;
                answering(&delivery).await;
            });
        });
        assert_eq!(*fed.borrow(), [WATCHDOG * 3 / 2, WATCHDOG * 2]);
    }

    #[test]
    fn those_that_did_not_answer_are_known_by_name() {
        let pulse = Pulse::default();
        let (accept, _delivery) = (pulse.member("accept"), pulse.member("delivery"));
        assert!(pulse.unanswered().is_empty());
        pulse.ask();
        accept.answer();
        assert_eq!(pulse.unanswered(), ["delivery"]);
    }

    #[test]
    fn a_loop_that_has_ended_is_not_missed() {
        let pulse = Pulse::default();
        drop(pulse.member("accept"));
        pulse.ask();
        assert!(pulse.unanswered().is_empty());
        assert!(lock(&pulse.members).is_empty());
    }

    #[test]
    fn a_question_survives_a_dropped_future_and_is_asked_until_answered() {
        let pulse = Pulse::default();
        let beat = pulse.member("accept");
        let mut context = Context::from_waker(Waker::noop());
        assert!(beat.poll_asked(&mut context).is_pending());
        pulse.ask();
        assert!(beat.poll_asked(&mut context).is_ready());
        assert!(beat.poll_asked(&mut context).is_ready());
        beat.answer();
        assert!(beat.poll_asked(&mut context).is_pending());
    }

    #[test]
    fn the_status_is_sent_at_once_and_then_at_most_once_a_second() {
        let line = RefCell::new(String::new());
        let sent = RefCell::new(Vec::new());
        let status = Status::default();
        run_for(Duration::from_secs(100), async {
            let start = Instant::now();
            tokio::join!(
                status.send(
                    || line.borrow().clone(),
                    |text| sent.borrow_mut().push((start.elapsed().as_millis(), text.to_owned()))
                ),
                async {
                    for count in 0..5 {
                        *line.borrow_mut() = format!("{count} users");
                        status.touch();
                        sleep(Duration::from_millis(300)).await;
                    }
                    sleep(Duration::from_secs(50)).await;
                    status.touch();
                }
            );
        });
        let expected = [(0, "0 users"), (1000, "3 users"), (2000, "4 users")];
        assert_eq!(*sent.borrow(), expected.map(|(time, text)| (time, text.to_owned())));
    }

    #[test]
    fn a_status_is_one_line_whatever_it_is_made_of() {
        assert_eq!(one_line("1 user\nREADY=1\r\u{85}\u{1b}[2J é"), "1 user READY=1   [2J é");
    }
}
