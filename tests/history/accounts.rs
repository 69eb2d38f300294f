//! What belongs to an account outlives the daemon: read markers, and the right to delete what one has said.

use rustls::version::TLS13;

use super::restart::{irc, msgid, registered, restart_with};
use crate::support::client::Client;
use crate::support::daemon::Daemon;
use crate::tls::Certificates;

fn certificates() -> (Certificates, String) {
    let certificates = Certificates::new();
    certificates.issue("authority", "server", "100");
    certificates.issue("authority", "ana", "100");
    let config = certificates.section("server") + &certificates.client_ca("optional") + "[room]\nhistory = 1\n";
    (certificates, config)
}

/// A client with ana's certificate. It is registered and in the room, but has read nothing yet.
fn with_account(daemon: &Daemon, certificates: &Certificates, nick: &str) -> Client {
    let mut client = Client::tls_with(daemon.tls(), certificates.client("ana", &TLS13)).unwrap();
    client.send("CAP REQ :draft/read-marker\r\n");
    client.send(&format!("NICK {nick}\r\nUSER {nick} 0 * :Real {nick}\r\nCAP END\r\n"));
    client
}

#[test]
fn read_markers_survive_a_restart() {
    let (certificates, config) = certificates();
    let daemon = Daemon::start(&config);
    let mut ana = with_account(&daemon, &certificates, "ana");
    ana.expect_start(":chatd.internal MARKREAD #lobby *");
    let marker = ":chatd.internal MARKREAD #lobby timestamp=2026-01-01T00:00:00.000Z";
    ana.send("MARKREAD #lobby timestamp=2026-01-01T00:00:00.000Z\r\n");
    ana.expect_start(marker);
    // Her other client is told, but only of what is new.
    let mut second = with_account(&daemon, &certificates, "ana2");
    second.expect_start(marker);
    ana.send("MARKREAD #lobby timestamp=2025-01-01T00:00:00.000Z\r\n");
    ana.send("MARKREAD bo timestamp=2026-01-02T00:00:00.000Z\r\n");
    second.expect_start(":chatd.internal 366 ");
    second.expect_next(":chatd.internal MARKREAD bo timestamp=2026-01-02T00:00:00.000Z\r");
    drop((ana, second));
    let daemon = restart_with(daemon, &config);
    let mut again = with_account(&daemon, &certificates, "anna");
    again.expect_start(marker);
    // As long as she is here, nobody else could have the account's name.
    again.send("QUIT\r\n");
    again.rest();
    // The name alone is not enough.
    let mut other = irc(&daemon, "ana");
    other.send("MARKREAD #lobby\r\n");
    other.expect_start(":chatd.internal MARKREAD #lobby *");
}

#[test]
fn a_message_can_be_redacted_after_a_restart() {
    let (certificates, config) = certificates();
    let daemon = Daemon::start(&config);
    let connect = |daemon: &Daemon| Client::tls_with(daemon.tls(), certificates.client("ana", &TLS13)).unwrap();
    let mut ana = registered(connect(&daemon), "ana");
    ana.send("PRIVMSG #lobby :one\r\nPRIVMSG #lobby :two\r\nPRIVMSG #lobby :three\r\n");
    let [one, two] = [":one", ":two"].map(|text| msgid(&mut ana, text));
    drop(ana);
    let daemon = restart_with(daemon, &config);
    // Somebody else has taken her name, as nobody can while she is here, and she uses another.
    let mut other = irc(&daemon, "ana");
    let mut ana = registered(connect(&daemon), "anna");
    other.send(&format!("REDACT #lobby {two}\r\n"));
    other.expect_start(&format!(":chatd.internal FAIL REDACT REDACT_FORBIDDEN #lobby {two} "));
    ana.send(&format!("REDACT #lobby {two} :a slip\r\n"));
    while !other.line().trim_end().ends_with(&format!(":anna!anna@chatd.internal REDACT #lobby {two} :a slip")) {}
    other.send(&format!("CHATHISTORY AFTER #lobby msgid={one} 1\r\n"));
    other.expect_start(":chatd.internal BATCH +");
    assert!(other.line().trim_end().ends_with(" PRIVMSG #lobby :three"));
}
