//! The real daemon with a service manager: notifications, the watchdog, socket activation.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::client::Client;
use crate::support::daemon::{CHATCTL, CHATD, Daemon, LISTENERS};

/// The service manager's end of `NOTIFY_SOCKET`.
struct Manager {
    directory: Arc<TempDir>,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Manager {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let socket = UnixDatagram::bind(directory.path().join("notify.sock")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager { directory, socket }
    }

    fn launch(&self, config: &str, change: impl FnOnce(&mut Command)) -> Daemon {
        Daemon::launch_in(self.directory.clone(), config, |command| {
            command.env("NOTIFY_SOCKET", self.directory.path().join("notify.sock"));
            change(command);
        })
    }

    fn start(&self, config: &str) -> Daemon {
        let daemon = self.launch(config, |_| {});
        self.expect("READY=1");
        daemon
    }

    /// The next message.
    fn next(&self) -> Vec<String> {
        let mut message = [0; 65536];
        let length = loop {
            match self.socket.recv(&mut message) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                received => break received.expect("a message from the daemon"),
            }
        };
        String::from_utf8(message[..length].to_vec()).unwrap().lines().map(str::to_owned).collect()
    }

    /// Reads until a message has a line with this prefix, and returns the message.
    fn expect(&self, start: &str) -> Vec<String> {
        loop {
            let message = self.next();
            if message.iter().any(|line| line.starts_with(start)) {
                return message;
            }
        }
    }

    /// Reads until a status line is as wanted.
    fn expect_status(&self, wanted: impl Fn(&str) -> bool) {
        while !self.next().iter().any(|line| line.strip_prefix("STATUS=").is_some_and(&wanted)) {}
    }

    /// Reads the messages of a reload: its start time, and the status lines until it is ready.
    fn expect_reload(&self) -> (u64, Vec<String>) {
        let begin = self.expect("RELOADING=1");
        let time = begin.iter().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).expect("the time of the reload");
        let mut statuses = Vec::new();
        loop {
            let message = self.next();
            if message.contains(&"READY=1".to_owned()) {
                return (time.parse().unwrap(), statuses);
            }
            statuses.extend(message.iter().filter_map(|line| line.strip_prefix("STATUS=")).map(str::to_owned));
        }
    }
}

#[test]
fn readiness_comes_when_the_listeners_listen() {
    let manager = Manager::new();
    let path = manager.directory.path().join("chat.sock");
    let _daemon = manager.launch(&format!("[[listen]]\naddress = {path:?}\n"), |_| {});
    manager.expect("READY=1");
    UnixStream::connect(path).unwrap();
    UnixStream::connect(manager.directory.path().join("run/admin.sock")).unwrap();
}

#[test]
fn the_status_line_has_current_counts() {
    let manager = Manager::new();
    let daemon = manager.start(LISTENERS);
    let mut ana = daemon.join("ana");
    manager.expect("STATUS=1 user, 1 connection, 0 messages");
    let _bo = daemon.join("bo");
    ana.say("hello");
    manager.expect("STATUS=2 users, 2 connections, 1 message");
}

#[test]
fn a_reload_is_notified_at_its_start_and_end() {
    let manager = Manager::new();
    let daemon = manager.start(&format!("{LISTENERS}[room]\ntopic = \"first\"\n"));
    let mut ana = daemon.join("ana");

    daemon.write_config(&format!("{LISTENERS}[room]\ntopic = \"second\"\n"));
    daemon.signal("HUP");
    let (first, _) = manager.expect_reload();
    ana.expect("*** Topic: second");

    daemon.write_config(&format!("{LISTENERS}[room]\ntopic = \"third\"\nsize = 3\n"));
    daemon.signal("HUP");
    let (second, statuses) = manager.expect_reload();
    assert!(second > first, "MONOTONIC_USEC goes on");
    let mistake = format!("{}:9:1: ", daemon.path("chatd.toml").display());
    assert!(statuses.last().unwrap().contains(&format!("reload failed: {mistake}")), "{statuses:?}");
    daemon.wait_for_log(&format!("WARN {mistake}"));
    let mut bo = daemon.connect();
    bo.say("bo");
    bo.expect("*** Topic: second");

    daemon.write_config(&format!("{LISTENERS}[room]\ntopic = \"fourth\"\n"));
    daemon.signal("HUP");
    let (_, statuses) = manager.expect_reload();
    assert!(!statuses.last().unwrap().contains("reload"), "{statuses:?}");
    ana.expect("*** Topic: fourth");
}

