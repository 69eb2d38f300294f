//! Defects that were found by reading, each as the few steps that bring it about.

use std::time::Duration;

use chatd::chat::Event;
use chatd::config::{Limits, PerAddress};

use super::{Kind, World, limits};

/// A socket that takes whatever comes.
const LARGE: usize = 1 << 24;

/// Limits that nobody here reaches.
fn generous() -> Limits {
    Limits {
        message_rate: 1_000_000,
        message_burst: 1_000_000,
        max_lag: 1 << 20,
        backlog: 64 << 20,
        line_length: 2048,
        ..limits()
    }
}

fn text_of(world: &mut World, client: usize) -> String {
    world.read(client, usize::MAX);
    world.text(client)
}

#[test]
fn a_message_to_oneself_and_a_form_change_in_one_packet_keep_their_order() {
    let mut world = World::new();
    let ana = world.join(Kind::Irc, LARGE);
    world.notice();
    world.write(ana, "PRIVMSG c0 :x\r\nCAP REQ :server-time\r\nPING token\r\n");
    world.settle();
    let text = text_of(&mut world, ana);
    let places = ["?1?", "PRIVMSG c0 :x", "CAP c0 ACK", "PONG irc.test :token"].map(|part| text.find(part));
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{text}");
    assert_eq!(world.connections.session(world.clients[ana].id).unwrap().output().answers(), 0);
}

#[test]
fn a_stop_processes_a_bounded_amount_of_input() {
    let mut world = World::with(Limits { message_rate: 1, message_burst: 1, ..generous() }, 0);
    let people: Vec<usize> = (0..150).map(|_| world.join(Kind::Irc, 4096)).collect();
    for client in &people {
        world.write(*client, "WHO #lobby\r\n".repeat(64 * 1024 / 12));
    }
    world.turns(10_000);
    world.connections.begin_stop();
    world.connections.ids().for_each(|id| world.connections.drain_input(id));
    let mut turns = 0;
    while let Some(id) = world.connections.next_woken() {
        world.connections.turn(id, world.now);
        turns += 1;
    }
    // Each has one answer of 150 lines in steps of 64, until 64 KiB wait.
    assert!(turns < 150 * 60, "{turns} turns");
    let kept = world.connections.state.log.backlog().bytes();
    assert!(kept < 150 * 80 * 1024, "{kept} bytes are kept");
}

#[test]
fn a_stop_processes_input_that_waits_for_its_rate() {
    let mut world = World::with(Limits { message_rate: 1, message_burst: 1, ..generous() }, 0);
    let ana = world.join(Kind::Text, LARGE);
    let bo = world.join(Kind::Text, LARGE);
    world.pass(Duration::from_secs(10));
    world.settle();
    (0..50).for_each(|_| world.say(bo));
    world.settle();
    world.stop();
    world.calm_down(Duration::from_secs(10));
    assert_eq!(world.seen(ana), (1..=50).collect::<Vec<_>>());
}

#[test]
fn a_paced_client_that_reads_nothing_is_bounded() {
    let mut world = World::with(generous(), 0);
    let student = world.join(Kind::Classic, 64);
    let ana = world.join(Kind::Irc, LARGE);
    let name = world.clients[student].name.clone();
    for _ in 0..200 {
        world.write(ana, format!("PRIVMSG {name} :{}\r\n", "x".repeat(300)).repeat(100));
        world.settle();
        world.read(ana, usize::MAX);
        assert!(world.connections.state.log.backlog().bytes() < 2 << 20);
    }
    assert!(world.text(ana).contains("too slow"), "it was disconnected for that");
}

