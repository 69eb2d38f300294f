//! A TLS connection in the process that has made its handshake: driven by rustls, and taken from it when it goes on in
//! another process.
//!
//! rustls is given whole records only and everything that it has decrypted is taken at once; so between two calls it
//! holds nothing that would be lost.

use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::sync::Arc;

use rustls::{ConnectionTrafficSecrets, ProtocolVersion, ServerConfig, ServerConnection};

use super::Stream;
use super::records::{Overhead, RecordError, SavedDirection, SavedTls, Secret, Suite, frame};
use super::secret_log::{FirstSecrets, SecretLog};

/// The longest record for which rustls does not need a larger buffer than it always has.
const SHORT: usize = 4096;

/// How often a peer may have changed its key for its connection to be carried on. Programs do so after gigabytes; the
/// search for the key costs microseconds each time.
const MOST_KEY_CHANGES: usize = 256;

/// A connection after its handshake.
pub struct Handshaken {
    /// What makes its records.
    pub(super) driven: Driven,
    /// The beginning of a record that arrived with the end of the handshake.
    pub(super) partial: Vec<u8>,
}

/// rustls, and what it does not tell again.
pub struct Driven {
    connection: Box<ServerConnection>,
    first: Option<Box<FirstSecrets>>,
    overhead: Overhead,
}

/// What whole records have brought.
#[derive(Default)]
pub struct Opened {
    /// How much data, which is now at their beginning.
    pub length: usize,
    /// Whether the peer has sent `close_notify` behind the data.
    pub ended: bool,
    /// Why the connection has failed behind the data.
    pub failure: Option<io::Error>,
}

/// The configuration for one handshake, and the secrets that it will bring. rustls holds the configuration until the
/// handshake is over.
pub fn watched(config: &ServerConfig) -> (Arc<ServerConfig>, Arc<SecretLog>) {
    let secrets = Arc::new(SecretLog::default());
    let mut config = config.clone();
    config.key_log = secrets.clone();
    config.enable_secret_extraction = true;
    (Arc::new(config), secrets)
}

impl Handshaken {
    /// Takes over a connection whose handshake is complete, with the secrets that it has brought, and with what was read
    /// but not given to rustls, which is less than a record.
    #[must_use]
    pub fn new(connection: ServerConnection, secrets: &SecretLog, mut partial: Vec<u8>) -> Handshaken {
        // It had space for every record of the handshake; the connection keeps what is left for as long as it lives.
        partial.shrink_to_fit();
        let first = secrets.take().map(Box::new);
        let driven = Driven { connection: Box::new(connection), first, overhead: Overhead::default() };
        Handshaken { driven, partial }
    }

    /// What the handshake has agreed on.
    #[must_use]
    pub fn connection(&self) -> &ServerConnection {
        &self.driven.connection
    }
}

impl Driven {
    /// Takes what rustls was given with the end of the handshake: the data, and what follows it.
    pub fn take_early(&mut self) -> (Vec<u8>, Opened) {
        let (mut early, mut opened) = (Vec::new(), Opened::default());
        match self.connection.process_new_packets() {
            Ok(state) => opened.ended = state.peer_has_closed(),
            Err(error) => opened.failure = Some(invalid(error)),
        }
        // At the end of the data, it fails: there is no more yet.
        let _ = self.connection.reader().read_to_end(&mut early);
        opened.length = early.len();
        (early, opened)
    }

    /// Decrypts whole records in place. Data before an error of the peer is still returned.
    pub fn open(&mut self, records: &mut [u8]) -> Opened {
        let (mut fed, mut opened) = (0, Opened::default());
        while !opened.ended
            && opened.failure.is_none()
            && let Some(rest) = records.get(fed..).filter(|rest| !rest.is_empty())
        {
            let end = fed + frame::first(rest).unwrap_or(rest.len());
            let before = opened.length;
            self.open_one(records.get_mut(..end).unwrap_or_default(), fed, &mut opened);
            if end - fed > SHORT {
                self.shrink();
            }
            if opened.failure.is_none() && !self.overhead.count(end - fed, opened.length - before) {
                opened.failure = Some(invalid(RecordError::WithoutData));
            }
            if opened.failure.is_some() {
                // Unless rustls has said already what is wrong.
                self.connection.send_close_notify();
            }
            fed = end;
        }
        opened
    }

