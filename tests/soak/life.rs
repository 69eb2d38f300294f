//! One client after the other in one place of the crowd: comes, talks, and leaves or vanishes in one of many ways.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};

use super::hearing::{Heard, Hearing};
use super::kinds::Protocol;
use super::link::{Link, Way};
use super::observer::Event;
use super::random::Random;
use super::reader::Ending;
use super::service::PATIENCE;
use super::world::{Phase, World};

/// A place in the crowd.
pub struct Place {
    pub world: Rc<World>,
    pub index: usize,
    pub protocol: Protocol,
    pub way: Way,
    /// The address that it comes from; none by the Unix socket.
    pub own: Option<[u8; 4]>,
    pub random: Random,
    /// Whether what it reads is the order.
    pub witness: bool,
}

/// A connection and what is known of it.
pub struct Member {
    pub reader: ReadHalf<Link>,
    pub writer: WriteHalf<Link>,
    pub name: Rc<str>,
    pub hearing: Hearing,
    /// What is to be sent, and whether some of it waits in the TLS connection.
    pub out: Vec<u8>,
    pub dirty: bool,
    /// Whether nothing can be sent any more.
    pub mute: bool,
    pub ready: bool,
    pub ending: Ending,
    pub began: Instant,
    /// When it ends, speaks next, and reads again.
    pub until: Instant,
    pub speaks: Instant,
    pub reads: Instant,
    /// When its end has begun.
    pub ends: Instant,
    pub killed: u64,
    /// Whether the daemon has misunderstood what it speaks.
    pub mistaken: bool,
}

/// What happens with the connection next.
pub enum Next {
    Goes,
    /// It has ended: the other side has closed it.
    Ended,
    /// It is dropped, with a reset or without.
    Drop {
        reset: bool,
    },
}

impl Place {
    /// Lives one life after the other, until the program ends.
    pub async fn live(mut self) {
        let (mut lives, mut again) = (0, None::<Rc<str>>);
        loop {
            let pause = self.random.around(if self.witness { 0.01 } else { self.world.habits.rest / 4.0 });
            tokio::time::sleep(pause).await;
            if self.world.phase.get() != Phase::Open && !self.witness {
                continue;
            }
            if self.witness {
                let killed = self.world.killed.get();
                self.once(&format!("W0L{killed}").into()).await;
                if killed == self.world.killed.get() && !self.world.observer.borrow().stopping {
                    self.world.fail("the witness was disconnected".to_owned());
                }
                return;
            }
            let name = again.take().unwrap_or_else(|| {
                lives += 1;
                format!("{}{}L{lives}", self.protocol.letter(), self.index).into()
            });
            self.once(&name).await;
            // Whoever is banned tries again, with a name that is the same by the rules.
            let (began, lower) = (Instant::now(), name.to_lowercase());
            if self.world.may_be_banned(&name, self.own, began).is_some() && *lower != *name {
                again = Some(lower.into());
            } else if self.world.may_be_banned(&name, self.own, began).is_some() {
                let known = self.world.observer.borrow().place(&Event::Joined(name.clone())).is_some();
                again = (!known).then_some(name);
            }
        }
    }

    async fn connect(&self) -> std::io::Result<Link> {
        let ports = self.world.ports.borrow().clone();
        let encrypted = matches!(self.way, Way::Tls12 | Way::Tls13);
        let to = match self.protocol {
            Protocol::Classic(classic) => {
                let number = super::kinds::CLASSICS.iter().position(|known| known.preset == classic.preset);
                ports.classics.get(number.unwrap()).copied()
            }
            Protocol::PodSixNet { .. } => {
                if encrypted {
                    ports.podsixnet_tls
                } else {
                    ports.podsixnet
                }
            }
            _ => {
                if encrypted {
                    ports.tls
                } else {
                    ports.plain
                }
            }
        };
        match (self.own, to) {
            (Some(own), Some(to)) => Link::tcp(own, to, self.way, &self.world.tls).await,
            _ => {
                let path = self.world.service.borrow().path("chat.sock");
                Link::unix(&path).await
            }
        }
    }

    /// One life under this name.
    async fn once(&mut self, name: &Rc<str>) {
        let world = self.world.clone();
        let (began, turbulence, calm) = (Instant::now(), world.turbulence.get(), !world.turbulent.get());
        let shown = world.certificates.borrow().clone();
        let description = format!("{}, {:?}", self.protocol.name(), self.way);
        world.observer.borrow_mut().comes(name, self.protocol, description);
        if let Some(reader) = world.observer.borrow_mut().reader(name) {
            reader.own = self.own;
            reader.banned = world.may_be_banned(name, self.own, began);
            reader.cannot_stay = self.way == Way::Tls12;
            reader.stalls = self.witness;
            reader.paced = matches!(self.protocol, Protocol::Classic(classic) if classic.header_out == 0);
        }
        let link = tokio::time::timeout(PATIENCE, self.connect()).await;
        let link = link.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let mut told = String::new();
        let mut ready = false;
        match link {
            Err(error) => told = format!("cannot connect: {error}"),
            Ok(link) => {
                if let Some(certificate) = link.certificate() {
                    world.handshakes.set(world.handshakes.get() + 1);
                    let now = world.certificates.borrow().clone();
                    if !shown.iter().chain(&now).any(|known| **known == *certificate) {
                        world.fail(format!("{name} was shown a certificate that is not in use"));
                    }
                }
                world.connected.set(world.connected.get() + 1);
                (ready, told) = self.stay(link, name, began).await.unwrap_or((ready, told));
                world.connected.set(world.connected.get() - 1);
            }
        }
        let was_in = ready || world.observer.borrow().place(&Event::Joined(name.clone())).is_some();
        if let Some(reader) = world.observer.borrow_mut().reader(name) {
            reader.gone = true;
            reader.told += &told;
            told.clone_from(&reader.told);
            if reader.ending == Ending::None {
                reader.ending = Ending::Daemon;
            }
        }
        if was_in {
            return;
        }
        if world.may_be_banned(name, self.own, began).is_some() {
            world.refused.set(world.refused.get() + 1);
            if !told.contains("banned")
                && !matches!(self.way, Way::Tls12 | Way::Tls13)
                && calm
                && turbulence == world.turbulence.get()
            {
                world.fail(format!(
                    "{} is banned and was not told, only {told:?}",
                    world.observer.borrow().describe(name)
                ));
            }
        } else if calm && turbulence == world.turbulence.get() && !self.witness {
            let who = world.observer.borrow().describe(name);
            world.fail(format!("{who} could not come in: {told:?}"));
        } else {
            world.broken_logins.set(world.broken_logins.get() + 1);
        }
    }

