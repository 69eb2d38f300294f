//! Clients that are gone while their input waits. Those that vanish without a word are in `tests/system/guest/vanishing.py`.

use std::io::Read as _;

use crate::support::daemon::Daemon;

#[test]
fn whoever_has_closed_with_input_that_waits_is_gone_when_something_is_said() {
    let daemon = Daemon::start("[limits]\nmessage-rate = 1\nmessage-burst = 5\n");
    let mut bo = daemon.join("bo");
    let mut ana = daemon.connect();
    let flood: String = (0..600).map(|n| format!("PRIVMSG #lobby :line {n}\r\n")).collect();
    ana.send(&format!("NICK ana\r\nUSER ana 0 * :ana\r\n{flood}"));
    bo.expect("ana: line 0");
    ana.expect_start(":chatd.internal 366 ana ");
    // Everything is read, so that the close is an orderly one.
    ana.socket().set_nonblocking(true).unwrap();
    while ana.socket().read(&mut [0; 4096]).is_ok() {}
    drop(ana);
    bo.say("are you there?");
    let next = (0..60).map(|_| bo.line()).find(|line| !line.starts_with("ana: line ") && !line.starts_with("bo: "));
    let next = next.unwrap();
    assert!(next.starts_with("*** ana has left (connection broken: "), "{next}");
}
