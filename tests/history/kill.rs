//! The daemon is killed while people talk: what was said a moment before is there, once and in order.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chatd::store::FILE;
use rusqlite::Connection;

use crate::support::daemon::{Daemon, LISTENERS};

const FAST: &str = "[room]\nhistory = 0\n[limits]\nmessage-rate = 1000000\nmessage-burst = 1000000\n";
/// What was said longer ago than this when the daemon was killed is on disk.
const KEPT: Duration = Duration::from_millis(200);
/// Who talks, as fast as their own lines come back.
const TALKERS: usize = 4;

/// Kills; `CHATD_KILLS` has more.
fn rounds() -> u64 {
    std::env::var("CHATD_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(5)
}

#[test]
fn a_kill_at_any_moment_loses_nothing_older_and_doubles_nothing() {
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let mut random = u64::from(std::process::id()) + 88_172_645_463_325_252;
    let mut expected: Vec<String> = Vec::new();
    for round in 0..rounds() {
        let mut daemon = Daemon::launch_in(directory.clone(), &format!("{LISTENERS}{FAST}"), |_| {});
        daemon.wait_for_log(" is ready");
        let address = daemon.plain();
        let observer = std::thread::spawn(move || observe(address));
        let talkers: Vec<_> =
            (0..TALKERS).map(|talker| std::thread::spawn(move || talk(address, round, talker))).collect();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Not a wait for something: the moment of the kill is what is tried.
        std::thread::sleep(Duration::from_millis(300 + random % 700));
        let killed = Instant::now();
        daemon.signal("KILL");
        daemon.wait();
        talkers.into_iter().for_each(|talker| talker.join().unwrap());
        let heard = observer.join().unwrap();
        let old = heard.iter().filter(|(_, when)| *when + KEPT < killed).map(|(line, _)| line.clone());
        expected.extend(old);
        check(&directory.path().join("state").join(FILE), &expected, round);
    }
    assert!(!expected.is_empty());
}

/// Says numbered lines until the connection ends.
fn talk(address: std::net::SocketAddr, round: u64, talker: usize) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let _ = writeln!(stream, "talker{talker}");
    for number in 0.. {
        let text = format!("{round}-{talker}-{number}");
        if writeln!(stream, "{text}").is_err() {
            return;
        }
        let own = format!("talker{talker}: {text}");
        if !lines.by_ref().map_while(Result::ok).any(|line| line == own) {
            return;
        }
    }
}

/// What is said, and when it was heard.
fn observe(address: std::net::SocketAddr) -> Vec<(String, Instant)> {
    let mut stream = TcpStream::connect(address).unwrap();
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let _ = writeln!(stream, "observer");
    let lines = lines.map_while(Result::ok).filter(|line| line.starts_with("talker"));
    lines.map(|line| (line.split_once(": ").unwrap().1.to_owned(), Instant::now())).collect()
}

/// The file is whole; what is expected is in it once and in order, and nothing is in it twice.
fn check(file: &std::path::Path, expected: &[String], round: u64) {
    let connection = Connection::open(file).unwrap();
    let whole: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok", "after kill {round}");
    let mut statement = connection.prepare("SELECT text FROM line WHERE kind = 1 ORDER BY seq").unwrap();
    let kept: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let places: HashMap<&str, usize> = kept.iter().enumerate().map(|(place, text)| (&**text, place)).collect();
    assert_eq!(places.len(), kept.len(), "after kill {round} a line is there twice");
    let found: Vec<Option<&usize>> = expected.iter().map(|text| places.get(&**text)).collect();
    let missing: Vec<&String> =
        expected.iter().zip(&found).filter(|(_, place)| place.is_none()).map(|(text, _)| text).collect();
    assert!(missing.is_empty(), "after kill {round} these are missing: {missing:?}");
    assert!(found.is_sorted(), "after kill {round} the order is another");
}
