//! Certificates and private keys: read from PEM files, checked, and described.
//!
//! The only module that reads PEM. It knows nothing of sockets, TLS versions or logging; the current time is an
//! argument.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Version;

use crate::files;
use crate::harmless::is_harmful;

/// How long before its expiry a certificate causes a warning.
pub const EXPIRY_WARNING: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The minimum size of an RSA key in bits.
const MIN_RSA_BITS: usize = 2048;

/// The maximum length of a name from a client certificate, in characters (RFC 5280, appendix A: `ub-common-name`).
const MAX_COMMON_NAME: usize = 64;

/// A certificate chain and its private key.
#[derive(Debug)]
pub struct Certificate {
    /// The chain and key in the form that rustls uses.
    pub key: Arc<CertifiedKey>,
    /// Properties of the chain's first certificate.
    pub facts: Facts,
}

/// Properties of a certificate, for the administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The distinguished name, such as `CN=chat.example.org`; empty in many modern certificates.
    pub subject: String,
    /// The host names and IP addresses for which it is valid.
    pub names: Vec<String>,
    /// The time at which it expires.
    pub not_after: SystemTime,
    /// Its SHA-256 fingerprint, in the format of `openssl x509 -fingerprint -sha256`: `AB:CD:…`.
    pub fingerprint: String,
}

impl Facts {
    /// Whether it has expired at `now`.
    pub fn is_expired(&self, now: SystemTime) -> bool {
        now > self.not_after
    }

    /// Whether it is valid at `now` but expires within `period`; see [`EXPIRY_WARNING`].
    pub fn expires_within(&self, period: Duration, now: SystemTime) -> bool {
        !self.is_expired(now) && now + period > self.not_after
    }
}

/// A client's identity, from its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The subject's common name, at most 64 characters, with control characters replaced; many certificates have none.
    pub common_name: Option<String>,
    /// SHA-256 of the certificate, as in [`Facts`].
    pub fingerprint: String,
}

/// A file of the `[tls]` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The server's certificate chain.
    Certificate,
    /// The server's private key.
    PrivateKey,
    /// The CA certificates for verifying clients.
    ClientCa,
}

impl Part {
    /// The configuration key for this file.
    pub fn key(self) -> &'static str {
        match self {
            Part::Certificate => "certificate",
            Part::PrivateKey => "private-key",
            Part::ClientCa => "client-ca",
        }
    }
}

/// A problem with a certificate or key file; the text says what to do.
#[derive(Debug, Error)]
#[error("{} {}", path.display(), problem.sentence(*part, path))]
pub struct CertificateError {
    /// What the file is for.
    pub part: Part,
    /// The file.
    pub path: PathBuf,
    /// The problem.
    pub problem: Problem,
}

/// The kinds of problems.
#[derive(Debug)]
pub enum Problem {
    /// Missing, not permitted, too large or the like.
    Unreadable(io::Error),
    /// Nothing is in it.
    Empty,
    /// DER instead of PEM.
    Der,
    /// A damaged or incomplete PEM file.
    Damaged,
    /// A key instead of certificates, or the other way round.
    Swapped,
    /// PEM without a certificate.
    NoCertificate,
    /// A certificate that cannot be decoded.
    Undecodable,
    /// A certificate without extensions, with its version of X.509.
    Version(u32),
    /// PEM without a private key.
    NoKey,
    /// An encrypted key. A daemon has nobody to ask for the passphrase.
    EncryptedKey,
    /// An RSA key that is too small, with its size in bits.
    WeakKey(usize),
    /// A damaged key, or an algorithm that rustls does not support.
    UnusableKey,
    /// The key does not match the certificate in this file; can happen during a renewal.
    Mismatch(PathBuf),
    /// Expired at this time.
    Expired(SystemTime),
}

