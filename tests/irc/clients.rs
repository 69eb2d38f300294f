//! Real IRC clients in their default configuration, against a real daemon.

use std::path::Path;
use std::process::Command;

use crate::support::daemon::{Daemon, FAST};
use crate::support::program::Program;
use crate::support::screen::Screen;
use crate::support::tool;

/// How to use a client in a terminal.
struct Usage {
    /// The command that connects as bo.
    connect: String,
    /// The command that switches to a channel or a private conversation, to be followed by its name.
    go: &'static str,
    /// The command that shows the server's own messages.
    server: &'static str,
    /// The client's message when its connection has ended; only after that can it connect again.
    ended: &'static str,
}

fn irssi(daemon: &Daemon, tls: bool) -> Option<(Screen, Usage)> {
    let program = tool::tool("irssi", "irssi")?;
    let screen = Screen::start(&program, |home| vec![format!("--home={}", home.display())])?;
    screen.expect("[(status)]");
    let (address, flags) = if tls { (daemon.tls(), "-tls -notls_verify") } else { (daemon.plain(), "-notls") };
    let connect = format!("/connect {flags} {} {} - bo", address.ip(), address.port());
    Some((screen, Usage { connect, go: "/window goto", server: "/window 1", ended: "Connection lost to" }))
}

fn weechat(daemon: &Daemon, tls: bool) -> Option<(Screen, Usage)> {
    let program = tool::tool("weechat", "weechat-curses")?;
    let (address, tls) = if tls { (daemon.tls(), "on") } else { (daemon.plain(), "off") };
    let commands = [
        // WeeChat 4 has renamed these options; each version complains about the other's names but goes on.
        format!("/set irc.server_default.ssl {tls}"),
        format!("/set irc.server_default.tls {tls}"),
        // The daemon's certificate is self-signed.
        "/set irc.server_default.ssl_verify off".to_owned(),
        "/set irc.server_default.tls_verify off".to_owned(),
        "/set irc.server_default.autoreconnect off".to_owned(),
        "/set irc.server_default.nicks bo".to_owned(),
        // The test types so fast that WeeChat takes it for a paste and asks for confirmation.
        "/set weechat.look.paste_bracketed off".to_owned(),
        "/set weechat.look.paste_max_lines -1".to_owned(),
        format!("/server add chatd {}/{}", address.ip(), address.port()),
    ];
    let screen = Screen::start(&program, |home| {
        let commands = commands.into_iter().flat_map(|command| ["--run-command".to_owned(), command]);
        ["--dir".to_owned(), home.display().to_string()].into_iter().chain(commands).collect()
    })?;
    screen.expect("server added: chatd");
    Some((
        screen,
        Usage {
            connect: "/connect chatd".to_owned(),
            go: "/buffer",
            server: "/buffer 1",
            ended: "disconnected from server",
        },
    ))
}

/// Uses everything that a user would need in a session.
fn lives(daemon: &Daemon, screen: &Screen, usage: &Usage) {
    let go = |name: &str, text: &str| screen.expect_by(&format!("{} {name}", usage.go), text);
    let mut ana = daemon.join("ana");
    ana.say("/topic biscuits and tea");
    screen.say(&usage.connect);
    ana.expect("*** bo has joined");
    go("#lobby", "biscuits and tea");
    ana.say("good evening");
    screen.expect("good evening");
    screen.say("and to you, ñ");
    ana.expect("bo: and to you, ñ");
    screen.say("/me waves");
    ana.expect_next("* bo waves");
    ana.say("/me nods to bo");
    screen.expect("ana nods to bo");
    screen.say("/msg ana psst");
    ana.expect("[bo] psst");
    ana.say("/msg bo not so loud");
    go("ana", "not so loud");
    go("#lobby", "good evening");
    screen.say("/away lunch");
    screen.say("gone");
    ana.expect("bo: gone");
    ana.say("/msg bo are you there?");
    ana.expect("*** bo is away: lunch");
    screen.say("/nick bob");
    ana.expect_next("*** bo is now known as bob");
    screen.expect("known as bob");
    ana.say("/nick anna");
    screen.expect("is now known as anna");
    screen.say("/nick bo");
    ana.expect("*** bob is now known as bo");
    assert!(daemon.chatctl(&["kick", "bo", "--reason", "enough"]).status.success());
    ana.expect("*** bo has left (kicked: enough)");
    screen.expect_by(usage.server, "kicked: enough");
    screen.expect_by(usage.server, usage.ended);
    ana.say("you have missed this");
    ana.expect("anna: you have missed this");
    screen.say(&usage.connect);
    ana.expect("*** bo has joined");
    go("#lobby", "you have missed this");
    screen.say("/quit so long");
    ana.expect_next("*** bo has left (quit: so long)");
    screen.expect_end();
}

fn lives_with(client: fn(&Daemon, bool) -> Option<(Screen, Usage)>, tls: bool) {
    let daemon = Daemon::start(FAST);
    if let Some((screen, usage)) = client(&daemon, tls) {
        lives(&daemon, &screen, &usage);
    }
}

#[test]
fn irssi_over_plaintext() {
    lives_with(irssi, false);
}

#[test]
fn irssi_over_tls() {
    lives_with(irssi, true);
}

#[test]
fn weechat_over_plaintext() {
    lives_with(weechat, false);
}

#[test]
fn weechat_over_tls() {
    lives_with(weechat, true);
}

/// catgirl supports only TLS, and connects when it starts.
#[test]
fn catgirl() {
    let Some(program) = tool::tool("catgirl", "catgirl") else { return };
    let daemon = Daemon::start(FAST);
    let mut ana = daemon.join("ana");
    ana.say("/topic biscuits and tea");
    let (address, certificate) = (daemon.tls(), daemon.path("state/tls/certificate.pem"));
    let command = format!("-n bo -j #lobby -h {} -p {} -t {}", address.ip(), address.port(), certificate.display());
    let arguments = command.split(' ').map(str::to_owned).collect();
    let Some(screen) = Screen::start(&program, |_| arguments) else { return };
    ana.expect("*** bo has joined");
    screen.expect("The sign in #lobby reads: biscuits and tea");
    screen.expect("In #lobby are ana, bo");
    ana.say("good evening");
    screen.expect("<ana> good evening");
    screen.say("and to you, ñ");
    ana.expect("bo: and to you, ñ");
    screen.say("/me waves");
    ana.expect_next("* bo waves");
    screen.say("/nick bob");
    ana.expect_next("*** bo is now known as bob");
    screen.say("/quit so long");
    ana.expect_next("*** bob has left (quit: so long)");
    screen.expect_end();
}

#[test]
fn a_bot_of_a_python_library() {
    let Some(python) = tool::python("irc") else { return };
    let daemon = Daemon::start(FAST);
    let mut ana = daemon.join("ana");
    for (address, security) in [(daemon.plain(), "plaintext"), (daemon.tls(), "tls")] {
        let mut command = Command::new(&python);
        command.args(["-u", "-B"]).arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/irc/bot.py"));
        command.args([address.ip().to_string(), address.port().to_string(), security.to_owned()]);
        let mut bot = Program::start(&mut command);
        bot.expect("joined #lobby");
        ana.expect("*** bot has joined");
        ana.say("bot: what is six times seven?");
        ana.expect("bot: ana: forty-two");
        ana.say("/msg bot leave");
        ana.expect("*** bot has left (quit: as you wish)");
        assert!(bot.wait().success());
    }
}
