//! Microbenchmarks of single parts: decoding, rendering, names, the log.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that meets what it does not expect stops, and says where"
)]

use std::sync::Arc;

use chatd::chat::{Answer, Command, Event, Look, Nick, Now, Person, Reason, Reply, Stamp, Words, clean};
use chatd::dialect::irc::Server;
use chatd::dialect::{ClientContext, Dialect, Input, Lines, Protocol};
use chatd::room::{Actor, HistoryLimit, Log, Outcome, State};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const NOW: Now = Now { ticks: 0, unix: 0 };
const STAMP: Stamp = Stamp { sequence: 1, unix: 0 };
const LINE: &str = "A line of chat as people write them, sixty-three characters long.";

#[divan::bench]
fn nick_ascii() -> Nick {
    Nick::new(black_box("luzmi")).unwrap()
}

#[divan::bench]
fn nick_unicode() -> Nick {
    Nick::new(black_box("Ñandú")).unwrap()
}

#[divan::bench]
fn look_ascii() -> Look {
    Look::of(black_box(&Nick::new("luzmi").unwrap()))
}

#[divan::bench]
fn look_unicode() -> Look {
    Look::of(black_box(&Nick::new("Ñandú").unwrap()))
}

#[divan::bench]
fn choose_unicode() -> Nick {
    Nick::choose(black_box("Ñandú")).unwrap()
}

#[divan::bench]
fn clean_ascii() -> usize {
    clean(black_box(LINE.as_bytes()), 2048).text.len()
}

#[divan::bench]
fn clean_unicode() -> usize {
    clean(black_box("Sesenta y tres años después, ¿quién lo habría dicho? 👋".as_bytes()), 2048).text.len()
}

/// Decodes a hundred lines from one read.
#[divan::bench]
fn text_decode_100(bencher: Bencher<'_, '_>) {
    decode_100(bencher, &Protocol::Text, &format!("{LINE}\n"));
}

/// Decodes a hundred lines of IRC from one read.
#[divan::bench]
fn irc_decode_100(bencher: Bencher<'_, '_>) {
    decode_100(bencher, &Protocol::Irc, &format!("PRIVMSG #lobby :{LINE}\r\n"));
}

