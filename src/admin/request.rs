//! The methods of both interfaces and their parameters: what chatctl sends and the daemon understands.
//!
//! Writing a request is serde's work; reading one is done by hand, because the standard wants the name of the
//! parameter that is wrong.

use serde::Serialize;
use serde_json::{Map, Value};

use super::types::Error;
use super::varlink::Call;

/// A call that makes sense. It serializes to the `method` and `parameters` of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "method", content = "parameters")]
pub enum Request {
    /// Who is answering.
    #[serde(rename = "org.varlink.service.GetInfo")]
    GetInfo {},
    /// What an interface looks like.
    #[serde(rename = "org.varlink.service.GetInterfaceDescription")]
    GetInterfaceDescription {
        /// Its name.
        interface: String,
    },
    /// Who is here.
    #[serde(rename = "org.chatd.Admin.List")]
    List {},
    /// Disconnect somebody.
    #[serde(rename = "org.chatd.Admin.Kick")]
    Kick {
        /// Whom.
        name: String,
        /// Why, for them and the room.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Say something to everybody.
    #[serde(rename = "org.chatd.Admin.Notice")]
    Notice {
        /// What.
        text: String,
    },
    /// The numbers of the moment.
    #[serde(rename = "org.chatd.Admin.Status")]
    Status {},
    /// What happens, as it happens.
    #[serde(rename = "org.chatd.Admin.Watch")]
    Watch {},
    /// Read configuration and certificates again.
    #[serde(rename = "org.chatd.Admin.Reload")]
    Reload {},
}

/// The name of the interface that is ours.
pub const ADMIN: &str = "org.chatd.Admin";
/// The name of the interface that every Varlink service has.
pub const SERVICE: &str = "org.varlink.service";

impl Request {
    /// Understands a call, or says in the standard's words what is wrong with it.
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
            (ADMIN, "Notice") => Request::Notice { text: parameters.string("text")? },
            (ADMIN, "Status") => Request::Status {},
            (ADMIN, "Watch") => Request::Watch {},
            (ADMIN, "Reload") => Request::Reload {},
            (SERVICE | ADMIN, _) => return Err(Error::MethodNotFound { method: call.method }),
            _ => return Err(Error::InterfaceNotFound { interface: interface.to_owned() }),
        };
        parameters.end()?;
        Ok(request)
    }

    /// Whether it is answered more than once.
    pub fn answers_more(&self) -> bool {
        matches!(self, Request::Watch {})
    }
}

/// The parameters of a call that have not been taken yet.
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

    /// Whatever is left is a mistake: ignoring it would do something else than the caller meant.
    fn end(self) -> Result<(), Error> {
        self.0.keys().next().map_or(Ok(()), |name| Err(invalid(name)))
    }
}

fn invalid(parameter: &str) -> Error {
    Error::InvalidParameter { parameter: parameter.to_owned() }
}
