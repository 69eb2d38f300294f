//! Certificates and private keys: read from PEM files, checked, and described.
//!
//! The only place that reads PEM. It knows nothing of sockets, of TLS versions or of what is logged when; what time it
//! is, is an argument.

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::x509::X509Version;

/// How long before its expiry a certificate is warned about.
pub const EXPIRY_WARNING: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The largest PEM file that is read, in bytes: hundreds of authorities fit.
const LARGEST_FILE: u64 = 1024 * 1024;

/// The most characters of a name from a client's certificate (RFC 5280, appendix A: `ub-common-name`).
const LONGEST_COMMON_NAME: usize = 64;

/// A certificate chain with the private key that belongs to it.
#[derive(Debug)]
pub struct Certificate {
    /// What rustls signs with.
    pub key: Arc<CertifiedKey>,
    /// What is told about the first certificate of the chain.
    pub facts: Facts,
}

/// What an administrator wants to know about a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The distinguished name, such as `CN=chat.example.org`; empty in many modern certificates.
    pub subject: String,
    /// The host names and IP addresses that it is valid for.
    pub names: Vec<String>,
    /// The last moment at which it is valid.
    pub not_after: SystemTime,
    /// SHA-256 of the certificate, written as `openssl x509 -fingerprint -sha256` does: `AB:CD:…`.
    pub fingerprint: String,
}

impl Facts {
    /// Whether it is no longer valid at `now`.
    pub fn is_expired(&self, now: SystemTime) -> bool {
        now > self.not_after
    }

    /// Whether it is valid at `now` but no longer so a `period` later; see [`EXPIRY_WARNING`].
    pub fn expires_within(&self, period: Duration, now: SystemTime) -> bool {
        !self.is_expired(now) && now + period > self.not_after
    }
}

/// Who a client is by the certificate that it has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The subject's common name, at most 64 characters, control characters replaced; many certificates have none.
    pub common_name: Option<String>,
    /// SHA-256 of the certificate, as in [`Facts`].
    pub fingerprint: String,
}

/// What is wrong with a certificate, a key, or their files.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// Missing, no permission, a directory, …
    #[error("cannot read {}: {source}{}", path.display(), unreadable_hint(source))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Much larger than any chain or list of authorities.
    #[error("{} is larger than {LARGEST_FILE} bytes and so no file of certificates", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A damaged or half-written file.
    #[error("{} is not well-formed PEM: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What the reader stumbled over.
        source: io::Error,
    },
    /// PEM, but no certificate in it.
    #[error(
        "{} has no certificate: a section \"BEGIN CERTIFICATE\" is needed, the server's own one first",
        path.display()
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A certificate that cannot be used.
    #[error("the certificate in {} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// PEM, but no key in it.
    #[error(
        "{} has no private key: a section \"BEGIN PRIVATE KEY\", \"BEGIN RSA PRIVATE KEY\" \
         or \"BEGIN EC PRIVATE KEY\" is needed",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A key with a passphrase, which nobody would be there to type.
    #[error(
        "the private key in {0} is encrypted; write it without a passphrase: openssl pkey -in {0} -out NEW-FILE",
        path.display()
    )]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// An algorithm that rustls does not sign with, or a damaged key.
    #[error(
        "the private key in {} cannot be used, RSA from 2048 bits, ECDSA or Ed25519 is needed: {source}",
        path.display()
    )]
    UnusableKey {
        /// The file.
        path: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
    /// Two files that do not belong together, as in the middle of a renewal.
    #[error(
        "the private key in {} does not belong to the first certificate in {}",
        private_key.display(), certificate.display()
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        private_key: PathBuf,
    },
    /// Valid no longer.
    #[error(
        "the certificate in {} has expired on {}; a renewed one is needed",
        path.display(), humantime::format_rfc3339_seconds(*not_after)
    )]
    Expired {
        /// The file.
        path: PathBuf,
        /// When.
        not_after: SystemTime,
    },
}

fn unreadable_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "; the user that the daemon runs as must be allowed to read it",
        _ => "",
    }
}

