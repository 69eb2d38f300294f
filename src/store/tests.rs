//! The file, without a thread: what is written is found again.

mod forgetting;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::chat::{
    Ban, Durable, Entry, Event, Further, Gap, Manner, Nick, Person, PersonId, Point, Profile, Reason, Record,
    Selection, Stamp, Subject, Words,
};

const DAY: u64 = 24 * 3600;
const KEEP: History = keep(30 * DAY, 1 << 30);

const fn keep(seconds: u64, size: u64) -> History {
    History { keep: Duration::from_secs(seconds), size }
}

struct File {
    directory: tempfile::TempDir,
    database: Database,
}

impl File {
    fn new() -> File {
        File::with(KEEP)
    }

    fn with(keep: History) -> File {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join(FILE), keep, None).unwrap();
        File { directory, database }
    }

    fn reopen(self) -> File {
        let File { directory, database } = self;
        drop(database);
        let database = Database::open(&directory.path().join(FILE), KEEP, None).unwrap();
        File { directory, database }
    }

    fn write(&mut self, records: &[Record]) {
        let items: Vec<Durable> = records.iter().cloned().map(Durable::Event).collect();
        self.database.write(&items).unwrap();
    }

    fn found(&self, lookup: &Lookup) -> Vec<u64> {
        let page = self.database.find(lookup).unwrap().unwrap();
        page.entries.iter().map(|entry| entry.stamp().sequence).collect()
    }

    /// All bytes of all files.
    fn bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.directory.path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }
}

fn person(name: &str, id: u64) -> Arc<Person> {
    let profile = Profile { account: Some("ana@example.org".into()), bot: true, ..Profile::default() };
    Arc::new(Person { nick: Nick::new(name).unwrap(), profile: Arc::new(profile), id: PersonId(id) })
}

fn stamp(sequence: u64) -> Stamp {
    Stamp { sequence, unix: 1000 * sequence }
}

fn said(sequence: u64, name: &str, text: &str) -> Record {
    let event = Event::Said(person(name, 1), Words::plain(text.to_owned()));
    Record { stamp: stamp(sequence), event }
}

fn everything(selection: Selection, limit: usize) -> Lookup {
    Lookup { events: true, ..Lookup::messages(selection, limit) }
}

fn search(words: &str) -> Lookup {
    Lookup { words: Some(words.into()), ..Lookup::messages(Selection::Latest(None), 100) }
}

#[test]
fn every_kind_of_event_is_read_as_it_was_written() {
    let ana = person("Ana", 0);
    let multiline = Words {
        manner: Manner::Action,
        text: "one".into(),
        more: vec![Further { text: "two".into(), joined: true }, Further { text: "".into(), joined: false }],
        tags: "+draft/reply=7".into(),
    };
    let tags = Words { manner: Manner::TagsOnly, tags: "+draft/react=ok".into(), ..Words::default() };
    let events = vec![
        Event::Said(ana.clone(), Words::plain("")),
        Event::Said(ana.clone(), multiline),
        Event::Said(ana.clone(), tags),
        Event::Notice("tea is ready".into()),
        Event::Topic { by: None, text: "tea".into() },
        Event::Topic { by: Some(ana.clone()), text: "".into() },
        Event::Joined(ana.clone()),
        Event::Parted(ana.clone(), None),
        Event::Parted(ana.clone(), Some("bye".into())),
        Event::Left(ana.clone(), Reason::Kicked(Some("noise".into()))),
        Event::Renamed { from: ana.clone(), to: Nick::new("Bob").unwrap() },
        Event::Redacted { by: ana, line: 77, reason: Some("typo".into()) },
        // Names that nobody can choose are read, too: they may be older than the rule.
        Event::Renamed { from: person("t\u{430}lk", 0), to: Nick::new("\u{2217}\u{2800}notice").unwrap() },
    ];
    let records: Vec<_> = (1..).zip(events).map(|(number, event)| Record { stamp: stamp(number), event }).collect();
    let mut file = File::new();
    file.write(&records);
    let mut file = file.reopen();
    let page = file.database.find(&everything(Selection::Latest(None), 100)).unwrap().unwrap();
    let expected: Vec<_> = records.iter().cloned().map(Entry::Event).collect();
    assert_eq!(page.entries, expected);
    let messages = file.found(&Lookup::messages(Selection::Latest(None), 100));
    assert_eq!(messages, [1, 2, 4]);
    // Written again after a failure that was none, nothing is there twice.
    file.write(&records);
    assert_eq!(file.found(&everything(Selection::Latest(None), 100)).len(), records.len());
    assert_eq!(file.database.figures().unwrap().lines, records.len() as u64);
}

