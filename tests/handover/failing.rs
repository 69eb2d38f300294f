//! Handing over does not always succeed: whoever can stay does, and the others are told.

use std::process::Command;
use std::sync::Arc;
use std::time::SystemTime;

use chatd::config::file::parse;
use chatd::directories::Directories;
use chatd::net::tls::TlsInForce;
use chatd::net::{Inherited, Listener};
use chatd::server::{Server, Source};
use chatd::systemd::Watchdog;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use rustls::version::TLS12;
use tokio::task::spawn_blocking;

use crate::support::client::Client;
use crate::support::daemon::{CHATD, Daemon, LISTENERS, run_by};
use crate::tls::only;

#[test]
fn a_daemon_that_cannot_write_its_state_goes_on_as_it_is() {
    let daemon = Daemon::start_with(LISTENERS, |command| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", CHATD]);
        run_by(command, shell);
    });
    let (mut ana, mut ben) = (daemon.join("ana"), daemon.join_tls("ben"));
    let process = Pid::from_raw(daemon.pid().cast_signed());
    prlimit(process, Resource::Fsize, Rlimit { current: Some(0), maximum: Some(0) }).unwrap();
    daemon.signal("USR2");
    daemon.wait_for_log("chatd cannot be executed anew and goes on as it is: File too large");
    daemon.wait_for_log_count(" is ready", 2);
    ana.say("hello");
    ben.expect("ana: hello");
    ben.say("hi");
    ana.expect("ben: hi");
}

/// The handshake has come to its end after everybody else was looked at.
#[tokio::test]
async fn a_client_that_cannot_stay_is_told_though_it_comes_late() {
    let directory = tempfile::tempdir().unwrap();
    let directories = Directories { runtime: directory.path().into(), state: directory.path().into() };
    let configuration = parse("[[listen]]\naddress = \"127.0.0.1:0\"\ntls = true\n", &directories).unwrap();
    let how = configuration.listen[0].clone();
    let listener = Listener::bind(&how.endpoint, &mut Inherited::none()).await.unwrap().remove(0);
    let address = listener.tcp_address().unwrap();
    let bound = [(Arc::new(listener), how)];
    let tls = TlsInForce::new(None, directory.path(), SystemTime::now()).unwrap();
    let source = Source { path: None, directories };
    let server = Arc::new(Server::new(source, configuration, Some(tls), &bound, &mut None).unwrap());
    let _accepting = server.run(&bound, &Watchdog::default());
    let client = spawn_blocking(move || {
        let mut client = Client::tls_with(address, only(&TLS12)).unwrap();
        client.login("ana");
        client
    });
    let mut client = client.await.unwrap();
    let handover = server.hand_over(Vec::new()).await;
    assert!(handover.clients.is_empty());
    let rest = spawn_blocking(move || client.rest()).await.unwrap();
    assert_eq!(rest, ["*** Goodbye: the server restarts, and it uses TLS 1.2; please connect again."]);
}