#[test]
fn a_client_kicked_in_the_middle_of_a_round_gets_everything_said_before() {
    let mut world = World::with(generous(), 0);
    let people: Vec<usize> = (0..40).map(|_| world.join(Kind::Text, LARGE)).collect();
    for (place, kicked) in people.iter().enumerate().skip(1).step_by(7) {
        world.say(people[0]);
        world.turns(10);
        // What somebody holds cuts the news into several blocks.
        world.connections.state.commit(world.now, &Event::Notice("block".into()));
        let newcomer = world.connect(Kind::Text, LARGE, usize::MAX);
        let login = world.login_of(newcomer);
        world.write(newcomer, login);
        world.turns(10);
        world.write(newcomer, "/quit\n");
        world.turns(10);
        world.say(people[0]);
        world.turns(10);
        world.deliver(16);
        world.kick(*kicked);
        world.say(people[0]);
        world.settle();
        let (all, own) = (text_of(&mut world, people[0]), text_of(&mut world, *kicked));
        // Everything between its own joining and its end is there, once.
        let name = &world.clients[*kicked].name;
        let since = format!("*** {name} has joined\n");
        let expected = all.split_once(&since).unwrap().1;
        let seen = own.split_once("*** Topic: tea\n").unwrap().1;
        let seen = seen.strip_suffix("*** Goodbye: kicked.\n").unwrap();
        assert!(expected.starts_with(seen), "client {place} sees {seen:?} of {expected:?}");
        assert!(expected[seen.len()..].starts_with(&format!("*** {name} has left (kicked)\n")));
    }
}

#[test]
fn input_is_processed_before_time_limits() {
    let mut world = World::with(generous(), 0);
    // It has spoken at once, but nobody had time for it.
    let ana = world.connect(Kind::Auto, LARGE, usize::MAX);
    world.clients[ana].wire.borrow_mut().to_server.extend(*b"NICK ana\r\nUSER u 0 * :real\r\n");
    world.pass(Duration::from_secs(30));
    world.settle();
    assert!(text_of(&mut world, ana).starts_with(":irc.test 001 ana "));
    // The process is suspended for longer than an answer to PING may take, and the answer is there.
    world.pass(Duration::from_secs(121));
    world.settle();
    assert!(text_of(&mut world, ana).ends_with("PING :irc.test\r\n"));
    world.clients[ana].wire.borrow_mut().to_server.extend(*b"PONG irc.test\r\n");
    world.pass(Duration::from_secs(3600));
    world.settle();
    assert_eq!(world.connections.state.people.len(), 1);
    // A message whose second half has arrived in time is not torn, however late both are looked at.
    let student = world.join(Kind::Classic, LARGE);
    world.write(student, "hel");
    world.turns(1);
    world.clients[student].wire.borrow_mut().to_server.extend(*b"lo");
    world.pass(Duration::from_secs(1));
    world.settle();
    world.pass(Duration::from_secs(1));
    world.settle();
    assert!(text_of(&mut world, ana).contains(":hello\r\n"), "{}", world.text(ana));
}

#[test]
fn own_answers_do_not_count_as_lag() {
    let mut world = World::with(Limits { max_lag: 64 * 1024, ..generous() }, 10_000);
    let ana = world.join(Kind::Irc, LARGE);
    for _ in 0..10_000 {
        world.notice();
    }
    for _ in 0..200 {
        world.join(Kind::Text, LARGE);
    }
    world.settle();
    world.read(ana, usize::MAX);
    // The history alone is more than anybody may lag behind.
    let newcomer = world.join(Kind::Irc, 4096);
    assert!(world.connections.session(world.clients[newcomer].id).unwrap().is_open());
    world.calm_down(Duration::from_secs(1));
    assert_eq!(world.seen(newcomer).len(), 10_000);
    // So is the answer to a question about everybody, for somebody who reads as fast as it comes.
    world.write(newcomer, "WHO #lobby\r\n".repeat(20));
    for _ in 0..400 {
        world.clients[newcomer].wire.borrow_mut().capacity = 2000;
        world.settle();
        world.read(newcomer, usize::MAX);
    }
    assert_eq!(world.text(newcomer).matches(" 315 ").count(), 20);
}

#[test]
fn a_client_that_has_not_read_its_welcome_lags_like_any_other() {
    let mut world = World::with(Limits { max_lag: 16 * 1024, ..generous() }, 0);
    let ana = world.join(Kind::Text, LARGE);
    let newcomer = world.join(Kind::Text, 1);
    let changing = world.join(Kind::Irc, 4096);
    world.read(changing, usize::MAX);
    world.clients[changing].wire.borrow_mut().capacity = 1;
    world.write(changing, "CAP REQ :server-time\r\n");
    world.settle();
    // No time passes, so neither has a turn of its own.
    world.write(ana, format!("{}\n", "x".repeat(1000)).repeat(20));
    world.settle();
    for client in [newcomer, changing] {
        assert!(!world.is_member(client), "client {client} is {} bytes behind", world.owed(world.clients[client].id));
    }
}