impl Problem {
    /// The rest of a sentence that starts with the file's path.
    fn sentence(&self, part: Part, path: &Path) -> String {
        let file = path.display();
        let command = if part == Part::PrivateKey { "pkey" } else { "x509" };
        match self {
            Self::Unreadable(error) => format!("cannot be read: {}{}", files::complaint(error), hint(error, path)),
            Self::Empty => "is empty".into(),
            Self::Der => format!(
                "is not a PEM file; if it is DER, convert it: openssl {command} -inform DER -in {file} -out NEW-FILE"
            ),
            Self::Damaged => "is damaged: a section of it has no end, or is not base64".into(),
            Self::Swapped => match part {
                Part::Certificate => "has a private key and no certificate; are tls.certificate and tls.private-key \
                                      swapped?"
                    .into(),
                Part::PrivateKey => "has a certificate and no private key; are tls.certificate and tls.private-key \
                                     swapped?"
                    .into(),
                Part::ClientCa => "has a private key and no certificate".into(),
            },
            Self::NoCertificate => "has no certificate, which is a section \"BEGIN CERTIFICATE\"".into(),
            Self::Undecodable => "has a certificate that cannot be decoded; get it anew".into(),
            Self::Version(version) => format!(
                "has a certificate of X.509 version {version}, and TLS needs version 3; `openssl x509 -req` makes that \
                 with -extfile FILE, where FILE has the line subjectAltName=DNS:NAME"
            ),
            Self::NoKey => "has no private key, which is a section \"BEGIN PRIVATE KEY\", \"BEGIN RSA PRIVATE KEY\" \
                            or \"BEGIN EC PRIVATE KEY\""
                .into(),
            Self::EncryptedKey => format!(
                "is encrypted, and nobody is there to type a passphrase; write it without one: openssl pkey -in \
                 {file} -out NEW-FILE"
            ),
            Self::WeakKey(bits) => format!(
                "has an RSA key of {bits} bits, which is too weak; RSA from 2048 bits, ECDSA or Ed25519 is needed, \
                 with a certificate of its own"
            ),
            Self::UnusableKey => {
                "has a private key that cannot be used; RSA from 2048 bits, ECDSA or Ed25519 is needed".into()
            }
            Self::Mismatch(certificate) => format!(
                "does not belong to the first certificate in {}; both must come from the same renewal",
                certificate.display()
            ),
            Self::Expired(when) => {
                format!("has expired on {}; renew it", humantime::format_rfc3339_seconds(*when))
            }
        }
    }
}

/// Further advice about a file that cannot be read.
fn hint(error: &io::Error, path: &Path) -> &'static str {
    let hidden =
        ["/home", "/root", "/run/user", "/tmp", "/var/tmp"].iter().any(|directory| path.starts_with(directory));
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            if hidden && std::env::var_os("NOTIFY_SOCKET").is_some() =>
        {
            "; chatd.service sees no homes, and a /tmp of its own: put it below /etc/chatd"
        }
        io::ErrorKind::PermissionDenied => {
            ", or not enter its directory; see \"Certificates from certbot\" in chatd(8)"
        }
        _ => "",
    }
}

/// Reads a certificate chain and its private key, and checks that they match.
///
/// Both may be in one file. Expiry is checked separately, by [`check_expiry`].
///
/// # Errors
/// Any [`Problem`] except [`Problem::Expired`].
pub fn read(
    certificate: &Path,
    private_key: &Path,
    provider: &CryptoProvider,
) -> Result<Certificate, CertificateError> {
    let of_certificate = |problem| CertificateError { part: Part::Certificate, path: certificate.to_owned(), problem };
    let of_key = |problem| CertificateError { part: Part::PrivateKey, path: private_key.to_owned(), problem };
    let chain = read_chain(certificate).map_err(of_certificate)?;
    let leaf = chain.first().ok_or_else(|| of_certificate(Problem::NoCertificate))?;
    let (_, parsed) = x509_parser::parse_x509_certificate(leaf).map_err(|_| of_certificate(Problem::Undecodable))?;
    if parsed.version() != X509Version::V3 {
        return Err(of_certificate(Problem::Version(parsed.version().0 + 1)));
    }
    let facts = facts(leaf, &parsed);
    let rsa_bits = match parsed.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Some(key.key_size()),
        _ => None,
    };

    let key = read_key(private_key).map_err(of_key)?;
    let key = provider.key_provider.load_private_key(key).map_err(|_| match rsa_bits {
        Some(bits) if bits < MIN_RSA_BITS => of_key(Problem::WeakKey(bits)),
        _ => of_key(Problem::UnusableKey),
    })?;
    let key = CertifiedKey::new(chain, key);
    match key.keys_match() {
        Ok(()) => Ok(Certificate { key: Arc::new(key), facts }),
        Err(rustls::Error::InconsistentKeys(_)) => Err(of_key(Problem::Mismatch(certificate.to_owned()))),
        Err(_) => Err(of_certificate(Problem::Undecodable)),
    }
}

