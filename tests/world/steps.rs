//! Random worlds: any steps in any order, shrunk to the few that matter when something does not hold.

use std::time::Duration;

use chatd::people::SessionId;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{Client, Kind, World, limits};

/// What makes the worlds of an ordinary run.
const SEED: u64 = 11;

#[derive(Debug, Clone)]
enum Step {
    Connect(Kind, usize, usize, Manner),
    Login(usize),
    /// So many lines, each with so many bytes besides its number.
    Say(usize, usize, usize),
    /// A part of a line now, and the rest later.
    SayPart(usize, usize),
    Tell(usize, usize),
    Ask(usize, usize),
    /// Changes its wire form, with a message to itself in the same packet.
    ChangeForm(usize, bool),
    Leave(usize),
    Read(usize, usize),
    End(usize, bool),
    Turns(usize),
    Deliver(usize),
    Pass(u64),
    Kick(usize),
    Notice,
    Limits(bool),
    SaveAndRestore,
}

/// What is special about a client's transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Plain,
    Seals,
    Deaf,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        1 => Just(Kind::Auto),
        3 => Just(Kind::Text),
        4 => Just(Kind::Irc),
        2 => Just(Kind::Echo),
        1 => Just(Kind::Classic),
        1 => Just(Kind::PodSixNet),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..64_usize;
    let manner = prop_oneof![4 => Just(Manner::Plain), 2 => Just(Manner::Seals), 1 => Just(Manner::Deaf)];
    let size = prop_oneof![1..40_usize, 100..3000_usize, Just(1 << 20)];
    prop_oneof![
        4 => (kind(), size.clone(), prop_oneof![1..20_usize, Just(1 << 20)], manner)
            .prop_map(|(kind, capacity, piece, manner)| Step::Connect(kind, capacity, piece, manner)),
        6 => who.clone().prop_map(Step::Login),
        10 => (who.clone(), 1..30_usize, prop_oneof![4 => Just(0_usize), 1 => 100..300_usize])
            .prop_map(|(who, count, size)| Step::Say(who, count, size)),
        3 => (who.clone(), 1..20_usize).prop_map(|(who, at)| Step::SayPart(who, at)),
        4 => (who.clone(), who.clone()).prop_map(|(who, to)| Step::Tell(who, to)),
        2 => (who.clone(), 0..6_usize).prop_map(|(who, what)| Step::Ask(who, what)),
        3 => (who.clone(), any::<bool>()).prop_map(|(who, tells)| Step::ChangeForm(who, tells)),
        2 => who.clone().prop_map(Step::Leave),
        8 => (who.clone(), size).prop_map(|(who, size)| Step::Read(who, size)),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, broken)| Step::End(who, broken)),
        12 => (1..12_usize).prop_map(Step::Turns),
        8 => prop_oneof![Just(16_usize), Just(usize::MAX)].prop_map(Step::Deliver),
        4 => prop_oneof![1..100_u64, 100..5000_u64, 50_000..200_000_u64].prop_map(Step::Pass),
        1 => who.prop_map(Step::Kick),
        3 => Just(Step::Notice),
        1 => any::<bool>().prop_map(Step::Limits),
        2 => Just(Step::SaveAndRestore),
    ]
}

