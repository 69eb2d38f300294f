//! The log: its records, the journal's entries and standard error's lines, watchers, and a reader that does not read.
//!
//! A process has one log, so each scenario runs in a process of its own: this test binary, told by a variable which of
//! the scenarios at the end of the file it is to play.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use chatd::config;
use chatd::log::{self, events};

use crate::support::journal::{self, Journal};

const SCENARIO: &str = "CHATD_LOG_SCENARIO";

/// More entries than pipe, socket and queue together hold.
const FLOOD: usize = 5000;

/// How long anything may take before the test has failed.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn every_kind_has_an_identifier_of_its_own_and_an_entry_in_the_catalog() {
    let ids: BTreeSet<&str> = events::KINDS.iter().map(|kind| kind.id).collect();
    let names: BTreeSet<&str> = events::KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!((ids.len(), names.len()), (events::KINDS.len(), events::KINDS.len()));
    for id in &ids {
        assert!(id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    }

    let catalog = fs::read_to_string("systemd/chatd.catalog").unwrap();
    let mut explained = BTreeSet::new();
    for entry in format!("\n{catalog}").split("\n-- ").skip(1) {
        let (id, entry) = entry.split_once('\n').unwrap();
        let (head, body) = entry.split_once("\n\n").unwrap();
        assert!(explained.insert(id.to_owned()), "{id} is explained twice");
        assert!(head.starts_with("Subject: ") && head.contains("\nDefined-By: chatd"), "{id}: {head}");
        assert!(body.trim().len() > 80, "{id} is hardly explained");
    }
    assert_eq!(explained, ids.into_iter().map(str::to_owned).collect());
}

