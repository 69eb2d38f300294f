//! Remembers the first traffic secrets of one connection. rustls tells them during the handshake only, and gives away
//! later the keys alone, from which the next ones cannot be derived.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::KeyLog;

use super::records::Secret;

/// The traffic secrets with which a TLS 1.3 connection begins.
#[derive(Debug, Clone)]
pub struct FirstSecrets {
    /// For what this side sends.
    pub ours: Secret,
    /// For what the client sends.
    pub theirs: Secret,
}

/// What rustls has told of one handshake.
#[derive(Debug, Default)]
pub struct SecretLog(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    ours: Option<Secret>,
    theirs: Option<Secret>,
}

/// The names of the secrets (draft-ietf-tls-keylogfile).
const OURS: &str = "SERVER_TRAFFIC_SECRET_0";
const THEIRS: &str = "CLIENT_TRAFFIC_SECRET_0";

impl SecretLog {
    /// The secrets; `None` before the end of the handshake, and for TLS 1.2.
    pub fn take(&self) -> Option<FirstSecrets> {
        let mut told = self.told();
        told.ours.take().zip(told.theirs.take()).map(|(ours, theirs)| FirstSecrets { ours, theirs })
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyLog for SecretLog {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        match label {
            OURS => self.told().ours = Secret::new(secret),
            THEIRS => self.told().theirs = Secret::new(secret),
            _ => {}
        }
    }

    fn will_log(&self, label: &str) -> bool {
        matches!(label, OURS | THEIRS)
    }
}
