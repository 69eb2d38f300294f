//! The writer thread, the only one that may block on the journal or on standard error.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Instant;

use super::events::{LOG_TARGET, LOST};
use super::journal::{self, Journal};
use super::{QUEUE, Record, Settings, Shared, Target, Work, lock};

/// Writes entries until all senders are gone.
pub(super) fn run(shared: &'static Shared, work: &Receiver<Work>) {
    let mut writer = Writer { shared, journal: None, since_loss: 0 };
    loop {
        let counts = lock(&shared.flood).counts(Instant::now());
        writer.write_counts(&counts);
        let next = match work.try_recv() {
            Err(TryRecvError::Empty) => {
                writer.report_lost();
                // The first entry of a period is always queued, so that nothing is missed without a deadline.
                let due = lock(&shared.flood).due();
                match due.map(|due| work.recv_timeout(due.saturating_duration_since(Instant::now()))) {
                    None => work.recv().ok(),
                    Some(Err(RecvTimeoutError::Timeout)) => continue,
                    Some(next) => next.ok(),
                }
            }
            next => next.ok(),
        };
        match next {
            Some(Work::Write(record)) => writer.write(&record),
            Some(Work::Flush(written)) => {
                let counts = lock(&shared.flood).all_counts(Instant::now());
                writer.write_counts(&counts);
                writer.report_lost();
                // The caller may have stopped waiting.
                let _ = written.try_send(());
            }
            None => return,
        }
    }
}

struct Writer {
    shared: &'static Shared,
    /// Opened for the first entry that goes there.
    journal: Option<Journal>,
    /// Entries written since a loss, which has not been reported yet.
    since_loss: usize,
}

impl Writer {
    fn write(&mut self, record: &Record) {
        if self.try_write(record).is_err() {
            self.shared.lose();
        }
        // Lost entries came after everything queued at that time, so the report waits until the queue is empty; under
        // constant load, at most for the queue's length.
        if *lock(&self.shared.lost) > 0 {
            self.since_loss += 1;
            if self.since_loss > QUEUE + 1 {
                self.report_lost();
            }
        }
    }

    /// Writes the counts of entries that were left out, unless the level has been changed meanwhile.
    fn write_counts(&mut self, counts: &[Record]) {
        let level = self.shared.settings().level;
        for count in counts.iter().filter(|count| count.level() <= level) {
            self.write(count);
        }
    }

    /// Reports how many entries were lost, if any. If that cannot be written either, the count is kept.
    fn report_lost(&mut self) {
        let count = *lock(&self.shared.lost);
        self.since_loss = 0;
        if count == 0 {
            return;
        }
        let entries = if count == 1 { "entry was" } else { "entries were" };
        let record = Record::warning(LOST, format!("{count} log {entries} lost: the log could not keep up"));
        if self.try_write(&record).is_ok() {
            *lock(&self.shared.lost) -= count;
            // Fails if there are no watchers, which is fine.
            let _ = self.shared.watchers.send(Arc::new(record));
        }
    }

    fn try_write(&mut self, record: &Record) -> io::Result<()> {
        // Read for every entry, so that no address is written after a reload has forbidden them, even if it was logged
        // before.
        let Settings { target, addresses, .. } = self.shared.settings();
        if target == Target::Stderr {
            self.journal = None;
            return write_line(record, addresses);
        }
        if self.journal.is_none() {
            match Journal::open() {
                Ok(journal) => self.journal = Some(journal),
                Err(error) => {
                    self.shared.change(|settings| settings.target = Target::Stderr);
                    let message = format!("the journal cannot be used, the log goes to standard error: {error}");
                    write_line(&Record::warning(LOG_TARGET, message), addresses)?;
                    return write_line(record, addresses);
                }
            }
        }
        if let Some(journal) = &self.journal {
            // The library does not report that nobody reads the socket.
            journal::reachable()?;
            journal.write(record, addresses);
        }
        Ok(())
    }
}

/// Writes a line to standard error with one write call.
fn write_line(record: &Record, addresses: bool) -> io::Result<()> {
    let mut line = record.line(addresses);
    line.push('\n');
    io::stderr().write_all(line.as_bytes())
}
