//! `chatctl history` and `chatctl backup` against a fake daemon.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;

use super::*;

const PAGE: &str = r#"{"parameters":{"entries":[{"time":"2026-11-08T10:09:05.001Z","kind":"join","msgid":"1","name":"ana"},{"time":"2026-11-08T10:09:05.002Z","kind":"message","msgid":"2","name":"ana","text":"one\ntwo","new":1}]},"continues":true}"#;
const END: &str = r#"{"parameters":{"entries":[]}}"#;

#[test]
fn history_shows_page_after_page() {
    let (output, call) = Fixture::start(&[PAGE, PAGE, END]).run(&["history"]);
    assert_eq!(call, json!({"method": "org.chatd.Admin.History", "parameters": {}, "more": true}));
    let lines = ["*** ana has joined", "ana: one", "ana: two"].map(|line| format!("2026-11-08T10:09:05Z  {line}\n"));
    assert_eq!(stdout(&output), lines.concat().repeat(2));
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));

    let options = ["--since", "1h", "--until", "-x", "--from", "ana", "--search", "a \"b c\"", "-n", "7"];
    let (output, call) = Fixture::start(&[END]).run(&[&["history"], &options[..]].concat());
    let parameters = json!({"since": "1h", "until": "-x", "from": "ana", "search": "a \"b c\"", "limit": 7});
    assert_eq!(call["parameters"], parameters);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), ""));
    assert_eq!(stderr(&output), "chatctl: nothing was found\n");
    let (output, _) = Fixture::start(&[END]).run(&["history"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), "chatctl: the history is empty\n"));
}

#[test]
fn history_as_json_is_what_was_answered() {
    let (output, _) = Fixture::start(&[PAGE, END]).run(&["history", "--json"]);
    let expected = r#"{"time":"2026-11-08T10:09:05.001Z","kind":"join","msgid":"1","name":"ana"}
{"time":"2026-11-08T10:09:05.002Z","kind":"message","msgid":"2","name":"ana","text":"one\ntwo","new":1}
"#;
    assert_eq!((stdout(&output), stderr(&output)), (expected, ""));
    let (output, _) = Fixture::start(&[END]).run(&["history", "--json"]);
    assert_eq!((output.status.code(), stdout(&output), stderr(&output)), (Some(0), "", ""));
}

#[test]
fn a_history_that_breaks_off_is_an_error() {
    let (output, _) = Fixture::start(&[PAGE]).run(&["history"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(69), "chatctl: the daemon has closed the connection\n"));
    let error = r#"{"error":"org.chatd.Admin.HistoryUnavailable","parameters":{"reason":"the disk\u001b is gone"}}"#;
    let (output, _) = Fixture::start(&[PAGE, error]).run(&["history"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(1), "chatctl: the disk\\u{1b} is gone\n"));
    let time = r#"{"error":"org.chatd.Admin.InvalidTime","parameters":{"time":"noon","reason":"why"}}"#;
    let (output, _) = Fixture::start(&[time]).run(&["history", "--since", "noon"]);
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn following_can_be_interrupted() {
    let fixture = Fixture::start(&[PAGE]);
    let (child, _output, _) = watch(&fixture, &["history", "-f"]);
    let (call, _stream) = fixture.daemon.join().unwrap();
    assert_eq!(call["parameters"], json!({"follow": true}));
    assert!(Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap().success());
    ends_quietly(child);
}

/// "SQLi", then "te".
const PIECES: [&str; 3] = [
    r#"{"parameters":{"data":"U1FMaQ==","bytes":6,"lines":3},"continues":true}"#,
    r#"{"parameters":{"data":"dGU=","bytes":6,"lines":3},"continues":true}"#,
    r#"{"parameters":{"data":"","bytes":6,"lines":3}}"#,
];

/// What is in the directory beside the socket.
fn files(directory: &TempDir) -> Vec<String> {
    let files = std::fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "admin.sock");
    names.sort();
    names
}

#[test]
fn a_backup_is_put_together() {
    let directory = tempfile::tempdir().unwrap();
    let backup = |name: &str, arguments: &[&str]| {
        let mut command = arguments.to_vec();
        let path = directory.path().join(name);
        command.extend(["backup", path.to_str().unwrap()]);
        Fixture::start(&PIECES).run(&command)
    };
    let (output, call) = backup("one", &[]);
    assert_eq!(call, json!({"method": "org.chatd.Admin.Backup", "parameters": {}, "more": true}));
    let file = directory.path().join("one");
    assert_eq!(stdout(&output), format!("3 lines of the history are in {}, 6 bytes\n", file.display()));
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    assert_eq!(std::fs::read(&file).unwrap(), b"SQLite");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (output, _) = backup("two", &["--json"]);
    assert_eq!(stdout(&output), "{\"bytes\":6,\"lines\":3}\n");
    assert_eq!(files(&directory), ["one", "two"]);
}

#[test]
fn a_backup_that_breaks_off_leaves_nothing() {
    let lost = r#"{"parameters":{"data":"","bytes":6,"lines":3}}"#;
    let failed = r#"{"error":"org.chatd.Admin.BackupFailed","parameters":{"reason":"the disk is full"}}"#;
    let nonsense = r#"{"parameters":{"data":"?","bytes":6,"lines":3},"continues":true}"#;
    let cases = [
        (&PIECES[..1], 69, "the daemon has closed the connection"),
        (&[PIECES[0], lost], 69, "the daemon has closed the connection"),
        (&[PIECES[0], failed], 1, "no backup could be made: the disk is full"),
        (&[nonsense], 69, "what the daemon answered cannot be understood: "),
    ];
    for (replies, status, complaint) in cases {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("backup");
        let (output, _) = Fixture::start(replies).run(&["backup", path.to_str().unwrap()]);
        assert_eq!((output.status.code(), stdout(&output)), (Some(status), ""), "{replies:?}");
        assert!(stderr(&output).starts_with(&format!("chatctl: {complaint}")), "{}", stderr(&output));
        assert_eq!(files(&directory), Vec::<String>::new());
    }
}

#[test]
fn an_interrupted_backup_leaves_nothing() {
    for signal in ["INT", "TERM", "HUP"] {
        let fixture = Fixture::start(&PIECES[..2]);
        let path = fixture.directory.path().join("backup");
        let mut child = fixture.chatctl(&["backup", path.to_str().unwrap()]).spawn().unwrap();
        let (_, _stream) = fixture.daemon.join().unwrap();
        while files(&fixture.directory) != ["backup.partial"] {
            assert!(child.try_wait().unwrap().is_none());
            std::thread::yield_now();
        }
        assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
        let status = child.wait().unwrap();
        assert!(status.signal().is_some(), "{status:?}");
        assert_eq!(files(&fixture.directory), Vec::<String>::new());
    }
}

#[test]
fn a_backup_overwrites_nothing() {
    for taken in ["backup", "backup.partial"] {
        let fixture = Fixture::start(&PIECES);
        let path = fixture.directory.path().join("backup");
        std::fs::write(fixture.directory.path().join(taken), "precious").unwrap();
        let output = fixture.chatctl(&["backup", path.to_str().unwrap()]).output().unwrap();
        assert_eq!((output.status.code(), stdout(&output)), (Some(74), ""));
        let complaint =
            format!("{taken} is there already, and nothing is overwritten; remove it, or name another file\n");
        assert!(stderr(&output).ends_with(&complaint), "{}", stderr(&output));
        assert_eq!(std::fs::read(fixture.directory.path().join(taken)).unwrap(), b"precious");
        assert_eq!(files(&fixture.directory), [taken]);
    }
}
