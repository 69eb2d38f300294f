//! Reloading from a slow disk.

use std::io::Write as _;

use crate::support::daemon::{Daemon, LISTENERS};
use crate::support::fifo::Fifo;

const GOODBYE: &str = "*** Goodbye: the server is stopping.";

#[test]
fn the_chat_continues_during_a_reload() {
    let daemon = Daemon::start("");
    let (mut ana, mut bo) = (daemon.join("ana"), daemon.join_tls("bo"));
    let fifo = Fifo::replace(&daemon.path("chatd.toml"));
    daemon.signal("HUP");
    let mut file = fifo.wait_for_reader();
    ana.say("hello");
    bo.expect("ana: hello");
    let mut luzmi = daemon.join_tls("luzmi");
    luzmi.say("nothing is held up");
    ana.expect("luzmi: nothing is held up");
    assert_eq!(daemon.status().users, 3);

    file.write_all(format!("{LISTENERS}[room]\ntopic = \"new\"\n").as_bytes()).unwrap();
    drop(file);
    bo.expect("*** Topic: new");
    daemon.wait_for_log("configuration and certificates were reloaded");
}

#[test]
fn reloads_do_not_overlap() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    let fifo = Fifo::replace(&daemon.path("chatd.toml"));
    daemon.signal("HUP");
    let mut file = fifo.wait_for_reader();
    // A reload requested meanwhile reads the files as they are afterwards.
    let second = std::thread::scope(|scope| {
        let second = scope.spawn(|| daemon.chatctl(&["reload"]));
        ana.say("hello");
        ana.expect("ana: hello");
        file.write_all(format!("{LISTENERS}[room]\ntopic = \"first\"\n").as_bytes()).unwrap();
        drop(file);
        ana.expect("*** Topic: first");
        let mut file = fifo.again().wait_for_reader();
        file.write_all(format!("{LISTENERS}[room]\ntopic = \"second\"\n").as_bytes()).unwrap();
        drop(file);
        second.join().unwrap()
    });
    assert!(second.status.success(), "{second:?}");
    ana.expect("*** Topic: second");
    daemon.wait_for_log_count("configuration and certificates were reloaded", 2);
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_does_not_hold_up_the_stop() {
    let mut daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    let fifo = Fifo::replace(&daemon.path("chatd.toml"));
    daemon.signal("HUP");
    let _file = fifo.wait_for_reader();
    daemon.signal("TERM");
    assert_eq!(ana.rest().last().unwrap(), GOODBYE);
    drop(ana);
    assert_eq!(daemon.wait().code(), Some(0));
}
