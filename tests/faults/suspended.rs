//! A process that is suspended for longer than any time limit, as by SIGSTOP or on a starved machine.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use crate::support::PATIENCE;
use crate::support::client::{Client, trusting};
use crate::support::daemon::Daemon;

#[test]
fn nobody_is_late_who_has_spoken_while_the_daemon_was_suspended() {
    let daemon = Daemon::start("[limits]\nlogin-timeout = \"1s\"\nhandshake-timeout = \"1s\"\n");
    let mut ana = daemon.join("ana");
    let mut silent = daemon.connect();
    let mut irc = daemon.connect();
    irc.send("NICK cho\r\n");
    // In the middle of a handshake: the daemon has accepted it, and waits for the rest of the first message.
    let mut halfway = TcpStream::connect(daemon.tls()).unwrap();
    halfway.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut tls = ClientConnection::new(trusting(), ServerName::try_from("localhost").unwrap()).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    halfway.write_all(&hello[..20]).unwrap();
    daemon.wait_for_status(|status| status.connections == 4);
    daemon.signal("STOP");
    silent.say("bo");
    irc.send("USER cho 0 * :cho\r\n");
    halfway.write_all(&hello[20..]).unwrap();
    ana.say("is anybody there?");
    let late = std::thread::spawn({
        let address = daemon.tls();
        move || {
            let mut late = Client::tls(address);
            late.login("late");
            late
        }
    });
    // Not a wait for something, but the suspension: longer than each limit, and than what a busy daemon takes.
    std::thread::sleep(Duration::from_millis(2500));
    daemon.signal("CONT");
    silent.expect_start("*** Welcome to lobby, bo");
    irc.expect_start(":chatd.internal 001 cho ");
    while tls.is_handshaking() {
        tls.complete_io(&mut halfway).unwrap();
    }
    std::io::Write::write_all(&mut tls.writer(), b"dan\n").unwrap();
    tls.complete_io(&mut halfway).unwrap();
    late.join().unwrap();
    ana.expect("ana: is anybody there?");
    ana.expect("*** dan has joined");
    let reached = daemon.status().limits_reached;
    assert_eq!((reached.login_timeout, reached.handshake_timeout), (0, 0));
}