#[test]
fn stopping_is_notified() {
    let manager = Manager::new();
    let mut daemon = manager.start(LISTENERS);
    daemon.signal("TERM");
    manager.expect("STOPPING=1");
    assert!(daemon.wait().success());
}

#[test]
fn a_configuration_error_is_in_the_status() {
    let manager = Manager::new();
    let mut daemon = manager.launch("mistake = 1\n", |_| {});
    manager.expect(&format!("STATUS={}:1:1: ", daemon.path("chatd.toml").display()));
    assert_eq!(daemon.wait().code(), Some(78));
}

/// Also while all connections are in use: the accept loops wait then, which is not a hang.
#[test]
fn watchdog_keep_alives_are_sent() {
    let manager = Manager::new();
    let config = format!("{LISTENERS}[limits]\nconnections = 1\n");
    let daemon = manager.launch(&config, |command| {
        command.env("WATCHDOG_USEC", "100000");
    });
    manager.expect("READY=1");
    manager.expect("WATCHDOG=1");
    let mut ana = daemon.join("ana");
    let waiting = [daemon.plain(), daemon.tls()].map(Client::plain);
    daemon.wait_for_log_count("all 1 connections are in use; further clients wait", 2);
    for _ in 0..5 {
        manager.expect("WATCHDOG=1");
    }
    ana.say("/quit");
    ana.rest();
    drop(waiting);
    let log = daemon.log_lines();
    let told = log.iter().filter(|line| line.contains("are in use")).count();
    assert!(told <= 4, "it is said once for each client that waits: {log:?}");
}

/// Passes up to three named sockets as systemd does: from descriptor 3 on, with `LISTEN_PID` set to the daemon's own
/// process ID.
fn launch_with(manager: &Manager, config: &str, sockets: Vec<(&str, OwnedFd)>) -> Daemon {
    const ENTER: &str = r#"
        exec 3<&0 4<&1 5<&2 </dev/null >/dev/null 2>"$1"
        shift
        LISTEN_PID=$$ exec "$@"
    "#;
    let log = manager.directory.path().join("log");
    assert!(Command::new("mkfifo").arg(&log).status().unwrap().success());
    let daemon = manager.launch(config, |command| {
        let mut shell = Command::new("sh");
        shell.args(["-euc", ENTER, "sh"]).arg(&log).arg(CHATD).args(command.get_args()).env_clear();
        shell.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
        shell.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        let mut sockets = sockets.into_iter();
        let mut next = || sockets.next().map_or_else(Stdio::null, |(_, socket)| Stdio::from(socket));
        shell.stdin(next()).stdout(next()).stderr(next());
        assert!(sockets.next().is_none(), "there are only three standard streams to pass them on");
        *command = shell;
    });
    daemon.read_log(File::open(log).unwrap());
    daemon
}

fn tcp() -> (OwnedFd, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener.into(), address)
}

