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

/// Creates a certificate for `key` and writes it to `certificate`.
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

    // Both in one file, with other text around them.
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
fn every_mistake_names_its_file_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let put = |name: &str, content: &[u8]| fs::write(directory.join(name), content).unwrap();
    openssl(directory, "genpkey -algorithm ED25519 -out key");
    openssl(directory, "genpkey -algorithm ED25519 -out other-key");
    openssl(directory, "genrsa -traditional -aes128 -passout pass:secret -out encrypted-pkcs1 2048");
    openssl(directory, "genpkey -algorithm ED25519 -aes128 -pass pass:secret -out encrypted-pkcs8");
    openssl(directory, "genrsa -out weak-key 1024");
    openssl(directory, "ecparam -name secp256k1 -genkey -noout -out bitcoin-key");
    certify(directory, "key", "certificate");
    certify(directory, "weak-key", "weak-certificate");
    openssl(directory, "x509 -in certificate -outform DER -out certificate.der");
    openssl(directory, "pkey -in key -outform DER -out key.der");
    openssl(directory, "pkcs12 -export -in certificate -inkey key -passout pass: -out both.p12");
    openssl(directory, "req -new -key key -subj /CN=old -out request");
    openssl(directory, "x509 -req -in request -signkey key -days 30 -out old");
    let pem = fs::read_to_string(directory.join("certificate")).unwrap();
    put("half", &pem.as_bytes()[..pem.len() / 2]);
    put("empty", b"");
    put("huge", &vec![b'\n'; 2 << 20]);
    put("text", b"see /etc/letsencrypt\n");
    put("nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");

    let encrypted = "is encrypted, and nobody is there to type a passphrase; write it without one: openssl pkey -in ";
    let cases = [
        ("missing", "key", "missing", "cannot be read: there is no such file"),
        ("..", "key", "..", "cannot be read: it is a directory"),
        ("huge", "key", "huge", "cannot be read: it is larger than 1 MiB"),
        ("half", "key", "half", "is damaged: a section of it has no end, or is not base64"),
        ("empty", "key", "empty", "is empty"),
        ("text", "key", "text", "has no certificate, which is a section \"BEGIN CERTIFICATE\""),
        ("nonsense", "key", "nonsense", "has a certificate that cannot be decoded; get it anew"),
        (
            "certificate.der",
            "key",
            "certificate.der",
            "is not a PEM file; if it is DER, convert it: openssl x509 -inform DER",
        ),
        ("both.p12", "key", "both.p12", "is not a PEM file; if it is DER, convert it: "),
        (
            "old",
            "key",
            "old",
            "has a certificate of X.509 version 1, and TLS needs version 3; `openssl x509 -req` makes",
        ),
        (
            "key",
            "certificate",
            "key",
            "has a private key and no certificate; are tls.certificate and tls.private-key swapped?",
        ),
        ("certificate", "certificate", "certificate", "has a certificate and no private key; are tls.certificate and"),
        ("certificate", "text", "text", "has no private key, which is a section \"BEGIN PRIVATE KEY\", "),
        ("certificate", "key.der", "key.der", "is not a PEM file; if it is DER, convert it: openssl pkey -inform DER"),
        ("certificate", "encrypted-pkcs1", "encrypted-pkcs1", encrypted),
        ("certificate", "encrypted-pkcs8", "encrypted-pkcs8", encrypted),
        (
            "weak-certificate",
            "weak-key",
            "weak-key",
            "has an RSA key of 1024 bits, which is too weak; RSA from 2048 bits,",
        ),
        (
            "certificate",
            "bitcoin-key",
            "bitcoin-key",
            "has a private key that cannot be used; RSA from 2048 bits, ECDSA",
        ),
        ("certificate", "other-key", "other-key", "does not belong to the first certificate in "),
    ];
    for (certificate, key, named, expected) in cases {
        let error = read(directory, certificate, key).unwrap_err().to_string();
        let expected = format!("{} {expected}", directory.join(named).display());
        assert!(error.starts_with(&expected), "{certificate}, {key}: {error:?}\nis not {expected:?}");
    }

    let authorities = |name: &str| certificate::read_authorities(&directory.join(name)).unwrap_err().to_string();
    for (name, expected) in [("empty", "is empty"), ("key", "has a private key and no certificate")] {
        assert_eq!(authorities(name), format!("{} {expected}", directory.join(name).display()));
    }
    assert!(authorities("certificate.der").contains("openssl x509 -inform DER -in "));
    certificate::read_authorities(&directory.join("old")).unwrap();
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
    // The certificate works with `openssl s_client -CAfile`.
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