    /// Decrypts the record from `fed` on. Its data, which is shorter than it is, follows the data of those before.
    fn open_one(&mut self, records: &mut [u8], mut fed: usize, opened: &mut Opened) {
        while !opened.ended
            && opened.failure.is_none()
            && let Some(mut rest) = records.get(fed..).filter(|rest| !rest.is_empty())
        {
            let before = rest.len();
            let read = self.connection.read_tls(&mut rest);
            fed += before - rest.len();
            let processed = read.and_then(|_| self.connection.process_new_packets().map_err(invalid));
            let space = records.get_mut(opened.length..fed).unwrap_or_default();
            opened.length += self.connection.reader().read(space).unwrap_or(0);
            match processed {
                Ok(state) => opened.ended = state.peer_has_closed(),
                Err(error) => opened.failure = Some(error),
            }
        }
    }

    /// Makes rustls give back what it has taken for a long record: it does so when it is about to read, but only then.
    fn shrink(&mut self) {
        struct Nothing;
        impl io::Read for Nothing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(ErrorKind::WouldBlock.into())
            }
        }
        let _ = self.connection.read_tls(&mut Nothing);
    }

    /// Encrypts for sending, into as few records as possible, and returns how much it has taken.
    ///
    /// # Errors
    /// The connection has failed.
    pub fn seal(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.connection.writer().write_vectored(pieces)
    }

    /// Whether there are encrypted bytes to be sent.
    pub fn has_unsent(&self) -> bool {
        self.connection.wants_write()
    }

    /// Sends some of them.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn send(&mut self, stream: &mut Stream) -> io::Result<usize> {
        self.connection.write_tls(stream)
    }

    /// Tells the peer that nothing more will be sent.
    pub fn send_close_notify(&mut self) {
        self.connection.send_close_notify();
    }

    /// Why it cannot be continued by another process, if so.
    pub fn cannot_be_saved(&self) -> Option<&'static str> {
        if self.connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            return Some("it uses TLS 1.2");
        }
        self.first.is_none().then_some("the secrets of its TLS connection are not known")
    }

    /// Takes it from rustls, which can encrypt nothing any more. The caller adds its input.
    ///
    /// # Errors
    /// Why it cannot be continued.
    pub fn save(mut self) -> Result<SavedTls, &'static str> {
        const FAILED: &str = "its TLS connection has failed";
        if let Some(why) = self.cannot_be_saved() {
            return Err(why);
        }
        let first = *self.first.take().ok_or(FAILED)?;
        // rustls holds its answer to a KeyUpdate back until something is written.
        let _: usize = self.connection.writer().write(&[]).map_err(|_| FAILED)?;
        let mut unsent = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut unsent).map_err(|_| FAILED)?;
        }
        let suite = self.connection.negotiated_cipher_suite().map(|suite| u16::from(suite.suite()));
        let suite = suite.and_then(Suite::from_number).ok_or("its cipher suite is unknown")?;
        let extracted = self.connection.dangerous_extract_secrets().map_err(|_| FAILED)?;
        let (ours, theirs) = (extracted.tx, extracted.rx);
        let direction = |first, (sequence, key): (u64, ConnectionTrafficSecrets)| {
            let secret = current(suite, first, &key);
            secret.map(|secret| SavedDirection { secret, sequence }).ok_or("its TLS key was changed too often")
        };
        Ok(SavedTls {
            suite: suite.number(),
            ours: direction(first.ours, ours)?,
            theirs: direction(first.theirs, theirs)?,
            partial: Vec::new(),
            unread: Vec::new(),
            unsent,
        })
    }
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

/// The secret, among those that follow the first, that has this key.
fn current(suite: Suite, first: Secret, wanted: &ConnectionTrafficSecrets) -> Option<Secret> {
    use ConnectionTrafficSecrets::{Aes128Gcm, Aes256Gcm, Chacha20Poly1305};
    let (Aes128Gcm { key, iv } | Aes256Gcm { key, iv } | Chacha20Poly1305 { key, iv }) = wanted else { return None };
    let mut secret = first;
    for _ in 0..=MOST_KEY_CHANGES {
        if suite.with_key(&secret, |its_key, its_iv| its_key == key.as_ref() && its_iv == iv.as_ref())? {
            return Some(secret);
        }
        secret = suite.next(&secret)?;
    }
    None
}
