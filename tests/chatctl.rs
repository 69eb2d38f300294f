//! `chatctl` with a real daemon.

mod restart;

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::daemon::{CHATCTL, Daemon, LISTENERS};
use crate::support::ordinary;
use crate::support::program::Program;
use crate::support::screen::Screen;
use crate::support::tool;

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs chatctl successfully and returns its output.
fn good(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = daemon.chatctl(arguments);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{arguments:?}");
    stdout(&output)
}

/// Runs chatctl, which the daemon must refuse, and returns the error message.
fn refused(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = daemon.chatctl(arguments);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()), "{arguments:?}");
    stderr(&output)
}

fn json(daemon: &Daemon, arguments: &[&str]) -> Value {
    serde_json::from_str(&good(daemon, &[arguments, &["--json"]].concat())).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn list() {
    let daemon = Daemon::start("");
    assert_eq!(good(&daemon, &["list"]), "NAME  ADDRESS  TRANSPORT  PROTOCOL  CONNECTED  IDLE  LAG\n");
    let (bo, ana) = (daemon.join_tls("bo"), daemon.join("ana"));
    let addresses = [&ana, &bo].map(|client| client.socket().local_addr().unwrap().to_string());

    let table = good(&daemon, &["list"]);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "ADDRESS", "TRANSPORT", "PROTOCOL", "CONNECTED", "IDLE", "LAG"]);
    assert_eq!(rows[1][..4], ["ana", &addresses[0], "plain", "text"]);
    assert_eq!(rows[2][..4], ["bo", &addresses[1], "tls", "text"]);
    assert_eq!((rows[1].len(), rows[1][6], rows.len()), (7, "0", 3));

    let users = json(&daemon, &["list"]);
    let user = &users["users"][1];
    let mut fields = keys(user);
    fields.sort_unstable();
    let contract = ["address", "connected_at", "idle_seconds", "lag_bytes", "name", "protocol", "transport"];
    assert_eq!(fields, contract);
    assert_eq!([&user["name"], &user["address"], &user["transport"]], ["bo", &addresses[1], "tls"]);
    assert!(user["idle_seconds"].is_u64());
    assert_eq!(user["lag_bytes"], 0);
    let connected = humantime::parse_rfc3339(user["connected_at"].as_str().unwrap()).unwrap();
    assert!(connected.elapsed().is_ok(), "{connected:?} is over");
}

#[test]
fn kick() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    for (arguments, reason) in
        [(&["kick", "BO", "--reason", "no shouting"][..], "kicked: no shouting"), (&["kick", "bo"], "kicked")]
    {
        let mut bo = daemon.join_tls("bo");
        assert_eq!(good(&daemon, arguments), "");
        assert_eq!(bo.rest().last().unwrap(), &format!("*** Goodbye: {reason}."));
        ana.expect(&format!("*** bo has left ({reason})"));
    }
    assert_eq!(refused(&daemon, &["kick", "bo"]), "chatctl: nobody here is called \"bo\"\n");
    assert_eq!(json(&daemon, &["kick", "ana"]), serde_json::json!({}));
}

#[test]
fn notice() {
    let daemon = Daemon::start("[limits]\nline-length = 128\n");
    assert_eq!(good(&daemon, &["notice", "is anybody there?"]), "nobody is here to read it\n");
    let mut clients = [daemon.join("ana"), daemon.join_tls("bo")];
    assert_eq!(good(&daemon, &["notice", "tea is ready ☕"]), "sent to 2 users\n");
    clients.iter_mut().for_each(|client| client.expect("*** notice: tea is ready ☕"));
    assert_eq!(json(&daemon, &["notice", "cake, too"]), serde_json::json!({"reached": 2}));
    clients.iter_mut().for_each(|client| client.expect("*** notice: cake, too"));

    for (text, why) in [
        (" ", "it is empty"),
        ("two\nlines", "it has line breaks or other control characters"),
        ("\u{1b}[2J", "it has line breaks or other control characters"),
        (&"x".repeat(129), "it is longer than 128 bytes, which is limits.line-length"),
    ] {
        let complaint = refused(&daemon, &["notice", text]);
        assert!(complaint.starts_with("chatctl: ") && complaint.contains(why), "{complaint}");
    }
    clients[0].say("that was all");
    clients[1].expect_next("ana: that was all");
}

