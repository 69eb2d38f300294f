//! Reading PEM files, and the self-signed certificate.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use chatd::net::certificate::{self, Certificate, CertificateError, EXPIRY_WARNING};
use chatd::net::self_signed::{self, SelfSignedError};
use rustls::crypto::aws_lc_rs;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs the real `openssl` in `directory` and returns what it prints.
fn openssl(directory: &Path, arguments: &str) -> String {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A certificate for the key in `key`, written to `certificate`.
fn certify(directory: &Path, key: &str, certificate: &str) {
    openssl(
        directory,
        &format!(
            "req -x509 -new -key {key} -out {certificate} -days 30 -subj /O=Chat/CN=chat.example.org \
             -addext subjectAltName=DNS:chat.example.org,IP:192.0.2.1,IP:2001:db8::1"
        ),
    );
}

fn read(directory: &Path, certificate: &str, key: &str) -> Result<Certificate, CertificateError> {
    certificate::read(&directory.join(certificate), &directory.join(key), &aws_lc_rs::default_provider())
}

#[test]
fn every_kind_of_key_is_read_and_the_facts_are_openssls() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    for (make, begins) in [
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key", "-----BEGIN PRIVATE KEY-----"),
        ("genrsa -traditional -out key 2048", "-----BEGIN RSA PRIVATE KEY-----"),
        ("ecparam -name prime256v1 -genkey -out key", "-----BEGIN EC PARAMETERS-----"),
        ("ecparam -name secp384r1 -genkey -noout -out key", "-----BEGIN EC PRIVATE KEY-----"),
        ("genpkey -algorithm ED25519 -out key", "-----BEGIN PRIVATE KEY-----"),
    ] {
        openssl(directory, make);
        assert!(fs::read_to_string(directory.join("key")).unwrap().starts_with(begins), "{make}");
        certify(directory, "key", "certificate");

        let facts = read(directory, "certificate", "key").unwrap_or_else(|error| panic!("{make}: {error}")).facts;
        let printed = openssl(directory, "x509 -in certificate -noout -fingerprint -sha256");
        assert_eq!(printed.trim_end().split_once('=').unwrap().1, facts.fingerprint);
        assert_eq!(facts.subject, "O=Chat, CN=chat.example.org");
        assert_eq!(facts.names, ["chat.example.org", "192.0.2.1", "2001:db8::1"]);
    }

    // Both in one file, text around them.
    let both = ["a comment\n".to_owned()]
        .into_iter()
        .chain(["key", "certificate"].map(|name| fs::read_to_string(directory.join(name)).unwrap()));
    fs::write(directory.join("both"), both.collect::<String>()).unwrap();
    read(directory, "both", "both").unwrap();
}

#[test]
fn expiry_is_told_by_the_time_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    openssl(directory, "genpkey -algorithm ED25519 -out key");
    certify(directory, "key", "certificate");
    let facts = read(directory, "certificate", "key").unwrap().facts;

    let end = facts.not_after;
    assert_eq!(
        openssl(directory, "x509 -in certificate -noout -enddate -dateopt iso_8601").trim_end(),
        format!("notAfter={}", humantime::format_rfc3339_seconds(end)).replace('T', " ")
    );
    assert!(!facts.expires_within(EXPIRY_WARNING, end - 15 * DAY));
    assert!(facts.expires_within(EXPIRY_WARNING, end - 13 * DAY));
    assert!(facts.expires_within(EXPIRY_WARNING, end) && !facts.is_expired(end));
    let late = end + Duration::from_secs(1);
    assert!(!facts.expires_within(EXPIRY_WARNING, late) && facts.is_expired(late));

    let path = directory.join("certificate");
    certificate::check_expiry(&facts, &path, end).unwrap();
    let error = certificate::check_expiry(&facts, &path, late).unwrap_err();
    assert!(error.to_string().contains(&humantime::format_rfc3339_seconds(end).to_string()), "{error}");
}

