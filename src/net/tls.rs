//! The current TLS configuration. It is loaded from files and replaced when they change, but never by an invalid one.
//!
//! It does not deal with sockets: [`TlsInForce::current`] returns the configuration for a new connection, which keeps
//! it until its end. Calling it never blocks, even while files are being read. The current time is an argument, and
//! events are returned to the caller for logging.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{CipherSuite, ServerConfig, ServerConnection};
use thiserror::Error;

use super::certificate::{self, Certificate, CertificateError, Facts, Identity, Part};
use super::self_signed::{self, SelfSignedError};
use crate::config::{self, ClientCertificates, Place};

/// The ALPN protocol by which a client announces IRC (RFC 7301; registered with IANA).
pub const ALPN_IRC: &[u8] = b"irc";

/// How long invalid files are taken for an unfinished renewal.
const RENEWAL: Duration = Duration::from_secs(1);

/// Why there is no (new) TLS configuration.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A problem with a configured file.
    #[error("tls.{}: {error}", error.part.key())]
    Certificate {
        /// Its place in the configuration.
        place: Place,
        /// The problem.
        error: CertificateError,
    },
    /// A problem with the self-signed certificate.
    #[error(transparent)]
    SelfSigned(#[from] SelfSignedError),
    /// The client CA certificates cannot be used together.
    #[error("client certificates cannot be checked against {}: {source}", path.display())]
    Authorities {
        /// Their file.
        path: PathBuf,
        /// rustls' error.
        source: rustls::server::VerifierBuilderError,
    },
    /// An error of rustls itself, such as no randomness for ticket keys.
    #[error("cannot set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

impl TlsError {
    fn configured(files: &config::Tls, error: CertificateError) -> Self {
        let place = match error.part {
            Part::Certificate => files.certificate.place,
            Part::PrivateKey => files.private_key.place,
            Part::ClientCa => files.client_ca.as_ref().map_or_else(Place::default, |file| file.place),
        };
        Self::Certificate { place, error }
    }

    /// The place in the configuration that it concerns.
    pub fn place(&self) -> Place {
        if let Self::Certificate { place, .. } = self { *place } else { Place::default() }
    }
}

/// The new state of files that have changed since they were read.
#[derive(Debug)]
pub struct Changed(Files);

/// The result of reading changed files.
#[derive(Debug)]
pub enum Refresh {
    /// The files are invalid, but perhaps a renewal is unfinished, or this state was reported before.
    Unchanged,
    /// The new files are used for new connections.
    Renewed(Arc<Facts>),
    /// The new files are invalid and the old configuration stays. Returned once for each invalid state.
    Bad(TlsError),
}

/// The TLS configuration for new connections.
#[derive(Debug)]
pub struct TlsInForce {
    state_directory: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None`: self-signed.
    source: Option<config::Tls>,
    server: Arc<ServerConfig>,
    /// The same with ALPN `irc`.
    irc: Arc<ServerConfig>,
    facts: Arc<Facts>,
    watch: Watch,
}

impl TlsInForce {
    /// Loads the configured files. If none are configured, loads the self-signed certificate in `state_directory`, or
    /// creates it.
    ///
    /// Accepts an expired certificate: after a reboot, a chat with a warning is better than none. Use
    /// [`Facts::is_expired`] and [`Facts::expires_within`] for warnings.
    ///
    /// # Errors
    /// A [`TlsError`] that names the file and says what to do.
    pub fn new(configured: Option<&config::Tls>, state_directory: &Path, now: SystemTime) -> Result<Self, TlsError> {
        let state = State::load(configured, state_directory, now)?;
        Ok(Self { state_directory: state_directory.to_owned(), state: Mutex::new(state) })
    }

    /// Checks the files as [`new`](Self::new) would, without using them.
    ///
    /// # Errors
    /// The errors of [`new`](Self::new).
    pub fn check(configured: &config::Tls, now: SystemTime) -> Result<Arc<Facts>, TlsError> {
        State::load(Some(configured), Path::new(""), now).map(|state| state.facts)
    }

    /// The configuration for a new connection.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.state().server.clone()
    }

    /// The configuration for a client that offers [`ALPN_IRC`]. A server with a list of ALPN protocols must reject
    /// clients that offer only others (RFC 7301, section 3.2), such as browsers. So this one has the list, and the
    /// other has none.
    pub fn current_irc(&self) -> Arc<ServerConfig> {
        self.state().irc.clone()
    }

    /// Properties of the current certificate.
    pub fn facts(&self) -> Arc<Facts> {
        self.state().facts.clone()
    }

    /// Reads all files again, for SIGHUP and `chatctl reload`.
    ///
    /// Blocks on disk I/O. Calls of this and of [`refresh`](Self::refresh) must not overlap.
    ///
    /// # Errors
    /// A [`TlsError`], also for an expired certificate; the old configuration then stays.
    pub fn reload(&self, configured: Option<&config::Tls>, now: SystemTime) -> Result<Arc<Facts>, TlsError> {
        let watched = self.state().watch.paths.clone();
        let seen = identities(&watched);
        let loaded = State::load(configured, &self.state_directory, now).and_then(|new| new.unexpired(now));
        let mut state = self.state();
        match loaded {
            Ok(new) => {
                *state = new;
                Ok(state.facts.clone())
            }
            Err(error) => {
                if state.source.as_ref() == configured {
                    state.watch.bad = Some(Bad { files: seen, since: now, told: true });
                }
                Err(error)
            }
        }
    }

    /// Checks whether the configured files have changed; pass the result to [`refresh`](Self::refresh).
    ///
    /// Cheap: one stat(2) per file. Called before every handshake, so that the first client after a renewal gets the
    /// new certificate. Also call it once a minute, so that a failed renewal is reported even if nobody connects.
    pub fn check_files(&self, now: SystemTime) -> Option<Changed> {
        self.state().watch.look(now).map(Changed)
    }

    /// Loads changed files and uses them if they are valid.
    ///
    /// Blocks on disk I/O. A renewal writes one file after the other and the state in between is invalid, so an invalid
    /// state is reported only if it is still the same a second later.
    pub fn refresh(&self, Changed(seen): Changed, now: SystemTime) -> Refresh {
        let source = self.state().source.clone();
        let loaded = State::load(source.as_ref(), &self.state_directory, now).and_then(|new| new.unexpired(now));
        let mut state = self.state();
        match loaded {
            Ok(new) => {
                *state = new;
                Refresh::Renewed(state.facts.clone())
            }
            Err(error) if state.watch.is_still_bad(seen, now) => Refresh::Bad(error),
            Err(_) => Refresh::Unchanged,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Ignores poisoning: the state is always replaced as a whole, so it is consistent even after a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn load(configured: Option<&config::Tls>, state_directory: &Path, now: SystemTime) -> Result<Self, TlsError> {
        // Taken before the files are read, so that a change during the read counts as a change next time.
        let watch = Watch::new(configured);
        let provider = Arc::new(provider());
        let certificate = match configured {
            Some(files) => certificate::read(&files.certificate.path, &files.private_key.path, &provider)
                .map_err(|error| TlsError::configured(files, error))?,
            None => self_signed::load_or_make(state_directory, &provider, now)?,
        };
        let facts = Arc::new(certificate.facts.clone());
        let server = server_config(certificate, configured, provider)?;
        let mut irc = server.clone();
        irc.alpn_protocols = vec![ALPN_IRC.to_vec()];
        Ok(Self { source: configured.cloned(), server: Arc::new(server), irc: Arc::new(irc), facts, watch })
    }

    fn unexpired(self, now: SystemTime) -> Result<Self, TlsError> {
        if let Some(files) = &self.source {
            certificate::check_expiry(&self.facts, &files.certificate.path, now)
                .map_err(|error| TlsError::configured(files, error))?;
        }
        Ok(self)
    }
}

/// The cryptography. AES-128-GCM with SHA-256 comes first: processors do both in hardware, but not SHA-384, which most
/// clients would otherwise choose first, with AES-256.
fn provider() -> CryptoProvider {
    const FIRST: [CipherSuite; 3] = [
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ];
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| !FIRST.contains(&suite.suite()));
    provider
}

fn server_config(
    certificate: Certificate,
    configured: Option<&config::Tls>,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, TlsError> {
    // TLS 1.2 and 1.3. rustls takes the client's first choice among the key exchange groups, which include
    // X25519MLKEM768; clients with post-quantum key exchange put that first.
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = match configured.and_then(|files| Some((files, files.client_ca.as_ref()?))) {
        None => builder.with_no_client_auth(),
        Some((files, config::File { path, .. })) => {
            let authorities = certificate::read_authorities(path);
            let authorities = Arc::new(authorities.map_err(|error| TlsError::configured(files, error))?);
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider);
            let verifier = match files.client_certificates {
                ClientCertificates::Optional => verifier.allow_unauthenticated(),
                ClientCertificates::Required => verifier,
            };
            let verifier = verifier.build();
            builder.with_client_cert_verifier(
                verifier.map_err(|source| TlsError::Authorities { path: path.clone(), source })?,
            )
        }
    };
    let mut server = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate.key)));
    server.ignore_client_order = true;
    // One ticket per connection is enough: each resumption issues the next.
    server.send_tls13_tickets = 1;
    // A ticketer per configuration, so that a session verified by other client CAs cannot be resumed.
    server.ticketer = aws_lc_rs::Ticketer::new()?;
    // TLS 1.2 clients without ticket support do a full handshake.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(server)
}

/// The client's identity from its certificate; `None` before the end of the handshake or if it sent none.
pub fn client_identity(connection: &ServerConnection) -> Option<Identity> {
    if connection.is_handshaking() {
        return None; // the certificate of a resumed session is known before the client has proved to own the session
    }
    connection.peer_certificates()?.first().map(certificate::identity)
}

/// The watched files and their state when they were read.
#[derive(Debug)]
struct Watch {
    /// Empty for a self-signed certificate, which nobody else renews.
    paths: Vec<PathBuf>,
    in_force: Files,
    bad: Option<Bad>,
}

/// A changed state of the files that is not valid.
#[derive(Debug)]
struct Bad {
    files: Files,
    since: SystemTime,
    told: bool,
}

/// The identity of every watched file, `None` for a missing one.
type Files = Vec<Option<FileIdentity>>;

/// Detects a replaced or modified file without reading it.
#[derive(Debug, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl Watch {
    fn new(configured: Option<&config::Tls>) -> Self {
        let paths = match configured {
            Some(files) => [Some(&files.certificate), Some(&files.private_key), files.client_ca.as_ref()]
                .into_iter()
                .flatten()
                .map(|file| file.path.clone())
                .collect(),
            None => Vec::new(),
        };
        Self { in_force: identities(&paths), paths, bad: None }
    }

    /// The current state of the files, if it differs from the loaded one and is due to be checked.
    fn look(&mut self, now: SystemTime) -> Option<Files> {
        let seen = identities(&self.paths);
        if seen == self.in_force {
            self.bad = None;
            return None;
        }
        match &self.bad {
            Some(bad) if bad.files == seen && (bad.told || bad.is_recent(now)) => None,
            _ => Some(seen),
        }
    }

    /// Records an invalid state, and returns whether it has lasted long enough to be reported.
    fn is_still_bad(&mut self, files: Files, now: SystemTime) -> bool {
        match &mut self.bad {
            Some(bad) if bad.files == files => bad.told = true,
            bad => *bad = Some(Bad { files, since: now, told: false }),
        }
        self.bad.as_ref().is_some_and(|bad| bad.told)
    }
}

impl Bad {
    /// A clock that was set back gives an error here, which counts as not recent.
    fn is_recent(&self, now: SystemTime) -> bool {
        now.duration_since(self.since).is_ok_and(|since| since < RENEWAL)
    }
}

/// Follows symbolic links, because certbot renews by changing them.
fn identities(paths: &[PathBuf]) -> Files {
    let identity = |path: &PathBuf| {
        let file = fs::metadata(path).ok()?;
        let modified = (file.mtime(), file.mtime_nsec());
        Some(FileIdentity { device: file.dev(), inode: file.ino(), size: file.size(), modified })
    };
    paths.iter().map(identity).collect()
}