#[test]
fn the_installed_configuration_takes_its_sockets_from_systemd() {
    let manager = Manager::new();
    let ((plain, plain_address), (tls, tls_address)) = (tcp(), tcp());
    let admin_path = manager.directory.path().join("handed-over.sock");
    let admin = UnixListener::bind(&admin_path).unwrap();
    // This client connects before the daemon starts.
    let mut early = Client::plain(plain_address);
    early.say("early");

    let sockets = vec![("admin", admin.into()), ("plain", plain), ("tls", tls)];
    let daemon = launch_with(&manager, include_str!("../etc/chatd.toml"), sockets);
    early.expect_start("*** Welcome to lobby, early.");
    let mut late = Client::tls(tls_address);
    late.login("late");
    late.say("hello");
    early.expect("late: hello");
    let list = daemon.chatctl(&["list", "--socket", admin_path.to_str().unwrap()]);
    assert_eq!(String::from_utf8(list.stdout).unwrap().lines().count(), 3);

    // A socket file from systemd must not be removed by the daemon.
    daemon.signal("TERM");
    manager.expect("STOPPING=1");
    early.rest();
    assert!(admin_path.exists());
}

#[test]
fn a_missing_socket_from_systemd_is_reported() {
    let manager = Manager::new();
    let config = "[[listen]]\nsystemd = \"plain\"\n[[listen]]\nsystemd = \"tls\"\ntls = true\n";
    let mut daemon = launch_with(&manager, config, vec![("plain", tcp().0), ("other", tcp().0)]);
    let (status, log) = daemon.wait_with_log();
    assert_eq!(status.code(), Some(78));
    let sentence = format!(
        "{}:4:1: systemd handed over no socket named \"tls\", only \"other\", \"plain\": chatd-tls.socket is not running; \
         \"systemctl status chatd-tls.socket\" says why, and afterwards: systemctl stop chatd && systemctl start \
         chatd-tls.socket chatd",
        daemon.path("chatd.toml").display()
    );
    assert!(log.last().unwrap().ends_with(&sentence), "{log:?}");
    // The sentence is what `systemctl status` shows first.
    manager.expect(&format!("STATUS={sentence}"));
}

#[test]
fn without_any_handed_over_socket() {
    let manager = Manager::new();
    let mut daemon = manager.launch("[[listen]]\nsystemd = \"spare\"\n", |_| {});
    let (status, log) = daemon.wait_with_log();
    assert_eq!(status.code(), Some(78));
    let sentence = "systemd handed over no socket named \"spare\": the .socket unit with FileDescriptorName=spare and \
        Service=chatd.service is not running";
    assert!(log.last().unwrap().contains(sentence), "{log:?}");

    let mut by_hand = Daemon::launch("[[listen]]\nsystemd = \"plain\"\n", |_| {});
    let (status, log) = by_hand.wait_with_log();
    assert_eq!(status.code(), Some(78));
    let sentence = "the socket \"plain\" is systemd's to hand over, but this chatd was not started by systemd: start it \
        with \"systemctl start chatd\"";
    assert!(log.last().unwrap().contains(sentence), "{log:?}");
}

#[test]
fn an_address_that_systemd_has_taken_for_chatd() {
    let manager = Manager::new();
    let (tls, address) = tcp();
    let config = format!("[[listen]]\naddress = \"{address}\"\n");
    let mut daemon = launch_with(&manager, &config, vec![("tls", tls)]);
    let (status, log) = daemon.wait_with_log();
    assert_eq!(status.code(), Some(78));
    let sentence = format!(
        "{address} is taken already: systemd listens there for chatd; write systemd = \"tls\" instead of the address, or \
         put that socket away: systemctl disable --now chatd-tls.socket"
    );
    assert!(log.last().unwrap().ends_with(&sentence), "{log:?}");
}

