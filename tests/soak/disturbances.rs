//! What happens to the daemon and the crowd while they talk.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::link::{Link, Way};
use super::observer::Event;
use super::place_witness;
use super::random::Random;
use super::reader::Ending;
use super::service::{self, deadline};
use super::world::{Ban, Phase, Subject, World};

/// Bans at a time.
const BANS: usize = 4;

/// What was done.
#[derive(Default)]
pub struct Done {
    pub restarts: u64,
    pub kills: u64,
    pub kicks: u64,
    pub bans: u64,
    pub unbans: u64,
    pub reloads: u64,
    pub refused_reloads: u64,
    pub renewals: u64,
    pub pastes: u64,
    pub strangers: u64,
    pub questions: u64,
}

pub struct Disturbances {
    pub world: Rc<World>,
    pub random: Random,
    pub done: Done,
    version: u64,
}

impl Disturbances {
    pub fn new(world: Rc<World>, random: Random) -> Disturbances {
        Disturbances { world, random, done: Done::default(), version: 0 }
    }

    /// One of them, chosen by chance; with `restarts`, it may be one.
    pub async fn one(&mut self, restarts: bool) {
        self.unban_some(false).await;
        match self.random.below(100) {
            0..12 if restarts => self.restart().await,
            12..32 => self.kick().await,
            32..44 => self.ban().await,
            44..54 => self.reload().await,
            54..60 => self.renew().await,
            60..72 => self.paste(3, 40),
            72..82 => self.strangers(),
            _ => self.ask().await,
        }
    }

    /// Somebody who is in the room and has no reason to go.
    fn somebody(&mut self) -> Option<Rc<str>> {
        let observer = self.world.observer.borrow();
        let here = observer.readers.iter().filter(|(_, reader)| {
            let ends =
                reader.gone || reader.ending != Ending::None || reader.kicked.is_some() || reader.banned.is_some();
            !ends && reader.place.is_some() && !reader.stalls
        });
        let mut names: Vec<&Rc<str>> = here.map(|(name, _)| name).collect();
        names.sort();
        (!names.is_empty()).then(|| names[self.random.below(names.len())].clone())
    }

    async fn kick(&mut self) {
        let Some(name) = self.somebody() else { return };
        let reason = format!("enough of {name}");
        if let Some(reader) = self.world.observer.borrow_mut().reader(&name) {
            reader.kicked = Some(reason.clone());
        }
        if self.world.chatctl(&["kick", &name, "--reason", &reason]).await.status.success() {
            self.done.kicks += 1;
            self.is_gone(&name).await;
        } else {
            // Others were faster, and whoever was chosen leaves by itself; or it is still there.
            let here = {
                let observer = self.world.observer.borrow();
                observer.readers.get(&name).is_some_and(|reader| !reader.gone && reader.ending == Ending::None)
            };
            if here {
                self.is_gone(&name).await;
            }
        }
    }

    async fn is_gone(&self, name: &Rc<str>) {
        let world = &self.world;
        let left = || world.observer.borrow().has_left(name) || !world.observer.borrow().readers.contains_key(name);
        world.until("a leave", || if left() { Ok(()) } else { Err(format!("{name} is still there")) }).await;
    }

    async fn ban(&mut self) {
        let world = self.world.clone();
        if world.bans.borrow().iter().filter(|ban| ban.over.is_none()).count() >= BANS {
            return;
        }
        let Some(name) = self.somebody() else { return };
        let own = world.observer.borrow().readers.get(&name).and_then(|reader| reader.own);
        let reason = format!("ban {} of {name}", self.done.bans);
        let by_address = self.random.happens(25);
        let (subject, target) = match own.filter(|_| by_address) {
            Some(own) => (Subject::Address(own), std::net::Ipv4Addr::from(own).to_string()),
            None => (Subject::Name(name.to_lowercase()), name.to_string()),
        };
        for (who, reader) in &mut world.observer.borrow_mut().readers {
            let concerned = match &subject {
                Subject::Name(_) => *who == name,
                Subject::Address(address) => reader.own == Some(*address),
            };
            if concerned {
                reader.banned = Some(reason.clone());
            }
        }
        let (from, number) = (Instant::now(), world.bans.borrow().len());
        let ban = Ban {
            subject,
            reason: reason.clone(),
            target: target.clone(),
            from,
            in_force: None,
            until: None,
            over: None,
        };
        world.bans.borrow_mut().push(ban);
        let mut arguments = vec!["ban", &target, "--reason", &reason];
        if self.random.happens(40) {
            arguments.extend(["--for", "2h"]);
        }
        let output = world.chatctl(&arguments).await;
        if !output.status.success() {
            return world.fail(format!("{arguments:?}: {output:?}"));
        }
        world.bans.borrow_mut()[number].in_force = Some(Instant::now());
        self.done.bans += 1;
        self.is_gone(&name).await;
    }