#[test]
fn a_gap_stands_in_its_place() {
    let mut file = File::new();
    let gap = Gap { first: stamp(2), last: stamp(9), count: 8 };
    let items = [Durable::Event(said(1, "ana", "a")), Durable::Gap(gap), Durable::Event(said(10, "ana", "b"))];
    file.database.write(&items).unwrap();
    let page = file.database.find(&Lookup::messages(Selection::Latest(None), 100)).unwrap().unwrap();
    assert_eq!(page.entries, [Entry::Event(said_back(1, "a")), Entry::Gap(gap), Entry::Event(said_back(10, "b"))]);
}

/// As it is read: a person in the file has no number.
fn said_back(sequence: u64, text: &str) -> Record {
    let event = Event::Said(person("ana", 0), Words::plain(text.to_owned()));
    Record { stamp: stamp(sequence), event }
}

#[test]
fn pages_are_those_of_a_history_in_memory() {
    let mut file = File::new();
    let records: Vec<_> = (1..=60).map(|number| said_back(3 * number, "x")).collect();
    file.write(&records);
    let points = [Point::Event(0), Point::Event(31), Point::Event(33), Point::Event(500)];
    let times = [Point::Time(0), Point::Time(30_999), Point::Time(33_000), Point::Time(u64::MAX)];
    let points: Vec<Point> = points.into_iter().chain(times).collect();
    let mut selections = vec![Selection::Latest(None)];
    for one in &points {
        selections.extend([Selection::Latest(Some(*one)), Selection::Before(*one), Selection::After(*one)]);
        selections.push(Selection::Around(*one));
        selections.extend(points.iter().map(|other| Selection::Between(*one, *other)));
    }
    for selection in selections {
        for limit in [0, 1, 10, 100] {
            let lookup = Lookup::messages(selection, limit);
            assert_eq!(file.database.find(&lookup).unwrap(), lookup.answer(records.iter()), "{lookup:?}");
        }
    }
}

#[test]
fn search_finds_words_prefixes_phrases_and_names() {
    let mut file = File::with(keep(60, 1 << 20));
    let texts = ["hot tea", "Tea, hot!", "cold coffee", "Café tout chaud", "teapots", "\"quoted\" OR not"];
    // Many slices: one for each two seconds.
    let records: Vec<_> = (1..).zip(texts).map(|(number, text)| said(3 * number, "ana", text)).collect();
    file.write(&records);
    file.write(&[said(30, "Bób", "tea for two"), Record { stamp: stamp(33), event: Event::Joined(person("Bób", 5)) }]);
    let cases: &[(&str, &[u64])] = &[
        ("tea", &[3, 6, 30]),
        ("TEA hot", &[3, 6]),
        ("\"hot tea\"", &[3]),
        ("tea*", &[3, 6, 15, 30]),
        ("cafe", &[12]),
        ("OR", &[18]),
        ("\"quoted\"", &[18]),
        ("x) OR (tea", &[]),
        ("nothing", &[]),
    ];
    for (words, expected) in cases {
        assert_eq!(file.found(&search(words)), *expected, "{words}");
    }
    assert_eq!(file.database.find(&search("?!")).unwrap(), Err(LookupError::NoWords));
    file.database.set_deadline(Some(Instant::now()));
    assert_eq!(file.database.find(&search("tea")).unwrap(), Err(LookupError::TooLong));
    file.database.set_deadline(None);
    let bob = Nick::new("BÓB").unwrap().key().as_ref().into();
    assert_eq!(file.found(&Lookup { from: Some(bob), ..search("tea") }), [30]);
    let bob = Some(Nick::new("bób").unwrap().key().as_ref().into());
    assert_eq!(file.found(&Lookup { from: bob.clone(), ..everything(Selection::Latest(None), 9) }), [30, 33]);
    let latest = Lookup { limit: 2, ..search("tea") };
    assert_eq!(file.found(&latest), [6, 30]);
    let after = Lookup { selection: Selection::After(Point::Time(4000)), limit: 1, ..search("tea") };
    assert_eq!(file.found(&after), [6]);
    let before = Lookup { selection: Selection::Before(Point::Time(30_000)), from: bob, ..search("tea") };
    assert_eq!(file.found(&before), [] as [u64; 0]);
}

