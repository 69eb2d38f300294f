//! How the daemon starts and ends: exit statuses, messages, and the built-in defaults.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::client::Client;
use crate::support::daemon::{CHATCTL, CHATD, Daemon, LISTENERS, own_environment, run_by};
use crate::support::left::free_port;
use crate::support::ordinary;
use crate::support::program::Program;

const FIVE_MISTAKES: &str = r#"[room]
naem = "lobby"
history = -1
[[listen]]
address = "localhost"
[limits]
login-timeout = "soon"
[log]
level = "loud"
"#;

/// The positions of [`FIVE_MISTAKES`].
const PLACES: [&str; 5] = ["2:1", "3:11", "5:11", "7:17", "9:9"];

fn chatd(directory: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(CHATD);
    own_environment(&mut command, directory.path());
    command.args(arguments).output().unwrap()
}

/// Exit status, standard output, standard error.
fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn assert_five(lines: &[String], before: &str, file: &Path) {
    assert_eq!(lines.len(), PLACES.len(), "{lines:#?}");
    for (line, place) in lines.iter().zip(PLACES) {
        assert!(line.contains(&format!("{before}{}:{place}: ", file.display())), "{line}");
    }
}

#[test]
fn check_config_is_silent_about_a_good_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("good.toml");
    std::fs::write(&file, LISTENERS).unwrap();
    let output = chatd(&directory, &["--check-config", "--config", file.to_str().unwrap()]);
    assert_eq!(told(&output), (Some(0), String::new(), String::new()));
    assert!(!directory.path().join("run").exists(), "nothing is made");
}

#[test]
fn check_config_tells_every_mistake() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bad.toml");
    std::fs::write(&file, FIVE_MISTAKES).unwrap();
    let output = chatd(&directory, &["--check-config", "--config", file.to_str().unwrap()]);
    let (status, stdout, stderr) = told(&output);
    assert_eq!((status, stdout.as_str()), (Some(78), ""));
    let lines: Vec<String> = stderr.lines().map(str::to_owned).collect();
    assert_five(&lines, "", &file);
    assert!(lines.iter().all(|line| line.starts_with(file.to_str().unwrap())));
}

#[test]
fn errors_of_a_file_that_is_no_configuration_are_limited() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("words");
    std::fs::write(&file, "word\n".repeat(20_000)).unwrap();
    let output = chatd(&directory, &["--check-config", "--config", file.to_str().unwrap()]);
    let (status, _, stderr) = told(&output);
    assert_eq!((status, stderr.lines().count()), (Some(78), 101));
    let last = format!("{}: 19900 more mistakes; is this a configuration of chatd at all?", file.display());
    assert_eq!(stderr.lines().last(), Some(last.as_str()));
}

#[test]
fn a_configuration_may_come_through_a_pipe() {
    let directory = tempfile::tempdir().unwrap();
    let good = "exec \"$0\" --check-config --config <(echo '[room]'; sleep 0.1; echo 'history = 5')";
    let bad = good.replace("history = 5", "history = -5");
    let check = |script: &str| {
        let mut command = Command::new("bash");
        own_environment(&mut command, directory.path());
        told(&command.args(["-c", script, CHATD]).output().unwrap())
    };
    assert_eq!(check(good), (Some(0), String::new(), String::new()));
    let (status, _, stderr) = check(&bad);
    assert!(status == Some(78) && stderr.contains(":2:11: room.history must be "), "{stderr}");
}

#[test]
fn a_fifo_without_a_writer_times_out() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    let (status, _, stderr) = told(&chatd(&directory, &["--check-config", "--config", file.to_str().unwrap()]));
    let sentence = "cannot be read: it is a pipe to which nobody has written within 10 s\n";
    assert!(status == Some(66) && stderr.ends_with(sentence), "{stderr}");
}

/// Creates certificate files with openssl(1), and a configuration that uses them in `[tls]`.
fn with_certificate(directory: &TempDir, certificate: &str, key: &str) -> std::path::PathBuf {
    let file = directory.path().join("chatd.toml");
    let [certificate, key] = [certificate, key].map(|name| directory.path().join(name));
    let tls = format!("[tls]\ncertificate = {certificate:?}\nprivate-key = {key:?}\n");
    std::fs::write(&file, tls + LISTENERS).unwrap();
    file
}

