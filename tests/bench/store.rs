//! What the history on disk costs, and how fast it is.
//!
//! Four parts: what keeping costs the chat's thread, against the same daemon that keeps nothing; how many lines a second
//! are kept, against SQLite alone in the same run; how long it takes until what was said is on disk; and how long lookups
//! take in a large history, also while it is pruned. The number of lines is an argument: `cargo bench --bench store --
//! 10000000`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that meets what it does not expect stops, and says where"
)]

mod load;
#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "a benchmark needs only some of what tests need")]
mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chatd::chat::{Durable, Event, Lookup, Nick, Person, PersonId, Point, Profile, Record, Selection, Stamp, Words};
use chatd::config::History;
use chatd::store::{Database, FILE, Store};
use rusqlite::{Connection, OpenFlags};
use support::client::Client;
use support::daemon::Daemon;

/// Lines in the large history, unless given on the command line.
const LINES: u64 = 1_000_000;
/// Lines of the sustained part.
const SUSTAINED: u64 = 1_000_000;
/// Clients in the room, and runs of each daemon, alternating; the median counts.
const CLIENTS: [usize; 2] = [100, 1000];
const RUNS: usize = 7;
/// Lookups of each kind.
const LOOKUPS: usize = 500;
const LARGE: History = History { keep: Duration::from_secs(10 * 365 * 24 * 3600), size: 1 << 36 };
/// When the first line was said, in milliseconds since 1970-01-01 UTC.
const START: u64 = 1_700_000_000_000;

fn main() {
    let lines = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(LINES);
    room();
    on_disk();
    sustained();
    lookups(lines);
}

/// What keeping costs the room.
fn room() {
    println!("CPU per delivery in microseconds, medians of {RUNS}: of the chat's thread, and of the whole daemon");
    println!("clients  thread: kept  not kept  ratio    daemon: kept  not kept  ratio");
    for clients in CLIENTS {
        let mut costs: [Vec<(f64, f64)>; 2] = Default::default();
        for _ in 0..RUNS {
            for (keep, costs) in ["30d", "0s"].into_iter().zip(&mut costs) {
                costs.push(cost(keep, clients));
            }
        }
        let [kept, not] = costs.map(|costs| {
            let median = |which: fn(&(f64, f64)) -> f64| sorted(costs.iter().map(which))[costs.len() / 2];
            (median(|cost| cost.0), median(|cost| cost.1))
        });
        println!(
            "{clients:7}  {:12.4}  {:8.4}  {:5.3}  {:14.4}  {:8.4}  {:5.3}",
            kept.0,
            not.0,
            kept.0 / not.0,
            kept.1,
            not.1,
            kept.1 / not.1
        );
    }
    for keep in ["30d", "0s"] {
        let daemon = quiet_daemon(keep);
        let mut client = daemon.join("ana");
        client.say("hello");
        client.expect_next("ana: hello");
        // Longer than the store rests before it gives memory back.
        std::thread::sleep(Duration::from_millis(2500));
        let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        println!(
            "idle with keep = {keep:?}: {} KiB resident, {} KiB of them its own",
            field("VmRSS"),
            field("RssAnon")
        );
    }
}

fn quiet_daemon(keep: &str) -> Daemon {
    let config = format!(
        "[room]\nhistory = 0\n[history]\nkeep = \"{keep}\"\nsize = \"16GiB\"\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
         protocol = \"text\"\n[limits]\nconnections-per-address = 100000\nmessage-rate = 1000000\n\
         message-burst = 1000000\nmax-lag = \"256MiB\"\n"
    );
    Daemon::start_with(&config, |_| {})
}

/// CPU time per delivery in microseconds: of the chat's thread, and of all threads.
fn cost(keep: &str, clients: usize) -> (f64, f64) {
    let daemon = quiet_daemon(keep);
    let (process, thread) = (format!("/proc/{0}/stat", daemon.pid()), format!("/proc/{0}/task/{0}/stat", daemon.pid()));
    let both = std::cell::Cell::new((0.0, 0.0));
    let outcome = load::run(daemon.listeners()[0], true, clients, || {
        let (before, now) = (both.get(), cpu_seconds(&process));
        both.set((before.1, now));
        cpu_seconds(&thread)
    });
    let (before, after) = both.get();
    let micros = 1e6 / outcome.deliveries as f64;
    (outcome.cpu_seconds * micros, (after - before) * micros)
}

fn cpu_seconds(stat: &str) -> f64 {
    let stat = fs::read_to_string(stat).unwrap();
    // proc_pid_stat(5): utime and stime are fields 14 and 15; the name before them may contain spaces.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum();
    ticks / rustix::param::clock_ticks_per_second() as f64
}

