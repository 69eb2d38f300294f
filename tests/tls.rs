//! The real daemon over TLS: both versions, client certificates, renewals, and clients of other protocols.

mod abuse;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, NamedGroup, ProtocolVersion, SupportedProtocolVersion};
use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::client::{AnyCertificate, Client, trusting};
use crate::support::daemon::{Daemon, LISTENERS};
use crate::support::fifo::Fifo;
use crate::support::program::Program;

/// Certificates and keys created with openssl(1), and the CAs that issued them.
pub struct Certificates {
    directory: TempDir,
}

impl Certificates {
    pub fn new() -> Certificates {
        let certificates = Certificates { directory: tempfile::tempdir().unwrap() };
        // An own configuration file, because the system's adds extensions.
        fs::write(certificates.path("openssl.cnf"), "[req]\ndistinguished_name = dn\n[dn]\n").unwrap();
        certificates.authority("authority");
        certificates
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn authority(&self, name: &str) {
        self.request(name, "100", &["-addext", "basicConstraints=critical,CA:TRUE"]);
    }

    /// Creates `NAME.pem` and `NAME.key` for `CN=NAME`, issued by a CA.
    pub fn issue(&self, authority: &str, name: &str, days: &str) {
        let (ca, key) = (self.path(&format!("{authority}.pem")), self.path(&format!("{authority}.key")));
        let issuer = ["-CA", ca.to_str().unwrap(), "-CAkey", key.to_str().unwrap()];
        let names = ["-addext", "subjectAltName=DNS:localhost"];
        self.request(name, days, &[&issuer[..], &names].concat());
    }

    /// The same with the defaults of `openssl x509 -req`: X.509 version 1, without extensions.
    fn issue_version_1(&self, authority: &str, name: &str) {
        self.request(name, "100", &[]);
        let path = |ending: &str| self.path(ending).display().to_string();
        let [request, pem, key] = ["csr", "pem", "key"].map(|ending| path(&format!("{name}.{ending}")));
        let [ca, ca_key] = ["pem", "key"].map(|ending| path(&format!("{authority}.{ending}")));
        let cnf = path("openssl.cnf");
        let subject = format!("/CN={name}");
        for arguments in [
            &["req", "-new", "-key", &key, "-subj", &subject, "-config", &cnf, "-out", &request][..],
            &["x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-out", &pem],
        ] {
            let output = Command::new("openssl").args(arguments).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// The same with an RSA key of so many bits, for these names.
    fn issue_rsa(&self, authority: &str, name: &str, bits: &str, names: &str) {
        let (ca, key) = (self.path(&format!("{authority}.pem")), self.path(&format!("{authority}.key")));
        let names = format!("subjectAltName={names}");
        let issuer = ["-CA", ca.to_str().unwrap(), "-CAkey", key.to_str().unwrap(), "-addext", &names];
        self.request_with(&["-newkey", &format!("rsa:{bits}")], name, "100", &issuer);
    }

    fn request(&self, name: &str, days: &str, more: &[&str]) {
        self.request_with(&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], name, days, more);
    }

    fn request_with(&self, key: &[&str], name: &str, days: &str, more: &[&str]) {
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-nodes"]).args(key);
        command.args(["-days", days, "-subj", &format!("/CN={name}")]).args(more);
        command.arg("-config").arg(self.path("openssl.cnf"));
        command.arg("-out").arg(self.path(&format!("{name}.pem")));
        command.arg("-keyout").arg(self.path(&format!("{name}.key")));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Replaces one pair by another, as a renewal does.
    fn replace(&self, name: &str, by: &str) {
        for ending in ["key", "pem"] {
            fs::rename(self.path(&format!("{by}.{ending}")), self.path(&format!("{name}.{ending}"))).unwrap();
        }
    }

    /// The `[tls]` section for this pair.
    pub fn section(&self, name: &str) -> String {
        let [certificate, key] = ["pem", "key"].map(|ending| self.path(&format!("{name}.{ending}")));
        format!("[tls]\ncertificate = {certificate:?}\nprivate-key = {key:?}\n")
    }

    pub fn client_ca(&self, wanted: &str) -> String {
        format!("client-ca = {:?}\nclient-certificates = {wanted:?}\n", self.path("authority.pem"))
    }

    fn der(&self, name: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.path(&format!("{name}.pem"))).unwrap()
    }

    /// A client that presents this certificate, with another so many times behind it.
    fn client_with_chain(&self, name: &str, other: &str, times: usize) -> Arc<ClientConfig> {
        let chain = [vec![self.der(name)], vec![self.der(other); times]].concat();
        self.client_presenting(chain, name, &TLS13)
    }

    /// A client that presents this certificate.
    pub fn client(&self, name: &str, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        self.client_presenting(vec![self.der(name)], name, version)
    }

    fn client_presenting(
        &self,
        chain: Vec<CertificateDer<'static>>,
        name: &str,
        version: &'static SupportedProtocolVersion,
    ) -> Arc<ClientConfig> {
        let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[version]).unwrap();
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)));
        Arc::new(builder.with_client_auth_cert(chain, key).unwrap())
    }
}