/// Plays the steps; `restart`: whether everything is written down and read back where they say so; `rests`: whether all
/// that can be done is done after each, so that it does not matter who has a turn first.
fn play(steps: &[Step], history: usize, restart: bool, rests: bool) -> World {
    let mut world = World::with(limits(), history);
    // Sees everything, and tells what the one order is.
    world.join(Kind::Text, 1 << 20);
    for step in steps {
        if rests {
            // No two time limits are the same: which of two came first would be left to chance.
            world.pass(Duration::from_micros(1001));
            world.settle();
        }
        let count = world.clients.len();
        let at = |who: usize| who % count;
        // The observer takes no part.
        let other = |who: usize| (count > 1).then(|| 1 + who % (count - 1));
        match step {
            Step::Connect(kind, capacity, piece, manner) => {
                let client = world.connect(*kind, *capacity, *piece);
                let streams = &mut *world.clients[client].wire.borrow_mut();
                // Reading back tells a deaf transport that there is room, so its time limits would differ.
                (streams.seals, streams.deaf) = (*manner == Manner::Seals, *manner == Manner::Deaf && !rests);
            }
            Step::Login(who) => {
                if let Some(who) = other(*who) {
                    let login = world.login_of(who);
                    world.write(who, login);
                }
            }
            Step::Say(who, count, size) => {
                if let Some(who) = other(*who) {
                    (0..*count).for_each(|_| world.say_at_length(who, *size));
                }
            }
            Step::SayPart(who, split) => {
                if let Some(who) = other(*who) {
                    let line = world.line(who, 0);
                    let (first, rest) = line.split_at((*split).min(line.len()));
                    world.write(who, first);
                    world.turns(3);
                    world.write(who, rest);
                }
            }
            Step::Tell(who, to) => {
                // The others have no words for it.
                let can = |who: &usize| matches!(world.clients[*who].kind, Kind::Irc | Kind::Echo | Kind::Text);
                if let Some(who) = other(*who).filter(can) {
                    let to = at(*to);
                    world.tell(who, to);
                }
            }
            Step::Ask(who, what) => {
                if let Some(who) = other(*who) {
                    let (irc, text) = [
                        ("WHO *\r\n", "/who\n"),
                        ("NAMES #lobby\r\n", "/topic\n"),
                        ("WHO #lobby\r\nPING x\r\n", "/help\n"),
                        ("AWAY :out\r\nMONITOR + c1,c2,c3\r\n", "/away out\n"),
                        ("TOPIC #lobby :coffee\r\n", "/topic coffee\n"),
                        ("NICK other\r\n", "/nick other\n"),
                    ][*what];
                    let question = if world.clients[who].speaks_irc() { irc } else { text };
                    world.write(who, question);
                }
            }
            Step::ChangeForm(who, tells) => {
                if let Some(who) = other(*who).filter(|who| world.clients[*who].speaks_irc()) {
                    let name = world.clients[who].name.clone();
                    let private = if *tells { format!("PRIVMSG {name} :self\r\n") } else { String::new() };
                    let change = if world.said.is_multiple_of(2) { "" } else { "-" };
                    world.write(who, format!("{private}CAP REQ :{change}message-tags\r\nPING y\r\n"));
                }
            }
            Step::Leave(who) => {
                if let Some(who) = other(*who).filter(|who| world.clients[*who].speaks_irc()) {
                    world.clients[who].parts += 1;
                    world.write(who, "PART #lobby :out\r\nJOIN #lobby\r\n");
                }
            }
            Step::Read(who, most) => world.read(at(*who), *most),
            Step::End(who, broken) => {
                if let Some(who) = other(*who) {
                    world.end(who, *broken);
                }
            }
            Step::Turns(most) => world.turns(*most),
            Step::Deliver(members) => world.deliver(*members),
            Step::Pass(milliseconds) if rests => world.pass_by_alarms(Duration::from_millis(*milliseconds)),
            Step::Pass(milliseconds) => world.pass(Duration::from_millis(*milliseconds)),
            Step::Kick(who) => {
                if let Some(who) = other(*who) {
                    world.kick(who);
                }
            }
            Step::Notice => world.notice(),
            Step::Limits(slow) => {
                let rate = if *slow { 2 } else { 20 };
                let limits = chatd::config::Limits { message_rate: rate, ..limits() };
                world.connections.set_limits(limits.into());
            }
            Step::SaveAndRestore if restart => world.save_and_restore(!rests),
            // The poller of the next process reports every socket once more.
            Step::SaveAndRestore => world.report_all(),
        }
        if rests {
            world.settle();
        }
        world.read(0, usize::MAX);
    }
    let changes = steps.iter().filter(|step| matches!(step, Step::Limits(_))).count();
    check_rate(&world, changes as u64);
    world
}

/// Nobody has said more than their rate allows, and a last line that was forgiven. A change of the rate may allow the burst
/// once more.
fn check_rate(world: &World, changes: u64) {
    let limits = limits();
    let seconds = world.now.ticks.div_ceil(1_000_000);
    let burst = u64::from(limits.message_burst) * (1 + changes);
    let most = burst + u64::from(limits.message_rate) * (seconds - 1) + 1;
    let mut said = vec![0; world.clients.len()];
    for author in world.seen(0).into_iter().filter_map(|number| world.authors[number - 1]) {
        said[author] += 1;
        assert!(said[author] <= most, "client {author} has said {} lines in {seconds} seconds", said[author]);
    }
}

