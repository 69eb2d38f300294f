//! The self-signed certificate: created when none is configured, and kept.
//!
//! No CA vouches for it; clients can only compare its fingerprint. So it is kept across restarts: a new one each time
//! would teach people to ignore changes.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType};
use rustls::crypto::CryptoProvider;
use thiserror::Error;

use super::certificate::{self, Certificate, CertificateError, Problem};

/// Ten years. Expiry adds no security here, because no CA is involved; it only breaks the trust of those who have noted
/// the fingerprint. So the certificate should outlast the machine.
const VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How far `not_before` lies in the past, for clients whose clocks are slow.
const CLOCK_SKEW: Duration = Duration::from_secs(24 * 60 * 60);

/// Why the self-signed certificate cannot be used.
#[derive(Debug, Error)]
pub enum SelfSignedError {
    /// The kept one cannot be read, perhaps temporarily, so it is not replaced.
    #[error("the self-signed certificate cannot be used: {0}")]
    Unreadable(#[source] CertificateError),
    /// The key or certificate could not be generated.
    #[error("cannot make a self-signed certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// It could not be stored.
    #[error("cannot keep the self-signed certificate in {}: {source}", path.display())]
    Keep {
        /// The file or directory.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
}

/// The path of the certificate in the daemon's state directory, for clients that want to trust it.
pub fn certificate_path(state_directory: &Path) -> PathBuf {
    state_directory.join("tls").join("certificate.pem")
}

/// Loads the self-signed certificate from the state directory, or creates it.
///
/// Replaces one that has expired at `now`, is damaged, or does not match its key; that is logged, because the
/// fingerprint changes. Everybody may read the certificate, only its owner the key (mode 0600).
///
/// # Errors
/// A [`SelfSignedError`], most often because the directory is not writable.
pub fn load_or_make(
    state_directory: &Path,
    provider: &CryptoProvider,
    now: SystemTime,
) -> Result<Certificate, SelfSignedError> {
    let certificate_file = certificate_path(state_directory);
    let key_file = certificate_file.with_file_name("private-key.pem");
    let kept = certificate::read(&certificate_file, &key_file, provider).and_then(|kept| {
        certificate::check_expiry(&kept.facts, &certificate_file, now)?;
        Ok(kept)
    });
    match kept {
        Ok(kept) => return Ok(kept),
        Err(error) if is_unreadable(&error, |kind| kind == ErrorKind::NotFound) && !certificate_file.exists() => {}
        Err(error) if is_unreadable(&error, |kind| kind != ErrorKind::NotFound) => {
            return Err(SelfSignedError::Unreadable(error));
        }
        Err(error) => tracing::warn!("a new self-signed certificate is made, with another fingerprint: {error}"),
    }
    make(&certificate_file, &key_file, now)?;
    certificate::read(&certificate_file, &key_file, provider).map_err(SelfSignedError::Unreadable)
}

fn is_unreadable(error: &CertificateError, why: impl FnOnce(ErrorKind) -> bool) -> bool {
    matches!(&error.problem, Problem::Unreadable(source) if why(source.kind()))
}

fn make(certificate_file: &Path, key_file: &Path, now: SystemTime) -> Result<(), SelfSignedError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "chatd self-signed");
    params.subject_alt_names = alternative_names();
    params.not_before = (now - CLOCK_SKEW).into();
    params.not_after = (now + VALIDITY).into();
    params.is_ca = rcgen::IsCa::ExplicitNoCa; // whoever trusts this file trusts this server and nobody it might sign
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;

    if let Some(directory) = certificate_file.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o755).create(directory);
        made.map_err(|source| SelfSignedError::Keep { path: directory.to_owned(), source })?;
    }
    for (path, mode, pem) in [(key_file, 0o600, key.serialize_pem()), (certificate_file, 0o644, certificate.pem())] {
        write_atomically(path, mode, pem.as_bytes())
            .map_err(|source| SelfSignedError::Keep { path: path.to_owned(), source })?;
    }
    Ok(())
}

/// Names for this machine: `localhost`, its host name, and the loopback addresses.
fn alternative_names() -> Vec<SanType> {
    let uname = rustix::system::uname();
    let host = uname.nodename().to_str().unwrap_or_default();
    let is_host_name = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    let host = Some(host).filter(|host| is_host_name && *host != "localhost");
    let names = ["localhost"].into_iter().chain(host).filter_map(|name| name.try_into().ok()).map(SanType::DnsName);
    let addresses = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].map(SanType::IpAddress);
    names.chain(addresses).collect()
}

/// Creates or replaces the file in one step, with `mode` (less the umask) from the beginning.
fn write_atomically(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("pem.new");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {} // whatever a crash left there may have another mode
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}