/// A client that supports only this version.
pub fn only(version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[version]).unwrap();
    let verifier = Arc::new(AnyCertificate(provider));
    Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// `openssl s_client` with the options from the README.
fn s_client(address: SocketAddr, more: &[&str]) -> Program {
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-quiet", "-no_ign_eof", "-nocommands", "-connect", &address.to_string()])
        .args(more)
        .stderr(Stdio::null());
    Program::start(&mut command)
}

fn shown(client: &Client) -> CertificateDer<'static> {
    client.tls_connection().peer_certificates().unwrap()[0].clone().into_owned()
}

/// Connects until a new client receives this certificate.
fn wait_until_shown(daemon: &Daemon, certificate: &CertificateDer<'_>) -> Client {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let client = Client::tls(daemon.tls());
        if shown(&client) == *certificate {
            return client;
        }
        assert!(Instant::now() < deadline, "not shown in time; the log:\n{}", daemon.log_lines().join("\n"));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Everything that the peer sends until it closes, properly or not.
fn everything(mut stream: TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => bytes,
        Err(e) => panic!("not closed: {e}"),
    }
}

#[test]
fn both_versions_with_rustls() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    for (version, wanted) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let mut bo = Client::tls_with(daemon.tls(), only(version)).unwrap();
        bo.login("bo");
        assert_eq!(bo.tls_connection().protocol_version(), Some(wanted));
        ana.expect("*** bo has joined");
        bo.say("over TLS");
        ana.expect("bo: over TLS");
        ana.say("in the clear");
        bo.expect("ana: in the clear");
        bo.say("/quit");
        assert_eq!(bo.rest().last().unwrap(), "*** Goodbye: quit.", "and TLS is closed properly");
        ana.expect("*** bo has left (quit)");
    }
}

#[test]
fn both_versions_with_openssl() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    // A client can trust the daemon's self-signed certificate through its file.
    let trust = ["-verify_return_error", "-CAfile"].map(str::to_owned).into_iter();
    let trust: Vec<String> =
        trust.chain([daemon.path("state/tls/certificate.pem").to_str().unwrap().to_owned()]).collect();
    for version in ["-tls1_2", "-tls1_3"] {
        let mut options: Vec<&str> = trust.iter().map(String::as_str).collect();
        options.push(version);
        let mut bo = s_client(daemon.tls(), &options);
        bo.say("bo");
        bo.expect("*** Topic: ");
        ana.expect("*** bo has joined");
        bo.say("from s_client");
        ana.expect("bo: from s_client");
        ana.say("to s_client");
        bo.expect("ana: to s_client");
        bo.say("/quit");
        bo.expect("*** Goodbye: quit.");
        assert!(bo.wait().success());
        ana.expect("*** bo has left (quit)");
    }
}

#[test]
fn the_post_quantum_exchange_is_taken_when_it_is_offered() {
    let daemon = Daemon::start("");
    let client = Client::tls(daemon.tls());
    let group = client.tls_connection().negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
}

