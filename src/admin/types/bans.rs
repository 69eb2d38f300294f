//! Bans in the admin interface.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// A ban.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanEntry {
    /// `name`, `account` or `address`.
    pub kind: String,
    /// Whom it keeps out: a name, an account, an address or a network.
    pub subject: String,
    /// The name with which this account or address was banned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// When it was made.
    #[serde(with = "super::rfc3339_seconds")]
    pub since: SystemTime,
    /// When it ends; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::optional_rfc3339_seconds")]
    pub until: Option<SystemTime>,
    /// The user ID of the administrator who made it.
    pub uid: u32,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The reply to `Ban`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banned {
    /// What was banned.
    pub bans: Vec<BanEntry>,
    /// How many clients were disconnected.
    pub disconnected: u64,
    /// Where the owner of the banned name came from, if that is not banned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// How many others who are here come from there.
    pub others: u64,
}

/// The reply to `Unban` and `ListBans`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bans {
    /// What was banned until now, or what is banned, the latest first.
    pub bans: Vec<BanEntry>,
}