#[test]
fn every_mistake_names_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    openssl(directory, "genpkey -algorithm ED25519 -out key");
    openssl(directory, "genpkey -algorithm ED25519 -out other-key");
    openssl(directory, "genrsa -traditional -aes128 -passout pass:secret -out encrypted-pkcs1 2048");
    openssl(directory, "genpkey -algorithm ED25519 -aes128 -pass pass:secret -out encrypted-pkcs8");
    openssl(directory, "genrsa -out small-key 1024");
    certify(directory, "key", "certificate");
    let pem = fs::read_to_string(directory.join("certificate")).unwrap();
    fs::write(directory.join("half"), &pem[..pem.len() / 2]).unwrap();
    fs::write(directory.join("empty"), "").unwrap();
    fs::write(directory.join("huge"), vec![b'\n'; 2 << 20]).unwrap();

    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(directory.join("nonsense"), nonsense).unwrap();

    use CertificateError as E;
    type Expected = fn(&E) -> bool;
    let cases: [(&str, &str, &str, Expected); 11] = [
        ("missing", "key", "missing", |e| matches!(e, E::Unreadable { .. })),
        (".", "key", "", |e| matches!(e, E::Unreadable { .. })),
        ("huge", "key", "huge", |e| matches!(e, E::TooLarge { .. })),
        ("half", "key", "half", |e| matches!(e, E::Pem { .. })),
        ("empty", "key", "empty", |e| matches!(e, E::NoCertificate { .. })),
        ("nonsense", "key", "nonsense", |e| matches!(e, E::Unusable { .. })),
        ("certificate", "certificate", "certificate", |e| matches!(e, E::NoKey { .. })),
        ("certificate", "encrypted-pkcs1", "encrypted-pkcs1", |e| matches!(e, E::EncryptedKey { .. })),
        ("certificate", "encrypted-pkcs8", "encrypted-pkcs8", |e| matches!(e, E::EncryptedKey { .. })),
        ("certificate", "small-key", "small-key", |e| matches!(e, E::UnusableKey { .. })),
        ("certificate", "other-key", "other-key", |e| matches!(e, E::Mismatch { .. })),
    ];
    for (certificate, key, named, expected) in cases {
        let error = read(directory, certificate, key).unwrap_err();
        assert!(expected(&error), "{certificate}, {key}: {error:?}");
        assert!(error.to_string().contains(directory.join(named).to_str().unwrap()), "{error}");
    }
}

fn self_signed(directory: &Path, now: SystemTime) -> Result<Certificate, SelfSignedError> {
    self_signed::load_or_make(directory, &aws_lc_rs::default_provider(), now)
}

#[test]
fn the_self_signed_certificate_is_made_once_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let now = SystemTime::now();
    let made = self_signed(&state, now).unwrap().facts;
    for name in ["localhost", "127.0.0.1", "::1"] {
        assert!(made.names.iter().any(|n| n == name), "{name} is not in {:?}", made.names);
    }
    let mode = |name: &str| state.join("tls").join(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("private-key.pem"), 0o600);
    assert_eq!(mode("certificate.pem") & 0o022, 0);
    assert_eq!(fs::read_dir(state.join("tls")).unwrap().count(), 2, "nothing temporary is left");
    // What `openssl s_client -CAfile` does with it.
    let certificate = self_signed::certificate_path(&state);
    let check = format!("verify -x509_strict -purpose sslserver -CAfile {0} {0}", certificate.display());
    openssl(&state, &check);

    assert_eq!(self_signed(&state, now + 365 * DAY).unwrap().facts, made);
    let replaced = self_signed(&state, made.not_after + DAY).unwrap().facts;
    assert_ne!(replaced.fingerprint, made.fingerprint);
    assert!(!replaced.is_expired(made.not_after + DAY));
}

#[test]
fn a_damaged_self_signed_pair_is_replaced_and_an_unreadable_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let certificate = self_signed::certificate_path(directory.path());
    let key = certificate.with_file_name("private-key.pem");
    let damages: [&dyn Fn(); 4] = [
        &|| fs::write(&certificate, "").unwrap(),
        &|| fs::write(&key, "").unwrap(),
        &|| fs::remove_file(&key).unwrap(),
        &|| fs::remove_file(&certificate).unwrap(),
    ];
    let mut earlier = self_signed(directory.path(), now).unwrap().facts;
    for damage in damages {
        damage();
        let replaced = self_signed(directory.path(), now).unwrap().facts;
        assert_ne!(replaced.fingerprint, earlier.fingerprint);
        assert_eq!(self_signed(directory.path(), now).unwrap().facts, replaced);
        earlier = replaced;
    }

    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    let error = self_signed(directory.path(), now).unwrap_err();
    assert!(matches!(error, SelfSignedError::Unreadable(_)), "{error}");
}
