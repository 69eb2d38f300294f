//! Clients take all descriptors that there are.

use std::process::Command;

use crate::support::client::Client;
use crate::support::daemon::{CHATD, Daemon, LISTENERS, run_by};

const MANY: &str = "[limits]\nconnections-per-address = 1000\nconnection-rate-per-address = 100000\n";

/// A daemon that may open so many files.
fn start_with_files(files: usize) -> Daemon {
    Daemon::start_with(&format!("{LISTENERS}{MANY}"), |command| {
        let mut runner = Command::new("prlimit");
        runner.arg(format!("--nofile={files}:{files}")).arg(CHATD);
        run_by(command, runner);
    })
}

#[test]
fn clients_leave_descriptors_to_administrators_reloads_and_restarts() {
    let daemon = start_with_files(120);
    let line = daemon.wait_for_log("raise LimitNOFILE=");
    let places: usize = line.split("enough for ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let named = |number: usize| {
        let mut client = if number.is_multiple_of(2) { daemon.connect() } else { Client::plain(daemon.plain()) };
        client.say(&format!("user{number}"));
        client
    };
    let mut clients: Vec<Client> = (0..places + 20).map(named).collect();
    for client in &mut clients[..places] {
        client.expect_start("*** Topic: ");
    }
    daemon.wait_for_log(&format!("all {places} connections are in use; further clients wait"));
    assert_eq!(daemon.status().connections, places as u64);
    for command in [&["list"][..], &["reload"], &["notice", "still here"]] {
        let output = daemon.chatctl(command);
        assert!(output.status.success(), "{command:?}: {output:?}");
    }
    let backup = daemon.path("backup");
    assert!(daemon.chatctl(&["backup", backup.to_str().unwrap()]).status.success());
    assert!(daemon.chatctl(&["restart"]).status.success());
    daemon.wait_for_log(&format!("taken over from chatd {}: {places} of {places} clients", env!("CARGO_PKG_VERSION")));
    daemon.wait_for_log_count(" is ready", 2);
    clients[0].say("did you hear that?");
    for client in &mut clients[..places] {
        client.expect("*** notice: still here");
        client.expect("user0: did you hear that?");
    }
    assert!(daemon.log_lines().iter().all(|line| !line.contains("Too many open files")), "none was missing");
    // Those who wait are served as soon as others leave.
    let rest = clients.split_off(20);
    drop(clients);
    for mut client in rest.into_iter().skip(places - 20) {
        client.expect_start("*** Welcome to lobby, user");
    }
}
