//! The order and what the disk has kept of it.

use std::rc::Rc;

use super::observer::{Entry, Event, Observer};

impl Observer {
    /// All connections are gone by a SIGKILL, and this is what the disk has kept: the whole order, but perhaps for its
    /// end, which was at least at the place `surely`.
    pub fn killed(&mut self, disk: &[(Event, String)], surely: usize) {
        // What others have read last, the witness may not have.
        while let Some((event, id)) = self.further() {
            self.append(event, None, id);
            let names: Vec<Rc<str>> = self.readers.keys().cloned().collect();
            names.iter().for_each(|name| self.compare(name));
        }
        let confused = self.readers.iter().filter(|(_, reader)| {
            // Where one's own lines are is only known of those that others have read.
            reader.place.is_some() && reader.protocol.echo() && !reader.queue.is_empty()
        });
        let confused: Vec<String> = confused
            .map(|(name, reader)| format!("{name} ({}) at the kill: {:?}", reader.description, reader.queue.front()))
            .collect();
        for wrong in confused {
            self.fail(format!("no order agrees with what was read by {wrong}"));
        }
        self.readers.clear();
        self.compare_disk(disk);
        if disk.len() < surely {
            self.fail(format!("the disk has kept {} events, and had {surely} before the kill", disk.len()));
        }
        let lost = self.order.len().saturating_sub(disk.len());
        self.counts.lost_at_kills += u64::try_from(lost).unwrap();
        for entry in self.order.drain(disk.len().min(self.order.len())..) {
            self.known.remove(&entry.event);
        }
        self.lines.retain(|place| *place < disk.len());
        for (event, id) in &disk[self.order.len()..] {
            self.counts.only_on_disk += 1;
            let lines = self.lines.len();
            if let Event::Said(..) = event {
                self.lines.push(self.order.len());
            }
            if self.known.insert(event.clone(), self.order.len()).is_some() {
                self.fail(format!("the disk has {event:?} twice"));
            }
            self.order.push(Entry { event: event.clone(), id: Some(id.clone()), lines, sent: None });
        }
    }

    /// The next event that somebody has read who has read all that is known.
    fn further(&self) -> Option<(Event, Option<String>)> {
        let head = self.order.len();
        let ahead = self.readers.iter().filter(|(_, reader)| reader.protocol.echo() && !reader.lost);
        let ahead = ahead.filter(|(_, reader)| reader.place.is_some_and(|place| place + 1 == head));
        let mut next = ahead.filter_map(|(_, reader)| reader.queue.front());
        next.find(|(event, ..)| !self.known.contains_key(event)).map(|(event, id, _)| (event.clone(), id.clone()))
    }

    /// What the disk has is the beginning of the order, or all of it and more.
    pub fn compare_disk(&mut self, disk: &[(Event, String)]) {
        for (place, ((event, id), entry)) in disk.iter().zip(&self.order).enumerate() {
            let other = entry.id.as_ref().filter(|known| *known != id);
            if *event != entry.event || other.is_some() {
                let heard = (&entry.event, &entry.id);
                return self.fail(format!("place {place}: the disk has {:?}, heard was {heard:?}", (event, id)));
            }
        }
    }
}
