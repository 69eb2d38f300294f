//! The program chatctl, against a fake daemon with prepared replies.

mod history;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::left::leave_socket;
use crate::support::ordinary;

/// A fake daemon that accepts one connection and answers its first call with prepared replies.
struct Fixture {
    directory: TempDir,
    daemon: JoinHandle<(Value, UnixStream)>,
}

impl Fixture {
    fn start(replies: &[&str]) -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("admin.sock")).unwrap();
        let replies = replies.iter().flat_map(|reply| reply.bytes().chain([0])).collect::<Vec<_>>();
        let daemon = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut call = Vec::new();
            BufReader::new(&stream).read_until(0, &mut call).unwrap();
            assert_eq!(call.pop(), Some(0));
            stream.write_all(&replies).unwrap();
            (serde_json::from_slice(&call).unwrap(), stream)
        });
        Fixture { directory, daemon }
    }

    fn chatctl(&self, arguments: &[&str]) -> Command {
        let mut command = chatctl(arguments);
        command.arg("--socket").arg(self.directory.path().join("admin.sock"));
        command
    }

    /// Runs chatctl to its end; the daemon closes after its replies. Returns the output and the received call.
    fn run(self, arguments: &[&str]) -> (Output, Value) {
        let mut command = self.chatctl(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (call, _) = self.daemon.join().unwrap();
        (child.wait_with_output().unwrap(), call)
    }
}

fn chatctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatctl"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

const USERS: &str = r#"{"parameters":{"users":[{"name":"ana","address":"unix","transport":"plain","protocol":"text","connected_at":"2026-11-08T10:09:05Z","idle_seconds":0,"lag_bytes":0}]}}"#;
const JOINED: &str = r#"{"parameters":{"time":"2026-11-08T10:09:05.000Z","event":"join","message":"ana has joined","user":"ana"},"continues":true}"#;

#[test]
fn list_is_a_table() {
    let (output, call) = Fixture::start(&[USERS]).run(&["list"]);
    assert_eq!(call, json!({"method": "org.chatd.Admin.List", "parameters": {}}));
    let lines: Vec<_> = stdout(&output).lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines[0], ["NAME", "ADDRESS", "TRANSPORT", "PROTOCOL", "CONNECTED", "IDLE", "LAG"]);
    assert_eq!(lines[1][..4], ["ana", "unix", "plain", "text"]);
    assert_eq!(lines[1][5..], ["0s", "0"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
}

#[test]
fn json_is_exactly_what_was_answered() {
    let (output, _) =
        Fixture::start(&[r#"{"parameters": {"users":[], "b": 1.50, "a": 1e3}}"#]).run(&["list", "--json"]);
    assert_eq!(stdout(&output), "{\"users\":[], \"b\": 1.50, \"a\": 1e3}\n");
    let (output, _) = Fixture::start(&["{}"]).run(&["--json", "kick", "ana"]);
    assert_eq!(stdout(&output), "{}\n");
}

#[test]
fn a_successful_kick_prints_nothing() {
    let (output, call) = Fixture::start(&[r#"{"parameters":{}}"#]).run(&["kick", "ana", "--reason", "spam"]);
    assert_eq!(call, json!({"method": "org.chatd.Admin.Kick", "parameters": {"name": "ana", "reason": "spam"}}));
    assert_eq!((output.status.code(), stdout(&output), stderr(&output)), (Some(0), "", ""));
}

#[test]
fn a_ban_says_exactly_what_was_banned_and_what_was_not() {
    let reply = r#"{"parameters":{"bans":[
        {"kind":"name","subject":"ana","since":"2026-11-21T10:00:00Z","uid":0},
        {"kind":"account","subject":"ana@home","with":"ana","since":"2026-11-21T10:00:00Z","uid":0}],
        "disconnected":2,"address":"192.0.2.7","others":1}}"#;
    let (output, call) = Fixture::start(&[reply]).run(&["ban", "ana", "--reason", "spam"]);
    assert_eq!(call, json!({"method": "org.chatd.Admin.Ban", "parameters": {"target": "ana", "reason": "spam"}}));
    assert_eq!(
        stdout(&output),
        "banned for good: the name ana\n\
         banned for good: the account ana@home\n\
         disconnected: 2 clients\n\
         not banned: 192.0.2.7, from where ana came and may come again under another name;\n  \
         1 other who is here comes from there, too; to keep out everybody who does: chatctl ban 192.0.2.7\n"
    );
    let reply = r#"{"parameters":{"bans":[
        {"kind":"address","subject":"2001:db8::7","since":"2026-11-21T10:00:00Z","until":"2026-11-21T12:00:00Z","uid":0}],
        "disconnected":0,"others":0}}"#;
    let (output, call) = Fixture::start(&[reply]).run(&["ban", "2001:db8::7", "--for", "2h"]);
    assert_eq!(call["parameters"], json!({"target": "2001:db8::7", "duration": "2h"}));
    assert_eq!(
        stdout(&output),
        "banned until 2026-11-21T12:00:00Z: the address 2001:db8::7\n\
         disconnected: 0 clients\n\
         an IPv6 host can have another address in a moment; all of its own: chatctl ban 2001:db8::/64\n"
    );
    let nobody = r#"{"parameters":{"bans":[],"disconnected":0,"address":"127.0.0.1","others":0}}"#;
    let (output, call) = Fixture::start(&[nobody]).run(&["ban", "ana", "--address"]);
    assert_eq!(call["parameters"], json!({"target": "ana", "address": true}));
    assert!(stdout(&output).ends_with(
        "not banned: this machine (127.0.0.1), from where ana came and may come again under another name\n"
    ));
}