#[test]
fn sessions_are_resumed() {
    let daemon = Daemon::start("");
    // A name becomes free only when its session has ended, so each has one of its own.
    let names = [["ana", "bo"], ["cleo", "dora"]];
    for (version, [first, second]) in [&TLS12, &TLS13].into_iter().zip(names) {
        let mut config = Arc::unwrap_or_clone(only(version));
        config.resumption = Resumption::in_memory_sessions(4);
        let config = Arc::new(config);
        for (name, kind) in [(first, HandshakeKind::Full), (second, HandshakeKind::Resumed)] {
            let mut client = Client::tls_with(daemon.tls(), config.clone()).unwrap();
            client.login(name);
            assert_eq!(client.tls_connection().handshake_kind(), Some(kind), "{version:?}");
        }
    }
}

#[test]
fn required_client_certificates() {
    let certificates = Certificates::new();
    certificates.issue("authority", "server", "100");
    certificates.issue("authority", "ana", "100");
    certificates.authority("stranger");
    certificates.issue("stranger", "mallory", "100");
    let daemon = Daemon::start(&(certificates.section("server") + &certificates.client_ca("required")));

    for (version, name) in [(&TLS12, "ana"), (&TLS13, "cleo")] {
        Client::tls_with(daemon.tls(), certificates.client("ana", version)).unwrap().login(name);
    }
    let [certificate, key] = ["ana.pem", "ana.key"].map(|name| certificates.path(name).display().to_string());
    let mut bo = s_client(daemon.tls(), &["-cert", &certificate, "-key", &key]);
    bo.say("bo");
    bo.expect("*** Topic: ");

    // In TLS 1.2, the refusal is part of the handshake.
    assert!(Client::tls_with(daemon.tls(), only(&TLS12)).is_err());
    let none = "the TLS handshake failed: the client shows no certificate, and tls.client-certificates is \"required\"";
    daemon.wait_for_log(&format!("a connection was refused: {none}"));
    assert!(!s_client(daemon.tls(), &["-tls1_3"]).wait().success());
    daemon.wait_for_log_count(none, 2);
    assert!(Client::tls_with(daemon.tls(), certificates.client("mallory", &TLS12)).is_err());
    daemon.wait_for_log("the TLS handshake failed: the client's certificate is not from an authority in tls.client-ca");
}

#[test]
fn optional_client_certificates() {
    let certificates = Certificates::new();
    certificates.issue("authority", "server", "100");
    certificates.issue("authority", "ana", "100");
    certificates.authority("stranger");
    certificates.issue("stranger", "mallory", "100");
    let daemon = Daemon::start(&(certificates.section("server") + &certificates.client_ca("optional")));
    Client::tls_with(daemon.tls(), certificates.client("ana", &TLS13)).unwrap().login("ana");
    daemon.join_tls("bo");
    assert!(Client::tls_with(daemon.tls(), certificates.client("mallory", &TLS12)).is_err());
    daemon.wait_for_log("the TLS handshake failed: the client's certificate is not from an authority in tls.client-ca");
}

#[test]
fn the_first_client_after_a_renewal_is_shown_the_new_certificate() {
    let certificates = Certificates::new();
    certificates.issue("authority", "server", "100");
    certificates.issue("authority", "renewed", "100");
    let renewed = certificates.der("renewed");
    let daemon = Daemon::start(&certificates.section("server"));
    let mut early = TcpStream::connect(daemon.tls()).unwrap();
    // This client makes the daemon check the files; the next one must still get the new certificate at once.
    assert_eq!(shown(&Client::tls(daemon.tls())), certificates.der("server"));
    certificates.replace("server", "renewed");
    assert_eq!(shown(&Client::tls(daemon.tls())), renewed);

    // This includes a client that has connected but not sent anything.
    let mut tls = ClientConnection::new(trusting(), "localhost".try_into().unwrap()).unwrap();
    early.set_read_timeout(Some(PATIENCE)).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut early).unwrap();
    }
    assert_eq!(tls.peer_certificates().unwrap()[0], renewed);
}

