//! `chatd.toml`: mistakes and their positions, values, defaults, and that code, sample file and man page agree.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use chatd::config::file::{LoadError, keys, load, parse};
use chatd::config::{
    ClientCertificates, Config, Endpoint, File, Listen, LogTarget, Mistake, Network, PerAddress, Place, Tls,
};
use chatd::dialect::Protocol;
use chatd::dialect::classic::Description;
use chatd::directories::Directories;
use proptest::prelude::*;

const SAMPLE: &str = include_str!("../etc/chatd.toml");
const MAN_PAGE: &str = include_str!("../man/chatd.toml.5");

fn directories() -> Directories {
    Directories { runtime: "/run/chatd".into(), state: "/var/lib/chatd".into() }
}

fn read(text: &str) -> Result<Config, Vec<Mistake>> {
    parse(text, &directories())
}

fn mistakes(text: &str) -> Vec<String> {
    read(text).expect_err(text).iter().map(Mistake::to_string).collect()
}

fn good(text: &str) -> Config {
    read(text).unwrap_or_else(|mistakes| panic!("{mistakes:#?} in\n{text}"))
}

fn file(path: &str) -> File {
    PathBuf::from(path).into()
}

#[test]
fn reserved_names_are_names() {
    let config = good("[room]\nreserved-names = ['boss', 'шеф']\n");
    assert_eq!(config.room.reserved_names, ["boss", "шеф"]);
    assert!(good("[room]\nreserved-names = []").room.reserved_names.is_empty());
    for bad in ["'boss'", "['a b']", "['']", "[1]", "['ok', ['nested']]"] {
        let mistakes = read(&format!("[room]\nreserved-names = {bad}\n")).unwrap_err();
        let expected = "room.reserved-names must be a list of at most 1000 names such as [\"admin\", \"root\"], not ";
        assert!(mistakes.len() == 1 && mistakes[0].what.starts_with(expected), "{bad}: {mistakes:?}");
    }
}

#[test]
fn an_empty_file_gives_the_defaults() {
    let config = good("");
    assert_eq!(
        (config.room.name.as_str(), config.room.topic.as_str(), config.room.history),
        ("lobby", "Welcome to the lobby", 50)
    );
    assert_eq!(config.room.reserved_names, ["admin", "root", "server", "chatd"]);
    let listen = |address: &str, tls| Listen {
        endpoint: Endpoint::Tcp(address.to_owned()),
        protocol: None,
        tls,
        place: Place::default(),
    };
    assert_eq!(config.listen, [listen("127.0.0.1:6667", false), listen("127.0.0.1:6697", true)]);
    assert_eq!(config.tls, None);
    assert_eq!((config.admin.endpoint, config.admin.connections), (Endpoint::Unix("/run/chatd/admin.sock".into()), 16));
    let limits = config.limits;
    assert_eq!((limits.connections, limits.connection_rate, &*limits.allow), (10_000, 200, &[][..]));
    assert_eq!(limits.per_address, PerAddress { connections: 64, connection_rate: 4, room_rate: 64 << 10 });
    assert_eq!(limits.networks, []);
    assert_eq!((limits.handshake_timeout, limits.login_timeout), (Duration::from_secs(10), Duration::from_secs(60)));
    assert_eq!(limits.login_attempts, 10);
    assert_eq!((limits.line_length, limits.max_lag), (2048, 1024 * 1024));
    assert_eq!((limits.message_rate, limits.message_burst, limits.change_cost), (5, 20, 10));
    assert_eq!(limits.room_rate, 128 << 10);
    assert_eq!(
        (config.log.level, config.log.target, config.log.addresses),
        (tracing::Level::INFO, LogTarget::Auto, true)
    );
}

