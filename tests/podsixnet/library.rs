//! The real PodSixNet 0.11.0 from PyPI, which supports Python up to 3.11.

use std::path::Path;

use std::process::Command;

use super::daemon;
use crate::classic::student::Student;
use crate::support::program::Program;
use crate::support::tool;

fn student(python: &Path, program: &str, address: std::net::SocketAddr, name: &str) -> Student {
    Student::start_with(python, &format!("../podsixnet/{program}"), address, &[name])
}

#[test]
fn the_documents_client_talks_with_everybody() {
    let Some(python) = tool::python("podsixnet") else { return };
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
    let Some(python) = tool::python("podsixnet") else { return };
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
fn a_client_without_a_name_is_anonymous() {
    let Some(python) = tool::python("podsixnet") else { return };
    let (daemon, address) = daemon("podsixnet-version = '0.11'");
    let mut text = daemon.join("text");
    let mut nobody = student(&python, "document.py", address, "");
    nobody.expect_next("You are now connected to the server");
    nobody.say("who am I?");
    text.expect_next("*** anonymous has joined");
    text.expect_next("anonymous: who am I?");
    nobody.expect("anonymous : who am I?");
}

#[test]
fn a_user_who_thinks_about_a_name_is_waited_for() {
    let Some(python) = tool::python("podsixnet") else { return };
    for keys in ["", "podsixnet-version = '0.11'"] {
        let (daemon, address) = daemon(keys);
        let mut text = daemon.join("text");
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/podsixnet/late.py");
        let mut command = Command::new(&python);
        command.args(["-u", "-B"]).arg(program).args([address.ip().to_string(), address.port().to_string()]);
        let mut bob = Program::start(&mut command);
        assert_eq!(bob.next_line().as_deref(), Some("Enter your nickname:"));
        if !keys.is_empty() {
            assert_eq!(bob.next_line().as_deref(), Some("You are now connected to the server"));
        }
        bob.say("bob");
        text.expect_next("*** bob has joined");
        bob.expect("*** players: bob, text");
        bob.say("hello");
        text.expect_next("bob: hello");
        assert!(daemon.chatctl(&["kick", "bob"]).status.success());
        bob.expect("***: Goodbye: kicked.");
        bob.expect("Server disconnected");
    }
}
