//! The status line and the watchdog, in virtual time.

use proptest::prelude::*;

use std::cell::{Cell, RefCell};

use tokio::time::{Instant, timeout};

use super::*;

const WATCHDOG: Duration = Duration::from_secs(30);

/// Runs the future on paused time for `duration`; time advances only when no task can run.
fn run_for(duration: Duration, future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { timeout(duration, future).await.unwrap_err() });
}

/// A loop that answers every check.
async fn answering(heartbeat: &Heartbeat) {
    loop {
        heartbeat.checked().await;
        heartbeat.answer();
    }
}

#[test]
fn keep_alives_are_sent_every_half_interval_while_all_answer() {
    let watchdog = Watchdog::default();
    let (accept, delivery) = (watchdog.register("accept"), watchdog.register("delivery"));
    let fed = Cell::new(0);
    run_for(WATCHDOG * 2 + Duration::from_secs(1), async {
        tokio::join!(watchdog.feed(WATCHDOG, || fed.set(fed.get() + 1)), answering(&accept), answering(&delivery));
    });
    assert_eq!(fed.get(), 4);
}

#[test]
fn a_stuck_loop_stops_the_keep_alives_until_it_answers() {
    let watchdog = Watchdog::default();
    let (accept, delivery) = (watchdog.register("accept"), watchdog.register("delivery"));
    let fed = RefCell::new(Vec::new());
    run_for(WATCHDOG * 2 + Duration::from_secs(1), async {
        let start = Instant::now();
        tokio::join!(watchdog.feed(WATCHDOG, || fed.borrow_mut().push(start.elapsed())), answering(&accept), async {
            sleep(WATCHDOG + Duration::from_secs(1)).await;
            answering(&delivery).await;
        });
    });
    assert_eq!(*fed.borrow(), [WATCHDOG * 3 / 2, WATCHDOG * 2]);
}

#[test]
fn stuck_loops_are_reported_by_name() {
    let watchdog = Watchdog::default();
    let (accept, _delivery) = (watchdog.register("accept"), watchdog.register("delivery"));
    assert!(watchdog.stuck().is_empty());
    watchdog.start_check();
    accept.answer();
    assert_eq!(watchdog.stuck(), ["delivery"]);
}

#[test]
fn a_loop_that_has_ended_is_not_stuck() {
    let watchdog = Watchdog::default();
    drop(watchdog.register("accept"));
    watchdog.start_check();
    assert!(watchdog.stuck().is_empty());
    assert!(lock(&watchdog.members).is_empty());
}

#[test]
fn a_check_survives_a_dropped_future_and_stays_until_answered() {
    let watchdog = Watchdog::default();
    let heartbeat = watchdog.register("accept");
    let mut context = Context::from_waker(Waker::noop());
    assert!(heartbeat.poll_check(&mut context).is_pending());
    watchdog.start_check();
    assert!(heartbeat.poll_check(&mut context).is_ready());
    assert!(heartbeat.poll_check(&mut context).is_ready());
    heartbeat.answer();
    assert!(heartbeat.poll_check(&mut context).is_pending());
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

proptest! {
    #[test]
    fn a_status_is_harmless(text in any::<String>(), more in "[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}a]{0,40}") {
        let text = text + &more;
        prop_assert!(!one_line(&text).contains(is_harmful));
    }
}

#[test]
fn a_status_is_one_line_whatever_it_is_made_of() {
    assert_eq!(one_line("1 user\nREADY=1\r\u{85}\u{1b}[2J\u{200f}é"), "1 user READY=1   [2J é");
}