#[test]
fn networks_have_limits_of_their_own() {
    let limits = good(
        "[[limits.network]]\naddresses = ['192.0.2.7']\nroom-rate-per-address = '1MiB'\n\
         [[limits.network]]\naddresses = ['192.0.2.0/24', '2001:db8:7::/48']\nconnections-per-address = 9\n\
         [limits]\nconnections-per-address = 5\n",
    )
    .limits;
    let of = |address: &str| {
        let PerAddress { connections, connection_rate, room_rate } = limits.per_address(address.parse().ok());
        (connections, connection_rate, room_rate >> 10)
    };
    assert_eq!(of("192.0.2.7"), (5, 4, 1024), "the first section that has it");
    assert_eq!((of("192.0.2.8"), of("2001:db8:7:1::1")), ((9, 4, 64), (9, 4, 64)));
    assert_eq!((of("198.51.100.1"), of("a Unix socket")), ((5, 4, 64), (5, 4, 64)));
    assert_eq!(
        mistakes("[[limits.network]]\nconnections-per-address = 9\n"),
        ["1:1: this section has no `addresses`; write the networks that it is for, such as [\"192.0.2.0/24\"]"]
    );
}

#[test]
fn a_full_file_is_read_as_it_says() {
    let config = good(
        r#"
        [room]
        name = "büro"
        topic = ""
        history = 0
        [[listen]]
        address = "[::1]:0"
        protocol = "text"
        [[listen]]
        address = "/run/chatd/chat.sock"
        [[listen]]
        systemd = "tls"
        tls = true
        [[listen]]
        address = "chat.example.org:6697"
        tls = true
        [tls]
        certificate = "/c"
        private-key = "/k"
        client-ca = "/a"
        client-certificates = "required"
        [admin]
        systemd = "admin"
        connections = 1
        [limits]
        handshake-timeout = "1min 30s"
        line-length = "1KiB"
        max-lag = 0x10_000
        [log]
        level = "warn"
        target = "stderr"
        addresses = false
        "#,
    );
    assert_eq!(config.room.name, "büro");
    let endpoints: Vec<Endpoint> = config.listen.iter().map(|listen| listen.endpoint.clone()).collect();
    assert_eq!(
        endpoints,
        [
            Endpoint::Tcp("[::1]:0".into()),
            Endpoint::Unix("/run/chatd/chat.sock".into()),
            Endpoint::Systemd("tls".into()),
            Endpoint::Tcp("chat.example.org:6697".into()),
        ]
    );
    assert_eq!(config.listen.iter().map(|listen| listen.tls).collect::<Vec<_>>(), [false, false, true, true]);
    assert_eq!(config.listen[0].protocol, Some(Protocol::Text));
    assert_eq!(
        config.tls,
        Some(Tls {
            certificate: file("/c"),
            private_key: file("/k"),
            client_ca: Some(file("/a")),
            client_certificates: ClientCertificates::Required,
        })
    );
    assert_eq!(config.admin.endpoint, Endpoint::Systemd("admin".into()));
    assert_eq!(config.limits.handshake_timeout, Duration::from_secs(90));
    assert_eq!((config.limits.line_length, config.limits.max_lag), (1024, 65536));
    assert_eq!(
        (config.log.level, config.log.target, config.log.addresses),
        (tracing::Level::WARN, LogTarget::Stderr, false)
    );
}

