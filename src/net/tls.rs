//! The TLS configuration in force: made of files, replaced when they change, never by a bad one.
//!
//! It knows no sockets: whoever accepts asks for [`TlsInForce::current`] and gives it to rustls. A connection keeps the
//! configuration that it began with. Whoever asks for it does not wait while files are read, however long that takes.
//! Time is an argument, and what is worth telling is returned, not logged.

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

/// What a client that speaks IRC may say so with in its first message of TLS (RFC 7301; registered with IANA).
pub const ALPN_IRC: &[u8] = b"irc";

/// How long bad files may be a renewal that is not finished.
const RENEWAL: Duration = Duration::from_secs(1);

/// Why there is no (new) TLS configuration.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A configured file.
    #[error("tls.{}: {error}", error.part.key())]
    Certificate {
        /// Where it is configured.
        place: Place,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// The certificate that we make ourselves.
    #[error(transparent)]
    SelfSigned(#[from] SelfSignedError),
    /// The client authorities, taken together.
    #[error("client certificates cannot be checked against {}: {source}", path.display())]
    Authorities {
        /// Their file.
        path: PathBuf,
        /// What rustls said.
        source: rustls::server::VerifierBuilderError,
    },
    /// rustls itself, such as no randomness for ticket keys.
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

    /// Where in the configuration it comes from.
    pub fn place(&self) -> Place {
        if let Self::Certificate { place, .. } = self { *place } else { Place::default() }
    }
}

/// Files that are not what they were when they were read.
#[derive(Debug)]
pub struct Changed(Files);

/// What has become of changed files.
#[derive(Debug)]
pub enum Refresh {
    /// They are bad, but cannot be judged yet, or were before.
    Unchanged,
    /// New files are in force for new connections.
    Renewed(Arc<Facts>),
    /// New files are there, but they are bad; the old ones stay in force. Said once for each bad state.
    Bad(TlsError),
}

/// The TLS configuration that new connections get.
#[derive(Debug)]
pub struct TlsInForce {
    state_directory: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// None: self-signed.
    source: Option<config::Tls>,
    server: Arc<ServerConfig>,
    /// The same for clients that ask for IRC.
    irc: Arc<ServerConfig>,
    facts: Arc<Facts>,
    watch: Watch,
}

impl TlsInForce {
    /// Reads what is configured; without a configuration, the self-signed certificate of `state_directory` is taken, or
    /// made.
    ///
    /// An expired certificate is taken all the same: after a reboot a chat with a warning is better than none. Ask
    /// [`Facts::is_expired`] and [`Facts::expires_within`] for the warnings.
    ///
    /// # Errors
    /// A [`TlsError`] that names the file and says what to do.
    pub fn new(configured: Option<&config::Tls>, state_directory: &Path, now: SystemTime) -> Result<Self, TlsError> {
        let state = State::load(configured, state_directory, now)?;
        Ok(Self { state_directory: state_directory.to_owned(), state: Mutex::new(state) })
    }

    /// Whether [`new`](Self::new) would take these files, and what it would find.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn check(configured: &config::Tls, now: SystemTime) -> Result<Arc<Facts>, TlsError> {
        State::load(Some(configured), Path::new(""), now).map(|state| state.facts)
    }

    /// For the next connection.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.state().server.clone()
    }

    /// For a connection whose client asks for [`ALPN_IRC`]. A configuration with a list of protocols would refuse all
    /// clients that ask for another one (RFC 7301, section 3.2), such as a browser's; so there is one with it and one
    /// without.
    pub fn current_irc(&self) -> Arc<ServerConfig> {
        self.state().irc.clone()
    }

    /// About the certificate in force.
    pub fn facts(&self) -> Arc<Facts> {
        self.state().facts.clone()
    }

    /// Reads everything anew, as SIGHUP and `chatctl reload` ask for, from the files that are configured now.
    ///
    /// Blocks as long as the disk does. Whoever calls this and [`refresh`](Self::refresh) does one after the other.
    ///
    /// # Errors
    /// A [`TlsError`]; what was in force then stays in force. An expired certificate is such an error.
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

    /// Looks whether the configured files have changed, so that [`refresh`](Self::refresh) is to read them.
    ///
    /// Cheap (one stat(2) for each file), so that it can be asked before every handshake: the first client after a
    /// renewal gets the new certificate. Call it once a minute, too: a bad renewal must be told even when nobody
    /// connects.
    pub fn look(&self, now: SystemTime) -> Option<Changed> {
        self.state().watch.look(now).map(Changed)
    }

    /// Takes changed files if they are good.
    ///
    /// Blocks as long as the disk does. Files are written one after the other, and what is found in between is bad; so
    /// a bad state is told only when it is the same a second later.
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
        // A new state is put in place as a whole, so it is good even if its maker has panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn load(configured: Option<&config::Tls>, state_directory: &Path, now: SystemTime) -> Result<Self, TlsError> {
        // The files are looked at before they are read: what changes in between is seen as a change the next time.
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

/// The cryptography: AES-128-GCM with SHA-256 before all other suites, because processors do both in hardware, and do
/// not know SHA-384, which most clients would otherwise name first with AES-256.
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
    // TLS 1.2 and 1.3. Of the key exchange groups, X25519MLKEM768 among them, rustls takes the one that the client
    // names first: those that know the post-quantum exchange prefer it.
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
    // Each resumption brings the next one's ticket.
    server.send_tls13_tickets = 1;
    // They belong to this configuration alone: a session that began under other client authorities is not resumed.
    server.ticketer = aws_lc_rs::Ticketer::new()?;
    // Clients of TLS 1.2 that know no tickets shake hands anew.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(server)
}

/// Who the client is by its certificate; None as long as the handshake is not done, or when it has shown none.
pub fn client_identity(connection: &ServerConnection) -> Option<Identity> {
    if connection.is_handshaking() {
        return None; // the certificate of a resumed session is known before the client has proved to own the session
    }
    connection.peer_certificates()?.first().map(certificate::identity)
}

/// Files, and what they were like when they were read.
#[derive(Debug)]
struct Watch {
    /// None for a self-signed certificate: it is ours alone, nobody else renews it.
    paths: Vec<PathBuf>,
    in_force: Files,
    bad: Option<Bad>,
}

/// A changed state of the files that could not be taken.
#[derive(Debug)]
struct Bad {
    files: Files,
    since: SystemTime,
    told: bool,
}

/// The identity of every watched file, None for one that is not there.
type Files = Vec<Option<FileIdentity>>;

/// Tells a file from another or a changed one, without reading it.
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

    /// The files as they are now, if they are not in force and it is time to judge them.
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

    /// Notes that these files are bad, and says whether they have been for long enough to be told so.
    fn is_still_bad(&mut self, files: Files, now: SystemTime) -> bool {
        match &mut self.bad {
            Some(bad) if bad.files == files => bad.told = true,
            bad => *bad = Some(Bad { files, since: now, told: false }),
        }
        self.bad.as_ref().is_some_and(|bad| bad.told)
    }
}

impl Bad {
    /// A clock that was set back (an error here) must not keep us from looking.
    fn is_recent(&self, now: SystemTime) -> bool {
        now.duration_since(self.since).is_ok_and(|since| since < RENEWAL)
    }
}

/// Follows symbolic links, which certbot changes to renew.
fn identities(paths: &[PathBuf]) -> Files {
    let identity = |path: &PathBuf| {
        let file = fs::metadata(path).ok()?;
        let modified = (file.mtime(), file.mtime_nsec());
        Some(FileIdentity { device: file.dev(), inode: file.ino(), size: file.size(), modified })
    };
    paths.iter().map(identity).collect()
}
