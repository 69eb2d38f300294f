//! What a client does by itself: when it speaks, what, and how it ends.

use std::time::Instant;

use tokio::io::AsyncWriteExt as _;

use super::kinds::Protocol;
use super::life::{Member, Next, Place};
use super::line;
use super::observer::Event;
use super::reader::Ending;
use super::service::PATIENCE;
use super::world::Phase;

/// How many events somebody who leaves in order may not have read yet.
const NEARLY_ALL: usize = 20;

impl Place {
    /// What this one does by itself, from time to time.
    pub async fn act(&mut self, member: &mut Member) -> Next {
        let (world, now) = (self.world.clone(), Instant::now());
        let left = world.observer.borrow().has_left(&member.name);
        let leaving = world.phase.get() == Phase::Leaving;
        if member.killed != world.killed.get() {
            return Next::Drop { reset: false };
        }
        match member.ending {
            Ending::None if !member.ready => {
                if member.began.elapsed() > PATIENCE {
                    let who = world.observer.borrow().describe(&member.name);
                    world.fail(format!("{who} was not let in, nor refused"));
                }
                Next::Goes
            }
            Ending::None if self.witness || (now < member.until && !leaving) => {
                self.speak(member, now);
                Next::Goes
            }
            Ending::None => self.end(member, leaving).await,
            Ending::Stall | Ending::Silence if left => Next::Drop { reset: false },
            Ending::Stall if leaving => {
                // Nothing more is said; what it lags behind is not enough.
                self.change(member, Ending::Reset);
                Next::Drop { reset: true }
            }
            Ending::Quit | Ending::HalfClose | Ending::Daemon if member.ends.elapsed() > PATIENCE => {
                let who = world.observer.borrow().describe(&member.name);
                world.fail(format!("{who} has {} and its connection goes on", member.ending.class_name()));
                Next::Drop { reset: true }
            }
            _ => Next::Goes,
        }
    }

    /// Says the next line, or several; or stops reading for a while.
    fn speak(&mut self, member: &mut Member, now: Instant) {
        let world = self.world.clone();
        let paste = world.pastes.borrow_mut().remove(&member.name);
        let mut observer = world.observer.borrow_mut();
        let Some(reader) = observer.reader(&member.name) else { return };
        if let Some(lines) = paste {
            reader.pasted = true;
            // As much at once as a window of text is; every fifth line is numbered.
            for number in 0..lines {
                let text = match self.witness || number % 5 == 0 {
                    true => {
                        reader.sent += 1;
                        line::line(&member.name, reader.sent)
                    }
                    false => line::noise(if matches!(self.protocol, Protocol::Irc(_)) { 390 } else { 1900 }),
                };
                member.out.extend(self.protocol.say(&member.name, &text, lines == 1));
            }
            return;
        }
        let talks = !self.witness && world.phase.get() == Phase::Open && now >= member.speaks;
        if !talks || reader.accepted != reader.sent || !member.out.is_empty() {
            return;
        }
        member.speaks = now + self.random.around(world.habits.rest);
        match self.random.below(20) {
            0 => {
                reader.reads_at_once = false;
                member.reads = now + self.random.around(1.5);
            }
            1 => {
                let noise = line::noise(20 + self.random.below(300));
                member.out.extend(self.protocol.say(&member.name, &noise, false));
            }
            // Several at once, up to about the burst.
            2 => {
                reader.pasted = true;
                for _ in 0..2 + self.random.below(25) {
                    reader.sent += 1;
                    member.out.extend(self.protocol.say(&member.name, &line::line(&member.name, reader.sent), false));
                }
            }
            _ => {
                reader.sent += 1;
                let number = reader.sent;
                // After a paste, a line may wait for its author's rate.
                if !reader.pasted {
                    observer.sent.insert(Event::Said(member.name.clone(), number), now);
                }
                member.out.extend(self.protocol.say(&member.name, &line::line(&member.name, number), true));
            }
        }
    }

    fn change(&self, member: &mut Member, ending: Ending) {
        (member.ending, member.ends) = (ending, Instant::now());
        let mut observer = self.world.observer.borrow_mut();
        if let Some(reader) = observer.reader(&member.name) {
            reader.ending = ending;
            reader.reads_to_the_end = matches!(ending, Ending::Quit | Ending::HalfClose);
            reader.stalls |= ending == Ending::Stall;
        }
    }

    /// Ends in one of many ways, all of them orderly when the crowd leaves.
    async fn end(&mut self, member: &mut Member, leaving: bool) -> Next {
        let chance = self.random.below(if leaving { 40 } else { 100 });
        let (unheard, behind) = {
            let mut observer = self.world.observer.borrow_mut();
            let unheard = observer.reader(&member.name).is_some_and(|reader| reader.accepted != reader.sent);
            (unheard, observer.behind(&member.name))
        };
        // What follows at once would belong to the last line where nothing ends that; and who leaves in order has a few
        // seconds for the rest, whatever else the machine does.
        let unended = unheard && matches!(self.protocol, Protocol::Classic(_));
        if chance < 40 && (!member.out.is_empty() || member.dirty || unended || behind > NEARLY_ALL) {
            return Next::Goes;
        }
        match chance {
            0..24 if self.protocol.quit().is_some() => {
                self.change(member, Ending::Quit);
                member.out.extend(self.protocol.quit().unwrap_or_default());
                Next::Goes
            }
            0..40 => {
                self.change(member, Ending::HalfClose);
                member.mute |= member.writer.shutdown().await.is_err();
                Next::Goes
            }
            40..56 => {
                self.change(member, Ending::Close);
                Next::Drop { reset: false }
            }
            56..72 => {
                self.change(member, Ending::Reset);
                Next::Drop { reset: true }
            }
            // In the middle of something.
            72..82 => {
                let half = self.protocol.say(&member.name, &line::noise(200), true);
                let _ = member.writer.write(&half[..half.len() / 2]).await;
                self.change(member, Ending::Reset);
                Next::Drop { reset: true }
            }
            82..87 if matches!(self.protocol, Protocol::Irc(_)) => {
                self.change(member, Ending::Silence);
                Next::Goes
            }
            _ => {
                self.world.stalled.set(self.world.stalled.get() + 1);
                self.change(member, Ending::Stall);
                Next::Goes
            }
        }
    }
}
