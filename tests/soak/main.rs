//! A soak: hundreds of clients of every protocol come, talk, paste, stall, leave and vanish, while the daemon's
//! certificates are renewed, its configuration is reloaded, people are kicked, banned and let in again, and the daemon is
//! restarted and killed. An observer checks that all saw one same order, and were told all that they were entitled to.
//!
//! ```text
//! cargo test --test soak                         # ten seconds, as in every cargo test
//! cargo test --test soak -- SECONDS [SEED [CLIENTS]]
//! ```
//!
//! The seed is printed, and repeats what is chosen; when it happens is up to the machine. After a failure the daemon's
//! directory is kept, with its log. The clients' side uses nothing of the daemon's code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that meets what it does not expect has failed, and says where"
)]

mod disk;
mod disturbances;
mod habits;
mod hearing;
mod kinds;
mod life;
mod line;
mod link;
mod observer;
mod random;
mod reader;
mod rencode;
mod service;
#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the soak needs only some of what tests need")]
mod support;
mod world;

use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use disturbances::Disturbances;
use kinds::{CAPABILITIES, CLASSICS, Protocol, WITNESS};
use life::Place;
use link::Way;
use observer::Event;
use random::Random;
use service::Use;
use world::{Habits, Phase, World};

/// In every `cargo test`.
const SHORT: u64 = 10;
/// The length of one round in seconds; after each, everybody has left.
const ROUND: u64 = 150;
/// Clients at once, in a short and in a long run.
const FEW: usize = 60;
const MANY: usize = 200;
/// How much more private memory the daemon may have after a round than after the one before, in KiB, while it was not
/// restarted in between: what the allocator keeps varies.
const GROWTH: u64 = 6 << 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<u64> = arguments.iter().map_while(|argument| argument.parse().ok()).collect();
    // Options and names of tests come from `cargo test`, too; nothing here has a name.
    let named = |argument: &String| !argument.starts_with('-') && argument.parse::<u64>().is_err();
    if arguments.iter().any(|argument| named(argument) || argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let seconds = numbers.first().copied().unwrap_or(SHORT);
    let seed = numbers.get(1).copied();
    let seed = seed.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 100_000);
    let default = if seconds < 60 { FEW } else { MANY };
    let clients = numbers.get(2).map_or(default, |count| usize::try_from(*count).unwrap());
    println!("soak: {seconds} s, seed {seed}, {clients} clients");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let passed = tokio::task::LocalSet::new().block_on(&runtime, run(seconds, seed, clients));
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The crowd's places: each protocol in each of its ways.
fn places(world: &Rc<World>, seed: u64, clients: usize) -> Vec<Place> {
    const TCP: [Way; 5] = [Way::Plain, Way::Tls13, Way::Tls12, Way::Unix, Way::Tls13];
    let mut kinds: Vec<(Protocol, &[Way])> = vec![(Protocol::Text, &TCP)];
    kinds.extend(CAPABILITIES.iter().map(|capabilities| (Protocol::Irc(capabilities), &TCP[..])));
    kinds.push((Protocol::Text, &TCP));
    kinds.extend(CLASSICS.iter().map(|classic| (Protocol::Classic(classic), &TCP[..1])));
    kinds.extend([true, false].map(|old| (Protocol::PodSixNet { old }, &TCP[..2])));
    (1..=clients)
        .map(|index| {
            let (protocol, ways) = kinds[index % kinds.len()];
            let way = ways[index / kinds.len() % ways.len()];
            let own = [127, 77, u8::try_from(index % 24).unwrap(), 1];
            Place {
                world: world.clone(),
                index,
                protocol,
                way,
                own: (way != Way::Unix).then_some(own),
                random: Random::new(seed, u64::try_from(index).unwrap()),
                witness: false,
            }
        })
        .collect()
}

/// Has the witness come in, which reads everything; its own join is the first that happens.
async fn place_witness(world: &Rc<World>) {
    let place = Place {
        world: world.clone(),
        index: 0,
        protocol: WITNESS,
        // The kernel keeps more for it than on a Unix socket.
        way: Way::Plain,
        own: Some([127, 77, 100, 1]),
        random: Random::new(0, 0),
        witness: true,
    };
    tokio::task::spawn_local(place.live());
    let name = witness(world);
    let joined = Event::Joined(name.clone());
    let there = || world.observer.borrow().place(&joined).map(drop).ok_or_else(|| format!("{name} is not there"));
    world.until("the witness's coming", there).await;
}

fn witness(world: &World) -> Rc<str> {
    format!("W0L{}", world.killed.get()).into()
}

/// Waits until everybody has read all that was said, and the room was told of all who have gone.
async fn assemble(world: &Rc<World>) {
    let name = witness(world);
    let number = world.observer.borrow_mut().reader(&name).map_or(0, |reader| reader.sent) + 1;
    world.pastes.borrow_mut().insert(name.clone(), 1);
    let said = Event::Said(name, number);
    world
        .until("the witness's line", || {
            world.observer.borrow().place(&said).map(drop).ok_or_else(|| "not heard".to_owned())
        })
        .await;
    let all = || match world.observer.borrow_mut().settle() {
        waiting if waiting.is_empty() => Ok(()),
        waiting => Err(format!("{} wait: {}", waiting.len(), waiting[..waiting.len().min(5)].join("; "))),
    };
    world.until("that everybody has read all", all).await;
}