#[test]
fn a_renewed_certificate_is_shown_without_a_signal_and_disturbs_nobody() {
    let certificates = Certificates::new();
    certificates.issue("authority", "server", "100");
    certificates.issue("authority", "renewed", "100");
    let renewed = certificates.der("renewed");
    let daemon = Daemon::start(&certificates.section("server"));
    daemon.wait_for_log("the certificate is CN=server, valid until ");
    let mut ana = daemon.join_tls("ana");
    assert_eq!(shown(&ana), certificates.der("server"));

    certificates.replace("server", "renewed");
    let mut bo = wait_until_shown(&daemon, &renewed);
    bo.login("bo");
    daemon.wait_for_log("the certificate is CN=renewed, valid until ");
    ana.expect("*** bo has joined");
    ana.say("still here");
    bo.expect("ana: still here");
    bo.say("so I see");
    ana.expect("bo: so I see");
}

#[test]
fn a_bad_new_pair_leaves_the_old_one_in_force() {
    let certificates = Certificates::new();
    certificates.issue("authority", "server", "100");
    certificates.issue("authority", "renewed", "100");
    let old = certificates.der("server");
    let daemon = Daemon::start(&certificates.section("server"));
    let mut ana = daemon.join_tls("ana");
    fs::rename(certificates.path("renewed.pem"), certificates.path("server.pem")).unwrap();
    let mismatch = format!(
        "{}:9:1: tls.private-key: {} does not belong to the first certificate in {}; both must come from the same \
         renewal",
        daemon.path("chatd.toml").display(),
        certificates.path("server.key").display(),
        certificates.path("server.pem").display()
    );

    let reload = daemon.chatctl(&["reload"]);
    assert_eq!(reload.status.code(), Some(1));
    assert!(String::from_utf8(reload.stderr).unwrap().contains(&mismatch));
    daemon.wait_for_log(&format!("WARN {mismatch}"));
    assert_eq!(shown(&Client::tls(daemon.tls())), old);

    // When the key has been replaced too, the pair is valid.
    fs::rename(certificates.path("renewed.key"), certificates.path("server.key")).unwrap();
    wait_until_shown(&daemon, &certificates.der("server")).login("bo");
    ana.expect("*** bo has joined");
}

