//! A disk that fails does not stop the chat, and what could not be kept is said.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chatd::chat::{Durable, Entry, Event, Found, Lookup, Nick, Person, Point, Record, Selection, Stamp, Words};
use chatd::config::History;
use chatd::store::{Database, FILE, Store};

use crate::support::daemon::{Daemon, LISTENERS, run_by};
use crate::support::journal::namespace;

const KEEP: History = History { keep: Duration::from_secs(30 * 24 * 3600), size: 256 << 20 };
const FAST: &str = "[room]\nhistory = 3\n[limits]\nmessage-rate = 1000000\nmessage-burst = 1000000\n";

/// Starts a daemon whose state directory is prepared by `mount`, a shell script for which it is `$1`, in a mount namespace
/// of its own.
pub fn start_with_mount(daemon: &Daemon, mount: &str) -> Daemon {
    let state = daemon.path("state");
    let next = Daemon::launch_in(daemon.directory.clone(), &format!("{LISTENERS}{FAST}"), |command| {
        let mut runner = Command::new("unshare");
        let script = format!("{mount}\nshift\nexec \"$@\"");
        runner.args(namespace()).args(["sh", "-euc", &script, "sh"]).arg(state).arg(command.get_program());
        run_by(command, runner);
    });
    next.wait_for_log(" is ready");
    next
}

/// A daemon that has ended and left a state directory with a certificate and a history of one line.
pub fn ended() -> Daemon {
    let mut daemon = Daemon::start(FAST);
    let mut ana = daemon.join("ana");
    ana.say("long ago");
    ana.expect_next("ana: long ago");
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    daemon
}

/// The state directory as the daemon sees it.
pub fn seen_by(daemon: &Daemon) -> PathBuf {
    let state = daemon.path("state");
    Path::new(&format!("/proc/{}/root", daemon.pid())).join(state.strip_prefix("/").unwrap())
}

/// Takes all the room there is, until the file is removed.
fn fill(filler: &Path) {
    let mut file = File::create(filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
}

#[test]
fn a_full_disk_stops_nothing_and_is_made_up_for() {
    let first = ended();
    // The state goes into a small file system.
    let daemon = start_with_mount(
        &first,
        r#"copy=$1.copy; cp -a "$1" "$copy"; mount -t tmpfs -o size=64m,mode=700 tmpfs "$1"; cp -a "$copy"/. "$1""#,
    );
    let (mut ana, mut bo) = (daemon.join("ana"), daemon.join("bo"));
    ana.expect("*** bo has joined");
    ana.say("/search long ago");
    ana.expect_next("*** Found, times in UTC:");
    ana.lines(1);
    let filler = seen_by(&daemon).join("filler");
    fill(&filler);
    // The chat goes on, and what is said waits.
    ana.say("while it was full");
    bo.expect("ana: while it was full");
    daemon.wait_for_log("nothing is kept in ");
    fs::remove_file(&filler).unwrap();
    daemon.wait_for_log("what is said is kept again");
    ana.expect_next("ana: while it was full");
    ana.say("/search \"it was full\"");
    ana.expect_next("*** Found, times in UTC:");
    assert!(ana.line().ends_with("ana: while it was full"));
    // More than may wait is lost, and the history says so in its place.
    fill(&filler);
    let long = "x".repeat(2000);
    for number in 0..6000 {
        ana.say(&format!("{number} {long}"));
        bo.expect_start(&format!("ana: {number} "));
        ana.expect_start(&format!("ana: {number} "));
    }
    fs::remove_file(&filler).unwrap();
    daemon.wait_for_log("lines were not kept, because the disk was too slow or failed");
    ana.say("after the gap");
    bo.expect_next("ana: after the gap");
    ana.expect_next("ana: after the gap");
    ana.say("/history 3");
    ana.expect_next("*** What was said:");
    let gap = ana.lines(3).remove(1);
    assert!(gap.contains(" lines until ") && gap.ends_with(" could not be kept"), "{gap}");
}

#[test]
fn a_read_only_disk_stops_nothing() {
    let first = ended();
    let daemon = start_with_mount(&first, r#"mount --bind "$1" "$1"; mount -o remount,ro,bind "$1""#);
    daemon.wait_for_log("nothing is kept in ");
    let (mut ana, mut bo) = (daemon.join("ana"), daemon.join("bo"));
    ana.expect("*** bo has joined");
    ana.say("hello");
    bo.expect_next("ana: hello");
    ana.expect_next("ana: hello");
    ana.say("/history");
    ana.expect_next("*** What was said:");
    assert!(ana.line().ends_with("ana: hello"), "from memory");
}

#[test]
fn a_file_that_is_no_database_is_set_aside() {
    let first = ended();
    let file = first.path("state").join(FILE);
    fs::write(&file, "Dear all, this is no database.").unwrap();
    let daemon = Daemon::launch_in(first.directory.clone(), LISTENERS, |_| {});
    let line = daemon.wait_for_log("was set aside as");
    daemon.wait_for_log(" is ready");
    let mut ana = daemon.join("ana");
    ana.say("anew");
    ana.expect_next("ana: anew");
    ana.say("/search anew");
    ana.expect_next("*** Found, times in UTC:");
    let aside = line.split("was set aside as ").nth(1).unwrap().split(',').next().unwrap();
    assert_eq!(fs::read(aside).unwrap(), b"Dear all, this is no database.");
}

#[test]
fn no_file_that_is_set_aside_replaces_another() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        fs::write(directory.path().join(FILE), "Dear all, this is no database.").unwrap();
        let (store, _) = Store::start(directory.path(), KEEP, 50).unwrap();
        assert!(store.stop(Duration::from_secs(20)));
    }
    let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let aside = names.filter(|name| name.to_string_lossy().contains("damaged"));
    assert_eq!(aside.count(), 3);
}

