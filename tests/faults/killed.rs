//! SIGKILL at any moment: what is left over stops nobody, and nobody is left on a connection that nobody serves. What was
//! said is in `history::kill`.

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::support::client::Client;
use crate::support::daemon::{Daemon, LISTENERS};

/// All files below a directory but SQLite's, which belong to the file beside them.
fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path().display().to_string()),
        }
    }
    found.retain(|file| !file.ends_with("-wal") && !file.ends_with("-shm"));
    found.sort();
    found
}

/// Reads to the end of a connection, whatever that is like.
fn wait_for_end(mut socket: &TcpStream) {
    match socket.read_to_end(&mut Vec::new()) {
        Ok(_) => {}
        Err(e) => assert_eq!(e.kind(), ErrorKind::ConnectionReset),
    }
}

#[test]
fn a_killed_daemon_leaves_nothing_that_stops_the_next() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let socket = directory.path().join("chat.sock");
    let config = |port: u16, tls: u16| {
        let [plain, tls] = [(port, false), (tls, true)]
            .map(|(port, tls)| format!("[[listen]]\naddress = \"127.0.0.1:{port}\"\ntls = {tls}\n"));
        format!("{plain}{tls}[[listen]]\naddress = {socket:?}\n")
    };
    let start = |ports: (u16, u16)| {
        let daemon = Daemon::launch_in(directory.clone(), &config(ports.0, ports.1), |_| {});
        daemon.wait_for_log(" is ready");
        daemon
    };
    let mut daemon = start((0, 0));
    let (plain, tls) = (daemon.plain(), daemon.tls());
    let before = files(directory.path());
    for round in 0..3 {
        let mut ana = daemon.join("ana");
        let bo = daemon.join_tls("bo");
        let halfway = TcpStream::connect(tls).unwrap();
        let local = UnixStream::connect(&socket).unwrap();
        let mut watch = daemon.chatctl_command(&["watch"]).stdout(std::process::Stdio::null()).spawn().unwrap();
        ana.say(&format!("round {round}"));
        ana.expect(&format!("ana: round {round}"));
        daemon.signal("KILL");
        daemon.wait();
        [ana.socket(), bo.socket(), &halfway].into_iter().for_each(wait_for_end);
        assert_eq!(files(directory.path()), before);
        daemon = start((plain.port(), tls.port()));
        assert_eq!((daemon.plain(), daemon.tls()), (plain, tls));
        let _ = (watch.kill(), watch.wait());
        drop(local);
    }
    let mut ana = Client::plain(plain);
    ana.login("ana");
    UnixStream::connect(&socket).unwrap();
}

#[test]
fn a_daemon_that_is_killed_while_it_restarts_keeps_nobody_waiting() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    for round in 0..8 {
        let mut daemon = Daemon::launch_in(directory.clone(), LISTENERS, |_| {});
        daemon.wait_for_log(" is ready");
        let (mut ana, bo) = (daemon.join("ana"), daemon.join_tls("bo"));
        ana.say(&format!("round {round}"));
        ana.expect(&format!("ana: round {round}"));
        daemon.signal("USR2");
        // Not a wait for something: the moment of the kill is what is tried, before, within and after the restart.
        std::thread::sleep(Duration::from_millis(20 * round));
        daemon.signal("KILL");
        daemon.wait();
        [ana.socket(), bo.socket()].into_iter().for_each(wait_for_end);
    }
    let daemon = Daemon::launch_in(directory, LISTENERS, |_| {});
    daemon.wait_for_log(" is ready");
    daemon.join("ana");
}
