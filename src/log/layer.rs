//! The `tracing` layer that receives what the rest of the program logs.

use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::Record;

/// The log as a `tracing` layer.
///
/// `tracing` keeps the most detailed level that anybody wants, so a call site above it costs a single load. After a change
/// of the level or of the watchers, call [`Shared::update_level`](super::Shared::update_level).
pub(super) struct LogLayer(pub(super) &'static super::Shared);

impl<S: Subscriber> Layer<S> for LogLayer {
    /// Every call site asks each time. An answer that `tracing` kept could be older than the latest change: it looks at a
    /// call site that another thread uses for the first time without regard to changes made meanwhile.
    fn register_callsite(&self, _metadata: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        self.0.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(if self.0.watched() { LevelFilter::TRACE } else { self.0.settings().level.into() })
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        self.0.take(Arc::new(Record::of(event)));
    }
}
