//! The current TLS configuration: in-memory handshakes, client certificates, renewals.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chatd::config::{self, ClientCertificates};
use chatd::net::certificate::Problem;
use chatd::net::tls::{Refresh, TlsError, TlsInForce, client_identity};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore, ServerConfig,
    ServerConnection, SupportedProtocolVersion,
};
use tempfile::TempDir;

/// A CA, and a directory for the certificates it issues.
struct Authority {
    directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "the authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { directory: tempfile::tempdir().unwrap(), issuer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Issues a certificate and returns it and its key as PEM.
    fn issue(&self, common_name: &str, until: Option<SystemTime>) -> (String, String) {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        if let Some(until) = until {
            params.not_after = until.into();
        }
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// Replaces a file by renaming, as a renewal does.
    fn put(&self, name: &str, content: &str) {
        fs::write(self.path("new"), content).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    /// Issues a certificate, stores it and returns a configuration that uses it.
    fn configured(&self, client_certificates: Option<ClientCertificates>) -> config::Tls {
        let (certificate, key) = self.issue("first", None);
        self.put("certificate", &certificate);
        self.put("key", &key);
        self.put("authorities", &self.issuer.pem());
        config::Tls {
            certificate: self.path("certificate").into(),
            private_key: self.path("key").into(),
            client_ca: client_certificates.map(|_| self.path("authorities").into()),
            client_certificates: client_certificates.unwrap_or(ClientCertificates::Optional),
        }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        identity: Option<(String, String)>,
    ) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots());
        match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
            }
        }
    }
}

const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

fn in_force(configured: &config::Tls) -> TlsInForce {
    TlsInForce::new(Some(configured), Path::new("/nonexistent"), SystemTime::now()).unwrap()
}

/// Exchanges messages until neither side has more to send.
fn handshake(
    client: &Arc<ClientConfig>,
    server: Arc<ServerConfig>,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let mut client = ClientConnection::new(client.clone(), "localhost".try_into().unwrap())?;
    let mut server = ServerConnection::new(server)?;
    while client.wants_write() || server.wants_write() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}

#[test]
fn both_versions_shake_hands_and_resume() {
    let authority = Authority::new();
    let tls = in_force(&authority.configured(None));
    for (version, number) in
        [(&rustls::version::TLS12, ProtocolVersion::TLSv1_2), (&rustls::version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let client = Arc::new(authority.client(&[version], None));
        let (_, first) = handshake(&client, tls.current()).unwrap();
        assert_eq!(first.protocol_version(), Some(number));
        assert_eq!(first.handshake_kind(), Some(HandshakeKind::Full));
        let (_, second) = handshake(&client, tls.current()).unwrap();
        assert_eq!(second.handshake_kind(), Some(HandshakeKind::Resumed), "{number:?}");
    }
}

#[test]
fn the_newest_version_and_the_post_quantum_group_are_preferred() {
    let authority = Authority::new();
    let tls = in_force(&authority.configured(None));
    assert_eq!(tls.current().crypto_provider().kx_groups[0].name(), NamedGroup::X25519MLKEM768);
    let (_, server) = handshake(&Arc::new(authority.client(BOTH, None)), tls.current()).unwrap();
    assert_eq!(server.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(server.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);

    // A client without support for it is served all the same.
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups.retain(|group| group.name() == NamedGroup::secp256r1);
    let client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authority.roots())
        .with_no_client_auth();
    let (_, server) = handshake(&Arc::new(client), tls.current()).unwrap();
    assert_eq!(server.negotiated_key_exchange_group().unwrap().name(), NamedGroup::secp256r1);
}

#[test]
fn client_certificates() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let anonymous = Arc::new(authority.client(BOTH, None));
    let known = Arc::new(authority.client(BOTH, Some(authority.issue("ana\u{1b}[2J", None))));
    let unknown = Arc::new(authority.client(BOTH, Some(stranger.issue("eve", None))));

    let optional = in_force(&authority.configured(Some(ClientCertificates::Optional)));
    let (_, server) = handshake(&anonymous, optional.current()).unwrap();
    assert_eq!(client_identity(&server), None);
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let (_, server) = handshake(&known, optional.current()).unwrap();
        assert_eq!(server.handshake_kind(), Some(kind));
        let identity = client_identity(&server).unwrap();
        assert_eq!(identity.common_name.as_deref(), Some("ana\u{fffd}[2J"));
        assert_eq!(identity.fingerprint.len(), 32 * 3 - 1);
    }
    handshake(&unknown, optional.current()).unwrap_err();

    let required = in_force(&authority.configured(Some(ClientCertificates::Required)));
    handshake(&anonymous, required.current()).unwrap_err();
    handshake(&known, required.current()).unwrap();
    handshake(&unknown, required.current()).unwrap_err();

    // A session from another configuration cannot be resumed to avoid the client certificate.
    let plain = in_force(&authority.configured(None));
    let client = Arc::new(authority.client(BOTH, None));
    handshake(&client, plain.current()).unwrap();
    handshake(&client, required.current()).unwrap_err();
}

