//! The real PodSixNet 0.11.0 of PyPI, which runs on Python up to 3.11.

use std::io::Write as _;
use std::path::PathBuf;

use super::daemon;
use crate::classic::student::Student;

/// The Python of a virtual environment that has the library; without one, the test says how to make it and is skipped.
fn python() -> Option<PathBuf> {
    let environment = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("podsixnet");
    let python = environment.join("bin/python");
    if python.exists() {
        return Some(python);
    }
    let environment = environment.display();
    let _ = writeln!(
        std::io::stderr(),
        "skipped: make the library available by: python3.11 -m venv {environment} && {environment}/bin/pip install \
         PodSixNet==0.11.0"
    );
    None
}

fn student(python: &PathBuf, program: &str, address: std::net::SocketAddr, name: &str) -> Student {
    Student::start_with(python, &format!("../podsixnet/{program}"), address, &[name])
}

#[test]
fn the_documents_client_talks_with_everybody() {
    let Some(python) = python() else { return };
    let (daemon, address) = daemon("");
    let mut text = daemon.join("text");
    let mut alice = student(&python, "document.py", address, "alice");
    alice.expect_next("You are now connected to the server");
    text.expect_next("*** alice has joined");
    alice.say("bonjour ñ");
    alice.expect("alice : bonjour ñ");
    text.expect_next("alice: bonjour ñ");
    let mut tls = daemon.join_tls("tls");
    alice.expect("*** : tls has joined");
    tls.say("hello");
    alice.expect("tls : hello");
    alice.act("name", "alicia");
    text.expect("*** alice is now known as alicia");
    alice.act("close", "");
    text.expect_start("*** alicia has left");
}

#[test]
fn the_samples_client_has_its_list_of_players() {
    let Some(python) = python() else { return };
    let (daemon, address) = daemon("");
    let mut text = daemon.join("text");
    let mut bob = student(&python, "sample.py", address, "bob");
    bob.expect_next("*** players: bob, text");
    text.say("hello");
    bob.expect("text: hello");
    bob.say("hi");
    text.expect("bob: hi");
    let _ana = daemon.join("ana");
    bob.expect("*** players: ana, bob, text");
    assert!(daemon.chatctl(&["kick", "bob"]).status.success());
    bob.expect("***: Goodbye: kicked.");
    bob.expect_end();
}

#[test]
fn one_without_a_name_is_anonymous() {
    let Some(python) = python() else { return };
    let (daemon, address) = daemon("podsixnet-version = '0.11'");
    let mut text = daemon.join("text");
    let mut nobody = student(&python, "document.py", address, "");
    nobody.expect_next("You are now connected to the server");
    nobody.say("who am I?");
    text.expect_next("*** anonymous has joined");
    text.expect_next("anonymous: who am I?");
    nobody.expect("anonymous : who am I?");
}