#[test]
fn status() {
    let daemon = Daemon::start("[limits]\nconnections-per-address = 2\n");
    let mut ana = daemon.join("ana");
    ana.say("hello");
    ana.expect("ana: hello");
    let _bo = daemon.join_tls("bo");
    daemon.connect().expect("*** Too many connections from your address.");
    let fingerprint = daemon.wait_for_log("SHA-256 fingerprint ");
    let fingerprint = fingerprint.split_once("fingerprint ").unwrap().1;

    let status = json(&daemon, &["status"]);
    let number = |key: &str| status[key].as_u64().unwrap();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(["users", "connections", "messages", "refused", "log_lost"].map(number), [2, 2, 1, 1, 0]);
    assert!(status["messages_per_second"].as_f64().unwrap() > 0.0);
    let listener = |address: std::net::SocketAddr, tls: bool| serde_json::json!({"address": address.to_string(), "protocol": "auto", "tls": tls});
    assert_eq!(status["listeners"], serde_json::json!([listener(daemon.plain(), false), listener(daemon.tls(), true)]));
    let certificate = &status["certificate"];
    assert_eq!((&certificate["fingerprint"], &certificate["self_signed"]), (&fingerprint.into(), &true.into()));
    assert_eq!(certificate["subject"], "CN=chatd self-signed");
    assert!(certificate["names"].as_array().unwrap().contains(&"localhost".into()));
    assert!(humantime::parse_rfc3339(certificate["not_after"].as_str().unwrap()).is_ok());
    assert_eq!(status["limits_reached"]["connections_per_address"], 1);

    let table = good(&daemon, &["status"]);
    for line in [
        format!("version           {}", env!("CARGO_PKG_VERSION")),
        "users             2".to_owned(),
        "bans              0".to_owned(),
        "connections       2 (1 refused since the start)".to_owned(),
        format!("listening on      {} (plain, auto)", daemon.plain()),
        "certificate       CN=chatd self-signed (self-signed)".to_owned(),
        format!("  SHA-256         {fingerprint}"),
        "limits reached    connections-per-address 1".to_owned(),
        "log entries lost  0".to_owned(),
    ] {
        assert!(table.lines().any(|found| found == line), "{line:?} is not in\n{table}");
    }
}

/// Causes every kind of event that a watcher sees.
fn watch_events(daemon: &Daemon) {
    let mut ana = daemon.join("ana");
    let mut bo = daemon.join_tls("bo");
    bo.say("/quit");
    ana.expect("*** bo has left (quit)");
    good(daemon, &["notice", "tea"]);
    good(daemon, &["kick", "ana", "--reason", "no shouting"]);
    let mut browser = daemon.connect();
    browser.send("GET / HTTP/1.0\r\n\r\n");
    browser.expect_start("HTTP/1.1 400");
}

#[test]
fn watch() {
    let daemon = Daemon::start("");
    // Watching is independent of the log level.
    daemon.write_config(&format!("{LISTENERS}[log]\nlevel = \"error\"\n"));
    good(&daemon, &["reload"]);
    let mut watch = Program::start(&mut daemon.chatctl_command(&["watch"]));
    watch.expect("an administrator is watching");
    watch_events(&daemon);
    for (kind, rest) in [
        ("join", "ana has joined"),
        ("join", "bo has joined"),
        ("leave", "bo has left"),
        ("notice", "an administrator's notice went to 1 user"),
        ("kick", "ana was kicked by an administrator: no shouting"),
        ("leave", "ana has left"),
        ("refused", "a connection was ended: HTTP on a chat port"),
    ] {
        let line = watch.next_line().unwrap();
        let (time, event) = line.split_once("  ").unwrap();
        assert!(humantime::parse_rfc3339(time).is_ok(), "{line}");
        assert!(event.starts_with(kind) && event.contains(rest), "{line}");
    }
    watch.signal("INT");
    assert_eq!(watch.wait().code(), Some(0));
}

