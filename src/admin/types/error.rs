//! The errors of the interface.

use serde::{Deserialize, Serialize};

/// No user is called `name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("nobody here is called {name:?}")]
pub struct NoSuchUser {
    /// The requested name.
    pub name: String,
}

/// A text that cannot be sent to the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("this text cannot be said in the room: {reason}")]
pub struct InvalidText {
    /// Why not.
    pub reason: String,
}

/// An error reply; serializes to its `error` and `parameters`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", content = "parameters")]
pub enum Error {
    /// Kick: no such user.
    #[error(transparent)]
    #[serde(rename = "org.chatd.Admin.NoSuchUser")]
    NoSuchUser(#[from] NoSuchUser),
    /// Notice: the text cannot be sent.
    #[error(transparent)]
    #[serde(rename = "org.chatd.Admin.InvalidText")]
    InvalidText(#[from] InvalidText),
    /// Reload: the new configuration is invalid and is not used.
    #[error("nothing was reloaded, and what was in force stays so: {}", mistakes.join("; "))]
    #[serde(rename = "org.chatd.Admin.ReloadFailed")]
    ReloadFailed {
        /// The mistakes, each with its place.
        mistakes: Vec<String>,
    },
    /// Restart: the next process could not start, so nothing has happened.
    #[error("nothing was restarted, and everybody stays: {}", mistakes.join("; "))]
    #[serde(rename = "org.chatd.Admin.RestartFailed")]
    RestartFailed {
        /// The mistakes, each with its place.
        mistakes: Vec<String>,
    },
    /// History, Ban: not a time that can be used.
    #[error("the time {time:?} cannot be used: {reason}")]
    #[serde(rename = "org.chatd.Admin.InvalidTime")]
    InvalidTime {
        /// The time as it was given.
        time: String,
        /// Why not.
        reason: String,
    },
    /// History: not a name that anybody can have.
    #[error("nobody can be called {name:?}: {reason}")]
    #[serde(rename = "org.chatd.Admin.InvalidName")]
    InvalidName {
        /// The name as it was given.
        name: String,
        /// Why not.
        reason: String,
    },
    /// Ban, Unban: nothing that can be banned.
    #[error("{target:?} cannot be banned: {reason}")]
    #[serde(rename = "org.chatd.Admin.InvalidTarget")]
    InvalidTarget {
        /// The target as it was given.
        target: String,
        /// Why not.
        reason: String,
    },
    /// Ban: the limit on bans is reached.
    #[error("there are {maximum} bans already, which is as many as may be; end one that is not needed")]
    #[serde(rename = "org.chatd.Admin.TooManyBans")]
    TooManyBans {
        /// The maximum number of bans.
        maximum: u64,
    },
    /// Unban: there is no such ban.
    #[error("{target:?} is not banned{}", by.as_ref().map(|by| format!(" itself, but by the ban of {by}")).unwrap_or_default())]
    #[serde(rename = "org.chatd.Admin.NotBanned")]
    NotBanned {
        /// The target as it was given.
        target: String,
        /// The ban that concerns it nevertheless.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// History: there is no answer.
    #[error("{reason}")]
    #[serde(rename = "org.chatd.Admin.HistoryUnavailable")]
    HistoryUnavailable {
        /// Why not.
        reason: String,
    },
    /// Backup: nothing is kept on disk.
    #[error("there is nothing to back up: this server keeps no history on disk (history.keep is \"0s\")")]
    #[serde(rename = "org.chatd.Admin.NothingKept")]
    NothingKept {},
    /// Backup: another one is being made.
    #[error("another backup is being made; try again when it is done")]
    #[serde(rename = "org.chatd.Admin.BackupInProgress")]
    BackupInProgress {},
    /// Backup: the copy could not be made.
    #[error("no backup could be made: {reason}")]
    #[serde(rename = "org.chatd.Admin.BackupFailed")]
    BackupFailed {
        /// Why not.
        reason: String,
    },
    /// Watch, History: the limit on watchers is reached.
    #[error(
        "{maximum} others are watching or reading the history already, which is as many as may; raise admin.connections to allow more"
    )]
    #[serde(rename = "org.chatd.Admin.TooManyWatchers")]
    TooManyWatchers {
        /// The maximum number of watchers.
        maximum: u64,
    },
    /// Any method: there is no place for this connection.
    #[error(
        "all {maximum} connections of administrators are in use; end a chatctl that watches or reads the history, or raise admin.connections"
    )]
    #[serde(rename = "org.chatd.Admin.TooManyConnections")]
    TooManyConnections {
        /// The maximum number of connections.
        maximum: u64,
    },
    /// Watch: the watch has ended.
    #[error("the daemon has ended the watch")]
    #[serde(rename = "org.chatd.Admin.WatchEnded")]
    WatchEnded {},
    /// Watch, History: the daemon restarts, and it goes on with the next call to the new one.
    #[error("the daemon restarts")]
    #[serde(rename = "org.chatd.Admin.Restarting")]
    Restarting {
        /// History: the identifier of the entry after which to go on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// Any method: the daemon cannot start.
    #[error("chatd cannot start: {}", mistakes.join("; "))]
    #[serde(rename = "org.chatd.Admin.CannotStart")]
    CannotStart {
        /// The reasons, one sentence each.
        mistakes: Vec<String>,
    },
    /// No such interface.
    #[error("the daemon does not know the interface {interface:?}; is it older than this chatctl?")]
    #[serde(rename = "org.varlink.service.InterfaceNotFound")]
    InterfaceNotFound {
        /// Its name.
        interface: String,
    },
    /// No such method.
    #[error("the daemon does not know the method {method:?}; is it older than this chatctl?")]
    #[serde(rename = "org.varlink.service.MethodNotFound")]
    MethodNotFound {
        /// Its name with the interface's.
        method: String,
    },
    /// The method exists, but cannot be called in this way.
    #[error("the daemon does not offer the method {method:?} in this way")]
    #[serde(rename = "org.varlink.service.MethodNotImplemented")]
    MethodNotImplemented {
        /// Its name with the interface's.
        method: String,
    },
    /// A parameter is missing, unknown or of the wrong type.
    #[error("the daemon does not accept the parameter {parameter:?}")]
    #[serde(rename = "org.varlink.service.InvalidParameter")]
    InvalidParameter {
        /// Its name.
        parameter: String,
    },
    /// The caller has no permission. chatd relies on the socket's mode instead; other services may send this.
    #[error("the daemon does not permit this")]
    #[serde(rename = "org.varlink.service.PermissionDenied")]
    PermissionDenied {},
    /// A method with many replies was called without `more`.
    #[error("this method must be called with \"more\"")]
    #[serde(rename = "org.varlink.service.ExpectedMore")]
    ExpectedMore {},
}
