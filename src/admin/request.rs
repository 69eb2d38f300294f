//! The methods of both interfaces and their parameters, as sent by chatctl and parsed by the daemon.
//!
//! Serialization uses serde; parsing is by hand, because the standard requires the name of the wrong parameter in the
//! error.

use serde::Serialize;
use serde_json::{Map, Value};

use super::types::Error;
use super::varlink::Call;

/// A valid request; serializes to the `method` and `parameters` of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "method", content = "parameters")]
pub enum Request {
    /// Vendor, product and version of this service.
    #[serde(rename = "org.varlink.service.GetInfo")]
    GetInfo {},
    /// The description of an interface.
    #[serde(rename = "org.varlink.service.GetInterfaceDescription")]
    GetInterfaceDescription {
        /// Its name.
        interface: String,
    },
    /// The users.
    #[serde(rename = "org.chatd.Admin.List")]
    List {},
    /// Disconnect a user.
    #[serde(rename = "org.chatd.Admin.Kick")]
    Kick {
        /// The user's name.
        name: String,
        /// The reason, shown to the user and the room.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Keep somebody out.
    #[serde(rename = "org.chatd.Admin.Ban")]
    Ban(BanQuery),
    /// End a ban.
    #[serde(rename = "org.chatd.Admin.Unban")]
    Unban {
        /// What is banned.
        target: String,
        /// Whether it is an account.
        #[serde(skip_serializing_if = "is_false")]
        account: bool,
    },
    /// Who is kept out.
    #[serde(rename = "org.chatd.Admin.ListBans")]
    ListBans {},
    /// Send a notice to everybody in the room.
    #[serde(rename = "org.chatd.Admin.Notice")]
    Notice {
        /// The notice.
        text: String,
    },
    /// Counters and current state.
    #[serde(rename = "org.chatd.Admin.Status")]
    Status {},
    /// Events as they happen.
    #[serde(rename = "org.chatd.Admin.Watch")]
    Watch {
        /// Begin with what has happened since the daemon was restarted.
        #[serde(skip_serializing_if = "is_false")]
        resume: bool,
    },
    /// What was said and done.
    #[serde(rename = "org.chatd.Admin.History")]
    History(HistoryQuery),
    /// A copy of the history on disk.
    #[serde(rename = "org.chatd.Admin.Backup")]
    Backup {},
    /// Read the configuration and certificates again.
    #[serde(rename = "org.chatd.Admin.Reload")]
    Reload {},
    /// Restart without disconnecting anybody.
    #[serde(rename = "org.chatd.Admin.Restart")]
    Restart {},
}

/// The parameters of `Ban`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BanQuery {
    /// A name, an address or a network; or an account.
    pub target: String,
    /// Whether it is an account.
    #[serde(skip_serializing_if = "is_false")]
    pub account: bool,
    /// Whether to ban, with a name, also the address of who has it.
    #[serde(skip_serializing_if = "is_false")]
    pub address: bool,
    /// For how long, as `chatctl ban --for` takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// The reason, shown to the user and the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The parameters of `History`. Without any: the last 50 entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HistoryQuery {
    /// What happened at this time or later, as `chatctl history --since` takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// What comes after the entry with this identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// What happened before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// What the user with this name said and did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What has all these words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// The last so many of these entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Go on with what happens from then on.
    #[serde(skip_serializing_if = "is_false")]
    pub follow: bool,
}

/// chatd's own interface.
pub const ADMIN: &str = "org.chatd.Admin";
/// The interface that every Varlink service has.
pub const SERVICE: &str = "org.varlink.service";

impl Request {
    /// Parses a call; the error is one of the standard's.
    pub fn from_call(call: Call) -> Result<Request, Error> {
        let (interface, method) = call.method.rsplit_once('.').unwrap_or((&call.method, ""));
        let mut parameters = match call.parameters {
            None | Some(Value::Null) => Parameters(Map::new()),
            Some(Value::Object(parameters)) => Parameters(parameters),
            Some(_) => return Err(invalid("parameters")),
        };
        let request = match (interface, method) {
            (SERVICE, "GetInfo") => Request::GetInfo {},
            (SERVICE, "GetInterfaceDescription") => {
                Request::GetInterfaceDescription { interface: parameters.string("interface")? }
            }
            (ADMIN, "List") => Request::List {},
            (ADMIN, "Kick") => {
                Request::Kick { name: parameters.string("name")?, reason: parameters.optional_string("reason")? }
            }
            (ADMIN, "Ban") => Request::Ban(BanQuery {
                target: parameters.string("target")?,
                account: parameters.flag("account")?,
                address: parameters.flag("address")?,
                duration: parameters.optional_string("duration")?,
                reason: parameters.optional_string("reason")?,
            }),
            (ADMIN, "Unban") => {
                Request::Unban { target: parameters.string("target")?, account: parameters.flag("account")? }
            }
            (ADMIN, "ListBans") => Request::ListBans {},
            (ADMIN, "Notice") => Request::Notice { text: parameters.string("text")? },
            (ADMIN, "Status") => Request::Status {},
            (ADMIN, "Watch") => Request::Watch { resume: parameters.flag("resume")? },
            (ADMIN, "History") => Request::History(HistoryQuery {
                since: parameters.optional_string("since")?,
                after: parameters.optional_string("after")?,
                until: parameters.optional_string("until")?,
                from: parameters.optional_string("from")?,
                search: parameters.optional_string("search")?,
                limit: parameters.optional_number("limit")?,
                follow: parameters.flag("follow")?,
            }),
            (ADMIN, "Backup") => Request::Backup {},
            (ADMIN, "Reload") => Request::Reload {},
            (ADMIN, "Restart") => Request::Restart {},
            (SERVICE | ADMIN, _) => return Err(Error::MethodNotFound { method: call.method }),
            _ => return Err(Error::InterfaceNotFound { interface: interface.to_owned() }),
        };
        parameters.end()?;
        Ok(request)
    }

    /// Whether it has more than one reply.
    pub fn answers_more(&self) -> bool {
        matches!(self, Request::Watch { .. } | Request::History(_) | Request::Backup {})
    }
}

/// The parameters of a call that have not been read yet.
struct Parameters(Map<String, Value>);

impl Parameters {
    fn string(&mut self, name: &str) -> Result<String, Error> {
        self.optional_string(name)?.ok_or_else(|| invalid(name))
    }

    fn optional_string(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(name)),
        }
    }

    fn optional_number(&mut self, name: &str) -> Result<Option<u64>, Error> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| invalid(name)),
        }
    }

    /// `false` if it is missing.
    fn flag(&mut self, name: &str) -> Result<bool, Error> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| invalid(name)),
        }
    }

    /// Rejects unknown parameters: ignoring them could do something that the caller did not mean.
    fn end(self) -> Result<(), Error> {
        self.0.keys().next().map_or(Ok(()), |name| Err(invalid(name)))
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn invalid(parameter: &str) -> Error {
    Error::InvalidParameter { parameter: parameter.to_owned() }
}