/// Notes for how long this program has not come to do anything.
async fn watch_time(world: Rc<World>) {
    const STEP: Duration = Duration::from_millis(50);
    loop {
        let before = Instant::now();
        tokio::time::sleep(STEP).await;
        world.pause.set(world.pause.get().max(before.elapsed().saturating_sub(STEP)));
    }
}

/// The seconds of processor time that this program has used, and its children that have ended.
fn processor_seconds() -> (i64, i64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<i64> =
        stat.rsplit(')').next().unwrap_or_default().split(' ').filter_map(|field| field.parse().ok()).collect();
    // From the fourth on; in ticks, of which Linux has 100 a second.
    let last = |from: usize| fields.iter().skip(from).take(2).sum::<i64>() / 100;
    (last(10), last(12))
}

/// `chatctl status`.
async fn status(world: &Rc<World>) -> serde_json::Value {
    service::json(&world.chatctl(&["status", "--json"]).await).unwrap_or_default()
}

/// Everybody leaves; then the daemon has nothing of them any more.
async fn empty(world: &Rc<World>) -> Use {
    world.phase.set(Phase::Leaving);
    let gone = || {
        let (here, silent) = (world.connected.get() + world.strangers.get(), world.observer.borrow().silent());
        if here == silent + 1 { Ok(()) } else { Err(format!("{here} are connected, {silent} of them silent")) }
    };
    world.until("that everybody leaves", gone).await;
    assemble(world).await;
    let deadline = service::deadline();
    loop {
        let numbers = status(world).await;
        let wanted = 1 + world.observer.borrow().silent();
        let wanted = Some(u64::try_from(wanted).unwrap());
        if (numbers["users"].as_u64(), numbers["connections"].as_u64()) == (wanted, wanted) {
            break;
        }
        if Instant::now() > deadline || world.has_failed() {
            world.fail(format!("{wanted:?} are connected, but the status is {numbers}"));
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let sockets = 1 + world.observer.borrow().silent_sockets();
    let ports = world.ports.borrow().clone();
    let closed = || {
        let used = world.service.borrow().used(&ports);
        let closed = used.sockets <= sockets && used.buffered == 0;
        if closed { Ok(()) } else { Err(format!("{sockets} silent clients, and {used:?}")) }
    };
    world.until("that the kernel has nothing of them", closed).await;
    world.service.borrow().used(&ports)
}

async fn run(seconds: u64, seed: u64, clients: usize) -> bool {
    let began = Instant::now();
    let short = seconds < 60;
    let world =
        Rc::new(World::new(Habits { stay: if short { 4.0 } else { 40.0 }, rest: if short { 2.0 } else { 12.0 } }));
    disturbances::start(&world).await;
    place_witness(&world).await;
    let ports = world.ports.borrow().clone();
    // The first handshake starts a thread.
    if let Some(to) = ports.tls {
        drop(link::Link::tcp([127, 77, 99, 1], to, Way::Tls13, &world.tls).await);
    }
    let mut base = world.service.borrow().used(&ports);
    println!("base: {base:?}");
    tokio::task::spawn_local(watch_time(world.clone()));
    let mut chaos = Disturbances::new(world.clone(), Random::new(seed, 1 << 32));
    for place in places(&world, seed, clients) {
        tokio::task::spawn_local(place.live());
    }
    let rounds = (seconds / ROUND).max(1);
    let mut before: Option<Use> = None;
    for round in 0..rounds {
        world.phase.set(Phase::Open);
        let (round_began, length) = (Instant::now(), Duration::from_secs(seconds / rounds));
        // In two of three rounds the daemon goes on, so that what it keeps can be compared.
        let stormy = round % 3 == 0;
        let (messages, process) = (world.observer.borrow().messages, (chaos.done.restarts, chaos.done.kills));
        let counted = status(&world).await["messages"].as_u64();
        let mut pasted = false;
        let mut kills = if stormy { vec![length.mul_f64(0.6)] } else { Vec::new() };
        while round_began.elapsed() < length && !world.has_failed() {
            tokio::time::sleep(chaos.random.around(if short { 0.4 } else { 1.5 })).await;
            if kills.last().is_some_and(|at| round_began.elapsed() > *at) {
                kills.pop();
                chaos.kill().await;
            } else if !pasted && !short && round_began.elapsed() > length / 4 {
                pasted = true;
                chaos.paste(6, 100);
            } else {
                chaos.one(stormy).await;
            }
            world.observer.borrow_mut().settle();
        }
        if stormy && !world.has_failed() {
            chaos.restart().await;
        }
        chaos.unban_some(true).await;
        world.phase.set(Phase::Quiet);
        assemble(&world).await;
        if world.has_failed() {
            break;
        }
        let used = empty(&world).await;
        let now = status(&world).await;
        let same = process == (chaos.done.restarts, chaos.done.kills);
        if same {
            let heard = world.observer.borrow().messages - messages;
            let said = now["messages"].as_u64().zip(counted).map(|(now, before)| now - before);
            if said != Some(heard) {
                world.fail(format!("{heard} messages were heard, and {said:?} counted"));
            }
        }
        println!("{:>5} s, round {round}: {used:?}; {}", began.elapsed().as_secs(), report(&world, &chaos));
        // Only whole rounds of one process can be compared.
        let last = before.filter(|_| same);
        if let Some(last) = last.filter(|last| used.memory > last.memory + GROWTH) {
            world.fail(format!("the daemon's memory has grown: {used:?} after {last:?}"));
        }
        if round == 0 {
            base.descriptors = base.descriptors.max(used.descriptors - world.observer.borrow().silent());
        }
        let ports = world.ports.borrow().clone();
        let closed = || {
            let (used, silent) = (world.service.borrow().used(&ports), world.observer.borrow().silent());
            let open =
                || Err(format!("{silent} are silent, at first {base:?}: {:?}", world.service.borrow().descriptors()));
            if used.descriptors <= base.descriptors + silent { Ok(()) } else { open() }
        };
        world.until("that all descriptors are closed", closed).await;
        if now["limits_reached"]["backlog"].as_u64() != Some(0) || now["log_lost"].as_u64() != Some(0) {
            world.fail(format!("something is lost: {now}"));
        }
        before = same.then_some(used);
    }
    if !world.has_failed() {
        finish(&world).await;
    }
    if world.mistaken.get() * 10 > world.observer.borrow().counts.people {
        world.fail(format!("{} IRC clients were taken for others", world.mistaken.get()));
    }
    let passed = !world.has_failed();
    let observer = world.observer.borrow();
    println!(
        "{} in {} s: {}",
        if passed { "passed" } else { "FAILED" },
        began.elapsed().as_secs(),
        report(&world, &chaos)
    );
    println!("leaves by reason: {:?}", observer.counts.ends);
    if !passed {
        let kept = world.service.borrow_mut().keep();
        println!(
            "seed {seed}, {clients} clients; the daemon's log is {}/log; the first of {} failures:\n{}",
            kept.display(),
            observer.failures.len(),
            observer.failures[0]
        );
    }
    passed
}

/// A crowd comes once more, and the daemon stops in order: all are told, and the disk has all.
async fn finish(world: &Rc<World>) {
    world.phase.set(Phase::Open);
    let here = || if world.observer.borrow().talking() > 20 { Ok(()) } else { Err("few have come".to_owned()) };
    world.until("that a crowd comes", here).await;
    world.phase.set(Phase::Quiet);
    assemble(world).await;
    let kept_before = world.observer.borrow().order.len();
    world.set_turbulent(true);
    world.observer.borrow_mut().stopping = true;
    world.service.borrow().signal("TERM");
    let gone = || if world.connected.get() == 0 { Ok(()) } else { Err(format!("{} are left", world.connected.get())) };
    world.until("the end of all connections", gone).await;
    let ended = || world.service.borrow_mut().ended().map(drop).ok_or_else(|| "it runs".to_owned());
    world.until("the daemon's end", ended).await;
    world.observer.borrow_mut().stopped();
    if !world.has_failed() {
        disturbances::start(world).await;
        let Some(disk) = disturbances::kept(world).await else { return };
        let mut observer = world.observer.borrow_mut();
        observer.compare_disk(&disk);
        if disk.len() < kept_before {
            observer.fail(format!("an ordered stop has kept {} of {kept_before} events", disk.len()));
        }
    }
}

fn report(world: &World, chaos: &Disturbances) -> String {
    let (observer, done) = (world.observer.borrow(), &chaos.done);
    let counts = &observer.counts;
    format!(
        "{} people, {} lines ({} messages), {} deliveries and {} lines of history compared, {} identifiers; {} restarts, {} kills \
         (lost {} events, {} were on disk alone), {} kicks, {} bans ({} refusals), {} unbans, {} reloads and {} refused, {} renewals \
         ({} handshakes), {} pastes, {} stalls, {} strangers, {} questions, {} logins broken by restarts, {} mistaken; longest time of a line \
         {:?}, at calm times {:?}; longest pause of this program {:?}, processor {:?} s",
        counts.people,
        counts.lines,
        observer.messages,
        counts.deliveries,
        counts.past,
        counts.identifiers,
        done.restarts,
        done.kills,
        counts.lost_at_kills,
        counts.only_on_disk,
        done.kicks,
        done.bans,
        world.refused.get(),
        done.unbans,
        done.reloads,
        done.refused_reloads,
        done.renewals,
        world.handshakes.get(),
        done.pastes,
        world.stalled.get(),
        done.strangers,
        done.questions,
        world.broken_logins.get(),
        world.mistaken.get(),
        counts.longest,
        counts.longest_calm,
        world.pause.get(),
        processor_seconds()
    )
}