#[test]
fn every_mistake_is_reported_at_once() {
    let text = r##"colour = "blue"

[room]
name = "#lobby"
topic = "one\ntwo"
history = 10001

[[listen]]
adress = "127.0.0.1:6667"

[[listen]]
address = "6667"
protocol = "irk"
tls = 1

[[listen]]
address = "[::]:6667"
systemd = "plain"

[tls]
certificate = "fullchain.pem"

[limits]
conections = 5
connections = 0
connections-per-address = "64"
handshake-timeout = 10
login-timeout = "10 parsecs"
line-length = "1GiB"
message-rate = -1
message-burst = 2.5
max-lag = "much"
history = 3

[log]
level = "loud"
addresses = "no"
"##;
    let expected = r##"1:1: unknown key `colour`; known here: room, listen, tls, admin, irc, history, handover, limits, log
4:8: room.name must be 1 to 50 bytes with no leading # and without spaces, commas, colons and control characters, not "#lobby"
5:9: room.topic must be one line of at most 390 bytes without control characters, not "one\ntwo"
6:11: room.history must be a whole number from 0 to 10000, not 10001
8:1: this listener has neither `address` nor `systemd`; write one, such as address = "127.0.0.1:6667"
9:1: unknown key `adress` in [listen]; did you mean `address`?
12:11: listen.address must be "host:port" such as "127.0.0.1:6667" or "[::]:6667", or the absolute path of a Unix socket (at most 107 bytes), not "6667"
13:12: listen.protocol must be "auto", "text", "irc", "classic" or "podsixnet", not "irk"
14:7: listen.tls must be true or false, not 1
18:1: `systemd` takes the place of `address`; remove one of the two
21:1: `certificate` means nothing without `private-key`; write both or remove it
21:15: tls.certificate must be an absolute path such as "/etc/chatd/tls/fullchain.pem", not "fullchain.pem"
24:1: unknown key `conections` in [limits]; did you mean `connections`?
25:15: limits.connections must be a whole number from 1 to 1000000, not 0
26:27: limits.connections-per-address must be a whole number from 1 to 1000000, not "64"
27:21: limits.handshake-timeout must be a time from "100ms" to "10m" such as "10s" or "5min", not 10
28:17: limits.login-timeout must be a time from "100ms" to "1h" such as "10s" or "5min", not "10 parsecs"
29:15: limits.line-length must be a size from 128 bytes to 64KiB such as "64KiB", not "1GiB"
30:16: limits.message-rate must be a whole number from 1 to 1000000, not -1
31:17: limits.message-burst must be a whole number from 1 to 1000000, not 2.5
32:11: limits.max-lag must be a size from 4KiB to 1GiB such as "64KiB", not "much"
33:1: unknown key `history` in [limits]; known here: allow, connections, connections-per-address, connection-rate, connection-rate-per-address, handshake-timeout, login-timeout, login-attempts, line-length, message-rate, message-burst, change-cost, room-rate, room-rate-per-address, max-lag, backlog, network
36:9: log.level must be "error", "warn", "info", "debug" or "trace", not "loud"
37:13: log.addresses must be true or false, not "no""##;
    assert_eq!(mistakes(text).join("\n"), expected);
}

