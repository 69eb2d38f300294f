//! What is too old, too much or redacted leaves the file.

use super::*;

#[test]
fn redacted_words_are_nowhere_in_the_files() {
    let mut file = File::new();
    let secret = "xyzzyplugh";
    let texts = (2..3000).map(|number| said(number, "ana", &format!("word{number} and some more of it")));
    let mut records = vec![said(1, "ana", &format!("the password is {secret} of course"))];
    records.extend(texts);
    file.write(&records);
    file.database.checkpoint().unwrap();
    let contains = |file: &File, word: &str| {
        let bytes = file.bytes();
        memchr::memmem::find(&bytes, word.as_bytes()).is_some()
    };
    assert!(contains(&file, secret));
    assert_eq!(file.found(&search(secret)), [1]);
    let event = Event::Redacted { by: person("ana", 1), line: 1, reason: None };
    let erased = file.database.write(&[Durable::Event(Record { stamp: stamp(3000), event })]).unwrap();
    assert!(erased);
    file.database.checkpoint().unwrap();
    assert_eq!(file.found(&search(secret)), [] as [u64; 0]);
    assert!(!contains(&file, secret) && !contains(&file, "xyzzyplu"));
    assert_eq!(file.database.figures().unwrap().lines, 2999);
    assert_eq!(file.found(&Lookup::messages(Selection::After(Point::Event(0)), 2)), [2, 3]);
}

#[test]
fn what_is_too_old_or_too_much_goes_and_the_file_shrinks() {
    let mut file = File::with(keep(30 * DAY, 4 << 20));
    let text = "some words that take room in the file, again and again, until there are many of them";
    for chunk in 0..20 {
        let records: Vec<_> = (1..=1000).map(|number| said(1000 * chunk + number, "ana", text)).collect();
        file.write(&records);
    }
    // By time: 20,000 lines, one a second; at second 20,000, 5,000 are kept.
    while file.database.prune(20_000_000, keep(5000, u64::MAX)).unwrap() {}
    assert_eq!(file.found(&Lookup::messages(Selection::After(Point::Event(0)), 1)), [15_000]);
    assert_eq!(file.database.figures().unwrap().oldest, Some(15_000_000));
    assert_eq!(file.found(&Lookup { limit: 10_000, ..search("room") }).len(), 5001);
    // By size.
    let before = file.database.used().unwrap();
    let size = before / 2;
    while file.database.prune(20_000_000, keep(5000, size)).unwrap() {}
    let used = file.database.used().unwrap();
    assert!(used <= size && used > size / 3, "{used} of {size}");
    assert!(file.database.figures().unwrap().bytes < 3 * size, "the file shrinks, too");
    // Nothing at all.
    while file.database.prune(20_000_001, keep(0, size)).unwrap() {}
    assert_eq!(file.database.figures().unwrap().lines, 0);
    assert_eq!(file.found(&search("room")), [] as [u64; 0]);
    file.write(&[said(30_000, "bob", "anew")]);
    assert_eq!(file.found(&search("anew")), [30_000]);
}

/// A step gives back many pages, and is the last one if the file cannot become smaller.
#[test]
fn free_pages_are_given_back_in_a_few_steps() {
    for shrinks in [true, false] {
        let mut file = File::new();
        if !shrinks {
            let sql = "PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM";
            let File { directory, database } = file;
            drop(database);
            let connection = rusqlite::Connection::open(directory.path().join(FILE)).unwrap();
            connection.execute_batch(sql).unwrap();
            drop(connection);
            let database = Database::open(&directory.path().join(FILE), KEEP, None).unwrap();
            file = File { directory, database };
        }
        let records: Vec<_> = (1..=2000).map(|number| said(number, "ana", &"word ".repeat(100))).collect();
        file.write(&records);
        let before = file.database.figures().unwrap().bytes;
        let steps = (0..1000).take_while(|_| file.database.prune(0, keep(0, 1 << 30)).unwrap()).count();
        assert!(steps < 20, "{steps}");
        assert_eq!(file.database.figures().unwrap().bytes < before / 2, shrinks);
    }
}

#[test]
fn with_nothing_to_keep_lines_of_a_wrong_clock_go_too() {
    let mut file = File::new();
    file.write(&[said(1, "ana", "a"), said(2, "ana", "b")]);
    while file.database.prune(1500, keep(0, 1 << 30)).unwrap() {}
    assert_eq!(file.database.figures().unwrap().lines, 0);
}

#[test]
fn a_redaction_among_other_lines_leaves_no_words() {
    let mut file = File::new();
    let secret = "xyzzyplugh";
    let redaction = |sequence, line| {
        let event = Event::Redacted { by: person("ana", 1), line, reason: None };
        Durable::Event(Record { stamp: stamp(sequence), event })
    };
    let says = |sequence, text: &str| Durable::Event(said(sequence, "ana", text));
    let words = format!("{secret} tea");
    file.database.write(&[says(1, "tea"), says(2, &words), says(3, "tea")]).unwrap();
    let items = [says(4, &words), says(5, "tea"), redaction(6, 2), says(7, "tea"), redaction(8, 4), says(9, "tea")];
    assert!(file.database.write(&items).unwrap());
    file.database.checkpoint().unwrap();
    assert!(memchr::memmem::find(&file.bytes(), secret.as_bytes()).is_none());
    assert_eq!(file.found(&search("tea")), [1, 3, 5, 7, 9]);
    assert_eq!(file.database.figures().unwrap().lines, 7);
}

/// A machine without a clock of its own may begin in 1970, or in the wrong year.
#[test]
fn a_wrong_clock_makes_no_other_lines_too_old() {
    let mut file = File::new();
    let at = |sequence, seconds: u64| {
        let Record { event, .. } = said(sequence, "ana", "x");
        Record { stamp: Stamp { sequence, unix: 1000 * seconds }, event }
    };
    // A week from line to line, but the third to fifth are from 1970, the eighth is from far ahead.
    let days = [100, 107, 0, 0, 0, 114, 121, 9000, 128];
    let records: Vec<_> = (1..).zip(days).map(|(number, day)| at(number, day * DAY)).collect();
    file.write(&records);
    let left = |file: &mut File, day: u64| {
        while file.database.prune(1000 * day * DAY, keep(30 * DAY, 1 << 30)).unwrap() {}
        file.found(&Lookup::messages(Selection::Latest(None), 100))
    };
    assert_eq!(left(&mut file, 129), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(left(&mut file, 131), [2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(left(&mut file, 138), [6, 7, 8, 9]);
    assert_eq!(left(&mut file, 152), [8, 9]);
    assert_eq!(left(&mut file, 159), [] as [u64; 0]);
}