#[test]
fn watch_as_json() {
    let daemon = Daemon::start("");
    let mut watch = Program::start(&mut daemon.chatctl_command(&["watch", "--json"]));
    watch.expect("an administrator is watching");
    watch_events(&daemon);
    let mut next = || -> Value { serde_json::from_str(&watch.next_line().unwrap()).unwrap() };
    let join = next();
    assert_eq!(
        [&join["event"], &join["user"], &join["transport"], &join["protocol"]],
        ["join", "ana", "plain", "text"]
    );
    let address = join["address"].as_str().unwrap();
    assert_eq!(join["message"], "ana has joined", "without {address}, which is a field");
    assert!(humantime::parse_rfc3339(join["time"].as_str().unwrap()).is_ok());
    let rest: Vec<Value> = (0..6).map(|_| next()).collect();
    let kinds: Vec<&str> = rest.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["join", "leave", "notice", "kick", "leave", "refused"]);
    assert_eq!([&rest[3]["reason"], &rest[3]["user"]], ["no shouting", "ana"]);
    assert!(rest[3]["uid"].is_u64());
    watch.signal("INT");
    assert_eq!(watch.wait().code(), Some(0));
}

#[test]
fn a_watch_ends_with_the_daemon() {
    let daemon = Daemon::start("");
    let mut watch = Program::start(daemon.chatctl_command(&["watch"]).stderr(Stdio::null()));
    watch.expect("an administrator is watching");
    daemon.signal("TERM");
    assert_eq!(watch.wait().code(), Some(69));
}

#[test]
fn reload() {
    let daemon = Daemon::start("");
    let done = "configuration and certificates are reloaded\n";
    assert_eq!(good(&daemon, &["reload"]), done);
    assert_eq!(json(&daemon, &["reload"]), serde_json::json!({"warnings": []}));

    daemon.write_config(&format!("{LISTENERS}[room]\nname = \"other\"\n"));
    let output = daemon.chatctl(&["reload"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), done.to_owned()));
    let warning = "chatctl: warning: room.name has changed in the configuration; that takes a restart\n";
    assert_eq!(stderr(&output), warning);

    daemon.write_config("[room]\nnaem = 1\n[log]\nlevel = 7\n");
    let complaint = refused(&daemon, &["reload"]);
    let file = daemon.path("chatd.toml").display().to_string();
    let lines: Vec<&str> = complaint.lines().collect();
    assert_eq!(lines[0], "chatctl: nothing was reloaded, what was in force before stays so");
    assert!(lines[1].starts_with(&format!("{file}:2:1: ")), "{complaint}");
    assert!(lines[2].starts_with(&format!("{file}:4:9: ")), "{complaint}");
    assert_eq!(lines.len(), 3);
}

#[test]
fn errors_are_logged_once() {
    let daemon = Daemon::start("");
    daemon.write_config("[room]\nnaem = 1\n");
    // As in ExecReload=, where both write to the same journal.
    let journal = std::fs::File::create(daemon.path("journal")).unwrap();
    let stream = journal.metadata().unwrap();
    let mut command = daemon.chatctl_command(&["reload"]);
    command.env("JOURNAL_STREAM", format!("{}:{}", stream.dev(), stream.ino())).stderr(journal);
    assert_eq!(command.status().unwrap().code(), Some(1));
    let told = std::fs::read_to_string(daemon.path("journal")).unwrap();
    assert_eq!(told, "chatctl: nothing was reloaded, what was in force before stays so; chatd has logged why\n");
    daemon.wait_for_log_count("unknown key `naem`", 1);
}