/// What must hold when everybody has read everything. `ended`: whoever was in the room to the end has seen everything to
/// the end.
fn check_order(world: &World, members: &[usize]) {
    let is_public = |number: &usize| world.addressees[number - 1].is_none();
    let all: Vec<usize> = world.seen(0).into_iter().filter(is_public).collect();
    let mut places = vec![None; world.said + 1];
    for (place, number) in all.iter().enumerate() {
        assert_eq!(places[*number].replace(place), None, "{number} is said twice");
    }
    for client in 1..world.clients.len() {
        let seen = world.seen(client);
        let wandered = world.clients[client].parts > 0;
        check_authors(world, client, &seen);
        check_echo(world, client, &seen);
        check_moves(world, client);
        let public: Vec<usize> = seen.into_iter().filter(|number| world.addressees[number - 1].is_none()).collect();
        let place = |number: &usize| places[*number].expect("it was said to everybody");
        let is_own = |number: &usize| world.authors[number - 1] == Some(client);
        let left_out = |place: &usize| !world.clients[client].has_echo() && is_own(&all[*place]);
        for pair in public.windows(2) {
            let (one, next) = (place(&pair[0]), place(&pair[1]));
            assert!(one < next, "client {client} sees another order: {public:?} of {all:?}");
            let missed = (one + 1..next).find(|place| !left_out(place));
            assert!(wandered || missed.is_none(), "client {client} misses something: {public:?} of {all:?}");
        }
        if members.contains(&client) {
            let next = public.last().map_or(all.len(), |last| place(last) + 1);
            let missed = (next..all.len()).find(|place| !left_out(place));
            assert!(missed.is_none(), "client {client} misses the end: {public:?} of {all:?}");
            let said = all.iter().filter(|number| is_own(number));
            let own = public.iter().filter(|number| is_own(number));
            assert!(!world.clients[client].has_echo() || said.eq(own), "client {client} misses its own: {public:?}");
        }
        check_lines(world, client);
    }
}

/// What somebody says comes in the order in which they say it, to the room or to one alone, and nobody reads what is said
/// to others alone.
fn check_authors(world: &World, client: usize, seen: &[usize]) {
    // Whoever was out of the room reads later, as history, what was said there meanwhile.
    let wandered = world.clients[client].parts > 0;
    let mut last = vec![[0; 2]; world.clients.len()];
    for number in seen {
        let (author, addressee) = (world.authors[number - 1], world.addressees[number - 1]);
        assert!(addressee.is_none_or(|to| to == client || author == Some(client)), "{number} is not for {client}");
        let Some(author) = author else { continue };
        // What somebody says to themselves is shown as said and as heard.
        let last = &mut last[author][usize::from(wandered && addressee.is_some())];
        let again = author == client && addressee == Some(client) && *last == *number;
        assert!(*last < *number || again, "client {client} sees {number} after {last} of {author}");
        *last = *number;
    }
}

/// Without echo, a client sees nothing of what it says; with echo, it sees that once. What it says to itself, it hears once
/// more.
fn check_echo(world: &World, client: usize, seen: &[usize]) {
    let echo = usize::from(world.clients[client].has_echo());
    let mut times = vec![0; world.said + 1];
    for number in seen.iter().filter(|number| world.authors[**number - 1] == Some(client)) {
        times[*number] += 1;
        let heard = usize::from(world.addressees[number - 1] == Some(client));
        assert!(times[*number] <= echo + heard, "client {client} sees its own {number} too often: {seen:?}");
    }
}

/// Nobody sees themselves come or go more often than they do.
fn check_moves(world: &World, client: usize) {
    let Client { name, parts, .. } = &world.clients[client];
    let (text, source) = (world.text(client), format!(":{name}!"));
    for (command, most) in [("JOIN", parts + 1), ("PART", *parts)] {
        let is_own = |line: &&str| line.contains(&source) && line.contains(&format!(" {command} #lobby"));
        assert!(text.lines().filter(is_own).count() <= most, "client {client} sees its own {command} again: {text:?}");
    }
}

/// No line is torn, and none is another protocol's.
fn check_lines(world: &World, client: usize) {
    let text = world.text(client);
    if text.contains("too slow") {
        // It was sent a part of a line.
        return;
    }
    match world.clients[client].kind {
        Kind::Irc | Kind::Echo => {
            // The last line of a client that broke off may be torn.
            let whole = text.rfind("\r\n").and_then(|end| text.get(..end)).unwrap_or_default();
            for line in whole.split("\r\n").filter(|line| !line.is_empty()) {
                let known = [":", "@", "PING ", "ERROR "].iter().any(|start| line.starts_with(start));
                assert!(known && line.matches(" PRIVMSG ").count() < 2, "{line:?} in {text:?}");
                assert!(!line.contains(['\r', '\n']), "{line:?} in {text:?}");
            }
        }
        Kind::Text => {
            // A name begins with none of these; but a client that broke off may have any word as its name.
            assert!(!text.lines().any(|line| line.starts_with([':', '@'])) && !text.contains('\r'), "{text:?}");
            // Lines of the history begin with their time.
            let torn = text.lines().find(|line| !line.starts_with('[') && line.rfind("*** ").is_some_and(|at| at > 0));
            assert_eq!(torn, None, "{text:?}");
        }
        _ => {}
    }
}

