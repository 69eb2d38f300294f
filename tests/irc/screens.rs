//! What users of unconfigured clients see: earlier messages are recognizable as history, and a conversation works. Each
//! test runs the real client.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::support::PATIENCE;
use crate::support::client::Client;
use crate::support::daemon::{Daemon, FAST};
use crate::support::program::Program;
use crate::support::screen::Screen;
use crate::support::tool;

/// The polling interval for files; no test depends on it.
const PAUSE: Duration = Duration::from_millis(50);

/// A daemon, and the client ana, who has said something before anybody else joins.
fn room() -> (Daemon, Client) {
    let daemon = Daemon::start(FAST);
    let mut ana = daemon.join("ana");
    ana.say("is anybody there?");
    ana.expect("ana: is anybody there?");
    (daemon, ana)
}

/// Starts a client in a terminal, to join as bo. `connect`: a text to wait for and the command to type then.
fn start(name: &str, package: &str, arguments: &str, connect: Option<(&str, &str)>) -> Option<Screen> {
    let program = tool::tool(name, package)?;
    let arguments = |home: &Path| {
        let home = home.display().to_string();
        arguments.split_whitespace().map(|word| word.replace("HOME", &home)).collect()
    };
    let screen = Screen::start(&program, arguments)?;
    if let Some((ready, connect)) = connect {
        screen.expect(ready);
        screen.say(connect);
    }
    Some(screen)
}

/// Expects the history between its markers as this client shows it, then exchanges messages with ana.
fn converse(ana: &mut Client, screen: &Screen, history: &str, say: &str, quit: &str) {
    screen.expect("What was said before you came, from ");
    screen.expect(history);
    screen.expect("You are up to date; it is ");
    let seen = screen.seen();
    let [begin, line, end] =
        ["What was said before", history, "You are up to date"].map(|text| seen.find(text).unwrap());
    assert!(begin < line && line < end, "{seen}");
    ana.say("good evening");
    screen.expect("good evening");
    screen.say(&format!("{say}and to you"));
    ana.expect("bo: and to you");
    screen.say(quit);
    ana.expect_start("*** bo has left (quit");
}

#[test]
fn irssi() {
    let (daemon, mut ana) = room();
    let address = daemon.plain();
    let connect = format!("/connect -notls {} {} - bo", address.ip(), address.port());
    let Some(screen) = start("irssi", "irssi", "--home=HOME", Some(("[(status)]", &connect))) else { return };
    ana.expect("*** bo has joined");
    screen.expect_by("/window goto #lobby", "[#lobby]");
    // It requests server-time but does not display it, so the text includes the time.
    converse(&mut ana, &screen, "] is anybody there?", "", "/quit");
}

/// irssi has another name ready when it is asked for one, and connects again by itself unless it is told that it is banned.
#[test]
fn a_banned_irssi_does_not_come_back() {
    let (daemon, mut ana) = room();
    let address = daemon.plain();
    let connect = format!("/connect -notls {} {} - bo", address.ip(), address.port());
    let Some(screen) = start("irssi", "irssi", "--home=HOME", Some(("[(status)]", &connect))) else { return };
    ana.expect("*** bo has joined");
    assert!(daemon.chatctl(&["ban", "bo", "--reason", "no shouting"]).status.success());
    ana.expect_next("*** bo has left (banned: no shouting)");
    screen.expect_by("/window goto 1", "[(status)]");
    screen.expect("Closing link: banned: no shouting");
    screen.expect_by("/reconnect", "You may not come in: banned: no shouting");
    daemon.wait_for_log("a connection was ended: banned: no shouting");
    assert!(daemon.chatctl(&["unban", "bo"]).status.success());
    screen.say(&connect);
    ana.expect_next("*** bo has joined");
    screen.say("/quit");
}

#[test]
fn weechat() {
    let (daemon, mut ana) = room();
    let Some(program) = tool::tool("weechat", "weechat-curses") else { return };
    let address = daemon.plain();
    let Some(screen) = Screen::start(&program, |home| {
        // The default is plaintext in version 3 and TLS in version 4, which no longer knows the option's old name.
        let commands = [
            "/set irc.server_default.tls off".to_owned(),
            "/set irc.server_default.ssl off".to_owned(),
            format!("/server add chatd {}/{} -nicks=bo", address.ip(), address.port()),
            "/connect chatd".to_owned(),
        ];
        let commands = commands.into_iter().flat_map(|command| ["--run-command".to_owned(), command]);
        ["--dir".to_owned(), home.display().to_string()].into_iter().chain(commands).collect()
    }) else {
        return;
    };
    ana.expect("*** bo has joined");
    screen.expect_by("/buffer #lobby", "Welcome to the lobby");
    converse(&mut ana, &screen, "is anybody there?", "", "/quit");
    assert!(!screen.seen().contains("] is anybody there?"), "the time twice");
}