#[test]
fn a_bad_new_pair_is_noticed_without_a_signal() {
    let certificates = Certificates::new();
    certificates.issue("authority", "server", "100");
    let old = certificates.der("server");
    let daemon = Daemon::start(&certificates.section("server"));
    fs::write(certificates.path("server.pem"), "half a certificate").unwrap();
    let said = |daemon: &Daemon| daemon.log_lines().iter().any(|line| line.contains("the new certificate is not used"));
    let deadline = Instant::now() + PATIENCE;
    while !said(&daemon) {
        assert!(Instant::now() < deadline, "not said in time");
        assert_eq!(shown(&Client::tls(daemon.tls())), old);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let line = daemon.wait_for_log("WARN the new certificate is not used: ");
    assert!(line.contains("tls.certificate: ") && line.contains("server.pem has no certificate"), "{line}");
}

#[test]
fn clients_shake_hands_while_a_certificate_is_read() {
    let certificates = Certificates::new();
    certificates.issue("authority", "server", "100");
    let (der, key) = (certificates.der("server"), fs::read(certificates.path("server.key")).unwrap());
    let daemon = Daemon::start(&certificates.section("server"));
    let fifo = Fifo::replace(&certificates.path("server.key"));
    daemon.signal("HUP");
    let mut file = fifo.wait_for_reader();
    let mut ana = daemon.join_tls("ana");
    assert_eq!(shown(&ana), der);
    // The next check finds the file again.
    fs::write(certificates.path("new"), &key).unwrap();
    fs::rename(certificates.path("new"), certificates.path("server.key")).unwrap();
    file.write_all(&key).unwrap();
    drop(file);
    daemon.wait_for_log("configuration and certificates were reloaded");
    let _bo = daemon.join_tls("bo");
    ana.expect("*** bo has joined");
}

#[test]
fn other_files_are_taken_on_a_reload() {
    let certificates = Certificates::new();
    for name in ["server", "second", "third"] {
        certificates.issue("authority", name, "100");
    }
    let daemon = Daemon::start(&certificates.section("server"));
    let mut ana = daemon.join_tls("ana");
    daemon.write_config(&format!("{LISTENERS}{}", certificates.section("second")));
    daemon.signal("HUP");
    daemon.wait_for_log("configuration and certificates were reloaded");
    assert_eq!(shown(&Client::tls(daemon.tls())), certificates.der("second"));

    daemon.write_config(&format!("{LISTENERS}{}", certificates.section("third")));
    assert!(daemon.chatctl(&["reload"]).status.success());
    let mut bo = daemon.join_tls("bo");
    assert_eq!(shown(&bo), certificates.der("third"));
    bo.say("hello");
    ana.expect("bo: hello");
}

#[test]
fn a_certificate_that_ends_within_two_weeks_is_warned_about() {
    let certificates = Certificates::new();
    certificates.issue("authority", "soon", "13");
    certificates.issue("authority", "later", "15");
    let warning = "the certificate CN=soon expires soon: ";
    Daemon::start(&certificates.section("soon")).wait_for_log(warning);
    let daemon = Daemon::start(&certificates.section("later"));
    assert!(!daemon.log_lines().iter().any(|line| line.contains("expires")), "{:?}", daemon.log_lines());
}

#[test]
fn a_key_that_belongs_to_another_certificate_stops_the_start() {
    let certificates = Certificates::new();
    certificates.issue("authority", "server", "100");
    fs::copy(certificates.path("authority.key"), certificates.path("server.key")).unwrap();
    let mut daemon = Daemon::launch(&format!("{LISTENERS}{}", certificates.section("server")), |_| {});
    let (status, log) = daemon.wait_with_log();
    assert_eq!(status.code(), Some(78), "{log:?}");
    let sentence = format!(
        "ERROR chatd does not start: {}:9:1: tls.private-key: {} does not belong to the first certificate in {}; ",
        daemon.path("chatd.toml").display(),
        certificates.path("server.key").display(),
        certificates.path("server.pem").display()
    );
    assert!(log.last().unwrap().contains(&sentence), "{log:?}");
}

#[test]
fn the_self_signed_certificate_is_made_once() {
    let fingerprint = |path: &Path| {
        let mut command = Command::new("openssl");
        let output = command.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(path).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().split_once('=').unwrap().1.to_owned()
    };
    let mut first = Daemon::start("");
    let logged = first.wait_for_log("SHA-256 fingerprint ");
    assert!(logged.ends_with(&fingerprint(&first.path("state/tls/certificate.pem"))), "{logged}");
    let certificate = shown(&Client::tls(first.tls()));
    first.signal("TERM");
    assert!(first.wait().success());
    let second = Daemon::launch_in(first.directory.clone(), LISTENERS, |_| {});
    let told = |line: &str| line.split_once("fingerprint ").unwrap().1.to_owned();
    assert_eq!(told(&second.wait_for_log("SHA-256 fingerprint ")), told(&logged));
    assert_eq!(shown(&Client::tls(second.tls())), certificate);
}

#[test]
fn an_unfinished_handshake_blocks_nobody_and_times_out() {
    let daemon = Daemon::start("");
    let silent = TcpStream::connect(daemon.tls()).unwrap();
    let mut halfway = TcpStream::connect(daemon.tls()).unwrap();
    // The start of a ClientHello of 512 bytes.
    halfway.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]).unwrap();
    let mut ana = daemon.join_tls("ana");

    daemon.write_config(&format!("{LISTENERS}[limits]\nhandshake-timeout = \"100ms\"\n"));
    assert!(daemon.chatctl(&["reload"]).status.success());
    let late = TcpStream::connect(daemon.tls()).unwrap();
    daemon.wait_for_log("a connection was refused: the TLS handshake took too long");
    assert_eq!(everything(late), b"");
    ana.say("still here");
    ana.expect("ana: still here");
    drop((silent, halfway));
}