#[test]
fn a_client_whose_turn_comes_before_the_round_does_not_lag() {
    let mut world = World::with(Limits { max_lag: 16 * 1024, ..generous() }, 0);
    let ana = world.join(Kind::Text, LARGE);
    let bo = world.join(Kind::Text, LARGE);
    world.write(bo, format!("{}\n", "x".repeat(1000)).repeat(20));
    world.write(ana, "/topic\n");
    world.settle();
    assert!(world.is_member(ana), "it has read everything that it could");
}

#[test]
fn long_answers_are_split_over_turns() {
    let mut world = World::with(generous(), 0);
    for _ in 0..2000 {
        world.join(Kind::PodSixNet, LARGE);
    }
    let ana = world.join(Kind::Irc, LARGE);
    world.settle();
    world.read(ana, usize::MAX);
    let mask = "*?".repeat(60);
    for question in [format!("WHO {mask}\r\n"), "WHO #lobby\r\n".to_owned(), "WHO *\r\n".to_owned()] {
        world.write(ana, question);
        let mut turns = 0;
        while let Some(id) = world.connections.next_woken() {
            let before = world.clients[ana].wire.borrow().to_client.len();
            world.connections.turn(id, world.now);
            let written = world.clients[ana].wire.borrow().to_client.len() - before;
            assert!(written < 16 * 1024, "{written} bytes in one turn");
            turns += 1;
        }
        assert!(turns < 100, "{turns} turns");
        world.read(ana, usize::MAX);
    }
    assert_eq!(world.text(ana).matches(" 315 ").count(), 3);
}

#[test]
fn a_watcher_that_leaves_is_removed_from_all_its_names() {
    let mut world = World::with(generous(), 0);
    let people: Vec<usize> = (0..300).map(|_| world.join(Kind::Irc, LARGE)).collect();
    for (number, client) in people.iter().enumerate() {
        let names: Vec<String> = (0..20).map(|name| format!("w{number}x{name}")).collect();
        world.write(*client, format!("MONITOR + {},shared\r\n", names.join(",")));
    }
    world.settle();
    people[..299].iter().for_each(|client| world.end(*client, true));
    world.settle();
    let last = people[299];
    let name = world.clients[last].name.clone();
    world.write(last, format!("MONITOR + {name}\r\nNICK shared\r\n"));
    world.settle();
    assert!(text_of(&mut world, last).contains(":irc.test 730 shared :shared!u@irc.test\r\n"));
    assert_eq!(world.connections.len(), 1);
}

#[test]
fn the_backlog_of_all_clients_is_bounded() {
    let bound = 2 << 20;
    let mut world = World::with(Limits { backlog: bound, ..generous() }, 0);
    let talker = world.join(Kind::Text, LARGE);
    let stalled: Vec<usize> = (0..128).map(|_| world.join(Kind::Irc, 1024)).collect();
    let capabilities = ["server-time", "message-tags", "account-tag", "away-notify", "extended-join", "setname"];
    for round in 0..60_usize {
        for (number, client) in stalled.iter().enumerate() {
            // Each in its own order: many forms, each with a log of its own.
            let name = capabilities[(number / (1 + round % 5) + round) % capabilities.len()];
            world.write(*client, format!("CAP REQ :{}{name}\r\n", if round % 2 == 0 { "" } else { "-" }));
        }
        for _ in 0..5 {
            world.write(talker, format!("{}\n", "x".repeat(1500)));
        }
        world.settle();
        world.read(talker, usize::MAX);
        let kept = world.connections.state.log.backlog().bytes();
        assert!(kept < bound + (512 << 10), "{kept} bytes are kept");
    }
    assert!(world.connections.counters.backlog > 0);
    assert!(world.connections.session(world.clients[talker].id).unwrap().is_open(), "who keeps up stays");
}

