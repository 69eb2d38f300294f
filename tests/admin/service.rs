//! The daemon's side of the admin socket: calls and replies over a real socket, with an empty room.

use std::path::PathBuf;
use std::sync::Arc;

use chatd::admin::service::serve;
use chatd::directories::Directories;
use chatd::server::{Server, Source};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// A server with an empty room.
fn empty_server() -> Arc<Server> {
    let directories = Directories { runtime: "/nowhere".into(), state: "/nowhere".into() };
    let configuration = chatd::config::file::parse("", &directories).unwrap();
    Arc::new(Server::new(Source { path: None, directories }, configuration, None, &[], &mut None).unwrap())
}

/// A service that runs until it is dropped.
struct Service {
    directory: TempDir,
    task: JoinHandle<std::convert::Infallible>,
}

impl Service {
    fn start(connections: usize) -> Service {
        // Another test may have started the log already.
        let _ = chatd::log::start();
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("admin.sock")).unwrap();
        let task = tokio::spawn(serve(listener, empty_server(), connections));
        Service { directory, task }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("admin.sock")
    }

    async fn connect(&self) -> Administrator {
        Administrator { stream: BufReader::new(UnixStream::connect(self.socket()).await.unwrap()) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection to the service.
struct Administrator {
    stream: BufReader<UnixStream>,
}

impl Administrator {
    async fn send(&mut self, call: Value) {
        let mut bytes = call.to_string().into_bytes();
        bytes.push(0);
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// The next reply, or `None` when the service has closed the connection.
    async fn reply(&mut self) -> Option<Value> {
        let mut frame = Vec::new();
        self.stream.read_until(0, &mut frame).await.unwrap();
        (frame.pop() == Some(0)).then(|| serde_json::from_slice(&frame).unwrap())
    }

    async fn call(&mut self, call: Value) -> Value {
        self.send(call).await;
        self.reply().await.expect("an answer")
    }

    async fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0; 1]).await {
            Ok(count) => count == 0,
            // The kernel reports this if the peer closed with unread input.
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    /// Starts a watch and waits until it is active: it is told of itself first, or of what other tests do meanwhile.
    async fn watch(&mut self) {
        self.send(json!({"method": "org.chatd.Admin.Watch", "more": true})).await;
        assert_eq!(self.reply().await.unwrap()["continues"], true);
    }
}

/// Logs an event for watchers, at a level that does not appear in the tests' output.
fn join(name: &str) {
    tracing::debug!(
        chatd.event = "join",
        chatd.user = name,
        chatd.address = "192.0.2.1:4000",
        chatd.transport = "tls",
        chatd.protocol = "text",
        "{name} has joined"
    );
}

#[tokio::test]
async fn get_info_names_the_service() {
    let service = Service::start(2);
    let mut administrator = service.connect().await;
    let info = administrator.call(json!({"method": "org.varlink.service.GetInfo"})).await;
    assert_eq!(info["parameters"]["product"], "chatd");
    assert_eq!(info["parameters"]["version"], env!("CARGO_PKG_VERSION"));
    for interface in info["parameters"]["interfaces"].as_array().unwrap() {
        let call = json!({
            "method": "org.varlink.service.GetInterfaceDescription",
            "parameters": {"interface": interface},
        });
        let description = administrator.call(call).await["parameters"]["description"].as_str().unwrap().to_owned();
        assert!(description.contains(&format!("\ninterface {}\n", interface.as_str().unwrap())));
    }
}

#[tokio::test]
async fn methods_are_answered() {
    let service = Service::start(2);
    let mut administrator = service.connect().await;
    let transcript = [
        (json!({"method": "org.chatd.Admin.List"}), json!({"parameters": {"users": []}})),
        (
            json!({"method": "org.chatd.Admin.Kick", "parameters": {"name": "ana", "reason": "spam"}}),
            json!({"error": "org.chatd.Admin.NoSuchUser", "parameters": {"name": "ana"}}),
        ),
        (
            json!({"method": "org.chatd.Admin.Notice", "parameters": {"text": "hello"}}),
            json!({"parameters": {"reached": 0}}),
        ),
        (json!({"method": "org.chatd.Admin.List", "more": true}), json!({"parameters": {"users": []}})),
    ];
    for (call, reply) in transcript {
        assert_eq!(administrator.call(call.clone()).await, reply, "{call}");
    }
    let refused = administrator.call(json!({"method": "org.chatd.Admin.Notice", "parameters": {"text": ""}})).await;
    assert_eq!(refused["error"], "org.chatd.Admin.InvalidText");
    let status = administrator.call(json!({"method": "org.chatd.Admin.Status"})).await;
    assert_eq!(status["parameters"]["users"], 0);
}

#[tokio::test]
async fn mistakes_are_answered_in_the_words_of_the_standard() {
    let service = Service::start(2);
    let mut administrator = service.connect().await;
    let kick = |parameters: Value| json!({"method": "org.chatd.Admin.Kick", "parameters": parameters});
    let parameter = |name: &str| ("InvalidParameter", json!({ "parameter": name }));
    let transcript = [
        (json!({"method": "org.example.Fun"}), ("InterfaceNotFound", json!({"interface": "org.example"}))),
        (json!({"method": "Fun"}), ("InterfaceNotFound", json!({"interface": "Fun"}))),
        (json!({"method": ""}), ("InterfaceNotFound", json!({"interface": ""}))),
        (json!({"method": "org.chatd.Admin.Fun"}), ("MethodNotFound", json!({"method": "org.chatd.Admin.Fun"}))),
        (
            json!({"method": "org.varlink.service.Fun"}),
            ("MethodNotFound", json!({"method": "org.varlink.service.Fun"})),
        ),
        (
            json!({"method": "org.chatd.Admin.List", "upgrade": true}),
            ("MethodNotImplemented", json!({"method": "org.chatd.Admin.List"})),
        ),
        (
            json!({"method": "org.varlink.service.GetInterfaceDescription", "parameters": {"interface": "a.b"}}),
            ("InterfaceNotFound", json!({"interface": "a.b"})),
        ),
        (kick(json!(null)), parameter("name")),
        (kick(json!({"name": null})), parameter("name")),
        (kick(json!({"name": 7})), parameter("name")),
        (kick(json!({"name": "ana", "reason": ["spam"]})), parameter("reason")),
        (kick(json!({"name": "ana", "force": true})), parameter("force")),
        (kick(json!(["ana"])), parameter("parameters")),
        (json!({"method": "org.chatd.Admin.Watch"}), ("ExpectedMore", json!({}))),
        (json!({"method": "org.chatd.Admin.History"}), ("ExpectedMore", json!({}))),
        (json!({"method": "org.chatd.Admin.Backup"}), ("ExpectedMore", json!({}))),
    ];
    for (call, (error, parameters)) in transcript {
        let expected = json!({"error": format!("org.varlink.service.{error}"), "parameters": parameters});
        assert_eq!(administrator.call(call.clone()).await, expected, "{call}");
    }
    let list = administrator.call(json!({"method": "org.chatd.Admin.List"})).await;
    assert_eq!(list, json!({"parameters": {"users": []}}), "the connection still works");
}

#[tokio::test]
async fn oneway_calls_get_no_reply() {
    let service = Service::start(2);
    let mut administrator = service.connect().await;
    administrator.send(json!({"method": "org.chatd.Admin.Kick", "parameters": {"name": "a"}, "oneway": true})).await;
    administrator.send(json!({"method": "org.example.Fun", "oneway": true})).await;
    for method in ["Watch", "History", "Backup"] {
        let method = format!("org.chatd.Admin.{method}");
        administrator.send(json!({"method": method, "oneway": true, "more": true})).await;
    }
    assert_eq!(administrator.call(json!({"method": "org.chatd.Admin.List"})).await["parameters"], json!({"users": []}));
}

#[tokio::test]
async fn calls_are_answered_in_order_however_they_arrive() {
    let service = Service::start(2);
    let mut administrator = service.connect().await;
    let mut bytes = Vec::new();
    for number in 0..20 {
        let call = json!({"method": "org.chatd.Admin.Kick", "parameters": {"name": number.to_string()}});
        bytes.extend(call.to_string().into_bytes());
        bytes.push(0);
    }
    administrator.stream.write_all(&bytes).await.unwrap();
    for byte in bytes {
        administrator.stream.write_all(&[byte]).await.unwrap();
    }
    administrator.stream.get_mut().shutdown().await.unwrap();
    for number in (0..20).chain(0..20) {
        assert_eq!(administrator.reply().await.unwrap()["parameters"]["name"], number.to_string());
    }
    assert_eq!(administrator.reply().await, None);
}

#[tokio::test]
async fn an_invalid_call_ends_only_its_connection() {
    let service = Service::start(1);
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n\0"[..], b"\0", b"[]\0", b"{}\0", b"{\"method\":7}\0", &[b'x'; 65_537]] {
        let mut stranger = service.connect().await;
        stranger.stream.write_all(nonsense).await.unwrap();
        assert!(stranger.is_closed().await);
    }
    let mut administrator = service.connect().await;
    assert_eq!(administrator.call(json!({"method": "org.chatd.Admin.List"})).await["parameters"], json!({"users": []}));
}

#[tokio::test]
async fn a_call_as_long_as_allowed_is_answered() {
    let service = Service::start(1);
    let mut administrator = service.connect().await;
    let mut call = json!({"method": "org.chatd.Admin.Kick", "parameters": {"name": ""}});
    let name = "x".repeat(65_536 - call.to_string().len());
    call["parameters"]["name"] = json!(name);
    assert_eq!(administrator.call(call).await["parameters"]["name"], name);
}

#[tokio::test]
async fn a_watch_reports_events_until_another_call() {
    let service = Service::start(3);
    let mut watcher = service.connect().await;
    watcher.watch().await;
    join("told-ana");
    let event = loop {
        let reply = watcher.reply().await.unwrap();
        assert_eq!(reply["continues"], true);
        // Other tests log events too, and may log more at once than are kept.
        if reply["parameters"]["user"] == "told-ana" {
            break reply["parameters"].clone();
        }
        if reply["parameters"]["event"] == "missed" {
            join("told-ana");
        }
    };
    assert_eq!(event["event"], "join");
    assert_eq!(event["message"], "told-ana has joined");
    assert_eq!(event["address"], "192.0.2.1:4000");
    assert_eq!(event["transport"], "tls");
    assert_eq!(event["protocol"], "text");
    assert!(humantime::parse_rfc3339(event["time"].as_str().unwrap()).is_ok());
    assert_eq!(event.get("missed"), None);

    watcher.send(json!({"method": "org.chatd.Admin.List"})).await;
    let end = loop {
        let reply = watcher.reply().await.unwrap();
        if reply.get("continues").is_none() {
            break reply;
        }
    };
    assert_eq!(end, json!({"error": "org.chatd.Admin.WatchEnded", "parameters": {}}));
    assert_eq!(watcher.reply().await.unwrap(), json!({"parameters": {"users": []}}));
}

#[tokio::test]
async fn a_slow_watcher_gets_the_number_of_missed_events() {
    let service = Service::start(2);
    let mut watcher = service.connect().await;
    watcher.watch().await;
    let (mut seen, mut missed) = (0, 0);
    // Again where another test's events have pushed all of these out.
    while seen == 0 || missed == 0 {
        // The service does not run meanwhile, so these exceed the number of events kept.
        for _ in 0..2000 {
            join("missed-ana");
        }
        (seen, missed) = (0, 0);
        while seen + missed < 2000 {
            let event = watcher.reply().await.unwrap()["parameters"].take();
            if event["event"] == "missed" {
                missed += event["missed"].as_u64().unwrap();
            } else if event["user"] == "missed-ana" {
                seen += 1;
            }
        }
    }
}

#[tokio::test]
async fn an_administrator_who_does_not_read_blocks_nobody() {
    let service = Service::start(3);
    let mut watcher = service.connect().await;
    watcher.watch().await;
    let flood = service.connect().await;
    let call = b"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":\"org.chatd.Admin\"}}\0";
    let mut administrator = service.connect().await;
    // Fill the socket in both directions; then the service waits for this client to read.
    let mut waiting = 0;
    while waiting < 100 {
        match flood.stream.get_ref().try_write(call) {
            Ok(_) => waiting = 0,
            Err(_) => waiting += 1,
        }
        join("unread-ana");
        let status = administrator.call(json!({"method": "org.chatd.Admin.Status"})).await;
        assert_eq!(status["parameters"]["users"], 0);
    }
    // More than the socket buffers hold.
    for _ in 0..5000 {
        join("unread-ana");
        tokio::task::yield_now().await;
    }
    assert_eq!(administrator.call(json!({"method": "org.chatd.Admin.List"})).await["parameters"], json!({"users": []}));
    while watcher.reply().await.unwrap()["parameters"]["event"] != "missed" {}
}

/// What a connection is told that has no place.
fn no_place(maximum: usize) -> Value {
    json!({"error": "org.chatd.Admin.TooManyConnections", "parameters": {"maximum": maximum}})
}

#[tokio::test]
async fn a_newcomer_takes_the_place_of_who_has_been_idle_longest() {
    let service = Service::start(3);
    let list = || json!({"method": "org.chatd.Admin.List"});
    let mut all = Vec::new();
    for _ in 0..3 {
        let mut administrator = service.connect().await;
        administrator.call(list()).await;
        all.push(administrator);
    }
    // The first has asked last, and half a call is none.
    all[0].call(list()).await;
    all[1].stream.write_all(b"{\"method\":").await.unwrap();
    let mut newcomer = service.connect().await;
    assert_eq!(newcomer.call(list()).await["parameters"], json!({"users": []}));
    assert_eq!(all[1].reply().await, Some(no_place(3)));
    assert!(all[1].is_closed().await);
    for stays in [0, 2] {
        assert_eq!(all[stays].call(list()).await["parameters"], json!({"users": []}));
    }
}

#[tokio::test]
async fn who_watches_keeps_the_place_and_a_newcomer_is_told() {
    let service = Service::start(1);
    let mut watcher = service.connect().await;
    watcher.watch().await;
    let mut newcomer = service.connect().await;
    newcomer.send(json!({"method": "org.chatd.Admin.List"})).await;
    assert_eq!(newcomer.reply().await, Some(no_place(1)));
    assert!(newcomer.is_closed().await);
    join("placed-ana");
    while watcher.reply().await.unwrap()["parameters"]["user"] != "placed-ana" {}
    // When the watch is over, there is a place.
    watcher.send(json!({"method": "org.chatd.Admin.List"})).await;
    while watcher.reply().await.unwrap()["parameters"].get("users").is_none() {}
    let mut newcomer = service.connect().await;
    assert_eq!(newcomer.call(json!({"method": "org.chatd.Admin.List"})).await["parameters"], json!({"users": []}));
}

#[tokio::test]
async fn of_many_who_come_at_once_all_with_a_call_are_answered() {
    let service = Service::start(2);
    let mut all = Vec::new();
    for _ in 0..50 {
        let mut administrator = service.connect().await;
        administrator.send(json!({"method": "org.chatd.Admin.List"})).await;
        all.push(administrator);
    }
    for mut administrator in all {
        assert_eq!(administrator.reply().await.unwrap()["parameters"], json!({"users": []}));
    }
}

#[tokio::test]
async fn watchers_leave_a_place_for_others() {
    let service = Service::start(2);
    let mut first = service.connect().await;
    first.watch().await;
    let mut second = service.connect().await;
    let refused = second.call(json!({"method": "org.chatd.Admin.Watch", "more": true})).await;
    assert_eq!(refused, json!({"error": "org.chatd.Admin.TooManyWatchers", "parameters": {"maximum": 1}}));
    assert_eq!(second.call(json!({"method": "org.chatd.Admin.List"})).await["parameters"], json!({"users": []}));
}

#[tokio::test]
async fn stopping_closes_every_connection() {
    let service = Service::start(2);
    let mut administrator = service.connect().await;
    administrator.watch().await;
    drop(service);
    while administrator.reply().await.is_some() {}
}
