//! What the interface says of the history.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{optional_rfc3339_milliseconds, optional_rfc3339_seconds, rfc3339_milliseconds};

/// A reply to `History`: some of the entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The entries, oldest first; none in the last reply.
    pub entries: Vec<HistoryEntry>,
}

/// Something that was said or done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When.
    #[serde(with = "rfc3339_milliseconds")]
    pub time: SystemTime,
    /// What: `message`, `action`, `notice`, `tags`, `topic`, `join`, `part`, `leave`, `rename`, `redaction`, or `gap` in
    /// place of events that could not be kept.
    pub kind: String,
    /// The identifier that IRC clients know it by; for a gap, that of the first missing event.
    pub msgid: String,
    /// Who; without it, the administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What was said, with line feeds between its lines; the topic, the reason, the new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Only with `redaction`: the identifier of the deleted message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
    /// Only with `gap`: how many events are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Only with `gap`: when the last of them happened.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_rfc3339_milliseconds")]
    pub until: Option<SystemTime>,
}

/// The history on disk, as `Status` has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryStatus {
    /// For how long lines are kept; 0: nothing is kept.
    pub keep_seconds: u64,
    /// How many lines are kept.
    pub lines: u64,
    /// The size of the file.
    pub bytes: u64,
    /// When the oldest line was said; `None` if there is none.
    #[serde(default, with = "optional_rfc3339_seconds")]
    pub oldest_at: Option<SystemTime>,
    /// Events that could not be kept.
    pub lost: u64,
    /// What is wrong at present.
    pub trouble: Option<String>,
}

/// A reply to `Backup`: the next piece of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupPiece {
    /// The bytes in Base64; empty in the last reply.
    pub data: String,
    /// How large the file is.
    pub bytes: u64,
    /// How many lines are in it.
    pub lines: u64,
}