#[test]
fn a_handshake_is_aborted_when_the_daemon_stops() {
    let mut daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    let mut socket = TcpStream::connect(daemon.tls()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut tls = ClientConnection::new(trusting(), "localhost".try_into().unwrap()).unwrap();
    tls.write_tls(&mut socket).unwrap();
    while !tls.wants_write() {
        tls.read_tls(&mut socket).unwrap();
        tls.process_new_packets().unwrap();
    }

    daemon.signal("TERM");
    ana.expect_start("*** Goodbye: ");
    // The last flight of the handshake comes too late; the server may have closed already.
    let _ = tls.write_tls(&mut socket);
    while tls.read_tls(&mut socket).is_ok_and(|length| length > 0) {
        let state = tls.process_new_packets().unwrap();
        assert_eq!(state.plaintext_bytes_to_read(), 0, "it was greeted");
    }
    drop(ana);
    let (status, log) = daemon.wait_with_log();
    assert!(status.success());
    assert!(!log.iter().any(|line| line.contains("cut off")), "{log:?}");
}

#[test]
fn plaintext_on_the_tls_port_is_answered_in_plaintext() {
    let daemon = Daemon::start("");
    let answer = |words: &[u8]| {
        let mut client = TcpStream::connect(daemon.tls()).unwrap();
        client.write_all(words).unwrap();
        String::from_utf8_lossy(&everything(client)).into_owned()
    };
    let refused = "a connection was refused: it does not begin with TLS, which comes first here";
    let text = "*** This port takes TLS alone: openssl s_client -quiet -connect HOST:PORT\n";
    for (count, words) in (1..).zip(["ana\nhello\n", "a", "\n", "ñandú\n", &"x".repeat(100_000)]) {
        assert_eq!(answer(words.as_bytes()), text, "{words:?}");
        daemon.wait_for_log_count(refused, count);
    }
    assert!(answer(b"CAP LS 302\r\nNICK ana\r\n").starts_with("ERROR :This port takes TLS alone: "));
    let web = answer(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (head, body) = web.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{web}");

    // The real nc, which ends when the server closes the connection.
    let mut nc =
        Program::start(Command::new("nc").args([&daemon.tls().ip().to_string(), &daemon.tls().port().to_string()]));
    nc.say("bo");
    assert_eq!(nc.next_line().unwrap() + "\n", text);
}

#[test]
fn neither_tls_nor_text_is_refused_with_an_alert() {
    let daemon = Daemon::start("");
    for words in [&b"\x16\x03\x01\x00\x04\x02\x00\x00\x00"[..], b"\x00\x01\x02\x03\x04\x05\x06"] {
        let mut client = TcpStream::connect(daemon.tls()).unwrap();
        client.write_all(words).unwrap();
        let answer = everything(client);
        assert_eq!(answer.first(), Some(&0x15), "a TLS alert: {answer:?}");
    }
    daemon.wait_for_log_count("the TLS handshake failed: what the client sends is not proper TLS", 2);
    drop(TcpStream::connect(daemon.tls()).unwrap());
    daemon.wait_for_log("the TLS handshake failed: the client went away");
}

/// The certificates that `openssl x509 -req` creates by default.
#[test]
fn version_1_certificates_are_explained_on_both_sides() {
    let certificates = Certificates::new();
    certificates.issue("authority", "server", "100");
    certificates.issue_version_1("authority", "old");
    let tls = certificates.section("server") + &certificates.client_ca("required");
    let daemon = Daemon::start(&tls);
    let [certificate, key] = ["old.pem", "old.key"].map(|name| certificates.path(name).display().to_string());
    let client = s_client(daemon.tls(), &["-cert", &certificate, "-key", &key]);
    daemon.wait_for_log(
        "the TLS handshake failed: the client's certificate is of X.509 version 1, and TLS needs version 3; `openssl \
         x509 -req` makes that with -extfile FILE, where FILE has the line extendedKeyUsage=clientAuth",
    );
    drop(client);

    let mut server = Daemon::launch(&format!("{LISTENERS}{}", certificates.section("old")), |_| {});
    let (status, log) = server.wait_with_log();
    assert_eq!(status.code(), Some(78), "{log:?}");
    let sentence = format!("8:1: tls.certificate: {certificate} has a certificate of X.509 version 1, and TLS needs");
    assert!(log.last().unwrap().contains(&sentence), "{log:?}");
}

#[test]
fn an_untrusted_certificate_is_logged_in_words() {
    let daemon = Daemon::start("");
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-verify_return_error", "-connect", &daemon.tls().to_string()]);
    assert!(!command.stdin(Stdio::null()).output().unwrap().status.success());
    daemon.wait_for_log("the TLS handshake failed: the client does not trust the server's certificate (TLS alert 48)");
}

#[test]
fn tls_and_http_on_the_plaintext_port_are_answered() {
    let daemon = Daemon::start("");
    let Err(error) = Client::tls_with(daemon.plain(), trusting()) else { panic!("TLS without TLS") };
    assert!(error.to_string().contains("received fatal alert: UnexpectedMessage"), "{error:?}");
    daemon.wait_for_log("a connection was ended: TLS on a port without TLS");

    let mut browser = TcpStream::connect(daemon.plain()).unwrap();
    browser.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let answer = String::from_utf8(everything(browser)).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{answer}");
    daemon.wait_for_log("a connection was ended: HTTP on a chat port");
}

/// A client configuration with these ALPN protocols.
fn asking(protocol: &str) -> Arc<ClientConfig> {
    let mut config = (*trusting()).clone();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    Arc::new(config)
}

#[test]
fn alpn_irc_selects_irc_and_no_other_protocol_is_refused() {
    let daemon = Daemon::start("");
    let mut irc = Client::tls_with(daemon.tls(), asking("irc")).unwrap();
    assert_eq!(irc.tls_connection().alpn_protocol(), Some(&b"irc"[..]));
    // Without ALPN, detection would take this first line for an invalid name of the text protocol.
    irc.send("PING x\r\nNICK ana\r\nUSER ana 0 * :Ana\r\n");
    irc.expect_start(":chatd.internal 001 ana ");
    let mut other = Client::tls_with(daemon.tls(), asking("http/1.1")).unwrap();
    assert_eq!(other.tls_connection().alpn_protocol(), None);
    other.login("bo");
}

/// A connection whose handshake is complete, and its socket: what is sent then is put together by hand.
fn shaken(daemon: &Daemon, version: &'static SupportedProtocolVersion) -> (ClientConnection, TcpStream) {
    let mut tls = ClientConnection::new(only(version), "localhost".try_into().unwrap()).unwrap();
    let mut socket = TcpStream::connect(daemon.tls()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).unwrap();
    }
    (tls, socket)
}

/// These words as they go over the wire.
fn sealed(tls: &mut ClientConnection, words: &str) -> Vec<u8> {
    tls.writer().write_all(words.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut bytes).unwrap();
    }
    bytes
}

