//! Signals that come while nobody can handle them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::restart;
use crate::support::PATIENCE;
use crate::support::daemon::Daemon;

#[test]
fn a_signal_that_comes_while_the_program_is_executed_anew_disconnects_nobody() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    let process = Pid::from_raw(daemon.pid().cast_signed()).unwrap();
    let (over, deadline) = (AtomicBool::new(false), Instant::now() + PATIENCE);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) && Instant::now() < deadline {
                kill_process(process, Signal::HUP).unwrap();
                kill_process(process, Signal::USR1).unwrap();
            }
        });
        restart(&daemon);
        over.store(true, Ordering::Relaxed);
    });
    ana.say("hello");
    ana.expect("ana: hello");
}

#[test]
fn a_stop_that_comes_while_the_program_is_executed_anew_says_goodbye() {
    let mut daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    daemon.signal("USR2");
    daemon.wait_for_log("handing over to the next process");
    daemon.signal("TERM");
    assert_eq!(ana.rest().last().unwrap(), "*** Goodbye: the server is stopping.");
    assert!(daemon.wait().success());
}