#[test]
fn a_bad_file_of_authorities_is_named() {
    let authority = Authority::new();
    let configured = authority.configured(Some(ClientCertificates::Required));
    authority.put("authorities", "");
    let error = TlsInForce::new(Some(&configured), Path::new("/nonexistent"), SystemTime::now()).unwrap_err();
    assert_eq!(error.to_string(), format!("tls.client-ca: {} is empty", authority.path("authorities").display()));
    TlsInForce::check(&configured, SystemTime::now()).unwrap_err();
}

fn problem(error: &TlsError) -> &Problem {
    let TlsError::Certificate { error, .. } = error else { panic!("{error}") };
    &error.problem
}

/// Loads the files if they have changed.
fn refresh(tls: &TlsInForce, now: SystemTime) -> Refresh {
    tls.check_files(now).map_or(Refresh::Unchanged, |changed| tls.refresh(changed, now))
}

/// A clock that advances before each check by more than the time after which an invalid state is reported.
struct Looks(SystemTime);

impl Looks {
    fn look(&mut self, tls: &TlsInForce) -> Refresh {
        self.0 += Duration::from_secs(1);
        refresh(tls, self.0)
    }
}

#[test]
fn a_renewal_is_taken_by_itself_and_old_connections_stay() {
    let authority = Authority::new();
    let tls = in_force(&authority.configured(None));
    let mut clock = Looks(SystemTime::now());
    let old = tls.current();
    assert!(matches!(clock.look(&tls), Refresh::Unchanged));
    assert!(Arc::ptr_eq(&old, &tls.current()));

    let (certificate, key) = authority.issue("second", None);
    authority.put("key", &key);
    authority.put("certificate", &certificate);
    // The first check finds it, however recent the previous one was.
    let Refresh::Renewed(facts) = refresh(&tls, clock.0) else { panic!("not renewed") };
    assert!(facts.subject.contains("second"), "{}", facts.subject);
    assert_eq!(facts, tls.facts());
    assert!(matches!(clock.look(&tls), Refresh::Unchanged));

    let client = Arc::new(authority.client(BOTH, None));
    let served = |config| handshake(&client, config).unwrap().0.peer_certificates().unwrap()[0].clone();
    let renewed = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    assert_eq!(served(tls.current()), renewed);
    assert_ne!(served(old), renewed);
}

#[test]
fn links_are_followed_as_certbot_changes_them() {
    let authority = Authority::new();
    let mut configured = authority.configured(None);
    for name in ["certificate", "key"] {
        std::os::unix::fs::symlink(authority.path(name), authority.path(&format!("live-{name}"))).unwrap();
    }
    configured.certificate = authority.path("live-certificate").into();
    configured.private_key = authority.path("live-key").into();
    let tls = in_force(&configured);
    let mut clock = Looks(SystemTime::now());
    assert!(matches!(clock.look(&tls), Refresh::Unchanged));

    let (certificate, key) = authority.issue("second", None);
    for (name, pem) in [("certificate", certificate), ("key", key)] {
        authority.put(&format!("{name}-2"), &pem);
        std::os::unix::fs::symlink(authority.path(&format!("{name}-2")), authority.path("link")).unwrap();
        fs::rename(authority.path("link"), authority.path(&format!("live-{name}"))).unwrap();
    }
    assert!(matches!(clock.look(&tls), Refresh::Renewed(_)));
}

#[test]
fn a_half_written_renewal_is_not_reported() {
    let authority = Authority::new();
    let tls = in_force(&authority.configured(None));
    let mut clock = Looks(SystemTime::now());
    let (certificate, key) = authority.issue("second", None);
    authority.put("certificate", &certificate);
    assert!(matches!(clock.look(&tls), Refresh::Unchanged));
    assert!(tls.facts().subject.contains("first"));
    // Many clients at the same moment do not cause another read.
    assert!(tls.check_files(clock.0).is_none());
    authority.put("key", &key);
    assert!(matches!(refresh(&tls, clock.0), Refresh::Renewed(_)));
}