/// Everybody goes, politely or not; nothing is left of them.
fn check_end(mut world: World) {
    for client in 0..world.clients.len() {
        world.end(client, client % 2 == 0);
    }
    world.calm_down(Duration::from_secs(12));
    for _ in 0..200 {
        world.pass(Duration::from_secs(5));
        world.settle();
    }
    assert_eq!(world.connections.len(), 0, "every wait ends");
    assert_eq!(world.connections.state.people.len(), 0, "nobody is there whose connection is gone");
    assert_eq!(world.connections.state.room.members.len(), 0);
    world.connections.begin_round();
    let mut delivery = world.connections.begin_round();
    world.connections.deliver(&mut delivery, world.now, || true);
    assert_eq!(world.connections.state.log.backlog().bytes(), 0, "nothing is kept for nobody");
}

/// The same worlds in every run, so that a failure belongs to the change that caused it; `PROPTEST_RNG_SEED` and
/// `PROPTEST_CASES` give others.
fn config() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, max_shrink_iters: 1000, ..ProptestConfig::default() };
    match config.rng_seed {
        RngSeed::Random => ProptestConfig { rng_seed: RngSeed::Fixed(SEED), ..config },
        RngSeed::Fixed(_) => config,
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_steps_keep_one_order_and_end_every_wait(steps in vec(step(), 1..80), history in prop_oneof![Just(0_usize), Just(5)]) {
        let mut world = play(&steps, history, true, false);
        // Everybody reads everything without anything new that would bring it along.
        world.calm_down_completely();
        world.notice();
        world.calm_down_completely();
        let members: Vec<usize> = (0..world.clients.len()).filter(|client| world.is_member(*client)).collect();
        check_order(&world, &members);
        check_end(world);
    }

    #[test]
    fn a_stop_delivers_everything_and_ends(steps in vec(step(), 1..60), late in kind()) {
        let mut world = play(&steps, 0, true, false);
        let before = world.clients.len();
        // They read, but nobody has a turn before the stop.
        for client in 0..before {
            world.clients[client].wire.borrow_mut().capacity = 1 << 20;
            world.read(client, usize::MAX);
        }
        world.stop();
        let newcomer = world.connect(late, 1 << 20, usize::MAX);
        world.calm_down(Duration::from_secs(10));
        prop_assert_eq!(world.connections.len(), 0, "every wait ends");
        prop_assert!(world.connections.state.people.is_empty());
        prop_assert!(world.clients[newcomer].wire.borrow().server_ended);
        check_order(&world, &[]);
    }

    #[test]
    fn a_client_that_never_reads_is_disconnected(steps in vec(step(), 1..60)) {
        let mut world = play(&steps, 0, true, false);
        world.finish_round();
        let for_a_while = |world: &mut World, seconds| {
            for _ in 0..seconds {
                world.pass(Duration::from_secs(1));
                world.settle();
            }
        };
        for_a_while(&mut world, 10);
        let waits = |world: &World, id: SessionId| {
            let session = world.connections.session(id);
            session.is_some_and(|session| {
                !session.is_open() || session.output().is_blocked() && !session.output().is_paced()
            })
        };
        let waiting: Vec<SessionId> = world.connections.ids().filter(|id| waits(&world, *id)).collect();
        for_a_while(&mut world, 70);
        for id in waiting {
            prop_assert!(world.connections.session(id).is_none(), "it has waited for more than a minute");
        }
    }

    #[test]
    fn saving_and_restoring_changes_nothing(steps in vec(step(), 1..60)) {
        let mut plain = play(&steps, 0, false, true);
        let mut restarted = play(&steps, 0, true, true);
        plain.calm_down(Duration::from_secs(40));
        restarted.calm_down(Duration::from_secs(40));
        for (client, (one, other)) in plain.clients.iter().zip(&restarted.clients).enumerate() {
            prop_assert_eq!(
                String::from_utf8_lossy(&one.received), String::from_utf8_lossy(&other.received), "client {}", client
            );
        }
    }
}
