//! Standard error that nobody reads, or that is gone.

use std::io::{BufRead as _, BufReader, PipeReader, Read as _};
use std::net::SocketAddr;

use crate::support::client::Client;
use crate::support::daemon::{Daemon, FAST, LISTENERS};

/// More entries than a pipe and the log's queue hold.
const FLOOD: usize = 3000;

/// A daemon, and its standard error, read up to the end of the start.
fn start() -> (Daemon, BufReader<PipeReader>, SocketAddr) {
    let (reader, writer) = std::io::pipe().unwrap();
    let daemon = Daemon::launch(&format!("{LISTENERS}{FAST}"), |command| {
        command.stderr(writer);
    });
    let mut reader = BufReader::new(reader);
    let start: Vec<String> =
        reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.ends_with(" is ready")).collect();
    let address = start.iter().find_map(|line| line.split_once("listening on ")?.1.parse().ok()).unwrap();
    (daemon, reader, address)
}

fn join(address: SocketAddr, name: &str) -> Client {
    let mut client = Client::plain(address);
    client.login(name);
    client
}

/// Has one client change its name so often that entries are lost.
fn flood(client: &mut Client) {
    client.send(&(0..FLOOD).map(|n| format!("/nick n{n}\n")).collect::<String>());
    client.expect(&format!("*** n{} is now known as n{}", FLOOD - 2, FLOOD - 1));
}

#[test]
fn a_full_pipe_stops_nothing_and_what_was_lost_is_said() {
    let (daemon, log, address) = start();
    let (mut ana, mut bo) = (join(address, "ana"), join(address, "bo"));
    flood(&mut ana);
    ana.say("does it go on?");
    bo.expect(&format!("n{}: does it go on?", FLOOD - 1));
    let lost = daemon.status().log_lost;
    assert!(lost > 0);
    let mut written = 0;
    for line in log.lines().map(Result::unwrap) {
        written += u64::from(line.contains(" is now known as "));
        if let Some((_, said)) = line.split_once(" WARN ") {
            assert_eq!(said, format!("{lost} log entries were lost: the log could not keep up"));
            break;
        }
    }
    assert_eq!(written + lost, FLOOD as u64);
}

#[test]
fn a_full_pipe_delays_neither_a_restart_nor_a_stop_for_long() {
    let (mut daemon, _log, address) = start();
    let mut ana = join(address, "ana");
    flood(&mut ana);
    assert!(daemon.chatctl(&["restart"]).status.success());
    ana.say("does it go on?");
    ana.expect(&format!("n{}: does it go on?", FLOOD - 1));
    daemon.signal("TERM");
    ana.expect("*** Goodbye: the server is stopping.");
    drop(ana);
    assert!(daemon.wait().success());
}

#[test]
fn a_reader_that_is_gone_stops_nothing_and_what_was_lost_is_counted() {
    let (mut daemon, log, address) = start();
    drop(log);
    let (mut ana, mut bo) = (join(address, "ana"), join(address, "bo"));
    ana.say("does it go on?");
    bo.expect("ana: does it go on?");
    daemon.wait_for_status(|status| status.log_lost == 2);
    daemon.signal("TERM");
    bo.expect("*** Goodbye: the server is stopping.");
    drop((ana, bo));
    assert!(daemon.wait().success());
}