#[test]
fn every_kind_that_the_program_logs_is_in_the_table() {
    fn visit(directory: &Path, check: &mut impl FnMut(&Path, &str)) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, check);
            } else {
                check(&path, &fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = 0;
    visit(Path::new("src"), &mut |path, source| {
        for used in source.split("chatd.event = \"").skip(1) {
            let name = used.split('"').next().unwrap();
            assert!(events::find(name).is_some(), "{} logs {name:?}, a kind that does not exist", path.display());
            found += 1;
        }
    });
    assert!(found > 0);
}

#[test]
fn standard_error_has_a_readable_line_for_each_entry() {
    let (status, lines) = lines_of("stderr-entries", &mut child("stderr-entries"));
    assert!(status, "{lines:?}");
    assert_eq!(
        lines,
        [
            "INFO luzmi has joined (127.0.0.1:50312, tls, text)",
            "INFO ana was kicked (uid 1000, \"flooding\" she said)",
            "WARN the clock is odd offset=-3 unit=s",
            "ERROR it broke: file not found chatd.event=no-such-kind",
            "INFO ana has joined (plain)",
        ]
    );
}

#[test]
fn no_value_can_forge_a_line_or_grow_without_bound() {
    let (status, lines) = lines_of("injection", &mut child("injection"));
    assert!(status, "{lines:?}");
    assert_eq!(lines[0], r"INFO a\nb\u{1b}[2J\u{9b}\u{202e}\u{200f}\u{e0067} has joined other=x\ny (1\r\n2)");
    assert!(lines[1].len() < 4200 && lines[1].ends_with('…'), "{}", lines[1].len());
    assert_eq!(lines.len(), 2);
}

#[test]
fn the_journal_has_the_fields_of_each_entry() {
    let journal = Journal::new();
    let output = scenario(journal.command(program()), "journal-entries").output().unwrap();
    assert!(output.status.success(), "{output:?}");

    let mut entry = journal.next();
    assert_eq!(entry.remove("CODE_FILE").unwrap(), "tests/logging.rs");
    assert!(entry.remove("CODE_LINE").unwrap().parse::<u32>().is_ok());
    assert_eq!(entry.remove("TARGET").unwrap(), "chatd::logging::scenarios");
    let expected = [
        ("CHATD_ADDRESS", "127.0.0.1:50312"),
        ("CHATD_EVENT", "join"),
        ("CHATD_PROTOCOL", "text"),
        ("CHATD_TRANSPORT", "tls"),
        ("CHATD_USER", "luzmi"),
        ("MESSAGE", "luzmi has joined (127.0.0.1:50312, tls, text)"),
        ("MESSAGE_ID", events::find("join").unwrap().id),
        ("PRIORITY", "6"),
        ("SYSLOG_IDENTIFIER", "chatd"),
    ];
    assert_eq!(entry, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());

    let kick = journal.next_of("kick");
    assert_eq!((&*kick["CHATD_UID"], &*kick["CHATD_REASON"]), ("1000", "\"flooding\" she said"));
    let odd = journal.next();
    assert_eq!((&*odd["MESSAGE"], &*odd["PRIORITY"]), ("the clock is odd offset=-3 unit=s", "4"));
    assert!(!odd.contains_key("MESSAGE_ID"));
    assert_eq!(journal.next()["PRIORITY"], "3");

    // From here on with log.addresses = false.
    let join = journal.next_of("join");
    assert_eq!(join["MESSAGE"], "ana has joined (plain)");
    assert!(!join.contains_key("CHATD_ADDRESS") && !join.values().any(|value| value.contains("192.0.2.7")), "{join:?}");
}

#[test]
fn auto_is_the_journal_only_when_standard_error_leads_there() {
    let journal = Journal::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stderr");
    for (matches, expected) in [(false, "1 line"), (true, "0 lines")] {
        let file = fs::File::create(&path).unwrap();
        let stream = if matches { journal::stream(&file) } else { "1:2".to_owned() };
        let mut command = scenario(journal.command(program()), "auto");
        let status = command.env("JOURNAL_STREAM", stream).stderr(file).stdout(Stdio::null()).status().unwrap();
        assert!(status.success());
        let count = fs::read_to_string(&path).unwrap().lines().count();
        assert_eq!(format!("{count} line{}", if count == 1 { "" } else { "s" }), expected);
    }
    assert_eq!(journal.next()["MESSAGE"], "where does this go?");
}

#[test]
fn a_configured_journal_that_is_not_there_is_an_error() {
    let journal = Journal::new();
    fs::remove_file(journal.path()).unwrap();
    let mut command = scenario(journal.command(program()), "no-journal");
    let (status, lines) = lines_of("no-journal", &mut command);
    assert!(status, "{lines:?}");
    assert_eq!(
        lines,
        ["ERROR log.target is \"journal\" but no journal answers at /run/systemd/journal/socket: \
             No such file or directory (os error 2); use \"auto\" or \"stderr\""]
    );
}

#[test]
fn a_journal_that_goes_away_before_the_first_entry_is_replaced_by_standard_error() {
    let journal = Journal::new();
    let (status, lines) = lines_of("vanishing", &mut scenario(journal.command(program()), "vanishing"));
    assert!(status, "{lines:?}");
    assert!(lines[0].starts_with("WARN the journal cannot be used, the log goes to standard error: "), "{lines:?}");
    assert_eq!(lines[1..], ["INFO one", "INFO two"]);
}

#[test]
fn a_stuck_standard_error_stops_nothing_and_the_loss_is_counted() {
    let mut flood = Flood::start(child("flood-stderr").stderr(Stdio::piped()));
    let mut stderr = flood.child.stderr.take().unwrap();
    flood.wait_until_logged();

    let reader = thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    flood.finish();
    let text = reader.join().unwrap();
    let sentences: Vec<&str> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    check_flood(sentences.iter().map(|sentence| sentence.split_once(' ').unwrap().1.to_owned()));
    let report = sentences.iter().find(|sentence| sentence.contains("lost")).unwrap();
    assert!(report.starts_with("WARN "), "{report}");
}

#[test]
fn a_stuck_journal_stops_nothing_and_the_loss_is_counted() {
    let journal = Journal::new();
    let flood = Flood::start(&mut scenario(journal.command(program()), "flood-journal"));
    flood.wait_until_logged();

    let reader = thread::spawn(move || {
        let mut entries = vec![journal.next()];
        while entries.last().unwrap()["MESSAGE"] != "the last entry" {
            entries.push(journal.next());
        }
        entries
    });
    flood.finish();
    let entries = reader.join().unwrap();
    check_flood(entries.iter().map(|entry| entry["MESSAGE"].clone()));
    let report = entries.iter().find(|entry| entry["MESSAGE"].contains("lost")).unwrap();
    assert_eq!((&*report["PRIORITY"], &*report["CHATD_EVENT"]), ("4", "lost"));
    assert_eq!(report["MESSAGE_ID"], events::find("lost").unwrap().id);
}

/// What was written is in order, and what is missing is what was reported. The last entry, logged when there was room
/// again, comes after the report.
fn check_flood(sentences: impl Iterator<Item = String>) {
    let sentences: Vec<String> = sentences.collect();
    let (last, sentences) = sentences.split_last().unwrap();
    assert_eq!(last, "the last entry");
    let (mut written, mut lost) = (Vec::new(), 0);
    for sentence in sentences {
        match sentence.strip_suffix(" log entries were lost: the log could not keep up") {
            Some(count) => lost += count.parse::<usize>().unwrap(),
            None => written.push(sentence.split(' ').nth(1).unwrap().parse::<usize>().unwrap()),
        }
    }
    assert!(written.is_sorted(), "{written:?}");
    assert!(lost > 0);
    assert_eq!(written.len() + lost, FLOOD);
}

fn entry_of_flood(number: usize) -> String {
    format!("entry {number} {}", "x".repeat(200))
}

/// A process that logs more than anybody takes.
struct Flood {
    child: Child,
    stdin: ChildStdin,
    stdout: Receiver<String>,
}

impl Flood {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, stdout) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { stdin: child.stdin.take().unwrap(), child, stdout }
    }

    /// Waits until it has logged everything, although nobody reads.
    fn wait_until_logged(&self) {
        self.wait_for("logged");
    }

    /// Lets it log its last entry and end.
    fn finish(mut self) {
        self.stdin.write_all(b"go on\n").unwrap();
        self.wait_for("flushed true");
        assert!(self.child.wait().unwrap().success());
    }

    fn wait_for(&self, expected: &str) {
        while self.stdout.recv_timeout(PATIENCE).expect(expected) != expected {}
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        // It has ended, unless the test has failed.
        let _ = self.child.kill();
    }
}