#[test]
fn a_full_slice_is_merged_and_finds_the_same() {
    let mut file = File::with(keep(30 * DAY, 1 << 20));
    for chunk in 0..30 {
        let records: Vec<_> =
            (1..=20).map(|number| said(20 * chunk + number, "ana", &format!("tea {number}"))).collect();
        file.write(&records);
    }
    assert!(file.database.slices.needs_merge());
    let before = file.found(&search("tea 7"));
    assert_eq!(before.len(), 30);
    let mut steps = 0;
    while file.database.tidy(0, KEEP).unwrap() {
        steps += 1;
    }
    assert!(steps > 0);
    assert_eq!(file.found(&search("tea 7")), before);
    assert!(!file.reopen().database.slices.needs_merge());
}

#[test]
fn whatever_is_typed_is_no_error_of_the_file() {
    let mut file = File::new();
    file.write(&[said(1, "ana", "a b c")]);
    let many = "a ".repeat(30_000);
    let prefixes = "a* ".repeat(10_000);
    for words in ["²", "²*", "½ *a", "\"½\" a", "a\0b", "ª*", "\u{345}", "\u{345}a*", &many, &prefixes] {
        let found = file.database.find(&search(words));
        assert!(found.is_ok(), "{:.20}: {found:?}", words);
    }
}

#[test]
fn a_starting_daemon_takes_up_what_was_kept() {
    let mut file = File::new();
    let topic = |sequence, by, text: &'static str| {
        Durable::Event(Record { stamp: stamp(sequence), event: Event::Topic { by, text: text.into() } })
    };
    let marker = |time| Durable::Marker { account: "ana".into(), target: "#lobby".into(), time };
    let items = [
        topic(1, None, "configured"),
        Durable::Event(said(2, "ana", "hello")),
        topic(3, Some(person("ana", 1)), "chosen"),
        marker(7),
        marker(5),
    ];
    file.database.write(&items).unwrap();
    let kept = file.reopen().database.kept(50).unwrap();
    assert_eq!(kept.sequence, 3);
    let topic = kept.topic.unwrap();
    assert_eq!((&*topic.text, topic.by.unwrap().as_str(), topic.unix), ("chosen", "ana", 3000));
    assert_eq!(kept.configured_topic.as_deref(), Some("configured"));
    assert_eq!(kept.history, [said_back(2, "hello")]);
    assert_eq!(kept.markers, [("ana".into(), "#lobby".into(), 7)]);
}

#[test]
fn other_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let open = |first| Database::open(&path, KEEP, first).map(|_| ());
    std::fs::write(&path, "this is no database, but somebody's letter").unwrap();
    assert!(matches!(open(None), Err(StoreError::Damaged(_))));
    std::fs::remove_file(&path).unwrap();
    open(None).unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", MIGRATIONS.len() as i64 + 1).unwrap();
    drop(connection);
    let error = open(None).unwrap_err();
    assert!(matches!(error, StoreError::Newer { .. }));
    assert!(error.to_string().contains("a newer chatd has written it"), "{error}");
}