#[test]
fn syntax_errors_come_with_the_other_mistakes() {
    let text = "\
[room]
name: yaml
topic = 'fine'
history = many # of them
[limits]
connections = 0
connections = 5
max-lag = \"1MiB
[log
level = \"loud\"
[admin]
connections = 0
[[listen]]
# this address is lost, but it is there
address 127.0.0.1:6667
";
    let expected = "\
2:5: `name: yaml` is neither a [section] nor a `key = value` nor a # comment
4:11: `many` is not a value; text stands in quotes: \"many\"
6:15: limits.connections must be a whole number from 1 to 1000000, not 0
7:1: `connections` is already set further up; remove one of the two
8:16: syntax error: invalid basic string, expected `\"`
9:5: syntax error: unclosed table, expected `]`
12:15: admin.connections must be a whole number from 1 to 1000, not 0
15:9: `address 127.0.0.1:6667` is neither a [section] nor a `key = value` nor a # comment";
    assert_eq!(mistakes(text).join("\n"), expected);
}

#[test]
fn sections_of_the_wrong_shape_are_explained() {
    let cases = [
        ("room = 5", "1:8: room must be a section that starts with [room], not 5"),
        ("[[log]]", "1:1: there is only one log: write [log] with single brackets"),
        ("[listen]\ntls = true", "1:1: there may be several of listen: write [[listen]] with double brackets"),
        ("listen = []", "1:10: there must be 1 to 64 [[listen]] sections"),
        ("listen = [6667]", "1:11: listen must be a list of sections, not of 6667"),
        (
            "[limits.extra]\nx = 1",
            "1:9: unknown key `extra` in [limits]; known here: allow, connections, connections-per-address, \
          connection-rate, connection-rate-per-address, handshake-timeout, login-timeout, login-attempts, line-length, message-rate, message-burst, change-cost, room-rate, room-rate-per-address, max-lag, backlog, network",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(mistakes(text), [expected]);
    }
    assert_eq!(mistakes(&"[[listen]]\naddress = \"a:0\"\n".repeat(65)).len(), 1);
    good(&"[[listen]]\naddress = \"a:0\"\n".repeat(64));
}

#[test]
fn keys_that_depend_on_each_other() {
    let needs =
        |key: &str, needed: &str| format!("2:1: `{key}` means nothing without `{needed}`; write both or remove it");
    assert_eq!(mistakes("[tls]\ncertificate = '/c'"), [needs("certificate", "private-key")]);
    assert_eq!(mistakes("[tls]\nprivate-key = '/k'"), [needs("private-key", "certificate")]);
    assert_eq!(mistakes("[tls]\nclient-ca = '/a'"), [needs("client-ca", "certificate")]);
    assert_eq!(mistakes("[tls]\nclient-certificates = 'optional'"), [needs("client-certificates", "client-ca")]);
    assert_eq!(
        mistakes("[admin]\nsocket = '/a'\nsystemd = 'admin'"),
        ["3:1: `systemd` takes the place of `socket`; remove one of the two"]
    );
    assert_eq!(
        mistakes("[limits]\nmax-lag = 8191"),
        ["2:1: limits.max-lag must be at least four times limits.line-length"]
    );
    good("[limits]\nmax-lag = 8192");
    good("[tls]");
}

#[test]
fn no_endpoint_is_used_twice() {
    let two = |one: &str, other: &str| format!("[[listen]]\n{one}\n[[listen]]\n{other}\n");
    for (one, other) in [
        ("address = '127.0.0.1:6667'", "address = '127.0.0.1:6667'"),
        ("address = '[::1]:1'", "address = '[0:0::1]:1'"),
        ("address = 'localhost:1'", "address = 'LocalHost:1'"),
        ("address = '/run/a'", "address = '/run/a'"),
    ] {
        assert_eq!(mistakes(&two(one, other)), ["4:1: `address` is the same as in line 2; write another one"]);
    }
    assert_eq!(
        mistakes(&two("systemd = 'a'", "systemd = 'a'")),
        ["4:1: `systemd` is the same as in line 2; write another one"]
    );
    assert_eq!(
        mistakes("[admin]\nsocket = '/run/a'\n[[listen]]\naddress = '/run/a'"),
        ["2:1: `socket` is the same as in line 4; write another one"]
    );
    for (one, other) in
        [("0.0.0.0:1", "[::]:1"), ("[::]:1", "127.0.0.1:1"), ("[::1]:1", "[::]:1"), ("192.0.2.1:1", "0.0.0.0:1")]
    {
        assert_eq!(
            mistakes(&two(&format!("address = '{one}'"), &format!("address = '{other}'"))),
            ["4:1: `address` overlaps with that in line 2, so both cannot be had; remove one"]
        );
    }
    good(&two("address = '0.0.0.0:1'", "address = '[::1]:1'"));
    good(&two("address = '0.0.0.0:0'", "address = '[::]:0'"));
    good(&two("address = '0.0.0.0:1'", "address = '[::]:2'"));
    good(&two("address = '127.0.0.1:0'", "address = '127.0.0.1:0'"));
    good(&two("address = '127.0.0.1:1'", "address = '127.0.0.2:1'"));
    good(&two("address = '127.0.0.1:1'", "systemd = '127'"));
}

#[test]
fn addresses_names_and_paths_have_bounds() {
    let longest = format!("/{}", "s".repeat(106));
    for address in ["a:1", "127.0.0.1:65535", "[::]:6667", "[fe80::1%2]:1", "my_host-1.example:80", "/s", &longest] {
        good(&format!("[[listen]]\naddress = '{address}'"));
    }
    let long_host = format!("{}:1", "h".repeat(254));
    let too_long = format!("{longest}s");
    for address in [
        "",
        ":1",
        "a",
        "a:",
        "a:65536",
        "a:+1",
        "::1:6667",
        "[::1]",
        "a b:1",
        "127.0.0.1:6667 ",
        "run/chat.sock",
        "/",
        &long_host,
        &too_long,
    ] {
        assert_eq!(mistakes(&format!("[[listen]]\naddress = '{address}'")).len(), 1, "{address}");
    }
    for name in ["plain", "a b", &"n".repeat(255)] {
        good(&format!("[[listen]]\nsystemd = '{name}'"));
    }
    for name in ["", "a:b", "é", &"n".repeat(256)] {
        assert_eq!(mistakes(&format!("[[listen]]\nsystemd = '{name}'")).len(), 1, "{name}");
    }
    for name in ["a", "büro", &"n".repeat(50)] {
        good(&format!("room.name = '{name}'"));
    }
    for name in ["", "#a", "a b", "a,b", "a:b", "a\u{a0}b", "a\u{85}b", &"n".repeat(51)] {
        assert_eq!(mistakes(&format!("room.name = '{name}'")).len(), 1, "{name}");
    }
    good(&format!("room.topic = '{}'", "t".repeat(390)));
    assert_eq!(mistakes(&format!("room.topic = '{}'", "t".repeat(391))).len(), 1);
}

#[test]
fn a_duration_beyond_all_bounds_is_a_mistake_like_any_other() {
    // humantime 2.4 panics on this value.
    assert_eq!(
        mistakes("limits.login-timeout = '18446744073709551615s 1000ms'"),
        ["1:24: limits.login-timeout must be a time from \"100ms\" to \"1h\" such as \"10s\" or \"5min\", not \
             \"18446744073709551615s 1000ms\""]
    );
}

#[test]
fn examples_of_durations_are_within_their_bounds() {
    for key in ["quiet", "gap"] {
        let text = format!("[[listen]]\naddress = 'a:1'\nprotocol = 'classic'\npreset = 'nic'\nclassic.{key} = '10s'");
        let column = key.len() + 12;
        let expected = format!(
            "5:{column}: listen.classic.{key} must be a time from \"0s\" to \"1s\" such as \"20ms\", not \"10s\""
        );
        assert_eq!(mistakes(&text), [expected]);
    }
}

#[test]
fn a_certificate_that_no_listener_uses_is_warned_about() {
    let warnings = |text: &str| good(text).warnings.iter().map(Mistake::to_string).collect::<Vec<_>>();
    let section = "[tls]\ncertificate = '/c'\nprivate-key = '/k'\n";
    let plain = format!("{section}[[listen]]\naddress = '127.0.0.1:1'\n");
    assert_eq!(warnings(&plain), ["1:2: [tls] is of no use, because no [[listen]] has tls = true"]);
    assert_eq!(warnings(section), [""; 0], "one of the default listeners has TLS");
    assert_eq!(warnings("[tls]\n[[listen]]\naddress = '127.0.0.1:1'\n"), [""; 0]);
}

#[test]
fn shown_file_content_has_no_control_characters() {
    let [shown] = mistakes("log.level = \"\\u001B[31m\\u202E\\n\"").try_into().unwrap();
    assert!(shown.ends_with(r#", not "\u{1b}[31m\u{202e}\n""#), "{shown}");
    let [shown] = mistakes(&format!("{} = 1", "k".repeat(1000))).try_into().unwrap();
    assert!(shown.len() < 200, "{shown}");
}

#[test]
fn a_file_is_loaded_or_the_error_explained() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let failed = |path: &PathBuf| {
        let error = load(path, &directories()).unwrap_err();
        (error.exit_status(), error.to_string())
    };

    let path = write("good", b"\xEF\xBB\xBF[room]\r\nname = 'a'\r\n");
    assert_eq!(load(&path, &directories()).unwrap().room.name, "a");

    let path = write("bad", b"[room]\r\nname = 5\r\nhistory = true\r\n");
    let name = path.display();
    let expected = format!(
        "{name}:2:8: room.name must be 1 to 50 bytes with no leading # and without spaces, commas, colons and control \
         characters, not 5\n{name}:3:11: room.history must be a whole number from 0 to 10000, not true"
    );
    assert_eq!(failed(&path), (78, expected));

    let path = write("latin1", b"[room]\ntopic = 'caf\xE9'\n");
    let expected = format!("{}:2:13: this byte is not UTF-8; save the file as UTF-8", path.display());
    assert_eq!(failed(&path), (78, expected));

    let path = write("large", &vec![b'#'; (1 << 20) + 1]);
    let expected = format!("the configuration file {} cannot be read: it is larger than 1 MiB", path.display());
    assert_eq!(failed(&path), (66, expected));

    let path = directory.path().join("missing");
    let expected = format!("the configuration file {} cannot be read: there is no such file", path.display());
    assert_eq!(failed(&path), (66, expected));

    let path = directory.path().to_owned();
    let expected = format!("the configuration file {} cannot be read: it is a directory", path.display());
    assert_eq!(failed(&path), (66, expected));

    let denied = LoadError::Read { path, source: std::io::ErrorKind::PermissionDenied.into() };
    assert_eq!(denied.exit_status(), 77);
}

/// The keys in `text` with section and value, from the lines that `select` turns into TOML.
fn settings(text: &str, select: impl Fn(&str) -> Option<&str>) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut settings = Vec::new();
    for line in text.lines().filter_map(select) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, value)) = line.split_once(" = ") {
            settings.push((format!("{section}.{key}"), value.to_owned()));
        }
    }
    settings
}