fn openssl(directory: &TempDir, arguments: &str) {
    let mut command = Command::new("openssl");
    let output = command.args(arguments.split(' ')).current_dir(directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn check_config_opens_the_certificates_as_the_start_does() {
    let directory = tempfile::tempdir().unwrap();
    openssl(&directory, "req -x509 -newkey ed25519 -nodes -days 100 -subj /CN=good -keyout key -out certificate");
    openssl(&directory, "req -x509 -newkey ed25519 -nodes -days 13 -subj /CN=soon -keyout soon-key -out soon");
    let check = |file: &Path| told(&chatd(&directory, &["--check-config", "--config", file.to_str().unwrap()]));

    let file = with_certificate(&directory, "certificate", "key");
    assert_eq!(check(&file), (Some(0), String::new(), String::new()));
    let file = with_certificate(&directory, "soon", "soon-key");
    let (status, _, stderr) = check(&file);
    assert_eq!(status, Some(0), "it is only a warning");
    let warning = format!("{}:2:1: warning: tls.certificate: ", file.display());
    assert!(stderr.starts_with(&warning) && stderr.contains("/soon expires on 20"), "{stderr}");

    for (certificate, key, place) in [
        ("certificate", "soon-key", "3:1: tls.private-key: "),
        ("key", "certificate", "2:1: tls.certificate: "),
        ("missing", "key", "2:1: tls.certificate: "),
        ("certificate", "missing", "3:1: tls.private-key: "),
    ] {
        let file = with_certificate(&directory, certificate, key);
        let (status, _, checked) = check(&file);
        assert_eq!((status, checked.lines().count()), (Some(78), 1), "{checked}");
        assert!(checked.starts_with(&format!("{}:{place}", file.display())), "{checked}");
        // Starting the daemon reports the same.
        let (status, _, started) = told(&chatd(&directory, &["--config", file.to_str().unwrap()]));
        assert!(status == Some(78) && started.contains(&format!("chatd does not start: {checked}")), "{started}");
    }
}

#[test]
fn a_certificate_that_may_not_be_read_names_the_user() {
    let directory = tempfile::tempdir().unwrap();
    openssl(&directory, "req -x509 -newkey ed25519 -nodes -days 100 -subj /CN=good -keyout key -out certificate");
    let file = with_certificate(&directory, "certificate", "key");
    std::fs::set_permissions(directory.path().join("key"), std::fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = ordinary::command(CHATD);
    let output = command.args(["--check-config", "--config", file.to_str().unwrap()]).output().unwrap();
    let (status, _, stderr) = told(&output);
    assert_eq!(status, Some(78), "{stderr}");
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let user = users.lines().find_map(|line| line.split_once(":x:1000:")).map_or("1000", |(name, _)| name);
    let sentence = format!("/key cannot be read: the user {user} may not read it, or not enter its directory; see ");
    assert!(stderr.contains(&sentence), "{stderr}");
}

#[test]
fn check_config_says_when_there_is_no_file() {
    if !ordinary::is_ordinary("exit::check_config_says_when_there_is_no_file") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (status, _, stderr) = told(&chatd(&directory, &["--check-config"]));
    let sentence = "there is no /etc/chatd/chatd.toml; everything is as chatd.toml(5) says it is by default\n";
    assert_eq!((status, stderr.as_str()), (Some(0), sentence));
}

#[test]
fn unused_settings_cause_warnings() {
    let directory = tempfile::tempdir().unwrap();
    openssl(&directory, "req -x509 -newkey ed25519 -nodes -days 100 -subj /CN=good -keyout key -out certificate");
    let file = with_certificate(&directory, "certificate", "key");
    let text = std::fs::read_to_string(&file).unwrap().replace("tls = true", "tls = false");
    let what = "[tls] is of no use, because no [[listen]] has tls = true";
    std::fs::write(&file, &text).unwrap();
    let (status, _, stderr) = told(&chatd(&directory, &["--check-config", "--config", file.to_str().unwrap()]));
    assert_eq!((status, stderr), (Some(0), format!("{}:1:2: warning: {what}\n", file.display())));

    let daemon = Daemon::start_with(&text, |_| {});
    let place = format!("{}:1:2: ", daemon.path("chatd.toml").display());
    daemon.wait_for_log(&format!("WARN {place}{what}"));
    let reload = daemon.chatctl(&["reload"]);
    assert_eq!(told(&reload).2, format!("chatctl: warning: {place}{what}\n"));
}

#[test]
fn all_configuration_errors_are_reported_at_start() {
    let mut daemon = Daemon::launch(FIVE_MISTAKES, |_| {});
    let (status, log) = daemon.wait_with_log();
    assert_eq!(status.code(), Some(78));
    assert_five(&log, "ERROR ", &daemon.path("chatd.toml"));
}

#[test]
fn a_file_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("missing.toml");
    for more in [&["--check-config"][..], &[]] {
        let (status, stdout, stderr) =
            told(&chatd(&directory, &[&["--config", file.to_str().unwrap()], more].concat()));
        assert_eq!((status, stdout.as_str()), (Some(66), ""));
        let sentence = format!("the configuration file {} cannot be read: there is no such file", file.display());
        assert!(stderr.contains(&sentence) && stderr.lines().count() == 1, "{stderr}");
    }
}

#[test]
fn a_file_that_may_not_be_read() {
    let mut daemon = Daemon::launch(LISTENERS, |command| {
        let file = command.get_args().last().unwrap().to_owned();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o000)).unwrap();
        run_by(command, ordinary::command(CHATD));
    });
    let (status, log) = daemon.wait_with_log();
    assert_eq!(status.code(), Some(77), "{log:?}");
    assert!(log.last().unwrap().contains("cannot be read: the user "), "{log:?}");
}

