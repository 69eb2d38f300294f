//! The one thread that writes, and so the only one that waits when the journal or standard error does not take more.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use super::events::{LOG_TARGET, LOST};
use super::journal::{self, Journal};
use super::{Front, QUEUE, Record, Settings, Target, Work, lock};

/// Writes what comes until nobody can send any more.
pub(super) fn run(front: &'static Front, work: &Receiver<Work>) {
    let mut writer = Writer { front, journal: None, since_loss: 0 };
    loop {
        let next = match work.try_recv() {
            Err(TryRecvError::Empty) => {
                writer.report_lost();
                work.recv().ok()
            }
            next => next.ok(),
        };
        match next {
            Some(Work::Write(record)) => writer.write(&record),
            Some(Work::Flush(written)) => {
                writer.report_lost();
                // Whoever asked may have stopped waiting.
                let _ = written.try_send(());
            }
            None => return,
        }
    }
}

struct Writer {
    front: &'static Front,
    /// Opened when the first entry goes there.
    journal: Option<Journal>,
    /// Entries written while a loss waits to be reported.
    since_loss: usize,
}

impl Writer {
    fn write(&mut self, record: &Record) {
        if self.try_write(record).is_err() {
            self.front.lose();
        }
        // What was lost came after all that was queued then, so the report waits for the queue to run empty; under a
        // load that never lets it, for its length.
        if *lock(&self.front.lost) > 0 {
            self.since_loss += 1;
            if self.since_loss > QUEUE + 1 {
                self.report_lost();
            }
        }
    }

    /// Says how many entries were lost, if any; when that cannot be written either, the count stays.
    fn report_lost(&mut self) {
        let count = *lock(&self.front.lost);
        self.since_loss = 0;
        if count == 0 {
            return;
        }
        let entries = if count == 1 { "entry was" } else { "entries were" };
        let record = Record::warning(LOST, format!("{count} log {entries} lost: the log could not keep up"));
        if self.try_write(&record).is_ok() {
            *lock(&self.front.lost) -= count;
            // Watchers may be none.
            let _ = self.front.watchers.send(Arc::new(record));
        }
    }

    fn try_write(&mut self, record: &Record) -> io::Result<()> {
        // Read for each entry: an address that was logged before it was forbidden is not written after.
        let Settings { target, addresses, .. } = self.front.settings();
        if target == Target::Stderr {
            self.journal = None;
            return write_line(record, addresses);
        }
        if self.journal.is_none() {
            match Journal::open() {
                Ok(journal) => self.journal = Some(journal),
                Err(error) => {
                    self.front.change(|settings| settings.target = Target::Stderr);
                    let message = format!("the journal cannot be used, the log goes to standard error: {error}");
                    write_line(&Record::warning(LOG_TARGET, message), addresses)?;
                    return write_line(record, addresses);
                }
            }
        }
        if let Some(journal) = &self.journal {
            // Its library does not say when nobody takes the entry.
            journal::reachable()?;
            journal.write(record, addresses);
        }
        Ok(())
    }
}

/// Writes a line to standard error, in one piece.
fn write_line(record: &Record, addresses: bool) -> io::Result<()> {
    let mut line = record.line(addresses);
    line.push('\n');
    io::stderr().write_all(line.as_bytes())
}