#[test]
fn a_file_of_a_newer_program_is_left_alone() {
    let first = ended();
    let file = first.path("state").join(FILE);
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 1000).unwrap();
    drop(connection);
    let daemon = Daemon::launch_in(first.directory.clone(), LISTENERS, |_| {});
    daemon.wait_for_log("a newer chatd has written it (format 1000; this one knows ");
    daemon.wait_for_log(" is ready");
    let mut ana = daemon.join("ana");
    ana.say("hello");
    ana.expect_next("ana: hello");
    let connection = rusqlite::Connection::open(&file).unwrap();
    let lines: u64 = connection
        .query_row("SELECT count(*) FROM line WHERE text = 'long ago'", [], |row| row.get::<_, i64>(0))
        .unwrap() as u64;
    assert_eq!(lines, 1);
}

fn said(sequence: u64, unix: u64, text: String) -> Durable {
    let person = Person::named(Nick::new("ana").unwrap()).into();
    Durable::Event(Record { stamp: Stamp { sequence, unix }, event: Event::Said(person, Words::plain(text)) })
}

fn look_up(store: &Store, lookup: Lookup) -> Found {
    let (answer, answered) = std::sync::mpsc::channel();
    store.find(lookup, move |found| answer.send(found).unwrap());
    answered.recv_timeout(Duration::from_secs(20)).unwrap()
}

/// Has lines kept until one of them is found. The damage may be found only when one is looked up; those before it are then
/// in the file that is set aside.
fn wait_until_kept(store: &Store) {
    let deadline = Instant::now() + Duration::from_secs(20);
    for sequence in (1 << 40).. {
        store.keep(vec![said(sequence, sequence, "after the damage".to_owned())]);
        let found = look_up(store, Lookup::messages(Selection::Latest(None), 1));
        if found.as_ref().is_ok_and(|page| page.entries.iter().any(|entry| entry.stamp().sequence == sequence)) {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?}; {:?}", store.status());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whatever has happened to the file, the store starts, and keeps what is said from then on.
#[test]
fn whatever_is_damaged_the_store_starts_and_keeps() {
    let original = tempfile::tempdir().unwrap();
    {
        let mut database = Database::open(&original.path().join(FILE), KEEP, None).unwrap();
        let lines: Vec<_> =
            (1..=3000).map(|number| said(number, 1000 * number, format!("line {number} of many"))).collect();
        database.write(&lines).unwrap();
        database.checkpoint().unwrap();
    }
    let bytes = fs::read(original.path().join(FILE)).unwrap();
    let mut random = 88_172_645_463_325_252_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize % below
    };
    for round in 0..40 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        fs::write(&path, &bytes).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        match round % 2 {
            0 => file.set_len(next(bytes.len()) as u64).unwrap(),
            _ => {
                for _ in 0..20 {
                    let garbage: Vec<u8> = (0..200).map(|_| next(256) as u8).collect();
                    file.write_all_at(&garbage, next(bytes.len() - 200) as u64).unwrap();
                }
            }
        }
        drop(file);
        let (store, _) = Store::start(directory.path(), KEEP, 50).unwrap();
        wait_until_kept(&store);
        assert!(store.stop(Duration::from_secs(20)), "round {round}");
    }
}