/// A line of the sample without its comment sign, if it is a header or `key = value`.
fn uncommented(line: &str) -> Option<&str> {
    let text = line.strip_prefix("# ").unwrap_or(line);
    let is_setting =
        text.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
    (is_setting || text.starts_with('[')).then_some(text)
}

#[test]
fn the_sample_has_every_key_with_its_default() {
    let shown = settings(SAMPLE, uncommented);
    let known: BTreeSet<String> = keys().into_iter().map(|key| key.path).collect();
    assert_eq!(shown.iter().map(|(path, _)| path.clone()).collect::<BTreeSet<_>>(), known);
    for key in keys() {
        if let Some(default) = key.default {
            assert!(shown.contains(&(key.path.clone(), default.to_owned())), "{} = {default}", key.path);
        }
    }
}

#[test]
fn the_sample_as_installed_takes_its_sockets_from_systemd_and_is_otherwise_the_default() {
    let mut config = good(SAMPLE);
    let listen = |name: &str, tls| Listen {
        endpoint: Endpoint::Systemd(name.into()),
        protocol: None,
        tls,
        place: Place::default(),
    };
    assert_eq!(config.listen, [listen("plain", false), listen("tls", true)]);
    assert_eq!(config.admin.endpoint, Endpoint::Systemd("admin".into()));
    let default = good("");
    config.listen.clone_from(&default.listen);
    config.admin.endpoint.clone_from(&default.admin.endpoint);
    assert_eq!(config, default);
}