fn decode_100(bencher: Bencher<'_, '_>, protocol: &Protocol, line: &str) {
    let mut state = state();
    let (mut dialect, me) = member(&mut state, protocol);
    let input = line.repeat(100);
    bencher.bench_local(|| {
        let (mut rest, mut out, mut count) = (black_box(input.as_bytes()), Vec::new(), 0);
        let answer = &mut Answer { view: &state.view_for(Some(me.id)), bytes: &mut out };
        while let Input::Command(command) = dialect.next(NOW, &mut rest, answer) {
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
    render(bencher, &Protocol::Text);
}

#[divan::bench]
fn irc_render(bencher: Bencher<'_, '_>) {
    render(bencher, &Protocol::Irc);
}

fn render(bencher: Bencher<'_, '_>, protocol: &Protocol) {
    let (form, state, mut out) = (connected(protocol).form(), state(), Vec::new());
    let (event, view) = (Event::Said(person("ana"), Words::plain(LINE)), state.view_for(None));
    bencher.bench_local(|| {
        out.clear();
        form.render(STAMP, black_box(&event), &view, &mut out);
    });
}

/// Answers a query in a room of ten thousand: the longest answers there are, all parts together.
#[divan::bench(args = ["NAMES", "WHO", "LUSERS"])]
fn irc_answer_10000(bencher: Bencher<'_, '_>, question: &str) {
    let mut state = state();
    let (mut dialect, me) = member(&mut state, &Protocol::Irc);
    for index in 0..10_000 {
        joined(&mut state, &format!("user{index}"));
    }
    let question = format!("{question} #lobby\r\n");
    let mut out = Vec::new();
    bencher.bench_local(|| {
        out.clear();
        let mut rest = question.as_bytes();
        while !rest.is_empty() || dialect.is_busy() {
            let answer = &mut Answer { view: &state.view_for(Some(me.id)), bytes: &mut out };
            dialect.next(NOW, &mut rest, answer);
            dialect.finish(&mut Vec::new());
        }
    });
}

/// The longest single step for one client: a part of WHO with a mask.
#[divan::bench(args = ["*", "u*s*e*r*?*?*?*?*?*", "*x*"])]
fn irc_who_part(bencher: Bencher<'_, '_>, mask: &str) {
    let mut state = state();
    let (mut dialect, me) = member(&mut state, &Protocol::Irc);
    for index in 0..10_000 {
        joined(&mut state, &format!("user{index}"));
    }
    let (question, mut out) = (format!("WHO {mask}\r\n"), Vec::new());
    bencher.bench_local(|| {
        out.clear();
        let mut rest: &[u8] = if dialect.is_busy() { b"" } else { question.as_bytes() };
        let answer = &mut Answer { view: &state.view_for(Some(me.id)), bytes: &mut out };
        dialect.next(NOW, &mut rest, answer);
        dialect.finish(&mut Vec::new());
    });
}

/// Appends to a feed, freezes it, and frees what was read.
#[divan::bench]
fn log_append_and_freeze(bencher: Bencher<'_, '_>) {
    let (mut log, state) = (Log::default(), state());
    log.subscribe(connected(&Protocol::Text).form());
    let event = Event::Said(person("ana"), Words::plain(LINE));
    bencher.bench_local(|| {
        let stamp = log.append(NOW);
        log.render(stamp, &event, &state.view_for(None));
        let rounds = log.begin_round();
        log.end_round(rounds);
    });
}

/// Appends a message in a room with 50 lines of history.
#[divan::bench]
fn room_append(bencher: Bencher<'_, '_>) {
    let mut state = state();
    let (_, ana) = member(&mut state, &Protocol::Text);
    bencher.bench_local(|| {
        black_box(performs(&mut state, Some(&ana), Command::Say(Words::plain(LINE))));
        let rounds = state.log.begin_round();
        state.log.end_round(rounds);
    });
}

/// Joins and leaves a room of a thousand users.
/// A hundred lines, collected for the disk, and handed over to a queue in one go.
#[divan::bench(args = [false, true])]
fn room_append_100(bencher: Bencher<'_, '_>, durable: bool) {
    let mut state = state();
    state.set_durable(durable);
    let ana = joined(&mut state, "ana");
    let mut queue = Vec::new();
    bencher.bench_local(|| {
        for _ in 0..100 {
            let actor = Actor { person: Some(ana.id), session: 0 };
            let _ = black_box(state.perform(NOW, actor, Command::Say(Words::plain(black_box(LINE)))));
        }
        queue.push(state.take_durable());
    });
}

#[divan::bench]
fn room_join_and_leave(bencher: Bencher<'_, '_>) {
    let mut state = state();
    member(&mut state, &Protocol::Text);
    for index in 0..1000 {
        joined(&mut state, &format!("user{index}"));
    }
    bencher.bench_local(|| {
        let ana = joined(&mut state, "newcomer");
        state.commit(NOW, &Event::Left(ana, Reason::Quit(None)));
        let rounds = state.log.begin_round();
        state.log.end_round(rounds);
    });
}

fn state() -> State {
    State::new(NOW, "lobby", "", HistoryLimit { length: 50, size: 1 << 20 })
}

fn connected(protocol: &Protocol) -> Dialect {
    let (name, room) = ("irc.test".into(), "lobby".into());
    let server = Arc::new(Server { name, room, autojoin: true, started: 0, secure_port: None });
    let client = ClientContext { line_length: 2048, encrypted: false, local: true, account: None, irc: &server };
    protocol.new_dialect(NOW, client)
}

/// A client called `ana` in the room that reads its events.
fn member(state: &mut State, protocol: &Protocol) -> (Dialect, Arc<Person>) {
    let mut dialect = connected(protocol);
    state.log.subscribe(dialect.form());
    let ana = joined(state, "ana");
    for event in [Event::Registered(ana.clone()), Event::Joined(ana.clone())] {
        let answer = &mut Answer { view: &state.view_for(Some(ana.id)), bytes: &mut Vec::new() };
        dialect.reply(Reply::Done(STAMP, &event), answer);
    }
    (dialect, ana)
}

fn person(name: &str) -> Arc<Person> {
    Arc::new(Person::named(Nick::new(name).unwrap()))
}

fn joined(state: &mut State, name: &str) -> Arc<Person> {
    let register =
        Command::Register { name: name.to_owned().into(), profile: Box::default(), enter: true, guest: false };
    let Event::Registered(person) = performs(state, None, register) else { unreachable!() };
    performs(state, Some(&person), Command::Enter);
    person
}

fn performs(state: &mut State, who: Option<&Arc<Person>>, command: Command<'static>) -> Event<'static> {
    let actor = Actor { person: who.map(|who| who.id), session: 0 };
    let Ok(Outcome::Done(_, event)) = state.perform(NOW, actor, command) else { unreachable!() };
    event
}