#[test]
fn the_socket_path_can_be_given() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("steering wheel");
    let daemon = Daemon::start(&format!("[admin]\nsocket = {socket:?}\n"));
    let output = daemon.chatctl_alone(&["list"]);
    assert_eq!(output.status.code(), Some(69));
    assert!(stderr(&output).starts_with("chatctl: no chatd is running here: nobody listens on "));
    assert!(good(&daemon, &["--socket", socket.to_str().unwrap(), "list"]).starts_with("NAME"));
    assert!(good(&daemon, &["list", "--socket", socket.to_str().unwrap()]).starts_with("NAME"));
}

#[test]
fn after_the_daemon_has_stopped_there_is_none() {
    let mut daemon = Daemon::start("");
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    assert_eq!(daemon.chatctl_alone(&["status"]).status.code(), Some(69));
}

#[test]
fn a_forbidden_socket_is_reported() {
    let daemon = Daemon::start("");
    let socket = daemon.path("run/admin.sock");
    let permissions = std::fs::metadata(&socket).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&permissions) & 0o777, 0o660);
    std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let output = ordinary::command(CHATCTL).args(["status", "--socket"]).arg(&socket).output().unwrap();
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    assert!(stderr(&output).starts_with(&format!("chatctl: you may not use {}", socket.display())));
}

/// A daemon with only these environment variables, and `chatctl` with the same.
fn finds_it(variables: &[(&str, &Path)], socket: &Path) {
    let daemon = Daemon::start_with(LISTENERS, |command| {
        command.env_remove("RUNTIME_DIRECTORY").env_remove("STATE_DIRECTORY").envs(variables.iter().copied());
    });
    assert!(socket.exists());
    let mut chatctl = daemon.chatctl_command(&["list"]);
    chatctl.env_remove("RUNTIME_DIRECTORY").envs(variables.iter().copied());
    let output = chatctl.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{variables:?}: {output:?}");
}

#[test]
fn a_users_own_daemon_is_found() {
    if !ordinary::is_ordinary("chatctl::a_users_own_daemon_is_found") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let xdg = directory.join("xdg");
    std::fs::create_dir(&xdg).unwrap();
    finds_it(&[("XDG_RUNTIME_DIR", &xdg), ("HOME", directory)], &xdg.join("chatd/admin.sock"));
    finds_it(&[("TMPDIR", directory), ("HOME", directory)], &directory.join("chatd-1000/admin.sock"));
    finds_it(&[("TMPDIR", directory)], &directory.join("chatd-1000/admin.sock"));

    // The daemon is started without the variable, chatctl with it.
    let daemon = Daemon::start_with(LISTENERS, |command| {
        command.env_remove("RUNTIME_DIRECTORY").env("TMPDIR", directory);
    });
    let mut chatctl = daemon.chatctl_command(&["list"]);
    chatctl.env_remove("RUNTIME_DIRECTORY").env("XDG_RUNTIME_DIR", &xdg).env("TMPDIR", directory);
    assert_eq!(chatctl.output().unwrap().status.code(), Some(0));
}

#[test]
fn completions_are_what_their_shells_understand() {
    let directory = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let Some(path) = tool::tool(shell, shell) else { continue };
        for program in ["chatctl", "chatd"] {
            let script = Command::new(CHATCTL).args(["completions", shell, program]).output().unwrap();
            assert!(script.status.success());
            let file = directory.path().join(format!("{program}.{shell}"));
            std::fs::write(&file, script.stdout).unwrap();
            let output = Command::new(&path).arg("-n").arg(&file).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        }
    }
}

