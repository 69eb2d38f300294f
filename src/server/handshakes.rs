//! A separate thread for TLS handshakes, so that they do not delay the chat: a signature alone can take milliseconds (RSA
//! with 4096 bits), and checking the certificate's files can block on the disk.

use std::future::{Future, pending};
use std::sync::OnceLock;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tracing::warn;

/// The thread for handshakes; it starts with the first one.
#[derive(Debug, Default)]
pub(super) struct Handshakes(OnceLock<Option<Handle>>);

impl Handshakes {
    /// Runs a handshake on that thread, or on the chat's if the system cannot start another.
    pub(super) fn spawn(&self, handshake: impl Future<Output = ()> + Send + 'static) {
        match self.0.get_or_init(start) {
            Some(handle) => handle.spawn(handshake),
            None => tokio::spawn(handshake),
        };
    }
}

fn start() -> Option<Handle> {
    let started = Builder::new_current_thread().enable_all().build().and_then(|runtime| {
        let handle = runtime.handle().clone();
        thread::Builder::new().name("handshakes".to_owned()).spawn(move || runtime.block_on(pending::<()>()))?;
        Ok(handle)
    });
    started.inspect_err(|e| warn!("TLS handshakes have no thread of their own, and may delay the room: {e}")).ok()
}