#[test]
fn a_clock_that_jumps_back_loses_and_doubles_nothing() {
    const HOUR: u64 = 3_600_000;
    let directory = tempfile::tempdir().unwrap();
    let mut database = Database::open(&directory.path().join(FILE), KEEP, None).unwrap();
    // 100 lines, one each minute; after the 60th, the clock is set back by an hour.
    let unix = |number: u64| 100 * HOUR + number * 60_000 - if number > 60 { HOUR } else { 0 };
    let lines: Vec<_> = (1..=100).map(|number| said(number, unix(number), format!("line {number}"))).collect();
    database.write(&lines).unwrap();
    let mut pages = Vec::new();
    let mut last = 0;
    loop {
        let lookup = Lookup::messages(Selection::After(Point::Event(last)), 7);
        let page = database.find(&lookup).unwrap().unwrap();
        let Some(Entry::Event(record)) = page.entries.last() else { break };
        last = record.stamp.sequence;
        pages.extend(page.entries.iter().map(|entry| entry.stamp().sequence));
    }
    assert_eq!(pages, (1..=100).collect::<Vec<u64>>());
    for time in (0..=200).map(|minute| 100 * HOUR - HOUR + minute * 60_000) {
        let found = |selection| database.find(&Lookup::messages(selection, 1000)).unwrap().unwrap().entries.len();
        let (before, after) =
            (found(Selection::Before(Point::Time(time))), found(Selection::After(Point::Time(time - 1))));
        assert_eq!(before + after, 100, "nothing is on both sides of a time, or on none");
    }
    while database.prune(100 * HOUR, History { keep: Duration::ZERO, size: 1 }).unwrap() {}
    assert_eq!(database.figures().unwrap().lines, 0);
}

#[test]
fn lookups_are_answered_while_people_talk_all_the_time() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = Store::start(directory.path(), KEEP, 50).unwrap();
    let answered = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let deadline = Instant::now() + Duration::from_secs(40);
            for sequence in 1.. {
                store.keep(vec![said(sequence, sequence, "and on and on".to_owned())]);
                if answered.load(Ordering::Relaxed) || Instant::now() > deadline {
                    return;
                }
            }
        });
        for _ in 0..3 {
            look_up(&store, Lookup::messages(Selection::Latest(None), 1)).unwrap();
        }
        answered.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_disk_that_does_not_answer_has_a_bounded_number_of_lookups_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = Store::start(directory.path(), KEEP, 50).unwrap();
    let (stuck, until) = std::sync::mpsc::channel::<()>();
    let lookup = Lookup::messages(Selection::Latest(None), 1);
    store.find(lookup.clone(), move |_| _ = until.recv());
    let refused = Arc::new(AtomicBool::new(false));
    let asked = (0..200_000).take_while(|_| {
        let refused_now = refused.clone();
        store.find(lookup.clone(), move |found| refused_now.store(found.is_err(), Ordering::Relaxed));
        !refused.load(Ordering::Relaxed)
    });
    assert!(asked.count() < 200_000);
    drop(stuck);
}

/// An administrator's program holds the file for a moment.
#[test]
fn what_could_not_be_written_a_moment_ago_is_tried_once_more_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let (store, _) = Store::start(directory.path(), KEEP, 50).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.keep(vec![said(1 << 40, 1, "hello".to_owned())]);
    wait_until(|| store.status().trouble.is_some());
    other.execute_batch("ROLLBACK").unwrap();
    assert!(store.stop(Duration::from_secs(20)));
    let lines: i64 = other.query_row("SELECT count(*) FROM line", [], |row| row.get(0)).unwrap();
    assert_eq!(lines, 1);
}

#[test]
fn a_file_that_was_removed_is_made_anew_though_nothing_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let (store, _) = Store::start(directory.path(), KEEP, 50).unwrap();
    look_up(&store, Lookup::messages(Selection::Latest(None), 1)).unwrap();
    fs::remove_file(&path).unwrap();
    // Has it look at the file now.
    store.set_keep(History { size: 255 << 20, ..KEEP });
    wait_until(|| path.exists());
}

#[test]
fn redacted_words_of_a_killed_daemon_go_when_the_next_one_starts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let keep = History { keep: Duration::from_secs(100 * 365 * 24 * 3600), ..KEEP };
    let mut database = Database::open(&path, keep, None).unwrap();
    database.write(&[said(1, 1000, "xyzzyplugh".to_owned())]).unwrap();
    let by = Person::named(Nick::new("ana").unwrap()).into();
    let event = Event::Redacted { by, line: 1, reason: None };
    database.write(&[Durable::Event(Record { stamp: Stamp { sequence: 2, unix: 2000 }, event })]).unwrap();
    // It never closes the file.
    std::mem::forget(database);
    let contains = || {
        let files = fs::read_dir(directory.path()).unwrap();
        let bytes: Vec<u8> = files.flat_map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
        memchr::memmem::find(&bytes, b"xyzzyplugh").is_some()
    };
    assert!(contains());
    let (_store, _) = Store::start(directory.path(), keep, 50).unwrap();
    wait_until(|| !contains());
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
}
