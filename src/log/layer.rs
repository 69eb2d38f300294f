//! Where `tracing` hands over what the rest of the program logs.

use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::Record;

/// The log as a layer of `tracing`'s subscriber.
///
/// A call site that nobody wants to hear of is told so once and costs one load from then on. Whoever changes who wants
/// what, the level or the watchers, has `tracing` ask again (`rebuild_interest_cache`).
pub(super) struct Front(pub(super) &'static super::Front);

impl<S: Subscriber> Layer<S> for Front {
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
