//! The systemd journal: whether it is available, and how a record becomes a journal entry.
//!
//! `tracing-journald` sends from the calling thread and blocks if the journal does not read, so only the writer thread
//! may hold a [`Journal`].

use std::io;
use std::os::unix::net::UnixDatagram;

use tracing::field::Value;
use tracing::{Event, Subscriber as _};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Layered, SubscriberExt as _};

use super::Record;
use super::record::OWN;

/// The socket of the journal's native protocol; `tracing-journald` has the path built in.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// The connection to the journal.
pub(super) struct Journal {
    /// Called directly and never installed as `tracing`'s subscriber, so it does not influence which call sites are
    /// enabled.
    subscriber: Layered<tracing_journald::Layer, Registry>,
}

impl Journal {
    /// Connects to the journal; may block.
    pub(super) fn open() -> io::Result<Self> {
        let layer = tracing_journald::layer()?
            .with_field_prefix(None)
            .with_syslog_identifier("chatd".to_owned())
            .with_priority_mappings(PriorityMappings {
                error: Priority::Error,
                warn: Priority::Warning,
                info: Priority::Informational,
                debug: Priority::Debug,
                trace: Priority::Debug,
            });
        Ok(Self { subscriber: tracing_subscriber::registry().with(layer) })
    }

    /// Sends an entry, with the file and line of the call site. Blocks while the journal does not read.
    pub(super) fn write(&self, record: &Record, addresses: bool) {
        let text = record.text(addresses);
        let address = record.address.as_ref().filter(|_| addresses);
        let values = [
            Some(&text as &dyn Value),
            record.kind.as_ref().map(|kind| &kind.id as &dyn Value),
            record.kind.as_ref().map(|kind| &kind.name as &dyn Value),
            record.user.as_ref().map(|user| user as &dyn Value),
            address.map(|address| address as &dyn Value),
            record.transport.as_ref().map(|transport| transport as &dyn Value),
            record.protocol.as_ref().map(|protocol| protocol as &dyn Value),
            record.reason.as_ref().map(|reason| reason as &dyn Value),
            record.uid.as_ref().map(|uid| uid as &dyn Value),
        ];
        // One value for each of the fields of `OWN`, in their order.
        let values = OWN.fields().value_set_all(&values);
        self.subscriber.event(&Event::new(record.metadata, &values));
    }
}

/// Whether the journal's socket accepts connections; never blocks.
pub(super) fn reachable() -> io::Result<()> {
    UnixDatagram::unbound()?.connect(SOCKET)
}

/// Whether standard error is connected to the journal: `JOURNAL_STREAM` has the stream's device and inode
/// (systemd.exec(5)).
pub fn is_standard_error() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(io::stderr()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}