/// The installed completions, in each shell: Tab completes the command, and chatctl then reports the missing argument.
#[test]
fn the_installed_completions_complete() {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("etc/completions");
    let bash = format!("source {0}/bash/chatctl; source {0}/bash/chatd", installed.display());
    let zsh = format!("fpath=({}/zsh $fpath); autoload -Uz compinit; compinit -uD", installed.display());
    let fish = format!("set fish_complete_path {}/fish", installed.display());
    let shells =
        [("bash", &["--noprofile", "--norc"][..], bash), ("zsh", &["-f"], zsh), ("fish", &["--no-config"], fish)];
    for (shell, arguments, set_up) in shells {
        let Some(path) = tool::tool(shell, shell) else { continue };
        let programs = Path::new(CHATCTL).parent().unwrap().display().to_string();
        let Some(screen) = Screen::start(Path::new("env"), |home| {
            let variables =
                [format!("PATH={programs}:{}", std::env::var("PATH").unwrap()), format!("HOME={}", home.display())];
            let arguments = arguments.iter().map(|argument| (*argument).to_owned());
            variables.into_iter().chain([path.display().to_string()]).chain(arguments).collect()
        }) else {
            return;
        };
        screen.say(&set_up);
        screen.expect_by("chatctl ki\t", "Usage: chatctl kick");
        screen.expect_by("chatd --vers\t", &format!("chatd {}", env!("CARGO_PKG_VERSION")));
        screen.say("exit");
        screen.expect_end();
    }
}

#[test]
fn varlinkctl_works_as_it_is() {
    if Command::new("varlinkctl").arg("--version").output().is_err() {
        // The system tests run it on Debian 13; admin::service tests the same frames without it.
        return tool::say_skipped("varlinkctl is part of systemd from 255 on");
    }
    let daemon = Daemon::start("");
    let socket = daemon.path("run/admin.sock");
    let varlinkctl = |arguments: &[&str]| {
        let mut command = Command::new("varlinkctl");
        command.arg(arguments[0]).args(&arguments[1..arguments.len() - 2]).arg(&socket);
        command.args(arguments[arguments.len() - 2..].iter().filter(|argument| !argument.is_empty()));
        command
    };
    let output = varlinkctl(&["introspect", "org.chatd.Admin", ""]).output().unwrap();
    assert!(output.status.success() && stdout(&output).contains("method List"), "{output:?}");
    let output = varlinkctl(&["call", "org.chatd.Admin.List", "{}"]).output().unwrap();
    assert!(output.status.success() && stdout(&output).contains("\"users\""), "{output:?}");
    let output = varlinkctl(&["call", "org.chatd.Admin.Kick", r#"{"name":"bo"}"#]).output().unwrap();
    assert!(!output.status.success() && stderr(&output).contains("NoSuchUser"), "{output:?}");
    let mut watch = Program::start(&mut varlinkctl(&["call", "--more", "org.chatd.Admin.Watch", "{}"]));
    watch.expect("an administrator is watching");
    let _ana = daemon.join("ana");
    watch.expect("ana has joined");
}

/// Whoever has a name is listed, counted and can be kicked; a notice is for those in the room.
#[test]
fn people_outside_the_room() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    let mut bo = daemon.connect();
    bo.send("NICK bo\r\nUSER bo 0 * :Bo\r\n");
    ana.expect("*** bo has joined");
    bo.send("PART #lobby\r\n");
    ana.expect_start("*** bo has left");
    assert_eq!(daemon.find("bo").unwrap().protocol, "irc");
    assert_eq!(daemon.status().users, 2);

    assert_eq!(good(&daemon, &["notice", "tea"]), "sent to 1 user\n");
    ana.expect_next("*** notice: tea");
    bo.send("PING before\r\n");
    let seen = std::iter::from_fn(|| Some(bo.line()).filter(|line| !line.contains("before"))).collect::<String>();
    assert!(!seen.contains("tea"), "{seen}");

    assert_eq!(good(&daemon, &["kick", "bo", "--reason", "enough"]), "");
    assert!(bo.rest().last().unwrap().starts_with("ERROR :"));
    daemon.wait_for_log("bo was kicked by an administrator");
    assert_eq!((daemon.find("bo"), daemon.status().users), (None, 1));
    // The room was told when it happened, and so was the journal.
    ana.say("hello");
    ana.expect_next("ana: hello");
    let mut luzmi = daemon.join("luzmi");
    luzmi.say("/quit");
    daemon.wait_for_log("luzmi has left");
    assert_eq!(daemon.log_lines().iter().filter(|line| line.contains("bo has left")).count(), 1);
    assert!(refused(&daemon, &["kick", "bo"]).contains("bo"));
}