    /// Ends those bans that have lasted for some time, or all.
    pub async fn unban_some(&mut self, all: bool) {
        let count = self.world.bans.borrow().len();
        for number in 0..count {
            let due = {
                let mut bans = self.world.bans.borrow_mut();
                let ban = &mut bans[number];
                let due = ban.over.is_none() && (all || ban.from.elapsed() > Duration::from_secs(4));
                if due {
                    ban.until = Some(Instant::now());
                }
                due.then(|| ban.target.clone())
            };
            let Some(target) = due else { continue };
            let output = self.world.chatctl(&["unban", &target]).await;
            if !output.status.success() {
                self.world.fail(format!("unban {target}: {output:?}"));
            }
            self.world.bans.borrow_mut()[number].over = Some(Instant::now());
            self.done.unbans += 1;
        }
    }

    async fn reload(&mut self) {
        self.version += 1;
        if self.random.happens(25) {
            self.world.service.borrow().misconfigure();
            if self.world.chatctl(&["reload"]).await.status.success() {
                self.world.fail("a configuration with a mistake was taken".to_owned());
            }
            self.done.refused_reloads += 1;
        }
        self.world.service.borrow().configure(self.version);
        if self.random.happens(30) {
            self.world.service.borrow().signal("HUP");
        } else {
            let output = self.world.chatctl(&["reload"]).await;
            if !output.status.success() {
                self.world.fail(format!("reload: {output:?}"));
            }
        }
        self.done.reloads += 1;
    }