#[test]
fn a_disabled_level_costs_nothing_until_somebody_watches() {
    run("interest");
}

#[test]
fn a_watcher_sees_every_kind_at_any_level_and_the_number_missed() {
    run("watch");
}

#[test]
fn flushing_a_log_that_was_never_started_waits_for_nothing() {
    run("not-started");
}

#[test]
fn flushing_gives_up_at_the_deadline_when_nobody_reads() {
    let mut flood = Flood::start(child("unread").stderr(Stdio::piped()));
    flood.wait_for("flushed false");
    assert!(flood.child.wait().unwrap().success());
}

/// Plays a scenario that checks itself.
fn run(name: &str) {
    let output = child(name).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Plays a scenario and returns whether it went well and its lines on standard error without the time.
fn lines_of(name: &str, command: &mut Command) -> (bool, Vec<String>) {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let sentence = |line: &str| {
        let (time, sentence) = line.split_once(' ').unwrap();
        assert!(is_a_time(time), "{name}: {line}");
        sentence.to_owned()
    };
    (output.status.success(), text.lines().map(sentence).collect())
}

/// `2026-11-20T11:05:00Z`
fn is_a_time(time: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:ddZ";
    time.len() == pattern.len()
        && time.chars().zip(pattern.chars()).all(|(c, p)| if p == 'd' { c.is_ascii_digit() } else { c == p })
}

fn program() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

fn child(name: &str) -> Command {
    scenario(Command::new(program()), name)
}

fn scenario(mut command: Command, name: &str) -> Command {
    command.args(["--exact", "logging::play", "--nocapture"]).env(SCENARIO, name).env_remove("JOURNAL_STREAM");
    command
}

/// Not a test by itself: the process of a scenario.
#[test]
fn play() {
    match std::env::var(SCENARIO).as_deref() {
        Err(_) => {}
        Ok("stderr-entries") => scenarios::entries(config::LogTarget::Stderr),
        Ok("journal-entries") => scenarios::entries(config::LogTarget::Journal),
        Ok("injection") => scenarios::injection(),
        Ok("auto") => scenarios::auto(),
        Ok("no-journal") => scenarios::no_journal(),
        Ok("vanishing") => scenarios::vanishing(),
        Ok("flood-stderr") => scenarios::flood(config::LogTarget::Stderr),
        Ok("flood-journal") => scenarios::flood(config::LogTarget::Journal),
        Ok("unread") => scenarios::unread(),
        Ok("interest") => scenarios::interest(),
        Ok("watch") => scenarios::watch(),
        Ok("not-started") => assert!(log::flush(Duration::from_secs(3600))),
        Ok(other) => panic!("no scenario {other}"),
    }
}

mod scenarios {
    use chatd::config::LogTarget;
    use chatd::log::Missed;
    use tracing::Level;

    use super::*;

    fn start(level: Level, target: LogTarget) {
        log::start().unwrap();
        log::configure(&config::Log { level, target, addresses: true }).unwrap();
    }

    fn say(line: &str) {
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{line}").unwrap();
        stdout.flush().unwrap();
    }

    pub(super) fn entries(target: LogTarget) {
        start(Level::INFO, target);
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 50312));
        let nick = "luzmi";
        tracing::info!(
            chatd.event = "join",
            chatd.user = %nick,
            chatd.address = %address,
            chatd.transport = "tls",
            chatd.protocol = "text",
            "{nick} has joined"
        );
        let reason = "\"flooding\" she said";
        tracing::info!(
            chatd.event = "kick",
            chatd.user = "ana",
            chatd.uid = 1000u32,
            chatd.reason = reason,
            "ana was kicked"
        );
        tracing::debug!("not at this level");
        tracing::warn!(offset = -3, unit = "s", "the clock is odd");
        let error = std::io::Error::new(std::io::ErrorKind::NotFound, "file not found");
        tracing::error!(chatd.event = "no-such-kind", "it broke: {error}");

        assert!(log::flush(PATIENCE));
        log::configure(&config::Log { level: Level::INFO, target, addresses: false }).unwrap();
        tracing::info!(
            chatd.event = "join",
            chatd.user = "ana",
            chatd.address = "192.0.2.7:1",
            chatd.transport = "plain",
            "ana has joined"
        );
        assert!(log::flush(PATIENCE));
    }

    pub(super) fn injection() {
        start(Level::INFO, LogTarget::Stderr);
        let nick = "a\nb\u{1b}[2J\u{9b}\u{202e}\u{200f}\u{e0067}";
        tracing::info!(chatd.user = nick, chatd.reason = "1\r\n2", other = "x\ny", "{nick} has joined");
        tracing::info!("{}", "long ".repeat(100_000));
        assert!(log::flush(PATIENCE));
    }

    pub(super) fn auto() {
        log::start().unwrap();
        tracing::info!("where does this go?");
        assert!(log::flush(PATIENCE));
    }

    pub(super) fn no_journal() {
        log::start().unwrap();
        assert!(log::start().is_err(), "it can be started only once");
        let wish = config::Log { level: Level::INFO, target: LogTarget::Journal, addresses: true };
        tracing::error!("{}", log::configure(&wish).unwrap_err());
        assert!(log::flush(PATIENCE));
    }

    pub(super) fn vanishing() {
        start(Level::INFO, LogTarget::Journal);
        fs::remove_file("/run/systemd/journal/socket").unwrap();
        tracing::info!("one");
        tracing::info!("two");
        assert!(log::flush(PATIENCE));
    }

    pub(super) fn flood(target: LogTarget) {
        start(Level::INFO, target);
        for number in 0..FLOOD {
            tracing::info!("{}", entry_of_flood(number));
        }
        say("logged");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        let written = log::flush(PATIENCE);
        tracing::info!("the last entry");
        say(&format!("flushed {}", written && log::flush(PATIENCE)));
    }

    pub(super) fn unread() {
        start(Level::INFO, LogTarget::Stderr);
        for number in 0..FLOOD {
            tracing::info!("{}", entry_of_flood(number));
        }
        say(&format!("flushed {}", log::flush(Duration::from_millis(50))));
    }

    pub(super) fn interest() {
        start(Level::INFO, LogTarget::Stderr);
        let mut evaluated = 0;
        // Each is one call site, so that the cache of its interest is what is tested.
        let mut log_all = || {
            evaluated = 0;
            tracing::debug!(
                chatd.event = "join",
                count = {
                    evaluated += 1;
                    evaluated
                },
                "an event"
            );
            tracing::debug!(
                count = {
                    evaluated += 10;
                    evaluated
                },
                "something else"
            );
            evaluated
        };
        assert_eq!(log_all(), 0);
        let (first, second) = (log::watch(), log::watch());
        assert_eq!(log_all(), 1);
        drop(first);
        assert_eq!(log_all(), 1);
        drop(second);
        assert_eq!(log_all(), 0);
        assert!(tracing::level_filters::LevelFilter::current() == Level::INFO);
        log::configure(&config::Log { level: Level::DEBUG, target: LogTarget::Stderr, addresses: true }).unwrap();
        assert_eq!(log_all(), 11);
        log::configure(&config::Log { level: Level::WARN, target: LogTarget::Stderr, addresses: true }).unwrap();
        assert_eq!(log_all(), 0);
    }

    pub(super) fn watch() {
        start(Level::ERROR, LogTarget::Stderr);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tracing::info!(chatd.event = "join", "before anybody watched");
        let mut watcher = log::watch();
        tracing::info!(chatd.event = "join", chatd.user = "luzmi", chatd.address = "192.0.2.7:1", "luzmi has joined");
        tracing::error!("no event");
        tracing::trace!(chatd.event = "leave", "luzmi has left");
        let mut next = || runtime.block_on(watcher.next());
        let join = next().unwrap();
        assert_eq!((join.kind.unwrap().name, join.level()), ("join", Level::INFO));
        assert_eq!((join.user.as_deref(), join.address.as_deref()), (Some("luzmi"), Some("192.0.2.7:1")));
        assert_eq!(next().unwrap().message, "luzmi has left");

        for number in 0..256 + 44 {
            tracing::info!(chatd.event = "join", "{number}");
        }
        assert_eq!(next().unwrap_err(), Missed(44));
        assert_eq!(next().unwrap().message, "44");
    }
}
