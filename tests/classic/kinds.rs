//! Kinds of clients that the course documents do not show, each written from the description of its protocol: login,
//! refusal, messages both ways, the list, quit and kick.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Raw, daemon};
use crate::support::daemon::Daemon;
use crate::support::program::Program;
use crate::support::tool;

/// Starts a client program from this directory with an address and further arguments.
fn client(program: impl AsRef<Path>, file: &str, address: SocketAddr, name: &str) -> Program {
    let mut command = Command::new(program.as_ref());
    if program.as_ref().ends_with("python3") {
        command.args(["-u", "-B"]);
    }
    if !file.is_empty() {
        command.arg(source(file));
    }
    command.args([address.ip().to_string(), address.port().to_string()]).args([name].iter().filter(|n| !n.is_empty()));
    Program::start(command.env("LC_ALL", "C.UTF-8").env("PYTHONIOENCODING", "utf-8"))
}

fn source(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/classic/kinds").join(file)
}

/// Expects exactly this as the client's next line.
fn expect_next(client: &mut Program, expected: &str) {
    assert_eq!(client.next_line().as_deref(), Some(expected));
}

fn kick(daemon: &Daemon, name: &str) {
    assert!(daemon.chatctl(&["kick", name, "--reason", "enough"]).status.success());
}

const SUBMIT_NAME: &str = "preset = 'keyword'\n[listen.classic]\nframing-in = 'line'\nframing-out = 'line'\n\
    keyword = 'SUBMITNAME'\nrefused = 'SUBMITNAME'\nwelcome = 'NAMEACCEPTED {name}'\nown-join = false\n\
    join = 'MESSAGE {name} has joined'\nleave = 'MESSAGE {name} has left'\nline = 'MESSAGE {name}: {text}'\n\
    notice = 'MESSAGE *** {text}'\nown-prefix = ''\nquit = '/quit'";

#[test]
fn java_lines_and_a_keyword_again_when_the_name_is_taken() {
    let Some(java) = tool::tool("java", "default-jdk-headless") else { return };
    let (daemon, address) = daemon(SUBMIT_NAME, "");
    let mut ana = daemon.join("ana");
    let mut java_client = client(&java, "SubmitName.java", address, "");
    for name in ["ANA", "{ana}", "bo"] {
        expect_next(&mut java_client, "Choose a screen name:");
        java_client.say(name);
    }
    expect_next(&mut java_client, "Chatter - bo");
    ana.expect_next("*** bo has joined");
    // All at once: a client that reads lines needs no pause between them.
    ana.send(&(0..20).map(|n| format!("line {n} ñ 😀\n")).collect::<String>());
    for n in 0..20 {
        expect_next(&mut java_client, &format!("ana: line {n} ñ 😀"));
    }
    java_client.say("hello");
    ana.expect("bo: hello");
    expect_next(&mut java_client, "bo: hello");
    java_client.say("/quit");
    ana.expect_next("*** bo has left (quit)");
    expect_next(&mut java_client, "The server is gone.");
    let mut second = client(&java, "SubmitName.java", address, "");
    second.say("cleo");
    ana.expect("*** cleo has joined");
    kick(&daemon, "cleo");
    second.expect("*** Goodbye: kicked: enough.");
    expect_next(&mut second, "The server is gone.");
}

#[test]
fn java_write_utf_with_characters_that_it_writes_in_its_own_way() {
    let Some(java) = tool::tool("java", "default-jdk-headless") else { return };
    let keys = "preset = 'quit-echo'\n[listen.classic]\nframing-in = 'u16be'\nframing-out = 'u16be'\nencoding = 'cesu-8'\n\
                users = 'Here: {users}'\nline = '{name}: {text}'\nquit = 'bye'\nquit-answer = ''";
    let (daemon, address) = daemon(keys, "");
    let mut ana = daemon.join("ana");
    let mut bo = client(&java, "WriteUtf.java", address, "ana");
    expect_next(&mut bo, "*** The name ana is taken. Send another one.");
    bo.say("bo");
    expect_next(&mut bo, "Welcome bo: if you want left the chat, write {quit} ".replace("{quit}", "bye").as_str());
    expect_next(&mut bo, "Here: ana");
    ana.expect_next("*** bo has joined");
    bo.say("ñ 漢 😀!");
    ana.expect_next("bo: ñ 漢 😀!");
    expect_next(&mut bo, "bo: ñ 漢 😀!");
    ana.say("so so 😀 漢");
    expect_next(&mut bo, "ana: so so 😀 漢");
    bo.say("bye");
    ana.expect("*** bo has left (quit)");
    expect_next(&mut bo, "The connection is closed: EOFException");
    let mut cleo = client(&java, "WriteUtf.java", address, "cleo");
    ana.expect("*** cleo has joined");
    kick(&daemon, "cleo");
    cleo.expect("*** Goodbye: kicked: enough.");
    expect_next(&mut cleo, "The connection is closed: EOFException");
}

