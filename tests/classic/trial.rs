//! `chatd --try-classic`: what a teacher sees of a client.

use std::process::{Command, Output};

use super::Raw;
use crate::support::program::Program;

const LISTENER: &str = "[[listen]]\naddress = '127.0.0.1:0'\nprotocol = 'classic'\n";
/// A pause between messages long enough that a client on a busy machine reads them one at a time.
const SLOWLY: &str = "[listen.classic]\ngap = '250ms'\n";

fn chatd(directory: &tempfile::TempDir, config: &str) -> Command {
    let file = directory.path().join("chatd.toml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatd"));
    command.arg("--try-classic").arg("--config").arg(file);
    command
}

/// Starts a trial and connects to its listener.
fn trial(directory: &tempfile::TempDir, config: &str) -> (Program, Raw) {
    let mut trial = Program::start(&mut chatd(directory, config));
    let waiting = trial.expect("Waiting for clients on ");
    let address = waiting.trim_start_matches("Waiting for clients on ").trim_end_matches('.');
    let client = Raw::connect(address.parse().unwrap());
    trial.expect("What you type here is said by teacher.");
    (trial, client)
}

#[test]
fn a_client_is_traced_from_login_to_disconnection() {
    let directory = tempfile::tempdir().unwrap();
    let (mut trial, mut client) = trial(&directory, &format!("{LISTENER}preset = 'nic'\n{SLOWLY}"));
    client.expect_next("NIC");
    trial.expect("1 <- sent     \"NIC\"");
    client.send("Teacher");
    trial.expect("1 -> received \"Teacher\"");
    trial.expect("1    no newline: complete when nothing more comes");
    trial.expect("1    the name \"Teacher\"");
    trial.expect("1    refused: The name Teacher is taken.");
    client.expect_next("*** The name Teacher is taken. Send another one.\n");
    client.send("Teacher: ana\n");
    trial.expect("1    the name \"ana\"");
    client.expect_next("ana joined the chat 😀\n");
    client.expect_next("Connected to the server.\n");
    client.send("Teacher: hello ñ\n");
    trial.expect("1    says \"hello ñ\"");
    client.expect_next("ana: hello ñ\n");
    client.send("\n");
    trial.expect("1    nothing that others are told");
    trial.say("good morning");
    client.expect_next("teacher: good morning\n");
    trial.expect("1 <- sent     \"teacher: good morning\\n\"");
    drop(client);
    trial.expect("1 is gone: connection closed");
}

#[test]
fn bytes_and_frames_that_do_not_fit_are_explained() {
    let directory = tempfile::tempdir().unwrap();
    let (mut trial, mut client) = trial(&directory, &format!("{LISTENER}preset = 'header10'\n"));
    client.send("ana\n and no length");
    trial.expect("1 is gone: there is no length before a message; framing-in does not fit the client");
    let (mut trial, mut client) = self::trial(&directory, &format!("{LISTENER}preset = 'chatter'\n"));
    client.send("\0\u{3}ana");
    trial.expect("1    no name: it is not text in the `encoding` of this listener; if its client puts a length before");
    trial.expect("1 <- sent     \"*** That is not text. Send another name.\"");
}

#[test]
fn clients_with_frames_of_their_own_talk_as_in_the_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let (mut trial, mut ana) = trial(&directory, &format!("{LISTENER}preset = 'header10'\n"));
    ana.send("3         ana");
    trial.expect("1    the name \"ana\"");
    ana.expect_next("3         ***13        Here: teacher");
    ana.send("5         hello3         bye");
    trial.expect("1 -> received \"5         hello3         bye\"");
    trial.expect("1    says \"hello\"");
    trial.expect("1    says \"bye\"");
    trial.say("good morning");
    ana.expect_next("7         teacher12        good morning");
    trial.expect("1 <- sent     \"7         teacher12        good morning\"");
}

#[test]
fn an_interrupt_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    let (trial, _client) = trial(&directory, &format!("{LISTENER}preset = 'nic'\n"));
    trial.signal("INT");
    assert!(!trial.wait().success());
}

#[test]
fn configurations_that_cannot_be_tried_are_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let told = |config: &str| {
        let Output { status, stderr, .. } = chatd(&directory, config).output().unwrap();
        (status.code().unwrap(), String::from_utf8(stderr).unwrap())
    };
    let (status, sentence) = told("[[listen]]\naddress = '127.0.0.1:0'\n");
    assert_eq!(status, 78);
    assert!(sentence.contains("there is no [[listen]] with protocol = \"classic\""), "{sentence}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (status, sentence) = told(
        &LISTENER.replace("127.0.0.1:0", &address.to_string()).replace("'classic'\n", "'classic'\npreset = 'nic'\n"),
    );
    assert_eq!(status, 69);
    assert!(sentence.contains(&format!("chatd.toml:2:1: {address} is already in use; ")), "{sentence}");
    assert_eq!(told("[[listen]]\n").0, 78);
    let (status, sentence) = told("[[listen]]\nsystemd = 'class'\nprotocol = 'classic'\npreset = 'nic'\n");
    assert_eq!(status, 78);
    assert!(sentence.starts_with("the classic listener on systemd's socket \"class\" is left out"), "{sentence}");
}