#[test]
fn usage() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in
        [&["--frob"][..], &["--config"], &["file"], &["--check-config=yes"], &["--check-config", "--try-classic"]]
    {
        let (status, stdout, stderr) = told(&chatd(&directory, arguments));
        assert_eq!((status, stdout.as_str()), (Some(64), ""), "{arguments:?}");
        assert!(stderr.contains("Usage: chatd") || stderr.contains("try '--help'"), "{stderr}");
    }
    let (status, stdout, stderr) = told(&chatd(&directory, &["--version"]));
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    assert_eq!(stdout, format!("chatd {}\n", env!("CARGO_PKG_VERSION")));
    let (status, stdout, stderr) = told(&chatd(&directory, &["--help"]));
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    assert!(
        ["--config", "--check-config", "--try-classic", "--version"].iter().all(|option| stdout.contains(option)),
        "{stdout}"
    );
}

#[test]
fn an_address_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut daemon = Daemon::launch(&format!("[[listen]]\naddress = \"{address}\"\n"), |_| {});
    let (status, log) = daemon.wait_with_log();
    assert_eq!(status.code(), Some(69));
    let place = format!("{}:2:1", daemon.path("chatd.toml").display());
    let sentence = format!("ERROR chatd does not start: {place}: {address} is already in use; ");
    assert!(log.last().unwrap().contains(&sentence), "{log:?}");
}

#[test]
fn an_address_that_it_has_taken_itself() {
    let port = free_port();
    // A host name is resolved only when the listener is bound.
    let config = format!("[[listen]]\naddress = \"127.0.0.1:{port}\"\n[[listen]]\naddress = \"localhost:{port}\"\n");
    let mut daemon = Daemon::launch(&config, |_| {});
    let (status, log) = daemon.wait_with_log();
    assert_eq!(status.code(), Some(78), "{log:?}");
    let sentence = format!(
        "4:1: 127.0.0.1:{port} is taken already, by the listener on 127.0.0.1:{port} of this configuration; remove one"
    );
    assert!(log.last().unwrap().contains(&sentence), "{log:?}");
}

/// Runs chatd in a terminal of its own, with its log elsewhere. SIGUSR1 closes the terminal; other signals are passed
/// on.
const TERMINAL: &str = r#"
import os, pty, signal, sys
log = os.dup(2)
process, terminal = pty.fork()
if process == 0:
    os.dup2(log, 2)
    if sys.argv[1] == "nohup":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.execv(sys.argv[2], sys.argv[2:])
for name in ("SIGHUP", "SIGTERM"):
    signal.signal(getattr(signal, name), lambda number, _: os.kill(process, number))
signal.signal(signal.SIGUSR1, lambda *_: os.close(terminal))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
"#;

fn in_a_terminal(how: &str) -> Daemon {
    Daemon::start_with(LISTENERS, |command| {
        let mut python = Command::new("python3");
        python.args(["-c", TERMINAL, how, CHATD]);
        run_by(command, python);
    })
}

#[test]
fn the_daemon_ends_with_its_terminal() {
    let mut daemon = in_a_terminal("as it is");
    let mut ana = daemon.join("ana");
    // A SIGHUP sent by hand is still a reload.
    daemon.signal("HUP");
    daemon.wait_for_log("configuration and certificates were reloaded");
    daemon.signal("USR1");
    assert_eq!(ana.rest().last().unwrap(), "*** Goodbye: the server is stopping.");
    drop(ana);
    let (status, log) = daemon.wait_with_log();
    assert_eq!(status.code(), Some(0));
    assert!(log.last().unwrap().ends_with("INFO chatd has stopped"), "{log:?}");
}