#[test]
fn bans_are_a_table() {
    let reply = r#"{"parameters":{"bans":[
        {"kind":"address","subject":"192.0.2.0/24","with":"ana","since":"2026-11-21T10:00:00Z","until":"2026-11-21T12:00:00Z","uid":1000,"reason":"no shouting"},
        {"kind":"name","subject":"ana","since":"2026-11-21T10:00:00Z","uid":0}]}}"#;
    let (output, call) = Fixture::start(&[reply]).run(&["bans"]);
    assert_eq!(call, json!({"method": "org.chatd.Admin.ListBans", "parameters": {}}));
    assert_eq!(
        stdout(&output),
        "KIND     BANNED        WITH  SINCE                 UNTIL                 UID   REASON\n\
         address  192.0.2.0/24  ana   2026-11-21T10:00:00Z  2026-11-21T12:00:00Z  1000  no shouting\n\
         name     ana           -     2026-11-21T10:00:00Z  for good              0     -\n"
    );
    let (output, call) = Fixture::start(&[reply]).run(&["unban", "ana@home", "--account"]);
    assert_eq!(call["parameters"], json!({"target": "ana@home", "account": true}));
    assert_eq!(stdout(&output), "banned no more: the network 192.0.2.0/24\nbanned no more: the name ana\n");
    assert_eq!(chatctl(&["ban", "ana", "--account", "--address"]).output().unwrap().status.code(), Some(64));
}

