//! Random worlds: any steps in any order, shrunk to the few that matter when something does not hold.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Kind, World, limits};

#[derive(Debug, Clone)]
enum Step {
    Connect(Kind, usize, usize),
    Login(usize),
    Say(usize, usize),
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

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        1 => Just(Kind::Auto),
        3 => Just(Kind::Text),
        4 => Just(Kind::Irc),
        1 => Just(Kind::Classic),
        1 => Just(Kind::PodSixNet),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..64_usize;
    let size = prop_oneof![1..40_usize, 100..3000_usize, Just(1 << 20)];
    prop_oneof![
        4 => (kind(), size.clone(), prop_oneof![1..20_usize, Just(1 << 20)]).prop_map(|(k, c, p)| Step::Connect(k, c, p)),
        6 => who.clone().prop_map(Step::Login),
        10 => (who.clone(), 1..30_usize).prop_map(|(who, count)| Step::Say(who, count)),
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
fn play(steps: &[Step], restart: bool, rests: bool) -> World {
    let mut world = World::new();
    // Sees everything, and tells what the one order is.
    world.join(Kind::Text, 1 << 20);
    for step in steps {
        let count = world.clients.len();
        let at = |who: usize| who % count;
        // The observer takes no part.
        let other = |who: usize| (count > 1).then(|| 1 + who % (count - 1));
        match step {
            Step::Connect(kind, capacity, piece) => {
                world.connect(*kind, *capacity, *piece);
            }
            Step::Login(who) => {
                if let Some(who) = other(*who) {
                    let login = world.login_of(who);
                    world.write(who, login);
                }
            }
            Step::Say(who, count) => {
                if let Some(who) = other(*who) {
                    (0..*count).for_each(|_| world.say(who));
                }
            }
            Step::SayPart(who, split) => {
                if let Some(who) = other(*who) {
                    let line = world.line(who);
                    let (first, rest) = line.split_at((*split).min(line.len()));
                    world.write(who, first);
                    world.turns(3);
                    world.write(who, rest);
                }
            }
            Step::Tell(who, to) => {
                if let Some(who) = other(*who) {
                    let to = world.clients[at(*to)].name.clone();
                    let line = match world.clients[who].speaks_irc() {
                        true => format!("PRIVMSG {to} :private\r\n"),
                        false => format!("/msg {to} private\n"),
                    };
                    world.write(who, line);
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
                    world.clients[who].wandered = true;
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
            Step::SaveAndRestore if restart => world.save_and_restore(),
            Step::SaveAndRestore => {}
        }
        if rests {
            world.settle();
        }
        world.read(0, usize::MAX);
    }
    world
}

/// What must hold when everybody has read everything.
fn check_order(world: &World) {
    let all = world.seen(0);
    let mut sorted = all.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), all.len(), "nothing is said twice");
    for client in 1..world.clients.len() {
        let seen = world.seen(client);
        let place = |token: &usize| all.iter().position(|known| known == token);
        let places: Vec<usize> = seen.iter().map(|token| place(token).expect("it was said to everybody")).collect();
        assert!(places.is_sorted_by(|one, next| one < next), "client {client} sees another order: {seen:?} of {all:?}");
        if !world.clients[client].speaks_irc() && !world.clients[client].wandered {
            let gap = places.windows(2).find(|pair| pair[0] + 1 != pair[1]);
            assert!(gap.is_none(), "client {client} misses something: {seen:?} of {all:?}");
        }
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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_there_is_one_order_and_every_wait_ends(steps in vec(step(), 1..80)) {
        let mut world = play(&steps, true, false);
        world.calm_down(Duration::from_secs(40));
        check_order(&world);
        check_end(world);
    }

    #[test]
    fn writing_everything_down_and_reading_it_back_changes_nothing(steps in vec(step(), 1..60)) {
        let mut plain = play(&steps, false, true);
        let mut restarted = play(&steps, true, true);
        plain.calm_down(Duration::from_secs(40));
        restarted.calm_down(Duration::from_secs(40));
        for (client, (one, other)) in plain.clients.iter().zip(&restarted.clients).enumerate() {
            prop_assert_eq!(
                String::from_utf8_lossy(&one.received), String::from_utf8_lossy(&other.received), "client {}", client
            );
        }
    }
}