    /// The next TLS client is shown the new certificate, without a signal.
    async fn renew(&mut self) {
        let world = self.world.clone();
        let new = world.service.borrow_mut().renew();
        let old = std::mem::replace(&mut world.certificates.borrow_mut()[0], new.clone());
        world.certificates.borrow_mut()[1] = old;
        self.done.renewals += 1;
        let Some(to) = world.ports.borrow().tls else { return };
        let deadline = deadline();
        loop {
            let link = Link::tcp([127, 77, 99, 1], to, Way::Tls13, &world.tls).await;
            let shown = link.ok().and_then(|link| link.certificate());
            if shown.is_some_and(|shown| *shown == *new) {
                break;
            }
            if Instant::now() > deadline {
                return world.fail("a renewed certificate was not taken".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        world.certificates.borrow_mut()[1] = new;
    }

    /// Some say a lot at once.
    pub fn paste(&mut self, people: usize, lines: usize) {
        // Everybody who talks takes turns with them.
        self.world.observer.borrow_mut().set_busy(30 + u64::try_from(lines / 2).unwrap());
        // IRC has no long lines, and half of the classics no line ends.
        for _ in 0..people {
            let long = |name: &Rc<str>| name.starts_with(['T', 'P']);
            if let Some(name) = (0..20).find_map(|_| self.somebody().filter(long)) {
                self.done.pastes += 1;
                self.world.pastes.borrow_mut().insert(name, lines);
            }
        }
    }

    /// Some connect who are no clients, or never become any.
    fn strangers(&mut self) {
        // None of them is a name; on the ports of most classics everything else would be one.
        const OPENINGS: [&[u8]; 4] =
            [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"NICK half\r\n"];
        let ports = self.world.ports.borrow();
        let to = [ports.plain, ports.tls, ports.podsixnet_tls];
        for _ in 0..4 {
            let (opening, Some(to)) = (*self.random.pick(&OPENINGS), *self.random.pick(&to)) else { continue };
            let (stays, reset, world) = (self.random.around(1.0), self.random.happens(50), self.world.clone());
            self.done.strangers += 1;
            world.strangers.set(world.strangers.get() + 1);
            tokio::task::spawn_local(async move {
                if let Ok(mut link) = Link::tcp([127, 77, 99, 2], to, Way::Plain, &world.tls).await {
                    let _ = link.write_all(opening).await;
                    let mut buffer = [0; 1024];
                    let _ = tokio::time::timeout(stays, link.read(&mut buffer)).await;
                    if reset {
                        link.reset();
                    }
                }
                world.strangers.set(world.strangers.get() - 1);
            });
        }
    }

    async fn ask(&mut self) {
        self.done.questions += 1;
        let arguments: &[&str] = match self.random.below(5) {
            0 => &["list", "--json"],
            1 => &["history", "-n", "200", "--json"],
            2 => &["history", "--search", "x", "-n", "5"],
            3 => &["notice", "a word to all"],
            _ => &["status", "--json"],
        };
        let output = self.world.chatctl(arguments).await;
        if !output.status.success() {
            self.world.fail(format!("{arguments:?}: {output:?}"));
        }
    }

    pub async fn restart(&mut self) {
        let world = self.world.clone();
        world.set_turbulent(true);
        let before = world.service.borrow().logged(" is ready");
        if self.random.happens(50) {
            world.service.borrow().signal("USR2");
        } else {
            let output = world.chatctl(&["restart"]).await;
            if !output.status.success() {
                world.fail(format!("restart: {output:?}"));
            }
        }
        let ready =
            || if world.service.borrow().logged(" is ready") > before { Ok(()) } else { Err("not ready".to_owned()) };
        world.until("a restart", ready).await;
        world.set_turbulent(false);
        self.done.restarts += 1;
    }

    /// Kills the daemon at any moment, and starts it anew on what it has left.
    pub async fn kill(&mut self) {
        let world = self.world.clone();
        let Some(surely) = kept(&world).await else { return };
        tokio::time::sleep(self.random.around(0.2)).await;
        world.set_turbulent(true);
        world.phase.set(Phase::Closed);
        world.service.borrow_mut().kill();
        world.killed.set(world.killed.get() + 1);
        let gone =
            || if world.connected.get() == 0 { Ok(()) } else { Err(format!("{} are left", world.connected.get())) };
        world.until("the end of all connections", gone).await;
        start(&world).await;
        let Some(disk) = kept(&world).await else { return };
        world.observer.borrow_mut().killed(&disk, surely.len());
        place_witness(&world).await;
        world.set_turbulent(false);
        world.phase.set(Phase::Open);
        self.done.kills += 1;
    }
}

/// Starts the daemon on what is in its directory, and waits until it is there.
pub async fn start(world: &Rc<World>) {
    let before = world.service.borrow().logged(" is ready");
    world.service.borrow_mut().start();
    let ready = || {
        let ended = world.service.borrow_mut().ended();
        match (ended, world.service.borrow().logged(" is ready") > before) {
            (Some(status), _) => Err(format!("it has ended with {status}")),
            (None, ready) => {
                if ready {
                    Ok(())
                } else {
                    Err("not ready".to_owned())
                }
            }
        }
    };
    world.until("the start", ready).await;
    let status = world.chatctl(&["status", "--json"]).await;
    *world.ports.borrow_mut() = service::json(&status).map(|status| service::ports(&status)).unwrap_or_default();
}

/// What is on disk of the order; none after a failure. It is compared on the way.
pub async fn kept(world: &Rc<World>) -> Option<Vec<(Event, String)>> {
    let output = world.chatctl(&["history", "--json", "--since", "1970-01-01"]).await;
    match service::events(&output.stdout).and_then(|events| match output.status.success() {
        true => Ok(events),
        false => Err(format!("{output:?}")),
    }) {
        Ok(events) => Some(events),
        Err(wrong) => {
            world.fail(format!("chatctl history: {wrong}"));
            None
        }
    }
}