    /// From the connection to its end; returns whether it was let in, and what it was told last.
    async fn stay(&mut self, link: Link, name: &Rc<str>, began: Instant) -> Option<(bool, String)> {
        let (reader, writer) = tokio::io::split(link);
        let stay = if self.witness { 1e6 } else { self.world.habits.stay };
        let mut member = Member {
            reader,
            writer,
            name: name.clone(),
            hearing: Hearing::new(self.protocol, name),
            out: Vec::new(),
            dirty: false,
            mute: false,
            ready: false,
            ending: Ending::None,
            began,
            until: began + self.random.around(stay),
            speaks: began,
            reads: began,
            ends: began,
            killed: self.world.killed.get(),
            mistaken: false,
        };
        if self.protocol.first().is_empty() {
            member.out = self.protocol.login(name);
        }
        let mut buffer = vec![0; 64 << 10];
        loop {
            let now = Instant::now();
            let reading = member.ending != Ending::Stall && now >= member.reads;
            let sending = !member.mute && (member.dirty || !member.out.is_empty());
            let tick = Duration::from_millis(if self.witness { 50 } else { 400 });
            let next = tokio::select! {
                read = member.reader.read(&mut buffer), if reading => match read {
                    Ok(0) | Err(_) => Next::Ended,
                    Ok(length) => {
                        let heard = member.hearing.feed(&buffer[..length]);
                        heard.into_iter().for_each(|heard| self.take(&mut member, heard));
                        Next::Goes
                    }
                },
                sent = send(&mut member.writer, &member.out), if sending => {
                    match sent {
                        Ok(0) => member.dirty = false,
                        Ok(length) => {
                            member.out.drain(..length);
                            member.dirty = true;
                        }
                        Err(_) => member.mute = true,
                    }
                    Next::Goes
                }
                () = tokio::time::sleep(tick) => self.act(&mut member).await,
            };
            match next {
                Next::Goes if member.mistaken => return Some((true, String::new())),
                Next::Goes => {}
                Next::Ended => break,
                Next::Drop { reset } => {
                    let link = member.reader.unsplit(member.writer);
                    if reset {
                        link.reset();
                    }
                    return Some((member.ready, String::new()));
                }
            }
        }
        Some((member.ready, member.hearing.rest()))
    }

    /// Something that was read.
    fn take(&mut self, member: &mut Member, heard: Heard) {
        let world = self.world.clone();
        let (own, name) = (member.name.clone(), |name: String| -> Rc<str> { name.into() });
        let mut observer = world.observer.borrow_mut();
        let (event, reason, id) = match heard {
            Heard::First => return member.out.extend(self.protocol.login(&own)),
            Heard::Ready => {
                member.ready = true;
                member.speaks = Instant::now() + self.random.around(world.habits.rest);
                if world.must_be_banned(&own, self.own, member.began) {
                    let who = observer.describe(&own);
                    observer.fail(format!("{who} came in although it was banned"));
                }
                return;
            }
            Heard::Ping(_) if member.ending == Ending::Silence => return,
            Heard::Ping(token) => return member.out.extend(format!("PONG {token}\r\n").bytes()),
            Heard::Mistaken => {
                world.mistaken.set(world.mistaken.get() + 1);
                member.mistaken = true;
                return;
            }
            Heard::Told(words) => {
                return observer.reader(&own).into_iter().for_each(|reader| reader.told += &format!("{words}\n"));
            }
            Heard::Nonsense(what) => {
                let who = observer.describe(&own);
                return observer.fail(format!("{who} was sent {what}"));
            }
            Heard::Other { id } => {
                if self.witness {
                    observer.message(id);
                }
                return;
            }
            Heard::Said { name: who, number, past: true, .. } => {
                return observer.was_shown(&own, Event::Said(name(who), number));
            }
            Heard::Said { name: who, number, id, .. } => {
                if self.witness {
                    observer.message(id.clone());
                }
                (Event::Said(name(who), number), None, id)
            }
            // Everybody's way begins there.
            Heard::Joined { name: who, .. } if *who == *own && self.protocol.own_join() && !self.witness => return,
            Heard::Joined { name: who, id } => (Event::Joined(name(who)), None, id),
            Heard::Left { name: who, reason, id } => (Event::Left(name(who)), reason, id),
        };
        match self.witness {
            true => observer.witnessed(event, reason.as_deref(), id),
            false => observer.heard(&own, event, id),
        }
    }
}

/// Writes some of what is to be sent; or, if there is nothing, what the TLS connection has of it. Returns how much was
/// written.
async fn send(writer: &mut WriteHalf<Link>, out: &[u8]) -> std::io::Result<usize> {
    match out {
        [] => writer.flush().await.map(|()| 0),
        _ => writer.write(out).await,
    }
}
