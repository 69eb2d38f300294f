//! The admin socket of the real daemon, attacked by somebody who may use it: each attack costs a bounded part of the
//! daemon, `chatctl` is still answered, and two people who talk meanwhile notice nothing.

use std::io::{BufRead, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use chatd::admin::varlink::MAXIMUM_CALL;
use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, FAST};
use crate::support::pair::Pair;

/// A daemon, and the two who talk.
struct Attacked {
    pair: Pair,
    daemon: Daemon,
}

impl Attacked {
    fn start(config: &str) -> Attacked {
        let daemon = Daemon::start(&format!("{FAST}{config}"));
        Attacked { pair: Pair::start(&daemon), daemon }
    }

    fn connect(&self) -> Attacker {
        let stream = UnixStream::connect(self.daemon.path("run/admin.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Attacker(BufReader::new(stream))
    }

    /// `chatctl` works and the two talk on.
    fn is_well(&self) {
        assert_eq!(self.daemon.status().users, 2);
        self.pair.go_on();
    }
}

struct Attacker(BufReader<UnixStream>);

impl Attacker {
    /// Sends a whole call, or what the daemon takes of it before it closes.
    fn send(&mut self, frame: &[u8]) {
        match self.0.get_mut().write_all(&[frame, b"\0"].concat()) {
            Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            sent => sent.unwrap(),
        }
    }

    fn reply(&mut self) -> Value {
        let mut frame = Vec::new();
        self.0.read_until(0, &mut frame).unwrap();
        assert_eq!(frame.pop(), Some(0), "{:?}", String::from_utf8_lossy(&frame));
        serde_json::from_slice(&frame).unwrap()
    }

    fn call(&mut self, call: &Value) -> Value {
        self.send(call.to_string().as_bytes());
        self.reply()
    }

    /// Nothing more comes.
    fn is_closed(&mut self) {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Err(e) => assert_eq!(e.kind(), ErrorKind::ConnectionReset),
            Ok(_) => assert_eq!(rest, b""),
        }
    }

    /// Sends as much as the daemon takes without being read.
    fn send_until_full(&mut self, frame: &[u8]) {
        self.0.get_ref().set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let call = [frame, b"\0"].concat();
        while self.0.get_mut().write_all(&call).is_ok() {}
    }
}

/// A call of `Kick` for a user whose name makes it as long as wanted.
fn kick(length: usize) -> String {
    let call = json!({"method": "org.chatd.Admin.Kick", "parameters": {"name": ""}}).to_string();
    let name = "x".repeat(length - call.len());
    call.replace("\"\"", &format!("\"{name}\""))
}

#[test]
fn frames_as_long_as_allowed_and_longer() {
    let attacked = Attacked::start("");
    for round in 0..20 {
        let mut attacker = attacked.connect();
        for _ in 0..5 {
            attacker.send(kick(MAXIMUM_CALL).as_bytes());
            assert_eq!(attacker.reply()["error"], "org.chatd.Admin.NoSuchUser");
        }
        attacker.send(kick(MAXIMUM_CALL + 1 + round * 100_000).as_bytes());
        attacker.is_closed();
    }
    attacked.daemon.wait_for_log("was closed: a message is longer than 65536 bytes");
    attacked.is_well();
    attacked.pair.finish();
}

#[test]
fn deep_and_wide_json() {
    let attacked = Attacked::start("");
    let within = |value: &str| format!(r#"{{"method":"org.chatd.Admin.Kick","parameters":{{"name":{value}}}}}"#);
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = 30_000 / open.len();
        for nested in [format!("{}0{}", open.repeat(deep), close.repeat(deep)), open.repeat(2 * deep)] {
            for call in [within(&nested), nested] {
                let mut attacker = attacked.connect();
                attacker.send(call.as_bytes());
                attacker.is_closed();
            }
        }
    }
    attacked.daemon.wait_for_log("was closed: a message is not a Varlink call, from line 1, column ");
    // As deep as the parser goes, and as many values as fit: they are no name.
    let mut attacker = attacked.connect();
    let wide = [r#"{"":0}"#, "[]", "0", r#""""#].map(|value| format!("[{value}{}]", format!(",{value}").repeat(8000)));
    for value in wide.iter().chain([&format!("{}{}", "[".repeat(100), "]".repeat(100))]) {
        attacker.send(within(value).as_bytes());
        assert_eq!(attacker.reply()["parameters"], json!({"parameter": "name"}));
    }
    attacked.is_well();
    attacked.pair.finish();
}

#[test]
fn every_method_with_every_wrong_type() {
    let attacked = Attacked::start("");
    let mut attacker = attacked.connect();
    let description = json!({
        "method": "org.varlink.service.GetInterfaceDescription",
        "parameters": {"interface": "org.chatd.Admin"},
    });
    let description = attacker.call(&description)["parameters"]["description"].as_str().unwrap().to_owned();
    let methods = description.lines().filter_map(|line| line.strip_prefix("method ")?.split('(').next());
    let mut refused = 0;
    for method in methods {
        for parameters in [json!([]), json!("name"), json!(7), json!({"": null}), json!({"\u{202e}": {}})] {
            let call = json!({"method": format!("org.chatd.Admin.{method}"), "parameters": parameters, "more": true});
            assert_eq!(attacker.call(&call)["error"], "org.varlink.service.InvalidParameter", "{call}");
            refused += 1;
        }
        for name in ["name", "text", "target", "reason", "limit", "follow", "since", "resume", "account"] {
            for wrong in [json!({}), json!([]), json!(1.5)] {
                let call = json!({"method": format!("org.chatd.Admin.{method}"), "parameters": {name: wrong}});
                assert_eq!(attacker.call(&call)["error"], "org.varlink.service.InvalidParameter", "{call}");
                refused += 1;
            }
        }
    }
    assert!(refused > 300, "{refused}");
    for (method, error) in [
        ("org.chatd.Admin.", "MethodNotFound"),
        ("org.chatd.Admin.list", "MethodNotFound"),
        ("org.chatd.Admin.List\0", "MethodNotFound"),
        ("org.chatd.admin.List", "InterfaceNotFound"),
        ("..", "InterfaceNotFound"),
        ("\u{1b}[2J", "InterfaceNotFound"),
    ] {
        assert_eq!(attacker.call(&json!({"method": method}))["error"], format!("org.varlink.service.{error}"));
    }
    // What is no call at all ends the connection.
    for nonsense in [r#"{"method":7}"#, r#"{"method":"a.b","more":"yes"}"#, r#"{"method":"a","method":"b"}"#, "null"] {
        let mut attacker = attacked.connect();
        attacker.send(nonsense.as_bytes());
        attacker.is_closed();
    }
    attacked.is_well();
    attacked.pair.finish();
}

#[test]
fn calls_that_are_wrong_do_not_fill_the_log() {
    let attacked = Attacked::start("");
    for number in 0..500 {
        let mut attacker = attacked.connect();
        attacker.send(format!(r#"{{"method":"{}","more":"{number}"}}"#, "\\n".repeat(5000)).as_bytes());
        attacker.is_closed();
    }
    let Attacked { mut daemon, pair } = attacked;
    pair.finish();
    daemon.signal("TERM");
    let (status, lines) = daemon.wait_with_log();
    assert!(status.success());
    let about: Vec<_> =
        lines.iter().filter(|line| line.contains("administrator") || line.contains("admin socket")).collect();
    assert!(about.len() < 40 && about.iter().all(|line| line.len() < 300), "{about:#?}");
    assert!(about.iter().any(|line| line.contains("more events on the admin socket were left out")), "{about:#?}");
}

#[test]
fn watchers_and_callers_that_never_read() {
    let attacked = Attacked::start("[admin]\nconnections = 4\n");
    let watch = json!({"method": "org.chatd.Admin.Watch", "more": true}).to_string();
    let mut watchers: Vec<_> = (0..3).map(|_| attacked.connect()).collect();
    for watcher in &mut watchers {
        watcher.send(watch.as_bytes());
        assert_eq!(watcher.reply()["continues"], true);
    }
    // More than a socket holds and than the log keeps.
    for _ in 0..3000 {
        drop(attacked.daemon.connect());
    }
    attacked.is_well();
    drop(watchers);
    // Who does not read its replies keeps a place, but no other's.
    let describe = json!({
        "method": "org.varlink.service.GetInterfaceDescription",
        "parameters": {"interface": "org.chatd.Admin"},
    });
    let mut callers: Vec<_> = (0..3).map(|_| attacked.connect()).collect();
    for caller in &mut callers {
        caller.send_until_full(describe.to_string().as_bytes());
    }
    attacked.is_well();
    attacked.pair.finish();
}

#[test]
fn a_thousand_connections_and_half_a_call_on_each() {
    let attacked = Attacked::start("");
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    assert!(limit.current.is_none_or(|most| most > 1100), "a thousand connections need as many descriptors");
    let mut all = Vec::new();
    for number in 0..1000 {
        let mut attacker = attacked.connect();
        if number % 2 == 0 {
            attacker.0.get_mut().write_all(&vec![b'{'; number * 64]).unwrap();
        }
        all.push(attacker);
        if number % 100 == 99 {
            attacked.is_well();
        }
    }
    // All but the last made room.
    assert_eq!(all[0].reply()["error"], "org.chatd.Admin.TooManyConnections");
    all[0].is_closed();
    attacked.is_well();
    attacked.pair.finish();
}
