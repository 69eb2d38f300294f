//! The manual, the package and the units are consistent with each other and with the program.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use chatd::chat::NickError;
use chatd::dialect::irc::capability;

use crate::support::client::Client;
use crate::support::daemon::{self, Daemon, FAST, LISTENERS, own_environment};
use crate::support::ordinary;
use crate::support::program::Program;

const CHATD: &str = include_str!("../man/chatd.8");
const PAGES: [&str; 3] = [CHATD, include_str!("../man/chatctl.8"), include_str!("../man/chatd.toml.5")];
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The text between two lines of chatd(8).
fn between(start: &str, end: &str) -> &'static str {
    let (_, rest) = CHATD.split_once(start).unwrap_or_else(|| panic!("{start:?}"));
    rest.split_once(end).unwrap_or_else(|| panic!("{end:?}")).0
}

/// The literals in these lines, one on each.
fn literals(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| line.strip_prefix(".Li ")?.split(' ').next()).collect()
}

#[test]
fn everything_is_of_one_version() {
    for page in PAGES {
        assert!(page.contains(&format!("\n.Os chatd {VERSION}\n")), "{}", page.lines().nth(1).unwrap());
    }
    let changelog = include_str!("../systemd/debian/changelog");
    assert!(changelog.starts_with(&format!("chatd ({VERSION}-")), "{changelog}");
}

#[test]
fn names() {
    for (error, before) in
        [(NickError::Reserved, "a name has none of "), (NickError::ReservedStart, "a name does not begin with any of ")]
    {
        let error = error.to_string();
        let characters = error.strip_prefix(before).unwrap().replace('"', "\\(dq");
        assert!(CHATD.contains(&format!(".Ql \"{characters}\"")), "{characters}");
    }
}

#[test]
fn commands_of_the_text_protocol() {
    let daemon = Daemon::start(FAST);
    let mut ana = daemon.join("ana");
    ana.say("/help");
    let mut known = BTreeSet::new();
    while let Some(command) = ana.line().strip_prefix("*** /").map(str::to_owned) {
        known.insert(command.split(' ').next().unwrap().to_owned());
        if command.starts_with("/TEXT") {
            break;
        }
    }
    let listed = between("A line that begins with a slash is a command:", ".El");
    let listed = listed.lines().filter_map(|line| line.strip_prefix(".It Li /")?.split(' ').next());
    assert_eq!(listed.map(str::to_owned).collect::<BTreeSet<_>>(), known);
}

#[test]
fn commands_and_capabilities_of_irc() {
    let listed = literals(between("\nThe capabilities are\n", "\n.Pp\n"));
    let known: BTreeSet<&str> = capability::ALL.iter().map(|(name, _, _)| *name).chain(["sts"]).collect();
    assert_eq!(listed, known);

    let listed = literals(between("\nThe commands are\n", "\n.Pp\n"));
    let daemon = Daemon::start(FAST);
    let mut client = daemon.connect();
    // Some commands are available only with these capabilities.
    client.send("CAP REQ :message-tags draft/read-marker draft/message-redaction soju.im/search\r\n");
    client.send("NICK ana\r\nUSER ana 0 * :Ana\r\nCAP END\r\nHELP\r\n");
    client.expect_start(":chatd.internal 704 ");
    loop {
        let line = client.line();
        if line.starts_with(":chatd.internal 706 ") {
            break;
        }
        let (_, text) = line.split_once(" :").unwrap();
        let command = text.split(' ').next().unwrap();
        assert!(command.is_empty() || listed.contains(command), "HELP says {line:?}");
    }
    for command in listed.iter().filter(|command| **command != "QUIT") {
        client.send(&format!("{command}\r\nPING barrier\r\n"));
        let mut line = client.line();
        while !line.ends_with("barrier\r") {
            assert!(!line.contains(" 421 "), "{command} is not known: {line}");
            line = client.line();
        }
    }
}

#[test]
fn a_reload_reports_keys_that_need_a_restart() {
    let daemon = Daemon::start("");
    daemon.write_config(
        "[[listen]]\naddress = '127.0.0.1:0'\n[room]\nname = 'other'\n[admin]\nconnections = 2\n\
         [irc]\nserver-name = 'other.example'\n",
    );
    let warnings = daemon.chatctl(&["reload"]);
    let warnings = String::from_utf8(warnings.stdout).unwrap() + &String::from_utf8(warnings.stderr).unwrap();
    let warned =
        warnings.lines().filter_map(|line| Some(line.split_once(" has changed")?.0.rsplit(' ').next()?.to_owned()));
    let listed = between("\nA change of\n", "\ntakes a restart");
    let listed = listed.lines().filter_map(|line| line.strip_prefix(".Ic ")?.split(' ').next()).map(str::to_owned);
    assert_eq!(warned.collect::<BTreeSet<_>>(), listed.collect());

    // A connected client keeps its maximum line length; a new one gets the new length.
    let mut before = daemon.join("before");
    daemon.write_config(&format!("{LISTENERS}[limits]\nline-length = 128\n"));
    assert!(daemon.chatctl(&["reload"]).status.success());
    let mut after = daemon.join("after");
    before.say(&"x".repeat(1000));
    after.expect(&format!("before: {}", "x".repeat(1000)));
    after.say(&"x".repeat(1000));
    after.expect_start("*** Your line was too long; what is beyond 128 bytes is lost.");
}

/// The first of the EXAMPLES, run as an ordinary user.
#[test]
fn the_documented_private_room_works() {
    if !ordinary::is_ordinary("documents::the_documented_private_room_works") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let programs = Path::new(daemon::CHATD).parent().unwrap().display().to_string();
    let example = between("whether or not the system has one:\n.Bd -literal -offset indent\n", "\n.Ed");
    let typed: Vec<String> = example.lines().map(|line| line.trim_start_matches("$ ").replace("\\e", "\\")).collect();
    let (start, preparations) = typed.split_last().unwrap();
    let mut shell = Command::new("sh");
    own_environment(&mut shell, directory.path());
    shell.env_remove("RUNTIME_DIRECTORY").env_remove("STATE_DIRECTORY");
    shell.env("HOME", directory.path()).env("XDG_RUNTIME_DIR", directory.path());
    shell.env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap())).current_dir(directory.path());
    // exec, so that the daemon replaces the shell and ends with the test.
    let mut chatd = Program::start(shell.arg("-euc").arg(format!("{}\nexec {start}", preparations.join("\n"))));
    chatd.expect("    nc -N 127.0.0.1 7000");
    assert!(CHATD.contains("\n.Dl $ nc -N 127.0.0.1 7000\n"));
    Client::plain(SocketAddr::from(([127, 0, 0, 1], 7000))).login("ana");
}

#[test]
fn exit_statuses_after_which_nothing_is_tried_again() {
    let unit = include_str!("../systemd/chatd.service");
    let statuses = unit.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus=")).unwrap();
    let statuses: Vec<&str> = statuses.split(' ').collect();
    for status in &statuses {
        assert!(CHATD.contains(&format!("\n.It {status}\n")), "{status}");
    }
    let (last, others) = statuses.split_last().unwrap();
    let sentence = format!("One that ends with the status {} or {last}, ", others.join(", "));
    assert!(CHATD.contains(&sentence), "{sentence}");
}
