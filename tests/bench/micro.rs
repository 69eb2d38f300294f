//! The pure parts by themselves: decoding, rendering, names, the log. Times of one call.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that meets what it does not expect stops, and says where"
)]

use std::sync::Arc;

use chatd::chat::{Command, Event, Form, Nick, Now, Person, Reason, Reply, Stamp, Words, clean};
use chatd::dialect::irc::{Irc, Server};
use chatd::dialect::text::Text;
use chatd::dialect::{Dialect, Input, Lines, Setting};
use chatd::room::{Feed, HistoryLimit, Room};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const NOW: Now = Now { ticks: 0, unix: 0 };
const STAMP: Stamp = Stamp { sequence: 1, unix: 0 };
const LINE: &str = "A line of chat as people write them, sixty-three characters long.";

fn form() -> Arc<dyn Form> {
    Text::new(2048).form()
}

#[divan::bench]
fn nick_ascii() -> Nick {
    Nick::new(black_box("luzmi")).unwrap()
}

#[divan::bench]
fn nick_unicode() -> Nick {
    Nick::new(black_box("Ñandú")).unwrap()
}

#[divan::bench]
fn clean_ascii() -> usize {
    clean(black_box(LINE.as_bytes()), 2048).text.len()
}

#[divan::bench]
fn clean_unicode() -> usize {
    clean(black_box("Sesenta y tres años después, ¿quién lo habría dicho? 👋".as_bytes()), 2048).text.len()
}

/// A hundred lines in one read.
#[divan::bench]
fn text_decode_100(bencher: Bencher<'_, '_>) {
    let mut dialect = Text::new(2048);
    let room: Room<()> = room();
    dialect.reply(Reply::Registered { person: &person("ana").into(), view: &room.lock() }, &mut Vec::new());
    decode_100(bencher, dialect, &format!("{LINE}\n"));
}

fn decode_100(bencher: Bencher<'_, '_>, mut dialect: impl Dialect, line: &str) {
    let input = line.repeat(100);
    bencher.bench_local(|| {
        let (mut rest, mut out, mut count) = (black_box(input.as_bytes()), Vec::new(), 0);
        while let Input::Command(command) = dialect.next(NOW, &mut rest, &mut out) {
            black_box(command);
            count += 1;
        }
        assert_eq!(count, 100);
    });
}

#[divan::bench]
fn lines_split_anywhere_100(bencher: Bencher<'_, '_>) {
    let input = format!("{LINE}\n").repeat(100);
    let mut lines = Lines::new(2048);
    bencher.bench_local(|| {
        for mut piece in black_box(input.as_bytes()).chunks(50) {
            while let Some(line) = lines.next(&mut piece) {
                black_box(line);
            }
        }
    });
}

#[divan::bench]
fn text_render(bencher: Bencher<'_, '_>) {
    render(bencher, &*form());
}

fn render(bencher: Bencher<'_, '_>, form: &dyn Form) {
    let (ana, words, mut out) = (person("ana"), Words::plain(LINE), Vec::new());
    bencher.bench_local(|| {
        out.clear();
        form.render(STAMP, black_box(Event::Said(&ana, &words)), &mut out);
    });
}

/// A hundred lines of IRC in one read.
#[divan::bench]
fn irc_decode_100(bencher: Bencher<'_, '_>) {
    decode_100(bencher, irc(&room()), &format!("PRIVMSG #lobby :{LINE}\r\n"));
}

#[divan::bench]
fn irc_render(bencher: Bencher<'_, '_>) {
    render(bencher, &*irc(&room()).form());
}

/// What a room of ten thousand is asked for: the longest answers that there are.
#[divan::bench(args = ["NAMES", "WHO", "LUSERS"])]
fn irc_answer_10000(bencher: Bencher<'_, '_>, question: &str) {
    let room = room();
    for index in 0..10_000 {
        joined(&room, &format!("user{index}"));
    }
    let mut irc = irc(&room);
    let question = format!("{question} #lobby\r\n");
    let mut out = Vec::new();
    bencher.bench_local(|| {
        out.clear();
        assert_eq!(irc.next(NOW, &mut question.as_bytes(), &mut out), Input::Command(Command::Look));
        irc.reply(Reply::Look(&room.lock()), &mut out);
        irc.finish(&mut out);
    });
}

/// Append to a feed, freeze it, and let go of what was read.
#[divan::bench]
fn feed_append_and_freeze(bencher: Bencher<'_, '_>) {
    let mut feed = Feed::new(form());
    feed.add_reader();
    bencher.bench_local(|| {
        if let Some((_, tail)) = feed.tail() {
            tail.extend_from_slice(LINE.as_bytes());
        }
        let head = feed.freeze();
        feed.set_delivered(head);
    });
}

/// A line said in a room with 50 lines of history, up to the bell.
#[divan::bench]
fn room_append(bencher: Bencher<'_, '_>) {
    let room = room();
    let (ana, words) = (joined(&room, "ana"), Words::plain(LINE));
    bencher.bench_local(|| {
        let mut locked = room.lock();
        locked.say(NOW, Event::Said(&ana, &words));
        let rounds = locked.begin_round();
        locked.end_round(rounds);
    });
}

/// Joining and leaving a room of a thousand.
#[divan::bench]
fn room_join_and_leave(bencher: Bencher<'_, '_>) {
    let room = room();
    for index in 0..1000 {
        joined(&room, &format!("user{index}"));
    }
    bencher.bench_local(|| {
        let ana = joined(&room, "ana");
        let mut locked = room.lock();
        locked.leave(NOW, &ana.nick, &Reason::Quit(None));
        let rounds = locked.begin_round();
        locked.end_round(rounds);
    });
}

fn room() -> Room<()> {
    Room::new(NOW, "lobby", "", HistoryLimit { length: 50, size: 1 << 20 })
}

/// An IRC client who has registered, and comes into the room.
fn irc(room: &Room<()>) -> Irc {
    let server = Server {
        name: "irc.test".into(),
        room: "lobby".into(),
        autojoin: true,
        started: 0,
        secure_port: None,
        markers: Arc::default(),
    };
    let server = Arc::new(server);
    let mut irc =
        Irc::new(NOW, Setting { line_length: 2048, encrypted: false, local: true, account: None, irc: &server });
    let mut locked = room.lock();
    let ana = locked.register(NOW, person("ana"), ()).unwrap();
    let (_, stamp) = locked.enter(NOW, &ana.nick, irc.form()).unwrap();
    irc.reply(Reply::Registered { person: &ana, view: &locked }, &mut Vec::new());
    irc.reply(Reply::Welcome { person: &ana, stamp, view: &locked }, &mut Vec::new());
    irc
}

fn person(name: &str) -> Person {
    Person::named(Nick::new(name).unwrap())
}

fn joined(room: &Room<()>, name: &str) -> Arc<Person> {
    let mut locked = room.lock();
    let person = locked.register(NOW, person(name), ()).unwrap();
    locked.enter(NOW, &person.nick, form()).unwrap();
    person
}