#[test]
fn a_refusal_has_its_reason_and_status_1() {
    let refused = |reply: &str| {
        let (output, _) = Fixture::start(&[reply]).run(&["kick", "ana"]);
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""));
        stderr(&output).to_owned()
    };
    assert_eq!(
        refused(r#"{"error":"org.chatd.Admin.NoSuchUser","parameters":{"name":"ana"}}"#),
        "chatctl: nobody here is called \"ana\"\n"
    );
    assert_eq!(
        refused(r#"{"error":"org.varlink.service.PermissionDenied"}"#),
        "chatctl: the daemon does not permit this\n",
        "an error need not have parameters"
    );
    assert_eq!(
        refused(r#"{"error":"org.example.New","parameters":{"text":"a\u001b"}}"#),
        "chatctl: the daemon refused: org.example.New {\"text\":\"a\\u001b\"}\n"
    );
}

#[test]
fn a_failed_reload_shows_every_mistake() {
    let reply =
        r#"{"error":"org.chatd.Admin.ReloadFailed","parameters":{"mistakes":["a.toml:1:2: one","a.toml:3:4: two"]}}"#;
    let (output, _) = Fixture::start(&[reply]).run(&["reload"]);
    assert_eq!(
        stderr(&output),
        "chatctl: nothing was reloaded, what was in force before stays so\na.toml:1:2: one\na.toml:3:4: two\n"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_reload_shows_its_warnings() {
    let (output, _) =
        Fixture::start(&[r#"{"parameters":{"warnings":["the certificate expires soon"]}}"#]).run(&["reload"]);
    assert_eq!(stdout(&output), "configuration and certificates are reloaded\n");
    assert_eq!(stderr(&output), "chatctl: warning: the certificate expires soon\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_notice_says_how_many_it_reached() {
    let (output, call) = Fixture::start(&[r#"{"parameters":{"reached":2}}"#]).run(&["notice", "down at noon"]);
    assert_eq!(call["parameters"], json!({"text": "down at noon"}));
    assert_eq!(stdout(&output), "sent to 2 users\n");
}

#[test]
fn a_watch_shows_events_until_the_daemon_goes_away() {
    let (output, call) = Fixture::start(&[JOINED, JOINED]).run(&["watch"]);
    assert_eq!(call, json!({"method": "org.chatd.Admin.Watch", "parameters": {}, "more": true}));
    assert_eq!(stdout(&output), "2026-11-08T10:09:05Z  join      ana has joined\n".repeat(2));
    assert_eq!(stderr(&output), "chatctl: the daemon has closed the connection\n");
    assert_eq!(output.status.code(), Some(69));
}

/// Starts a watch and waits for the first line.
fn watch(fixture: &Fixture, arguments: &[&str]) -> (Child, BufReader<std::process::ChildStdout>, String) {
    let mut child = fixture.chatctl(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    (child, output, line)
}

fn ends_quietly(mut child: Child) {
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert_eq!((child.wait().unwrap().code(), complaint.as_str()), (Some(0), ""));
}

#[test]
fn an_interrupted_watch_ends_quietly() {
    let fixture = Fixture::start(&[JOINED]);
    let (child, _output, line) = watch(&fixture, &["watch", "--json"]);
    assert_eq!(
        line,
        r#"{"time":"2026-11-08T10:09:05.000Z","event":"join","message":"ana has joined","user":"ana"}"#.to_owned()
            + "\n"
    );
    let (_, _stream) = fixture.daemon.join().unwrap();
    let interrupted = Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap();
    assert!(interrupted.success());
    ends_quietly(child);
}

#[test]
fn a_watch_into_a_closed_pipe_ends_quietly() {
    let fixture = Fixture::start(&[JOINED]);
    let (mut child, output, _) = watch(&fixture, &["watch"]);
    let (_, mut stream) = fixture.daemon.join().unwrap();
    drop(output);
    // Another test that is starting a program may hold the pipe open until that runs, so one event may not be enough.
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "chatctl goes on, though nobody reads");
        // Fails once chatctl has ended.
        let _ = stream.write_all(format!("{JOINED}\0").as_bytes());
        std::thread::sleep(Duration::from_millis(5));
    }
    ends_quietly(child);
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let fixture = Fixture::start(&[USERS]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = fixture.chatctl(&["list"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(74));
    assert!(stderr(&output).starts_with("chatctl: the output cannot be written: "));
}

#[test]
fn an_unparsable_reply_is_not_a_daemon() {
    for reply in ["GET / HTTP/1.1", "[]", r#"{"parameters":{"users":7}}"#, r#"{"parameters":[]}"#] {
        let (output, _) = Fixture::start(&[reply]).run(&["list"]);
        assert_eq!(output.status.code(), Some(69), "{reply}");
        assert!(stderr(&output).starts_with("chatctl: what the daemon answered cannot be understood: "), "{reply}");
    }
}

#[test]
fn usage_errors_exit_64() {
    for arguments in
        [&[][..], &["dance"], &["kick"], &["notice"], &["--frob"], &["kick", "a", "b"], &["list", "--socket"]]
    {
        let output = chatctl(arguments).output().unwrap();
        assert_eq!((output.status.code(), stdout(&output)), (Some(64), ""), "{arguments:?}");
        assert!(
            stderr(&output).contains("try '--help'") || stderr(&output).contains("Usage: chatctl"),
            "{arguments:?}"
        );
    }
    let long = "x".repeat(70_000);
    let fixture = tempfile::tempdir().unwrap();
    let socket = fixture.path().join("admin.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let output = chatctl(&["notice", &long, "--socket", socket.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(stderr(&output), "chatctl: this is too long for the daemon, which accepts 65536 bytes at once\n");
}

#[test]
fn help_and_version_are_on_standard_output() {
    for arguments in [["--help"], ["--version"]] {
        let output = chatctl(&arguments).output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
        assert!(stdout(&output).contains("chatctl"));
    }
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(chatctl(&["--help"]).stdout(full).output().unwrap().status.code(), Some(0));
}

#[test]
fn without_a_daemon_it_says_where_it_looked() {
    let directory = tempfile::tempdir().unwrap();
    let output = ordinary::command(env!("CARGO_BIN_EXE_chatctl"))
        .arg("list")
        .env("TMPDIR", directory.path())
        .env("RUNTIME_DIRECTORY", directory.path())
        .env("XDG_RUNTIME_DIR", directory.path())
        .output()
        .unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(69), ""));
    let looked = directory.path().join("admin.sock");
    assert!(stderr(&output).starts_with("chatctl: no chatd is running here: nobody listens on "));
    assert!(stderr(&output).contains(looked.to_str().unwrap()), "{}", stderr(&output));
    assert!(stderr(&output).contains("systemctl start chatd"));
}

#[test]
fn a_stale_socket_is_not_a_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    leave_socket(&socket);
    let output = chatctl(&["status", "--socket", socket.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(69));
}

#[test]
fn a_socket_that_may_not_be_used_exits_77() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).unwrap();
    // As an ordinary user, because file modes do not restrict root.
    let mut command = ordinary::command(env!("CARGO_BIN_EXE_chatctl"));
    let output = command.args(["status", "--socket"]).arg(&socket).output().unwrap();
    assert_eq!(output.status.code(), Some(77), "{}", stderr(&output));
    assert!(stderr(&output).contains("chatd-admin"), "{}", stderr(&output));
}

#[test]
fn completions_offer_what_is_documented() {
    for shell in ["bash", "zsh", "fish"] {
        for program in ["chatctl", "chatd"] {
            let output = chatctl(&["completions", shell, program]).output().unwrap();
            assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
            let offered = if program == "chatctl" { "reload" } else { "check-config" };
            assert!(stdout(&output).contains(offered), "{shell} {program}");
            assert!(!stdout(&output).contains("completions"), "{shell} {program}");
        }
    }
    assert!(!stdout(&chatctl(&["--help"]).output().unwrap()).contains("completions"));
}