#[test]
fn a_form_change_does_not_copy_the_old_feed() {
    let mut world = World::with(generous(), 0);
    let talker = world.join(Kind::Text, LARGE);
    let stalled: Vec<usize> = (0..50).map(|_| world.join(Kind::Irc, 64)).collect();
    for _ in 0..200 {
        world.write(talker, format!("{}\n", "x".repeat(1500)));
    }
    world.settle();
    let before = world.connections.state.log.backlog().bytes();
    for client in &stalled {
        world.write(*client, "CAP REQ :server-time\r\nPART #lobby\r\n");
    }
    world.settle();
    let after = world.connections.state.log.backlog().bytes();
    assert!(after < before + 50 * 1024, "{before} bytes became {after}");
    world.calm_down(Duration::from_secs(1));
    for client in stalled {
        assert!(world.text(client).matches(&"x".repeat(400)).count() >= 200, "nothing is missing");
    }
}

#[test]
fn a_client_outside_the_room_can_be_kicked_without_a_leave_event() {
    let mut world = World::new();
    let ana = world.join(Kind::Irc, LARGE);
    let bo = world.join(Kind::Irc, LARGE);
    world.write(bo, "PART #lobby\r\n");
    world.settle();
    world.read(ana, usize::MAX);
    let before = world.text(ana);
    world.kick(bo);
    world.settle();
    assert_eq!(text_of(&mut world, ana), before, "nobody is told twice");
    assert!(text_of(&mut world, bo).ends_with("ERROR :Closing link: kicked\r\n"));
    assert_eq!(world.connections.state.people.len(), 1);
}

#[test]
fn a_client_that_reads_nothing_for_a_minute_is_disconnected() {
    let mut world = World::new();
    let ana = world.join(Kind::Text, 200);
    world.write(ana, "/help\n".repeat(40));
    world.settle();
    world.pass(Duration::from_secs(61));
    world.settle();
    assert_eq!(world.connections.state.people.len(), 0);
}

#[test]
fn a_full_transport_is_retried_without_a_readiness_event() {
    let mut world = World::with(generous(), 0);
    let bo = world.join(Kind::Text, LARGE);
    world.read(bo, usize::MAX);
    (world.clients[bo].wire.borrow_mut().capacity, world.clients[bo].wire.borrow_mut().deaf) = (100, true);
    for _ in 0..20 {
        world.notice();
        world.settle();
    }
    world.read(bo, usize::MAX);
    world.settle();
    let seen = world.seen(bo).len();
    assert!(seen < 20 && world.clients[bo].wire.borrow().to_client.is_empty(), "it was told of nothing");
    world.calm_down(Duration::from_secs(2));
    assert_eq!(world.seen(bo), (1..=20).collect::<Vec<_>>());
}

#[test]
fn a_client_that_connects_during_a_stop_is_closed() {
    let mut world = World::new();
    world.connections.begin_stop();
    for kind in [Kind::Text, Kind::Irc, Kind::Auto] {
        let client = world.connect(kind, LARGE, usize::MAX);
        world.write(client, "NICK ana\r\nUSER u 0 * :real\r\n");
        world.settle();
        let said = text_of(&mut world, client);
        assert_eq!(said.contains("the server is stopping"), kind != Kind::Auto, "{said}");
        assert!(world.clients[client].wire.borrow().server_ended);
        world.end(client, false);
        world.settle();
        assert!(world.connections.is_empty() && world.connections.state.people.is_empty());
    }
}

#[test]
fn who_say_too_much_together_take_turns_and_nobody_else_waits() {
    let rate = 32 << 10;
    let limits = Limits { message_rate: 50, message_burst: 5, line_length: 400, room_rate: rate, ..generous() };
    let mut world =
        World::with(Limits { per_address: PerAddress { room_rate: 1 << 30, ..limits.per_address }, ..limits }, 0);
    let quiet = world.join(Kind::Text, LARGE);
    let talkers: Vec<usize> = (0..8).map(|_| world.join(Kind::Irc, LARGE)).collect();
    for _ in 0..500 {
        talkers.iter().for_each(|talker| world.say_at_length(*talker, 340));
    }
    world.pass_by_alarms(Duration::from_secs(20));
    world.read(quiet, usize::MAX);
    let seen = world.seen(quiet);
    let shares: Vec<usize> =
        talkers.iter().map(|talker| seen.iter().filter(|n| world.authors[**n - 1] == Some(*talker)).count()).collect();
    let bytes = seen.len() * (340 + 64);
    assert!((20 * rate..23 * rate).contains(&bytes), "{bytes} bytes");
    let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
    assert!(most - least <= 2, "{shares:?}");
    // Who has said nothing yet says it at once.
    world.say(quiet);
    let number = world.said;
    world.settle();
    world.read(talkers[0], usize::MAX);
    assert!(world.seen(talkers[0]).contains(&number));
    assert!(world.connections.counters.room_rate > 0);
    world.pass_by_alarms(Duration::from_secs(60));
    world.read(quiet, usize::MAX);
    assert_eq!(world.seen(quiet).len(), 8 * 500 + 1, "nothing is lost");
}