#[test]
fn nohup_lets_the_daemon_outlive_its_terminal() {
    let mut daemon = in_a_terminal("nohup");
    let mut ana = daemon.join("ana");
    daemon.signal("USR1");
    daemon.wait_for_log("configuration and certificates were reloaded");
    ana.say("still here");
    ana.expect("ana: still here");
    daemon.signal("TERM");
    ana.rest();
    drop(ana);
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn an_admin_socket_in_use() {
    let first = Daemon::start("");
    let mut second = Daemon::launch_in(first.directory.clone(), LISTENERS, |_| {});
    let (status, log) = second.wait_with_log();
    assert_eq!(status.code(), Some(69));
    assert!(log.last().unwrap().contains(&first.path("run/admin.sock").display().to_string()), "{log:?}");
    assert!(first.chatctl(&["list"]).status.success(), "the first one is undisturbed");
}

#[test]
fn a_port_that_only_root_may_use() {
    let mut daemon = Daemon::launch("[[listen]]\naddress = \"127.0.0.1:67\"\n", |command| {
        run_by(command, ordinary::command(CHATD));
    });
    let (status, log) = daemon.wait_with_log();
    assert_eq!(status.code(), Some(77), "{log:?}");
    let place = format!("{}:2:1", daemon.path("chatd.toml").display());
    let sentence = format!("ERROR chatd does not start: {place}: no permission to listen on 127.0.0.1:67: ");
    assert!(log.last().unwrap().contains(&sentence), "{log:?}");
}

#[test]
fn a_state_directory_that_may_not_be_written() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    let state = directory.path().join("state");
    let mut daemon = Daemon::launch(LISTENERS, |command| {
        command.env("STATE_DIRECTORY", &state);
        run_by(command, ordinary::command(CHATD));
    });
    let (status, log) = daemon.wait_with_log();
    assert_eq!(status.code(), Some(77), "{log:?}");
    assert!(log.last().unwrap().contains(&format!("the directory {} cannot be made", state.display())), "{log:?}");
}

#[test]
fn both_signals_stop_it_and_everybody_is_told() {
    for signal in ["TERM", "INT"] {
        let mut daemon = Daemon::start("");
        let mut clients = [daemon.join("ana"), daemon.join_tls("bo")];
        daemon.signal(signal);
        for client in &mut clients {
            assert_eq!(client.rest().last().unwrap(), "*** Goodbye: the server is stopping.");
        }
        drop(clients);
        let (status, log) = daemon.wait_with_log();
        assert_eq!(status.code(), Some(0), "{signal}");
        assert!(log.last().unwrap().ends_with("INFO chatd has stopped"), "{log:?}");
        assert!(!daemon.path("run/admin.sock").exists());
    }
}

/// Like the first `cargo run`: no configuration file, and only a login's environment variables.
#[test]
fn an_ordinary_user_needs_no_configuration() {
    if !ordinary::is_ordinary("exit::an_ordinary_user_needs_no_configuration") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (home, run) = (directory.path().join("home"), directory.path().join("run"));
    std::fs::create_dir(&home).unwrap();
    std::fs::create_dir(&run).unwrap();
    let login = |program: &str| {
        let mut command = Command::new(program);
        own_environment(&mut command, directory.path());
        command.env_remove("RUNTIME_DIRECTORY").env_remove("STATE_DIRECTORY");
        command.env("HOME", &home).env("XDG_RUNTIME_DIR", &run);
        command
    };
    let mut daemon = Program::start(login(CHATD).stderr(Stdio::null()));
    daemon.expect("The room \"lobby\" is open.");
    daemon.expect("    nc -N 127.0.0.1 6667");
    daemon.expect("    openssl s_client -quiet -no_ign_eof -nocommands -connect 127.0.0.1:6697");
    daemon.expect("    chatctl list");

    let mut ana = Client::plain(SocketAddr::from(([127, 0, 0, 1], 6667)));
    ana.login("ana");
    let mut bo = Client::tls(SocketAddr::from(([127, 0, 0, 1], 6697)));
    bo.login("bo");
    bo.say("hello");
    ana.expect("bo: hello");
    let list = login(CHATCTL).arg("list").output().unwrap();
    assert_eq!(String::from_utf8(list.stdout).unwrap().lines().count(), 3);

    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&run.join("chatd")), 0o700);
    assert_eq!(mode(&home.join(".local/state/chatd")), 0o700);
    assert_eq!(mode(&home.join(".local/state/chatd/tls/private-key.pem")), 0o600);
    daemon.signal("INT");
    assert!(daemon.wait().success());
}