/// The protocol of a classic listener with these keys.
fn classic(keys: &str) -> Option<Protocol> {
    good(&format!("[[listen]]\naddress = 'a:1'\nprotocol = 'classic'\n{keys}\n")).listen.remove(0).protocol
}

#[test]
fn a_classic_listener_is_a_preset_with_changes() {
    let Some(Protocol::Classic(nic)) = classic("preset = 'nic'") else { panic!("no classic listener") };
    let changes = "preset = 'nic'\n[listen.classic]\nkeyword = 'NICK'\nline = '<{name}> {text}'\nbuffer = 512\n\
                   quiet = '100ms'\nline-ending = \"\\n\"\necho = false";
    let Some(Protocol::Classic(changed)) = classic(changes) else { panic!("no classic listener") };
    let expected = Description {
        keyword: "NICK".into(),
        line: vec!["<{name}> {text}".into()],
        buffer: 512,
        quiet: Duration::from_millis(100),
        line_ending: "\n".into(),
        echo: false,
        ..Description::clone(&nic)
    };
    assert_eq!(*changed, expected);
}

#[test]
fn mistakes_of_a_classic_listener_have_their_places() {
    let text = "\
[[listen]]
address = 'a:1'
protocol = 'classic'
preset = 'nick'
[listen.classic]
keywords = 'NICK'
line = 'somebody: {text}'
join = '{nome} ha entrado'
line-ending = 'lf'
buffer = 100
[[listen]]
address = 'a:2'
preset = 'nic'
podsixnet-version = '1.0'
[listen.classic]
echo = 'yes'
[[listen]]
address = 'a:3'
protocol = 'classic'
[[listen]]
address = 'a:4'
protocol = 'classic'
preset = 'chatter'
classic.keyword = 'NICK'
";
    let expected = r#"4:10: listen.preset must be "chatter", "keyword", "quit-echo", "user-quit", "nic", "header10" or "header64", not "nick"
6:1: unknown key `keywords` in [listen.classic]; did you mean `keyword`?
7:8: listen.classic.line must be text of at most 200 bytes without control characters but line ends, or a list of at most 8 such texts, with exactly one {name} and one {text} and perhaps one {time}, not "somebody: {text}"
8:8: listen.classic.join must be text of at most 200 bytes without control characters but line ends, or a list of at most 8 such texts, with no placeholder but one {name} and one {time}, not "{nome} ha entrado"
9:15: listen.classic.line-ending must be "", "\n" or "\r\n", not "lf"
10:10: listen.classic.buffer must be a size from 512 bytes to 64KiB such as "64KiB", not 100
13:1: `preset` means nothing without protocol = "classic"; write both or remove it
14:1: `podsixnet-version` means nothing without protocol = "podsixnet"; write both or remove it
14:21: listen.podsixnet-version must be "auto", "0.9" or "0.11", not "1.0"
15:9: `classic` means nothing without protocol = "classic"; write both or remove it
16:8: listen.classic.echo must be true or false, not "yes"
17:1: protocol = "classic" needs a `preset`: "chatter", "keyword", "quit-echo", "user-quit", "nic", "header10", "header64"
24:9: a client is sent either `greeting` or `keyword`; make the other one """#;
    assert_eq!(mistakes(text).join("\n"), expected);
}

#[test]
fn the_sample_uncommented_is_the_default_with_a_certificate() {
    // The sample's active lines, the systemd sockets, correspond to addresses in the comments.
    let is_active = |line: &str| line.starts_with("systemd = ") || line.starts_with("[[") || line == "tls = true";
    let text: Vec<&str> = SAMPLE.lines().filter(|line| !is_active(line)).filter_map(uncommented).collect();
    let mut config = good(&text.join("\n"));
    let tls = config.tls.take().unwrap();
    assert_eq!(tls.certificate, file("/etc/chatd/tls/fullchain.pem"));
    let for_classes = config.listen.split_off(2);
    let preset = |name: &str| classic(&format!("preset = '{name}'"));
    assert_eq!(for_classes[0].protocol, preset("chatter"), "with all its words");
    assert_eq!(for_classes[1].protocol, preset("keyword"));
    assert_eq!(for_classes[2].protocol, preset("quit-echo"));
    assert_eq!(for_classes[3].protocol, preset("user-quit"));
    let nick = classic("preset = 'nic'\nclassic.keyword = 'NICK'\nclassic.encoding = 'ascii'");
    assert_eq!(for_classes[4].protocol, nick);
    assert_eq!(for_classes[5].protocol, preset("header10"));
    assert_eq!(for_classes[6].protocol, preset("header64"));
    assert_eq!(Protocol::name(for_classes[7].protocol.as_ref()), "podsixnet");
    let school = PerAddress { connections: 500, connection_rate: 50, room_rate: 128 << 10 };
    let addresses = ["192.0.2.1/32", "2001:db8:7::/48"].map(|network| network.parse().unwrap()).into();
    assert_eq!(config.limits.networks, [Network { addresses, per_address: school }]);
    config.limits.networks.clear();
    assert_eq!(config, good(""));
}

#[test]
fn the_man_page_has_every_key_with_its_default() {
    let page = MAN_PAGE.replace("\\(dq", "\"");
    let mut section = "";
    let mut described = Vec::new();
    for line in page.lines() {
        if let Some(header) = line.strip_prefix(".Ss ") {
            section = header.trim_matches(['[', ']']);
        } else if let Some(item) = line.strip_prefix(".It Ic ") {
            let (key, default) = match item.split_once(" No = Ar ") {
                Some((key, default)) => (key, Some(default)),
                None => (item, None),
            };
            described.push((format!("{section}.{key}"), default.map(str::to_owned)));
        }
    }
    let known: Vec<_> = keys().into_iter().map(|key| (key.path, key.default.map(str::to_owned))).collect();
    assert_eq!(described, known);
}

#[test]
fn the_examples_of_the_man_page_are_good() {
    let examples: Vec<&str> = MAN_PAGE
        .split(".Bd -literal -offset indent\n")
        .skip(1)
        .map(|rest| rest.split(".Ed\n").next().unwrap())
        .collect();
    assert_eq!(examples.len(), 6);
    for example in examples {
        good(&example.replace("\\e", "\\"));
    }
}

/// Fragments of configuration files and of mistakes in them.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(keys()).prop_map(|key| format!("{} = {}\n", key.path, key.default.unwrap_or("'/x'"))),
        8 => prop::sample::select(vec![
            "[room]\n", "[[listen]]\n", "[tls]\n", "[admin]\n", "[limits]\n", "[log]\n", "address = ", "systemd = ",
            "tls = ", "history = ", "max-lag = ", "login-timeout = ", "topic = ", "'a:1'", "\"", "'", "\"\"\"", "'''", "[",
            "]", "[[", "]]", "{", "}", ",", "=", ".", "#", "\n", "\r\n", " ", "1", "-0", "0x", "1e9", "true", "inf",
            "1979-05-27", "\\u", "é", "漢", "\u{feff}", "\u{202e}", "\0", "key", "\"9y\"",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn mistakes_lie_in(text: &str) {
    let Err(mistakes) = read(text) else { return };
    assert!(!mistakes.is_empty());
    assert!(mistakes.is_sorted());
    let lines: Vec<&str> = text.split('\n').collect();
    for mistake in mistakes {
        assert!((1..=lines.len()).contains(&mistake.line), "{mistake}");
        let longest = lines[mistake.line - 1].chars().count() + 1;
        assert!((1..=longest).contains(&mistake.column), "{mistake}");
        assert!(!mistake.what.is_empty() && !mistake.what.contains(char::is_control), "{mistake}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_a_panic(text in any::<String>()) {
        mistakes_lie_in(&text);
    }

    #[test]
    fn any_likely_text_is_read_without_a_panic(text in pieces()) {
        mistakes_lie_in(&text);
    }

    #[test]
    fn any_duration_text_is_read_without_a_panic(text in "([0-9]{1,20}(\\.[0-9]{1,3})?(ns|ms|s|min|h|d|w|y) ?){1,3}") {
        let _ = read(&format!("limits.login-timeout = '{text}'"));
    }

    #[test]
    fn durations_round_trip(milliseconds in 100u64..=600_000) {
        let duration = Duration::from_millis(milliseconds);
        for written in [format!("{milliseconds}ms"), humantime::format_duration(duration).to_string()] {
            let config = good(&format!("limits.handshake-timeout = \"{written}\""));
            prop_assert_eq!(config.limits.handshake_timeout, duration);
        }
    }

    #[test]
    fn sizes_round_trip(kibibytes in 8usize..=1 << 20) {
        let bytes = kibibytes * 1024;
        for written in [format!("{bytes}"), format!("\"{bytes}\""), format!("\"{kibibytes}KiB\""), format!("'{bytes} B'")] {
            prop_assert_eq!(good(&format!("limits.max-lag = {written}")).limits.max_lag, bytes);
        }
    }
}

#[test]
fn allowed_networks_are_addresses_and_networks_of_both_kinds() {
    let limits = |list: &str| good(&format!("[limits]\nallow = {list}\n")).limits;
    let some = limits("['192.0.2.9/24', '2001:db8::/32', '198.51.100.7', '::ffff:203.0.113.0/120']");
    for (address, allowed) in [
        ("192.0.2.255", true),
        ("192.0.3.0", false),
        ("::ffff:192.0.2.1", true),
        ("198.51.100.7", true),
        ("198.51.100.8", false),
        ("203.0.113.77", true),
        ("2001:db8:ffff::1", true),
        ("2001:db9::1", false),
        ("127.0.0.1", false),
    ] {
        assert_eq!(some.allows(address.parse().unwrap()), allowed, "{address}");
        assert!(limits("[]").allows(address.parse().unwrap()));
    }
    for wrong in ["'192.0.2.0/24'", "['192.0.2.0/33']", "['here']", "[1]", "true"] {
        let mistakes = mistakes(&format!("[limits]\nallow = {wrong}\n"));
        let expected =
            "limits.allow must be a list of at most 1024 networks such as [\"192.0.2.0/24\", \"2001:db8::/32\"]";
        assert!(mistakes[0].contains(expected), "{mistakes:?}");
    }
}
