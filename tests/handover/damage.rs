//! What is handed over can be damaged, incomplete or of another version: the daemon starts in any case, and whoever cannot
//! stay is told.

use std::io::{ErrorKind, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chatd::handover::{Opened, Parcel};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::client::Client;
use crate::support::daemon::{CHATD, Daemon, LISTENERS};

/// A service manager that keeps what it is given.
struct Manager {
    socket: UnixDatagram,
    directory: Arc<TempDir>,
}

impl Manager {
    fn new() -> Manager {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let socket = UnixDatagram::bind(directory.path().join("notify.sock")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager { socket, directory }
    }

    fn launch(&self, change: impl FnOnce(&mut Command)) -> Daemon {
        let daemon = self.begin(change);
        daemon.wait_for_log(" is ready");
        daemon
    }

    /// The same, without waiting.
    fn begin(&self, change: impl FnOnce(&mut Command)) -> Daemon {
        Daemon::launch_in(self.directory.clone(), LISTENERS, |command| {
            command.env("NOTIFY_SOCKET", self.directory.path().join("notify.sock"));
            change(command);
        })
    }

    /// Restarts the service up to the end of the first process, and returns what that has handed over.
    fn stop_for_restart(&self, daemon: &mut Daemon) -> Opened {
        let parcel = self.handed_over(daemon);
        let (message, barrier) = self.next();
        assert_eq!(message.trim(), "BARRIER=1");
        // It goes on waiting, whatever comes.
        daemon.signal("HUP");
        drop(barrier);
        assert!(daemon.wait().success());
        Parcel::from(parcel).open().unwrap()
    }

    /// Restarts the service until it hands over something.
    fn handed_over(&self, daemon: &Daemon) -> OwnedFd {
        daemon.signal("USR1");
        daemon.signal("TERM");
        loop {
            let (message, descriptor) = self.next();
            // A barrier is passed when its descriptor is closed.
            if message.contains("FDSTORE=1") {
                assert!(message.contains("FDNAME=handover"));
                return descriptor.unwrap();
            }
        }
    }

    fn next(&self) -> (String, Option<OwnedFd>) {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut message = [0; 4096];
        let mut pieces = [std::io::IoSliceMut::new(&mut message)];
        let received = recvmsg(&self.socket, &mut pieces, &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
        let descriptor = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        (String::from_utf8(message[..received.bytes].to_vec()).unwrap(), descriptor)
    }

    /// Starts the next process with this.
    fn go_on(&self, opened: Opened) -> Daemon {
        let daemon = self.begin_with(opened, "");
        daemon.wait_for_log(" is ready");
        daemon
    }

    /// The same, without waiting, after this command of a shell.
    fn begin_with(&self, opened: Opened, before: &str) -> Daemon {
        let descriptors: Vec<BorrowedFd<'_>> =
            opened.descriptors.iter().flatten().map(|descriptor| descriptor.as_fd()).collect();
        let parcel = OwnedFd::from(Parcel::pack(&opened.state, &descriptors).unwrap());
        drop(opened);
        self.begin(|command| {
            // As systemd does: the first descriptor has the number 3.
            let config = self.directory.path().join("chatd.toml");
            let environment: Vec<_> =
                command.get_envs().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect();
            *command = Command::new("sh");
            let execute = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=handover exec \"$@\"";
            command.arg("-c").arg(format!("{before}{execute}")).arg("sh");
            command.arg(CHATD).arg("--config").arg(config);
            // Nobody reads what it tells the manager from here on.
            command.env_clear().envs(environment).env_remove("NOTIFY_SOCKET").stdin(Stdio::from(parcel));
            command.stdout(Stdio::null()).stderr(Stdio::piped());
        })
    }
}

/// Two clients of a daemon that has stopped for a restart: text and IRC; and what it has handed over.
fn stopped() -> (Manager, Client, Client, Opened) {
    let manager = Manager::new();
    let mut daemon = manager.launch(|_| {});
    let mut ana = daemon.join("ana");
    let mut ben = daemon.connect();
    ben.send("NICK ben\r\nUSER b 0 * :b\r\n");
    ben.expect_start(":chatd.internal 366 ben ");
    ana.expect("*** ben has joined");
    let opened = manager.stop_for_restart(&mut daemon);
    (manager, ana, ben, opened)
}

const GOODBYE: &str = "the server restarts, and your connection could not be kept; please connect again";

#[test]
fn through_a_service_manager_everybody_stays() {
    let (manager, mut ana, mut ben, opened) = stopped();
    let daemon = manager.go_on(opened);
    ana.say("hello");
    assert!(ben.line().ends_with(" PRIVMSG #lobby :hello\r"));
    ana.expect_next("ana: hello");
    // Who comes next is told the whole room, by the listeners that were handed over, too.
    let mut cyd = daemon.connect();
    cyd.say("cyd");
    let here = cyd.expect_start("*** Here: ");
    assert!(here.contains("ana") && here.contains("ben"), "{here}");
}

#[test]
fn a_service_manager_that_keeps_nothing_gets_everybody_a_goodbye() {
    let manager = Manager::new();
    let mut daemon = manager.launch(|_| {});
    let mut ana = daemon.join("ana");
    drop(manager.handed_over(&daemon));
    manager.next();
    assert_eq!(ana.rest(), [format!("*** Goodbye: {GOODBYE}.")]);
    assert_eq!(daemon.wait().code(), Some(71));
}

#[test]
fn a_state_of_another_version_gets_everybody_a_goodbye() {
    let (manager, mut ana, mut ben, mut opened) = stopped();
    let version = "chatd handover\n".len();
    opened.state[version] += 1;
    let daemon = manager.go_on(opened);
    daemon.wait_for_log("it has version 2, and this program reads version 1; disconnected: 2 clients");
    // The listeners stay: systemd's, if it has executed itself anew, cannot be had again.
    assert_eq!(daemon.plain(), ana.socket().peer_addr().unwrap());
    assert_eq!(ana.rest(), [format!("*** Goodbye: {GOODBYE}.")]);
    assert_eq!(ben.rest(), [format!("ERROR :Closing link: {GOODBYE}\r")]);
    daemon.join("ana");
}

#[test]
fn a_state_that_ends_early_loses_only_whom_it_has_lost() {
    let (manager, mut ana, mut ben, mut opened) = stopped();
    // The second client's frame is the last.
    opened.state.pop();
    let daemon = manager.go_on(opened);
    daemon.wait_for_log(": 1 of 1 client");
    daemon.wait_for_log("lost in the restart: 1 user");
    let (_, mut left) = match ana.next_line() {
        None => (ana, ben),
        Some(line) => {
            assert!(line.ends_with(&format!("ben has left ({GOODBYE})")), "{line}");
            assert_eq!(ben.next_line(), None);
            (ben, ana)
        }
    };
    left.send("\r\n");
    daemon.join("cyd");
}

#[test]
fn whatever_is_damaged_the_daemon_starts() {
    let (manager, _ana, _ben, opened) = stopped();
    let (state, count) = (opened.state, opened.descriptors.len());
    drop(opened.descriptors);
    let length = state.len();
    let places =
        [0, 15, 16, 17, 20, 24, 30, 40, 60, 100, length / 2, length - 200, length - 60, length - 30, length - 1];
    for place in places {
        let mut state = state.clone();
        state[place.min(length - 1)] ^= 0x55;
        let mut damaged = Opened { state, descriptors: Vec::new() };
        // Its own descriptors, because the daemon closes those connections.
        damaged.descriptors.extend((0..count).map(|_| {
            let (ours, _) = UnixStream::pair().unwrap();
            Some(ours.into())
        }));
        let mut daemon = manager.go_on(damaged);
        daemon.signal("TERM");
        assert!(daemon.wait().success(), "damaged at {place}");
    }
    for state in [Vec::new(), b"chatd handover\n".to_vec(), vec![0xff; 1000]] {
        let mut daemon = manager.go_on(Opened { state, descriptors: Vec::new() });
        daemon.signal("TERM");
        assert!(daemon.wait().success());
    }
}

/// As when the disk was too slow for the last ones.
#[test]
fn bans_that_the_disk_has_missed_are_kept_by_the_next_process() {
    let manager = Manager::new();
    let database = manager.directory.path().join("state/chatd.db");
    let run = |arguments: &[&[&str]]| {
        let mut daemon = manager.launch(|_| {});
        arguments.iter().for_each(|arguments| assert!(daemon.chatctl(arguments).status.success()));
        daemon.signal("TERM");
        assert!(daemon.wait().success());
    };
    run(&[&["ban", "eve"], &["ban", "mal", "--reason", "spam"], &["ban", "oscar"]]);
    let before = std::fs::read(&database).unwrap();
    let mut daemon = manager.launch(|_| {});
    let changes: [&[&str]; 3] = [&["unban", "eve"], &["ban", "Mal", "--reason", "more spam"], &["ban", "trudy"]];
    for arguments in changes {
        assert!(daemon.chatctl(arguments).status.success());
    }
    let opened = manager.stop_for_restart(&mut daemon);
    std::fs::write(&database, before).unwrap();
    let mut daemon = manager.go_on(opened);
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let daemon = manager.launch(|_| {});
    let output = daemon.chatctl(&["bans", "--json"]);
    let bans: chatd::admin::types::Bans = serde_json::from_slice(&output.stdout).unwrap();
    let mut bans: Vec<_> = bans.bans.into_iter().map(|ban| (ban.subject, ban.reason)).collect();
    bans.sort();
    assert_eq!(bans, [("Mal".into(), Some("more spam".into())), ("oscar".into(), None), ("trudy".into(), None)]);
}

/// It fails at one place after another.
#[test]
fn a_start_that_runs_out_of_descriptors_tells_everybody() {
    let (manager, _ana, _ben, opened) = stopped();
    let (state, count) = (opened.state, opened.descriptors.len());
    drop(opened.descriptors);
    let mut started = Vec::new();
    for limit in 10 + count..25 + count {
        let (ends, descriptors): (Vec<_>, Vec<_>) = (0..count)
            .map(|_| {
                let (end, ours) = UnixStream::pair().unwrap();
                ours.set_nonblocking(true).unwrap();
                (end, Some(OwnedFd::from(ours)))
            })
            .unzip();
        let opened = Opened { state: state.clone(), descriptors };
        let mut daemon = manager.begin_with(opened, &format!("ulimit -n {limit}; "));
        // The clients come first.
        for end in &ends[..2] {
            end.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
            let mut told = Vec::new();
            while let Err(error) = (&*end).read_to_end(&mut told) {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                if daemon.log_lines().iter().any(|line| line.contains(" is ready")) {
                    daemon.signal("TERM");
                }
            }
            let told = String::from_utf8(told).unwrap();
            let log = daemon.log_lines().join("\n");
            assert!(told.contains("*** Goodbye: ") || told.contains("ERROR :Closing link: "), "{limit}: {told}\n{log}");
        }
        started.push(daemon.wait().success());
    }
    assert!(started.contains(&false) && started.contains(&true), "{started:?}");
}

#[test]
fn a_start_that_fails_tells_everybody() {
    let (manager, mut ana, _ben, opened) = stopped();
    std::fs::write(manager.directory.path().join("chatd.toml"), "[rom]\n").unwrap();
    let descriptors: Vec<BorrowedFd<'_>> = opened.descriptors.iter().flatten().map(|d| d.as_fd()).collect();
    let parcel = OwnedFd::from(Parcel::pack(&opened.state, &descriptors).unwrap());
    let mut child = Command::new("sh")
        .args([
            "-c",
            "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=handover exec \"$@\"",
            "sh",
            CHATD,
        ])
        .arg("--config")
        .arg(manager.directory.path().join("chatd.toml"))
        .stdin(Stdio::from(parcel))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(opened);
    assert_eq!(ana.rest(), [format!("*** Goodbye: {GOODBYE}.")]);
    assert_eq!(child.wait().unwrap().code(), Some(78));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("chatd.toml:1:2: "), "{said}");
}