/// How long it takes until somebody else finds in the file what was said.
fn on_disk() {
    let daemon = quiet_daemon("30d");
    let mut client = daemon.join("ana");
    client.say("first");
    client.expect_next("ana: first");
    let file = daemon.path("state").join(FILE);
    let mut took = Vec::new();
    for number in 0..200 {
        let text = format!("number {number}");
        let said = Instant::now();
        client.say(&text);
        while !is_there(&file, &text) {
            std::thread::sleep(Duration::from_micros(500));
        }
        took.push(said.elapsed());
        client.expect_next(&format!("ana: {text}"));
    }
    println!("said to on disk: {}", show(took));
}

fn is_there(file: &Path, text: &str) -> bool {
    let Ok(connection) = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY) else { return false };
    let sql = "SELECT text = ? FROM line ORDER BY seq DESC LIMIT 1";
    connection.query_row(sql, [text], |row| row.get(0)).unwrap_or(false)
}

/// Lines kept a second, by the store's thread and its queue.
fn sustained() {
    let directory = tempfile::tempdir_in(std::env::var("CARGO_TARGET_TMPDIR").unwrap_or("target".into())).unwrap();
    let (store, _) = Store::start(directory.path(), LARGE, 0).unwrap();
    let (mut talk, written) = (Talk::new(), store.written());
    let start = Instant::now();
    let mut bytes = 0;
    for number in 1..=SUSTAINED {
        let record = talk.line(number);
        bytes += record.size() as u64;
        store.keep(vec![Durable::Event(record)]);
        // As fast as it goes without a loss.
        while number.saturating_sub(*written.borrow()) > 20_000 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    while *written.borrow() < SUSTAINED {
        std::thread::sleep(Duration::from_millis(1));
    }
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(store.status().lost, 0);
    let size = store.status().figures.bytes;
    store.stop(Duration::from_secs(60));
    let plain = plain(&directory.path().join("plain.db"));
    println!(
        "sustained: {:.0} lines a second kept ({:.2} of SQLite's without a search index), {:.2} bytes for each byte said",
        SUSTAINED as f64 / seconds,
        plain / seconds,
        size as f64 / bytes as f64
    );
}

/// Seconds for the same lines in one bare table.
fn plain(file: &Path) -> f64 {
    let mut connection = Connection::open(file).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE line (seq INTEGER PRIMARY KEY, time INTEGER, person INTEGER, text TEXT)").unwrap();
    let (mut talk, start) = (Talk::new(), Instant::now());
    for chunk in 0..SUSTAINED / 2500 {
        let transaction = connection.transaction().unwrap();
        for number in 1..=2500 {
            let Record { stamp, event: Event::Said(who, words) } = talk.line(2500 * chunk + number) else { panic!() };
            let values = rusqlite::params![stamp.sequence as i64, stamp.unix as i64, who.id.0 as i64, words.text];
            transaction.prepare_cached("INSERT INTO line VALUES (?, ?, ?, ?)").unwrap().execute(values).unwrap();
        }
        transaction.commit().unwrap();
    }
    start.elapsed().as_secs_f64()
}

/// Lookups in a large history.
fn lookups(lines: u64) {
    let directory = tempfile::tempdir_in(std::env::var("CARGO_TARGET_TMPDIR").unwrap_or("target".into())).unwrap();
    fs::create_dir(directory.path().join("state")).unwrap();
    let mut database = Database::open(&directory.path().join("state").join(FILE), LARGE, None).unwrap();
    let (mut talk, mut bytes, mut number, start) = (Talk::new(), 0, 0, Instant::now());
    while number < lines {
        let items = (0..4096).map(|_| {
            number += 1;
            let record = talk.line(number);
            bytes += record.size() as u64;
            Durable::Event(record)
        });
        database.write(&items.collect::<Vec<_>>()).unwrap();
    }
    while database.tidy(START + number * GAP, LARGE).unwrap() {}
    database.checkpoint().unwrap();
    let size = database.figures().unwrap().bytes;
    println!(
        "{number} lines written in {:.0} s ({:.0} a second), {:.2} bytes for each byte said",
        start.elapsed().as_secs_f64(),
        number as f64 / start.elapsed().as_secs_f64(),
        size as f64 / bytes as f64
    );
    let end = START + number * GAP;
    let mut ask = |name: &str, lookup: &mut dyn FnMut(&mut Talk) -> Lookup| {
        let (mut took, mut found) = (Vec::new(), 0);
        for _ in 0..LOOKUPS {
            let lookup = lookup(&mut talk);
            let start = Instant::now();
            found += database.find(&lookup).unwrap().unwrap().entries.len();
            took.push(start.elapsed());
        }
        println!("{name:33} {} ({} found each)", show(took), found / LOOKUPS);
    };
    ask("newest page", &mut |_| Lookup::messages(Selection::Latest(None), 50));
    ask("page by time", &mut |talk| {
        let time = Point::Time(START + talk.random() % (end - START));
        Lookup::messages(Selection::Before(time), 50)
    });
    let search = |words: String| Lookup { words: Some(words.into()), ..Lookup::messages(Selection::Latest(None), 50) };
    ask("two words as common as those said", &mut |talk| search(format!("{} {}", talk.word(), talk.word())));
    ask("two words, each as likely", &mut |talk| {
        let (one, other) = (talk.random(), talk.random());
        search(format!("{} {}", talk.nth(one), talk.nth(other)))
    });
    ask("two words of one line", &mut |talk| {
        let line = talk.line(1);
        let Event::Said(_, words) = &line.event else { panic!() };
        let mut words = words.text.split(' ');
        search(format!("{} {}", words.next().unwrap(), words.next().unwrap()))
    });
    drop(database);
    meanwhile(directory, size, &mut talk);
}

/// What others feel of searches and of pruning: round trips of a client that asks nothing of the history.
fn meanwhile(directory: tempfile::TempDir, size: u64, talk: &mut Talk) {
    // Smaller than the history is, so that it is pruned all the time; lines of 2023 are not too old.
    let config = format!(
        "[room]\nhistory = 0\n[history]\nkeep = \"3650d\"\nsize = \"{}\"\n[[listen]]\naddress = \"127.0.0.1:0\"\n\
         [limits]\nconnections-per-address = 1000\nmessage-rate = 1000000\nmessage-burst = 1000000\n",
        size / 2
    );
    let daemon = Daemon::launch_in(Arc::new(directory), &config, |_| {});
    daemon.wait_for_log(" is ready");
    let mut probe = Client::plain(daemon.listeners()[0]);
    probe.say("NICK probe\r\nUSER probe 0 * probe\r");
    while !probe.line().contains(" 366 ") {}
    let mut trips = || {
        let (mut took, start) = (Vec::new(), Instant::now());
        while start.elapsed() < Duration::from_secs(3) {
            let asked = Instant::now();
            probe.say("PING now\r");
            while !probe.line().contains(" PONG ") {}
            took.push(asked.elapsed());
        }
        show(took)
    };
    println!("PING to PONG while pruned              {}", trips());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut searches = Vec::new();
        for number in 0..4 {
            let mut client = Client::plain(daemon.listeners()[0]);
            client.login(&format!("asks{number}"));
            let words: Vec<String> = (0..100).map(|_| format!("{} {}", talk.word(), talk.word())).collect();
            let over = &over;
            searches.push(scope.spawn(move || {
                let mut count = 0;
                for words in words.iter().cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
                    client.say(&format!("/search {words}\n/topic"));
                    client.expect_start("*** Topic:");
                    count += 1;
                }
                count
            }));
        }
        println!("PING to PONG while pruned and searched {}", trips());
        over.store(true, Ordering::Relaxed);
        let searches: u64 = searches.into_iter().map(|searches| searches.join().unwrap()).sum();
        println!("{searches} searches meanwhile");
    });
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn show(took: Vec<Duration>) -> String {
    let took = sorted(took.iter().map(|took| took.as_secs_f64() * 1e3));
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    format!("p50 {:8.3} ms  p99 {:8.3} ms  longest {:8.3} ms", at(0.5), at(0.99), at(1.0))
}

