//! What is told to those who watch.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// One reply to `Watch`: an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchEvent {
    /// When.
    #[serde(with = "super::rfc3339_milliseconds")]
    pub time: SystemTime,
    /// The kind of event, as in `CHATD_EVENT`; [`WatchEvent::MISSED`] in place of events that were dropped.
    pub event: String,
    /// The event as a sentence.
    pub message: String,
    /// The user concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `plain` or `tls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// The client's protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Why it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The user ID of the administrator who caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// How many events were dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

impl WatchEvent {
    /// The `event` of a reply that stands for dropped events.
    pub const MISSED: &'static str = "missed";

    /// Stands for `count` events that were dropped because the watcher was too slow, noticed at `time`.
    pub fn missed(time: SystemTime, count: u64) -> WatchEvent {
        WatchEvent {
            time,
            event: WatchEvent::MISSED.to_owned(),
            message: format!("{count} events were missed, because they were read too slowly"),
            user: None,
            address: None,
            transport: None,
            protocol: None,
            reason: None,
            uid: None,
            missed: Some(count),
        }
    }
}