#[test]
fn waiting_clients_are_told_if_the_daemon_cannot_start() {
    let manager = Manager::new();
    let ((plain, plain_address), (tls, tls_address)) = (tcp(), tcp());
    let admin_path = manager.directory.path().join("handed-over.sock");
    let admin = UnixListener::bind(&admin_path).unwrap();
    // All of them connect before the daemon starts; only the administrator is told the reason.
    let mut silent = Client::plain(plain_address);
    let mut talker = Client::plain(plain_address);
    talker.say("ana");
    let mut curious = Client::plain(plain_address);
    curious.say("{\"method\":\"org.chatd.Admin.Status\"}");
    let mut secure = TcpStream::connect(tls_address).unwrap();
    secure.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]).unwrap();
    let mut chatctl = Command::new(CHATCTL);
    chatctl.args(["list", "--socket"]).arg(&admin_path).stdout(Stdio::piped()).stderr(Stdio::piped());
    let chatctl = chatctl.spawn().unwrap();

    let sockets = vec![("admin", admin.into()), ("plain", plain), ("tls", tls)];
    let config = "[room]\nhistory = -1\ncolour = 3\n";
    let mut daemon = launch_with(&manager, config, sockets);
    for client in [&mut silent, &mut talker, &mut curious] {
        client.expect_next(
            "*** The room is closed: the server cannot start. Its administrator finds the reason in the journal.",
        );
        assert_eq!(client.rest(), [""; 0]);
    }
    let mut alert = Vec::new();
    secure.set_read_timeout(Some(PATIENCE)).unwrap();
    secure.read_to_end(&mut alert).unwrap();
    assert_eq!(alert, [0x15, 3, 3, 0, 2, 2, 80]);
    let output = chatctl.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    let file = daemon.path("chatd.toml").display().to_string();
    let told = String::from_utf8(output.stderr).unwrap();
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told[0], "chatctl: chatd cannot start; when this is mended: systemctl restart chatd");
    assert!(
        told[1].starts_with(&format!("{file}:2:11: ")) && told[2].starts_with(&format!("{file}:3:1: ")),
        "{told:?}"
    );
    assert_eq!(told.len(), 3);
    assert_eq!(daemon.wait().code(), Some(78));
}

#[test]
fn an_unused_socket_from_systemd_causes_a_warning() {
    let manager = Manager::new();
    let config = "[[listen]]\nsystemd = \"plain\"\n";
    let daemon = launch_with(&manager, config, vec![("plain", tcp().0), ("spare", tcp().0)]);
    daemon.wait_for_log("WARN the socket \"spare\" was handed over, but no listener takes it");
    manager.expect("READY=1");
}

/// Only systemd could hand it over, and it does that when it starts the service.
#[test]
fn a_restart_by_itself_needs_no_socket_that_it_was_not_given() {
    let manager = Manager::new();
    let config = "[[listen]]\nsystemd = \"plain\"\n";
    let (socket, address) = tcp();
    let daemon = launch_with(&manager, config, vec![("plain", socket), ("spare", tcp().0)]);
    daemon.wait_for_log(" is ready");
    let mut ana = Client::plain(address);
    ana.login("ana");
    daemon.write_config(&format!("{config}[[listen]]\nsystemd = \"spare\"\n"));
    daemon.signal("USR2");
    daemon.wait_for_log(
        "WARN the socket \"spare\" is systemd's to hand over, when it starts chatd: systemctl restart chatd",
    );
    daemon.write_config(config);
    daemon.signal("USR2");
    daemon.wait_for_log_count(" is ready", 2);
    ana.say("hello");
    ana.expect_next("ana: hello");
}

#[test]
fn the_status_line_tells_that_nothing_can_be_kept() {
    let manager = Manager::new();
    let database = manager.directory.path().join("state/chatd.db");
    std::fs::create_dir_all(&database).unwrap();
    let daemon = manager.start(LISTENERS);
    let mut ana = daemon.join("ana");
    manager.expect_status(|status| status.contains(&format!("; nothing is kept in {}: ", database.display())));
    // The chat does not mind, and goes on keeping when it can.
    std::fs::remove_dir(&database).unwrap();
    daemon.wait_for_log("what is said is kept again in ");
    ana.say("hello");
    manager.expect_status(|status| !status.contains("nothing is kept"));
}