/// Reads a certificate chain and its private key, and checks that they belong together.
///
/// The two may be in one file. Whether the certificate has expired is left to [`check_expiry`].
///
/// # Errors
/// Every [`CertificateError`] but [`CertificateError::Expired`].
pub fn read(
    certificate: &Path,
    private_key: &Path,
    provider: &CryptoProvider,
) -> Result<Certificate, CertificateError> {
    let chain = read_chain(certificate)?;
    let leaf = chain.first().ok_or_else(|| CertificateError::NoCertificate { path: certificate.to_owned() })?;
    let unusable = |reason| CertificateError::Unusable { path: certificate.to_owned(), reason };
    let facts = facts(leaf).map_err(unusable)?;

    let key = provider
        .key_provider
        .load_private_key(read_key(private_key)?)
        .map_err(|source| CertificateError::UnusableKey { path: private_key.to_owned(), source })?;
    let key = CertifiedKey::new(chain, key);
    match key.keys_match() {
        Ok(()) => Ok(Certificate { key: Arc::new(key), facts }),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(CertificateError::Mismatch { certificate: certificate.to_owned(), private_key: private_key.to_owned() })
        }
        Err(error) => Err(unusable(error.to_string())),
    }
}

/// Refuses the certificate that was read from `path` when it is no longer valid.
///
/// # Errors
/// [`CertificateError::Expired`].
pub fn check_expiry(facts: &Facts, path: &Path, now: SystemTime) -> Result<(), CertificateError> {
    if facts.is_expired(now) {
        return Err(CertificateError::Expired { path: path.to_owned(), not_after: facts.not_after });
    }
    Ok(())
}

/// Reads the authorities that client certificates are checked against.
///
/// # Errors
/// A [`CertificateError`] about this file; one bad certificate in it spoils it all.
pub fn read_authorities(path: &Path) -> Result<RootCertStore, CertificateError> {
    let mut authorities = RootCertStore::empty();
    for certificate in read_chain(path)? {
        authorities
            .add(certificate)
            .map_err(|error| CertificateError::Unusable { path: path.to_owned(), reason: error.to_string() })?;
    }
    Ok(authorities)
}

/// Who has shown this certificate, which must have been verified.
pub fn identity(certificate: &CertificateDer<'_>) -> Identity {
    let common_name = x509_parser::parse_x509_certificate(certificate).ok().and_then(|(_, parsed)| {
        let name = parsed.subject().iter_common_name().next()?.as_str().ok()?;
        Some(printable(name).chars().take(LONGEST_COMMON_NAME).collect())
    });
    Identity { common_name, fingerprint: fingerprint(certificate) }
}

/// Never empty.
fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let bytes = read_file(path)?;
    let chain: Vec<_> = rustls_pemfile::certs(&mut bytes.as_slice())
        .collect::<Result<_, _>>()
        .map_err(|source| CertificateError::Pem { path: path.to_owned(), source })?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate { path: path.to_owned() });
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let bytes = read_file(path)?;
    // PKCS#8's own section, and the header that OpenSSL puts into the older ones (RFC 1421, 4.6.1.1).
    let encrypted = |mark: &str| memchr::memmem::find(&bytes, mark.as_bytes()).is_some();
    if encrypted("BEGIN ENCRYPTED PRIVATE KEY") || encrypted("Proc-Type: 4,ENCRYPTED") {
        return Err(CertificateError::EncryptedKey { path: path.to_owned() });
    }
    rustls_pemfile::private_key(&mut bytes.as_slice())
        .map_err(|source| CertificateError::Pem { path: path.to_owned(), source })?
        .ok_or_else(|| CertificateError::NoKey { path: path.to_owned() })
}

fn read_file(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|source| CertificateError::Unreadable { path: path.to_owned(), source })?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(CertificateError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

fn facts(certificate: &CertificateDer<'_>) -> Result<Facts, String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|error| error.to_string())?;
    if parsed.version() != X509Version::V3 {
        return Err("it is not of X.509 version 3, which TLS needs".into());
    }
    // An X.509 time lies between the years 1950 and 9999; what ended before 1970 may as well have ended then.
    let not_after = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    Ok(Facts {
        subject: printable(&parsed.subject().to_string()),
        names: names(&parsed),
        not_after: UNIX_EPOCH + Duration::from_secs(not_after),
        fingerprint: fingerprint(certificate),
    })
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

/// Names from certificates are shown on terminals; nobody shall steer one by what an authority let through.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