#[test]
fn a_bad_renewal_is_reported_once_and_the_old_certificate_stays() {
    let authority = Authority::new();
    let tls = in_force(&authority.configured(None));
    let mut clock = Looks(SystemTime::now());
    let old = tls.current();
    let (certificate, key) = authority.issue("second", None);
    authority.put("certificate", &certificate);
    assert!(matches!(clock.look(&tls), Refresh::Unchanged));
    let Refresh::Bad(error) = clock.look(&tls) else { panic!("not told") };
    assert!(matches!(problem(&error), Problem::Mismatch(_)), "{error}");
    assert!(matches!(clock.look(&tls), Refresh::Unchanged));
    assert!(Arc::ptr_eq(&old, &tls.current()));

    // Another invalid state is reported too, such as a missing file.
    fs::remove_file(authority.path("key")).unwrap();
    assert!(matches!(clock.look(&tls), Refresh::Unchanged));
    assert!(matches!(clock.look(&tls), Refresh::Bad(_)));
    authority.put("key", &key);
    assert!(matches!(clock.look(&tls), Refresh::Renewed(_)));

    // Setting the clock back does not suspend the checks.
    let (certificate, key) = authority.issue("third", None);
    authority.put("certificate", &certificate);
    authority.put("key", &key);
    assert!(matches!(refresh(&tls, clock.0 - Duration::from_secs(3600)), Refresh::Renewed(_)));
}

#[test]
fn changed_client_authorities_are_taken() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let tls = in_force(&authority.configured(Some(ClientCertificates::Required)));
    let client = Arc::new(authority.client(BOTH, Some(stranger.issue("eve", None))));
    handshake(&client, tls.current()).unwrap_err();
    authority.put("authorities", &stranger.issuer.pem());
    assert!(matches!(Looks(SystemTime::now()).look(&tls), Refresh::Renewed(_)));
    handshake(&client, tls.current()).unwrap();
}

#[test]
fn a_reload_takes_new_files_or_keeps_the_old() {
    let authority = Authority::new();
    let configured = authority.configured(None);
    let tls = in_force(&configured);
    let mut clock = Looks(SystemTime::now());
    let old = tls.current();
    let (certificate, key) = authority.issue("second", None);
    authority.put("certificate", &certificate);
    tls.reload(Some(&configured), clock.0).unwrap_err();
    assert!(Arc::ptr_eq(&old, &tls.current()));
    // The caller of the reload has been told, so it is not reported again.
    assert!(matches!(clock.look(&tls), Refresh::Unchanged));
    assert!(matches!(clock.look(&tls), Refresh::Unchanged));
    authority.put("key", &key);
    assert!(tls.reload(Some(&configured), clock.0).unwrap().subject.contains("second"));

    // A reload with other, invalid files does not affect the state of the current ones.
    let other = config::Tls { certificate: authority.path("nowhere").into(), ..configured };
    let (certificate, key) = authority.issue("third", None);
    authority.put("certificate", &certificate);
    authority.put("key", &key);
    tls.reload(Some(&other), clock.0).unwrap_err();
    assert!(matches!(clock.look(&tls), Refresh::Renewed(_)));

    // A reload can switch to another configuration, or to none.
    let state = authority.path("state");
    TlsInForce::new(Some(&other), &state, clock.0).unwrap_err();
    let tls = TlsInForce::new(None, &state, clock.0).unwrap();
    let made = tls.facts();
    assert_eq!(tls.reload(None, clock.0).unwrap(), made);
    assert!(matches!(clock.look(&tls), Refresh::Unchanged));
}

#[test]
fn an_expired_certificate_is_taken_at_the_start_but_never_later() {
    let authority = Authority::new();
    let configured = authority.configured(None);
    let mut clock = Looks(SystemTime::now());
    let (certificate, key) = authority.issue("expired", Some(clock.0 - Duration::from_secs(60)));
    let tls = in_force(&configured);
    authority.put("certificate", &certificate);
    authority.put("key", &key);
    let error = tls.reload(Some(&configured), clock.0).unwrap_err();
    assert!(matches!(problem(&error), Problem::Expired(_)), "{error}");
    assert!(tls.facts().subject.contains("first"));

    let tls = in_force(&configured);
    assert!(tls.facts().is_expired(clock.0));
    assert!(matches!(clock.look(&tls), Refresh::Unchanged));
}