#[test]
fn c_with_a_length_in_network_byte_order_and_a_password_that_nobody_asks_for() {
    let Some(cc) = tool::tool("cc", "gcc") else { return };
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("network_order.{}", std::process::id()));
    let compiled = Command::new(cc).arg("-o").arg(&program).arg(source("network_order.c")).status().unwrap();
    assert!(compiled.success());
    let keys = "preset = 'user-quit'\n[listen.classic]\nframing-in = 'u32be'\nframing-out = 'u32be'\n\
                login = '{name}:{any}'\nline-ending = ''\necho = true\nquit-answer = 'BYE'";
    let (daemon, address) = daemon(keys, "");
    let mut ana = daemon.join("ana");
    let mut bo = client(&program, "", address, "ANA");
    expect_next(&mut bo, "*** The name ANA is taken. Send another one.");
    bo.say("bo");
    expect_next(&mut bo, "*** Say first who you are: NAME:ANYTHING");
    bo.say("bo:hidden");
    expect_next(&mut bo, "Utilisateurs présents : ana");
    ana.expect_next("*** bo has joined");
    ana.say("one");
    ana.say("two");
    expect_next(&mut bo, "ana: one");
    expect_next(&mut bo, "ana: two");
    bo.say("bo:three");
    ana.expect("bo: bo:three");
    expect_next(&mut bo, "bo: bo:three");
    bo.say("QUIT");
    expect_next(&mut bo, "BYE");
    expect_next(&mut bo, "The server has closed.");
    let mut cleo = client(&program, "", address, "cleo");
    ana.expect("*** cleo has joined");
    kick(&daemon, "cleo");
    cleo.expect("*** Goodbye: kicked: enough.");
    expect_next(&mut cleo, "The server has closed.");
    std::fs::remove_file(program).unwrap();
}

#[test]
fn header10_name_and_text_each_behind_ten_characters() {
    let (daemon, address) = daemon("preset = 'header10'", "");
    let mut ana = daemon.join("ana");
    let mut bo = client("python3", "header10.py", address, "ana");
    expect_next(&mut bo, "*** > The name ana is taken. Send another one.");
    bo.say("bo");
    expect_next(&mut bo, "*** > Here: ana");
    ana.expect_next("*** bo has joined");
    let mut cleo = client("python3", "header10.py", address, "cleo");
    expect_next(&mut cleo, "*** > Here: ana bo");
    expect_next(&mut bo, "*** > cleo has joined");
    bo.say("ñ 😀");
    expect_next(&mut cleo, "bo > ñ 😀");
    ana.expect("bo: ñ 😀");
    ana.send("one\ntwo\n/me waves\n/msg bo psst\n");
    expect_next(&mut bo, "ana > one");
    expect_next(&mut bo, "ana > two");
    expect_next(&mut bo, "*** > ana waves");
    expect_next(&mut bo, "ana > (to you alone) psst");
    kick(&daemon, "cleo");
    expect_next(&mut bo, "*** > cleo has left");
    cleo.expect("*** > Goodbye: kicked: enough.");
    expect_next(&mut cleo, "Connection closed by the server");
    drop(bo);
    ana.expect_start("*** bo has left");
}