#[test]
fn a_file_that_goes_on_after_the_present_is_not_continued() {
    let mut file = File::new();
    file.write(&[said(100, "ana", "x")]);
    let path = file.directory.path().join(FILE);
    let open = |first| Database::open(&path, KEEP, Some(first)).map(|_| ());
    assert!(matches!(open(100), Err(StoreError::Ahead)));
    open(101).unwrap();
}

fn ban(subject: &str, until: Option<u64>) -> Arc<Ban> {
    let subject = Subject::parse(subject).unwrap();
    let (with, reason) = (Some(Nick::new("Bo").unwrap()), Some("spam".into()));
    Arc::new(Ban { subject, with, reason, since: 5, until, uid: 1000 })
}

fn subjects(database: &Database) -> Vec<String> {
    database.kept(0).unwrap().bans.iter().map(|ban| ban.subject.to_string()).collect()
}

#[test]
fn bans_are_read_as_they_were_written() {
    let account = Subject::account("ana@example.org").unwrap();
    let account = Arc::new(Ban { subject: account, with: None, reason: None, since: 9, until: Some(7), uid: 0 });
    let mut all: Vec<_> = ["192.0.2.7", "2001:db8::/64", "Ana", "unix:uid=7"].map(|text| ban(text, None)).into();
    all.push(account);
    let mut file = File::new();
    file.database.write(&all.iter().cloned().map(Durable::Banned).collect::<Vec<_>>()).unwrap();
    let mut file = file.reopen();
    let kept: Vec<_> = file.database.kept(0).unwrap().bans.into_iter().map(Arc::new).collect();
    assert_eq!(kept, all);
    // One that is made anew replaces the one before.
    let items = [Durable::Banned(ban("Ana", Some(99))), Durable::Unbanned(ban("192.0.2.7", None).subject.clone())];
    file.database.write(&items).unwrap();
    assert_eq!(subjects(&file.database), ["2001:db8::/64", "Ana", "unix:uid=7", "ana@example.org"]);
    // Bans that have ended go, also where no history is kept; the others stay.
    file.database.tidy(98, keep(0, 1 << 20)).unwrap();
    assert_eq!(subjects(&file.database), ["2001:db8::/64", "Ana", "unix:uid=7"]);
    file.database.tidy(99, keep(0, 1 << 20)).unwrap();
    assert_eq!(subjects(&file.database), ["2001:db8::/64", "unix:uid=7"]);
}

#[test]
fn an_address_that_is_not_banned_any_more_is_gone_from_the_files() {
    let mut file = File::new();
    file.database.write(&[Durable::Banned(ban("192.0.2.177", None))]).unwrap();
    let is_there = |file: &File| memchr::memmem::find(&file.bytes(), b"192.0.2.177").is_some();
    assert!(is_there(&file));
    let erased = file.database.write(&[Durable::Unbanned(ban("192.0.2.177", None).subject.clone())]).unwrap();
    assert!(erased);
    file.database.checkpoint().unwrap();
    assert!(!is_there(&file));
}

/// Every schema that was ever released becomes the current one.
#[test]
fn earlier_schemas_are_brought_up_to_date() {
    for version in 0..=MIGRATIONS.len() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let connection = rusqlite::Connection::open(&path).unwrap();
        MIGRATIONS[..version].iter().for_each(|step| connection.execute_batch(step).unwrap());
        connection.pragma_update(None, "user_version", version as i64).unwrap();
        if version > 0 {
            connection.execute_batch("INSERT INTO marker VALUES ('ana', '#lobby', 7)").unwrap();
        }
        drop(connection);
        let mut database = Database::open(&path, KEEP, None).unwrap();
        database.write(&[Durable::Event(said(1, "ana", "tea"))]).unwrap();
        assert_eq!(database.find(&search("tea")).unwrap().unwrap().entries.len(), 1, "from version {version}");
        database.write(&[Durable::Banned(ban("ana", None))]).unwrap();
        assert_eq!(subjects(&database), ["ana"], "from version {version}");
        let markers = database.kept(0).unwrap().markers;
        assert_eq!(markers.len(), usize::from(version > 0), "what was kept in version {version} still is");
    }
}