#[test]
fn catgirl() {
    let (daemon, mut ana) = room();
    let (address, certificate) = (daemon.tls(), daemon.path("state/tls/certificate.pem"));
    let arguments = format!("-n bo -j #lobby -h {} -p {} -t {}", address.ip(), address.port(), certificate.display());
    let Some(screen) = start("catgirl", "catgirl", &arguments, None) else { return };
    ana.expect("*** bo has joined");
    converse(&mut ana, &screen, "<ana> is anybody there?", "", "/quit");
}

#[test]
fn epic5() {
    let (daemon, mut ana) = room();
    let address = daemon.plain();
    let arguments = format!("-n bo {}:{}", address.ip(), address.port());
    let Some(screen) = start("epic5", "epic5", &arguments, None) else { return };
    ana.expect("*** bo has joined");
    converse(&mut ana, &screen, "] is anybody there?", "", "/quit");
}

#[test]
fn sic() {
    let (daemon, mut ana) = room();
    let address = daemon.plain();
    let arguments = format!("-n bo -h {} -p {}", address.ip(), address.port());
    let Some(screen) = start("sic", "sic", &arguments, None) else { return };
    ana.expect("*** bo has joined");
    converse(&mut ana, &screen, "] is anybody there?", ":m #lobby ", ":QUIT");
}

/// senpai in the room, as bo.
fn senpai_in(daemon: &Daemon) -> Option<Screen> {
    let program = tool::tool("senpai", "senpai (from Debian 13 on)")?;
    Screen::start(&program, |home| {
        let config = home.join("senpai.scfg");
        let text = format!("address {}\ntls false\nnickname bo\nchannel \"#lobby\"\n", daemon.plain());
        std::fs::write(&config, text).unwrap();
        vec!["-config".to_owned(), config.display().to_string()]
    })
}

/// It requests the history itself and needs no markers.
#[test]
fn senpai() {
    let (daemon, mut ana) = room();
    let Some(screen) = senpai_in(&daemon) else { return };
    ana.expect("*** bo has joined");
    screen.expect("is anybody there?");
    ana.say("good evening");
    screen.expect("good evening");
    let seen = screen.seen();
    assert!(!seen.contains("What was said") && !seen.contains("] is anybody there?"), "{seen}");
    screen.say("and to you");
    ana.expect("bo: and to you");
    screen.say("/quit");
    ana.expect_start("*** bo has left (");
}

/// It pages back through more than one request brings and more than is in memory, and it searches.
#[test]
fn senpai_pages_back_and_searches() {
    let daemon = Daemon::start(&format!("{FAST}[room]\nhistory = 10\n"));
    let mut ana = daemon.join("ana");
    for hundred in 0..3 {
        for number in 1..=100 {
            ana.say(&format!("line {} of many", 100 * hundred + number));
        }
        ana.expect(&format!("ana: line {}00 of many", hundred + 1));
        // It asks for what is older than the second of the oldest line that it has.
        let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let now = second();
        while second() == now {
            std::thread::sleep(PAUSE);
        }
    }
    let Some(screen) = senpai_in(&daemon) else { return };
    screen.expect("line 300 of many");
    screen.expect_by_keys(&["PPage"], "line 150 of many");
    screen.expect_by_keys(&["PPage"], "line 1 of many");
    screen.say("/search 42");
    screen.expect("line 42 of many");
    assert!(!screen.seen().contains("line 43 of many"), "{}", screen.seen());
    ana.say("/quit");
}

/// ii has no screen: each conversation, including the one with the server, is a file for output and a FIFO for input.
#[test]
fn ii() {
    let (daemon, mut ana) = room();
    let Some(program) = tool::tool("ii", "ii") else { return };
    let (address, directory) = (daemon.plain(), tempfile::tempdir().unwrap());
    let mut command = Command::new(program);
    command.args(["-n", "bo", "-s", &address.ip().to_string(), "-p", &address.port().to_string(), "-i"]);
    let client = Program::start(command.arg(directory.path()).stderr(Stdio::null()));
    ana.expect("*** bo has joined");
    let server = directory.path().join(address.ip().to_string());
    let room = server.join("#lobby");
    // ii writes the server's notices to another file, so each line of history has its time.
    let marks = wait_for(&server.join("out"), "You are up to date; it is ");
    assert!(marks.contains("What was said before you came, from "), "{marks}");
    wait_for(&room.join("out"), "] is anybody there?");
    ana.say("good evening");
    wait_for(&room.join("out"), "good evening");
    write(&room.join("in"), "and to you\n");
    ana.expect("bo: and to you");
    write(&server.join("in"), "/q\n");
    ana.expect_start("*** bo has left (quit");
    drop(client);
}