#[test]
fn header64_reads_one_answer_to_each_message() {
    let (daemon, address) = daemon("preset = 'header64'", "");
    let mut ana = daemon.join("ana");
    let mut bo = client("python3", "header64.py", address, "");
    bo.say("ANA");
    expect_next(&mut bo, "*** The name ANA is taken. Send another one.");
    bo.say("bo");
    expect_next(&mut bo, "Welcome, bo. !DISCONNECT leaves.");
    ana.expect_next("*** bo has joined");
    bo.say("hello");
    ana.expect_next("bo: hello");
    expect_next(&mut bo, "bo: hello");
    ana.say("hi");
    ana.expect_next("ana: hi");
    bo.say("what is new?");
    expect_next(&mut bo, "ana: hi");
    bo.say("!DISCONNECT");
    ana.expect("*** bo has left (quit)");
    expect_next(&mut bo, "bo: what is new?");
    assert_eq!(bo.next_line(), None);
}

/// The example in chatd.toml(5).
const LIST_WINDOW: &str = "preset = 'keyword'\n[listen.classic]\nkeyword = ''\nlogin = ''\nwelcome = ''\n\
    users = 'USERS {users}'\nusers-separator = ','\nusers-on-change = true\nusers-with-self = true";

#[test]
fn a_window_without_a_login_keeps_its_user_list_current() {
    let (daemon, address) = daemon(LIST_WINDOW, "");
    let mut ana = daemon.join("ana");
    let mut bo = client("python3", "list_window.py", address, "ana");
    bo.say("good morning");
    expect_next(&mut bo, "*** The name ana is taken. Send another one.");
    bo.say("bo");
    expect_next(&mut bo, "bo ha entrado en el chat");
    expect_next(&mut bo, "list: ana | bo");
    ana.expect_next("*** bo has joined");
    let mut cleo = client("python3", "list_window.py", address, "cleo");
    // The name and the first line arrive in one message.
    cleo.say("here I am");
    ana.expect_next("*** cleo has joined");
    ana.expect_next("cleo: here I am");
    for expected in ["cleo ha entrado en el chat", "list: ana | bo | cleo", "cleo: here I am"] {
        expect_next(&mut bo, expected);
    }
    let _dora = daemon.join("dora");
    bo.expect("list: ana | bo | cleo | dora");
    ana.say("/nick zoe");
    expect_next(&mut bo, "*** ana is now known as zoe");
    expect_next(&mut bo, "list: bo | cleo | dora | zoe");
    kick(&daemon, "dora");
    expect_next(&mut bo, "dora ha salido del chat");
    expect_next(&mut bo, "list: bo | cleo | zoe");
    drop(cleo);
    expect_next(&mut bo, "cleo ha salido del chat");
    expect_next(&mut bo, "list: bo | zoe");
    bo.say("bye");
    ana.expect("bo: bye");
    // The client's loop ends only on an error; the reset is one.
    kick(&daemon, "bo");
    bo.expect("*** Goodbye: kicked: enough.");
}

#[test]
fn utf16_lines_behind_a_byte_order_mark() {
    let keys = "preset = 'user-quit'\n[listen.classic]\nencoding = 'utf-16le'\nframing-in = 'line'\nframing-out = 'line'\n\
                preamble = \"\\uFEFF\"\nlogin = '{name}'\nline-ending = \"\\r\\n\"";
    let (daemon, address) = daemon(keys, "");
    let mut ana = daemon.join("ana");
    let mut bo = client("python3", "unicode.py", address, "");
    bo.say("ana");
    expect_next(&mut bo, "*** The name ana is taken. Send another one.");
    bo.say("böm");
    expect_next(&mut bo, "Utilisateurs présents : ana");
    ana.expect_next("*** böm has joined");
    bo.say("ñ ＀ 漢 😀");
    ana.expect_next("böm: ñ ＀ 漢 😀");
    ana.say("！ÿ 😀");
    expect_next(&mut bo, "ana: ！ÿ 😀");
    kick(&daemon, "böm");
    expect_next(&mut bo, "*** Goodbye: kicked: enough.");
    expect_next(&mut bo, "The server has closed.");
}