#[test]
fn last_data_and_close_notify_in_one_segment() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    // The last line may lack its end.
    for (version, word) in [(&TLS12, "last word\n"), (&TLS13, "last word\n"), (&TLS13, "last word")] {
        let (mut bo, mut socket) = shaken(&daemon, version);
        socket.write_all(&sealed(&mut bo, "bo\n")).unwrap();
        ana.expect("*** bo has joined");
        let mut segment = sealed(&mut bo, word);
        bo.send_close_notify();
        segment.extend(sealed(&mut bo, ""));
        socket.write_all(&segment).unwrap();
        ana.expect("bo: last word");
        ana.expect("*** bo has left (connection closed)");
        // The daemon ends its side, too; until then this side of TCP is open.
        while bo.read_tls(&mut socket).unwrap() > 0 {
            bo.process_new_packets().unwrap();
        }
    }
}

#[test]
fn input_before_a_tls_error_is_processed() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    let forged = [&[0x17, 3, 3, 0, 32][..], &[7; 32]].concat();
    for (version, garbage) in [(&TLS12, &forged[..]), (&TLS13, &forged), (&TLS13, b"this is no TLS at all")] {
        let (mut bo, mut socket) = shaken(&daemon, version);
        socket.write_all(&sealed(&mut bo, "bo\n")).unwrap();
        ana.expect("*** bo has joined");
        let segment = [&sealed(&mut bo, "one\ntwo\n"), garbage].concat();
        socket.write_all(&segment).unwrap();
        ana.expect("bo: one");
        ana.expect_next("bo: two");
        let left = ana.line();
        assert!(left.starts_with("*** bo has left (TLS error: "), "{left}");
    }
}