/// HexChat on a virtual X display; the test reads its log.
#[test]
fn hexchat() {
    let (daemon, mut ana) = room();
    let tools = [("hexchat", "hexchat"), ("Xvfb", "xvfb"), ("xdotool", "xdotool")];
    let [Some(hexchat), Some(xvfb), Some(xdotool)] = tools.map(|(name, package)| tool::tool(name, package)) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let mut screen = Command::new(xvfb);
    // As large as HexChat's window, because keys go to the window under the pointer, which starts in the middle.
    screen.args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "640x400x24"]);
    let mut screen = Program::start(screen.stderr(Stdio::null()));
    let display = format!(":{}", screen.next_line().unwrap());
    let nicks = "irc_nick1 = bo\nirc_nick2 = bo2\nirc_nick3 = bo3\nirc_user_name = bo\nirc_real_name = bo\n";
    std::fs::write(directory.path().join("hexchat.conf"), format!("version = 2.16.1\n{nicks}")).unwrap();
    let mut command = Command::new(hexchat);
    command.args(["--url", &format!("irc://{}/lobby", daemon.plain()), "-d"]).arg(directory.path());
    command.env("DISPLAY", &display).env("HOME", directory.path()).env_remove("DBUS_SESSION_BUS_ADDRESS");
    let client = Program::start(command.stderr(Stdio::null()));
    let press = |arguments: &[&str]| {
        let status = Command::new(&xdotool).args(arguments).env("DISPLAY", &display).status().unwrap();
        assert!(status.success(), "xdotool {arguments:?}");
    };
    // It first shows a warning when run by root.
    let deadline = Instant::now() + PATIENCE;
    while daemon.find("bo").is_none() {
        assert!(Instant::now() < deadline, "it does not connect");
        press(&["key", "Return"]);
        std::thread::sleep(PAUSE);
    }
    ana.expect("*** bo has joined");
    let log = directory.path().join("logs/chatd/#lobby.log");
    let seen = wait_for(&log, "You are up to date; it is ");
    let places = ["What was said before you came, from ", "is anybody there?", "You are up to date"]
        .map(|text| seen.find(text).unwrap());
    assert!(places.is_sorted() && !seen.contains("] is anybody there?"), "{seen}");
    ana.say("good evening");
    wait_for(&log, "good evening");
    press(&["type", "and to you"]);
    press(&["key", "Return"]);
    ana.expect("bo: and to you");
    drop(client);
    ana.expect_start("*** bo has left (connection ");
}

/// nc in a terminal, with the command from the invitation.
#[test]
fn nc() {
    let (daemon, mut ana) = room();
    let address = daemon.plain();
    let arguments = format!("-N {} {}", address.ip(), address.port());
    let Some(screen) = start("nc", "netcat-openbsd", &arguments, None) else { return };
    screen.expect("*** What is your name?");
    screen.say("bo");
    ana.expect("*** bo has joined");
    screen.expect("*** What was said before you came:");
    screen.expect("] ana: is anybody there?");
    screen.expect("*** You are up to date; it is ");
    screen.say("/echo off");
    screen.expect("*** Your own lines do not come back to you.");
    screen.press(&["said once", "Left", "Up", "F1", "Enter"]);
    ana.expect("bo: said once");
    screen.expect("*** Arrow keys and the like do not edit a line here; taken out of it: 3.");
    assert!(!screen.seen().contains("bo: said once"), "{}", screen.seen());
    screen.press(&["C-d"]);
    ana.expect("*** bo has left (connection closed)");
    screen.expect_end();
}

/// Waits until a file contains `text`, and returns the file's contents.
fn wait_for(file: &Path, text: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let held = std::fs::read(file).unwrap_or_default();
        let held = String::from_utf8_lossy(&held).into_owned();
        if held.contains(text) {
            return held;
        }
        assert!(Instant::now() < deadline, "{text:?} does not come:\n{held}");
        std::thread::sleep(PAUSE);
    }
}

fn write(fifo: &Path, text: &str) {
    OpenOptions::new().write(true).open(fifo).unwrap().write_all(text.as_bytes()).unwrap();
}