#[test]
fn utf16_without_frames_is_sent_apart_whatever_bytes_it_has() {
    let keys = "preset = 'user-quit'\n[listen.classic]\nencoding = 'utf-16le'\nlogin = '{name}'\nline-ending = ''";
    let (daemon, address) = daemon(keys, "");
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let mut ana = daemon.join("ana");
    let mut bo = Raw::connect(address);
    std::io::Write::write_all(&mut bo.0, &utf16("bo")).unwrap();
    assert_eq!(bo.recv().unwrap(), utf16("Utilisateurs présents : ana"));
    ana.expect_next("*** bo has joined");
    let lines = ["a！ÿ", "ÿ\u{ffff}！", "！", "\u{fffe}！", "😀"];
    lines.iter().for_each(|line| ana.say(line));
    for line in lines {
        let line = line.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}");
        assert_eq!(bo.recv().unwrap(), utf16(&format!("ana: {line}")));
    }
    // The end of the connection also ends the last message.
    std::io::Write::write_all(&mut bo.0, &utf16("ਅ last")).unwrap();
    bo.0.shutdown(std::net::Shutdown::Write).unwrap();
    ana.expect("bo: ਅ last");
    ana.expect("*** bo has left (connection closed)");
}

#[test]
fn bytes_that_are_no_text_are_not_a_name_and_the_log_says_what_may_be_wrong() {
    let (daemon, address) = daemon("preset = 'quit-echo'", "");
    let mut ana = daemon.join("ana");
    let mut pickle = Raw::connect(address);
    for _ in 0..2 {
        // "ana" as encoded by Python's pickle.
        std::io::Write::write_all(&mut pickle.0, b"\x80\x04\x95\x07\0\0\0\0\0\0\0\x8c\x03bob\x94.").unwrap();
        pickle.expect_next("*** That is not text. Send another name.");
    }
    let mut header = Raw::connect(address);
    std::io::Write::write_all(&mut header.0, b"\0\x03bob").unwrap();
    header.expect_next("*** That is not text. Send another name.");
    daemon.wait_for_log_count("a name was refused: it is not text in the `encoding` of this listener", 2);
    header.send("bob");
    ana.expect_next("*** bob has joined");
}

#[test]
fn frames_without_a_length_end_the_connection_with_a_reason() {
    let (daemon, address) = daemon("preset = 'header64'", "");
    let mut ana = daemon.join("ana");
    let mut client = Raw::connect(address);
    client.send(&"I know nothing of lengths. ".repeat(3));
    client.expect_next("*** Goodbye: there is no length before a message; framing-in does not fit the client.");
    assert_eq!(client.recv(), None);
    daemon.wait_for_log("there is no length before a message");
    let mut bob = Raw::connect(address);
    bob.send(&format!("{:<64}bob", 3));
    ana.expect_next("*** bob has joined");
    bob.send(&"9".repeat(64));
    ana.expect_next("*** bob has left (there is no length before a message; framing-in does not fit the client)");
}

#[test]
fn a_read_that_begins_with_the_own_prefix_completes_what_came_before() {
    let (daemon, address) = daemon("preset = 'keyword'\n[listen.classic]\nquiet = '1s'", "");
    let mut watcher = daemon.join("watcher");
    let mut client = Raw::connect(address);
    client.expect_next("nombre del cliente");
    client.send("ana\n");
    watcher.expect("*** ana has joined");
    for n in 0..5 {
        client.send(&format!("ana: line {n}"));
        // Another client's complete request and reply in between, so that these two writes are read separately.
        daemon.status();
    }
    for n in 0..4 {
        watcher.expect_next(&format!("ana: line {n}"));
    }
    watcher.expect_next("ana: line 4");
}

#[test]
fn a_program_that_answers_a_refusal_by_itself_ends_with_its_time_to_log_in() {
    let keys = "preset = 'keyword'\n[listen.classic]\nkeyword = \"NICK\\n\"\nrefused = \"NICK\\n\"";
    let (daemon, address) = daemon(keys, "[limits]\nlogin-timeout = '1s'\n");
    let _ana = daemon.join("ana");
    let mut client = Raw::connect(address);
    let mut asked = 0;
    loop {
        match client.recv().as_deref() {
            Some(b"NICK\n") => {
                asked += 1;
                client.send("ana");
            }
            goodbye => {
                assert_eq!(goodbye, Some(&b"*** Goodbye: no name was given in time."[..]));
                break;
            }
        }
    }
    assert!((2..=100).contains(&asked), "{asked}");
}