#[test]
fn one_address_does_not_say_everything() {
    let rate = 32 << 10;
    let limits = Limits { message_rate: 50, message_burst: 5, line_length: 400, room_rate: 2 * rate, ..generous() };
    let mut world =
        World::with(Limits { per_address: PerAddress { room_rate: rate, ..limits.per_address }, ..limits }, 0);
    let talkers: Vec<usize> = (0..8).map(|_| world.join(Kind::Text, LARGE)).collect();
    for _ in 0..300 {
        talkers.iter().for_each(|talker| world.say_at_length(*talker, 340));
    }
    world.pass_by_alarms(Duration::from_secs(10));
    world.read(talkers[0], usize::MAX);
    let bytes = world.seen(talkers[0]).len() * (340 + 64);
    assert!((10 * rate..13 * rate).contains(&bytes), "{bytes} bytes");
}

#[test]
fn who_comes_and_goes_or_changes_names_all_the_time_is_read_more_slowly() {
    let mut world = World::with(Limits { message_rate: 5, message_burst: 20, change_cost: 10, ..generous() }, 0);
    let watcher = world.join(Kind::Text, LARGE);
    let ana = world.join(Kind::Irc, LARGE);
    let bo = world.join(Kind::Text, LARGE);
    world.write(ana, "PART #lobby\r\nJOIN #lobby\r\n".repeat(100));
    world.write(bo, (0..100).map(|n| format!("/nick b{n}\n")).collect::<String>());
    world.pass_by_alarms(Duration::from_secs(20));
    let text = text_of(&mut world, watcher);
    let [left, renamed] = ["*** c1 has left", "is now known as"].map(|what| text.matches(what).count());
    // Two at once, and then one in two seconds.
    assert!((9..=12).contains(&left) && (11..=13).contains(&renamed), "{left}, {renamed}");
}

#[test]
fn of_a_client_over_its_rate_little_is_kept() {
    let mut world = World::with(Limits { message_rate: 5, message_burst: 20, ..generous() }, 0);
    let ana = world.join(Kind::Text, LARGE);
    world.write(ana, "/topic\n".repeat(20_000));
    world.settle();
    let left = world.clients[ana].wire.borrow().to_server.len();
    assert!(left > 20_000 * 7 - 5000, "{left} bytes are left to the kernel");
}

/// As by the tables of a newer program.
#[test]
fn of_two_whose_names_have_become_the_same_the_later_one_is_told_and_leaves() {
    let mut world = World::with(generous(), 0);
    let (first, later) = (world.join(Kind::Text, LARGE), world.join(Kind::Text, LARGE));
    world.save_and_restore_as(false, |mut state| {
        for at in 0..state.len() - 1 {
            if state[at..].starts_with(b"c1") {
                state[at..at + 2].copy_from_slice(b"C0");
            }
        }
        state
    });
    world.settle();
    let why = "the server restarts, and somebody else has your name; please connect again";
    assert!(text_of(&mut world, later).ends_with(&format!("*** Goodbye: {why}.\n")));
    assert!(text_of(&mut world, first).ends_with(&format!("*** C0 has left ({why})\n")));
    let state = &world.connections.state;
    let here: Vec<&str> = state.people.after(None).map(|entry| entry.person.as_str()).collect();
    assert_eq!((here, state.people.len()), (vec!["c0"], 1));
    assert_eq!(state.room.members.names().collect::<Vec<_>>(), ["c0"]);
}
