//! The `tracing` layer that receives what the rest of the program logs.

use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::Record;

/// The log as a `tracing` layer.
///
/// `tracing` caches whether a call site is enabled, so a disabled one costs a single load. After a change of the level
/// or of the watchers, call `rebuild_interest_cache`.
pub(super) struct LogLayer(pub(super) &'static super::Shared);

impl<S: Subscriber> Layer<S> for LogLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.0.wants(metadata) { Interest::always() } else { Interest::never() }
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