/// Milliseconds from one line to the next.
const GAP: u64 = 25;
/// Different words, and people.
const WORDS: usize = 30_000;
const PEOPLE: usize = 500;

/// People talking: lines of three to fourteen words, which are as frequent as words are (Zipf).
struct Talk {
    words: Vec<String>,
    /// For each word, how frequent it and those before it are together.
    frequencies: Vec<f64>,
    people: Vec<Arc<Person>>,
    state: u64,
}

impl Talk {
    fn new() -> Talk {
        let mut talk =
            Talk { words: Vec::new(), frequencies: Vec::new(), people: Vec::new(), state: 88_172_645_463_325_252 };
        let mut sum = 0.0;
        for number in 0..WORDS {
            let length = 2 + talk.random() % 8;
            let word = (0..length).map(|_| char::from(b'a' + (talk.random() % 26) as u8)).collect();
            talk.words.push(word);
            sum += 1.0 / (number + 1) as f64;
            talk.frequencies.push(sum);
        }
        talk.people = (0..PEOPLE)
            .map(|number| {
                let nick = Nick::new(&format!("person{number}")).unwrap();
                Arc::new(Person { nick, profile: Arc::new(Profile::default()), id: PersonId(number as u64 + 1) })
            })
            .collect();
        talk
    }

    /// xorshift64
    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn word(&mut self) -> String {
        let all = self.frequencies[WORDS - 1];
        let at = (self.random() >> 11) as f64 / (1_u64 << 53) as f64 * all;
        self.words[self.frequencies.partition_point(|sum| *sum < at).min(WORDS - 1)].clone()
    }

    fn nth(&self, number: u64) -> &str {
        &self.words[number as usize % WORDS]
    }

    fn line(&mut self, sequence: u64) -> Record {
        let count = 3 + self.random() % 12;
        let text = (0..count).map(|_| self.word()).collect::<Vec<_>>().join(" ");
        let who = self.random() as usize % PEOPLE;
        let who = self.people[who].clone();
        Record { stamp: Stamp { sequence, unix: START + GAP * sequence }, event: Event::Said(who, Words::plain(text)) }
    }
}