/// Rejects the certificate that was read from `path` if it has expired.
///
/// # Errors
/// [`Problem::Expired`].
pub fn check_expiry(facts: &Facts, path: &Path, now: SystemTime) -> Result<(), CertificateError> {
    if facts.is_expired(now) {
        let problem = Problem::Expired(facts.not_after);
        return Err(CertificateError { part: Part::Certificate, path: path.to_owned(), problem });
    }
    Ok(())
}

/// Reads the CA certificates for verifying clients.
///
/// # Errors
/// A [`CertificateError`] about this file; a single bad certificate makes the whole file invalid.
pub fn read_authorities(path: &Path) -> Result<RootCertStore, CertificateError> {
    let error = |problem| CertificateError { part: Part::ClientCa, path: path.to_owned(), problem };
    let mut authorities = RootCertStore::empty();
    for certificate in read_chain(path).map_err(error)? {
        authorities.add(certificate).map_err(|_| error(Problem::Undecodable))?;
    }
    Ok(authorities)
}

/// The identity in a certificate, which must have been verified.
pub fn identity(certificate: &CertificateDer<'_>) -> Identity {
    let common_name = x509_parser::parse_x509_certificate(certificate).ok().and_then(|(_, parsed)| {
        let name = parsed.subject().iter_common_name().next()?.as_str().ok()?;
        Some(printable(name).chars().take(MAX_COMMON_NAME).collect())
    });
    Identity { common_name, fingerprint: fingerprint(certificate) }
}

/// Reads a chain; it is never empty.
fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let bytes = read_pem(path)?;
    let chain = rustls_pemfile::certs(&mut bytes.as_slice()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|_| Problem::Damaged)?;
    match chain.is_empty() {
        false => Ok(chain),
        true if contains(&bytes, "PRIVATE KEY-----") => Err(Problem::Swapped),
        true => Err(Problem::NoCertificate),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let bytes = read_pem(path)?;
    // PKCS#8's own label, and the header that OpenSSL writes into older formats (RFC 1421, section 4.6.1.1).
    if contains(&bytes, "BEGIN ENCRYPTED PRIVATE KEY") || contains(&bytes, "Proc-Type: 4,ENCRYPTED") {
        return Err(Problem::EncryptedKey);
    }
    match rustls_pemfile::private_key(&mut bytes.as_slice()) {
        Ok(Some(key)) => Ok(key),
        Ok(None) if contains(&bytes, "BEGIN CERTIFICATE") => Err(Problem::Swapped),
        Ok(None) => Err(Problem::NoKey),
        Err(_) => Err(Problem::Damaged),
    }
}

fn read_pem(path: &Path) -> Result<Vec<u8>, Problem> {
    let bytes = files::read(path).map_err(Problem::Unreadable)?;
    match bytes.first() {
        None => Err(Problem::Empty),
        // An ASN.1 sequence: DER or PKCS#12. PEM text does not start with this byte.
        Some(0x30) if !contains(&bytes, "-----BEGIN ") => Err(Problem::Der),
        Some(_) => Ok(bytes),
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

fn facts(certificate: &CertificateDer<'_>, parsed: &X509Certificate<'_>) -> Facts {
    // X.509 times range from 1950 to 9999. A time before 1970 becomes 1970, which is expired too.
    let not_after = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    Facts {
        subject: printable(&parsed.subject().to_string()),
        names: names(parsed),
        not_after: UNIX_EPOCH + Duration::from_secs(not_after),
        fingerprint: fingerprint(certificate),
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(printable(name)),
            GeneralName::IPAddress(octets) => {
                let v4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
                v4.or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from)).ok().map(|ip| ip.to_string())
            }
            _ => None, // nobody connects to an e-mail address
        })
        .collect()
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    let pairs: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// Replaces harmful characters: a name from a certificate, even a CA-signed one, must not control a terminal.
fn printable(name: &str) -> String {
    name.chars().map(|c| if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
