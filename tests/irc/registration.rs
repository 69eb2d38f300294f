//! Registration: nicknames, capabilities, SASL, the welcome, and the PING timeout.

use chatd::chat::{Reason, Refusal, Reply};
use chatd::dialect::Input;

use super::{connected, connected_as, registered};
use crate::support::talk::ClientOptions;

#[test]
fn registration_is_answered_with_the_welcome() {
    let mut talk = connected();
    talk.plays(r"
         > NICK ana
         > USER ann 0 * :Ana Real
         < :irc.test 001 ana :Welcome to the lobby chat, ana!ann@irc.test
         < :irc.test 002 ana :Your host is irc.test, running version chatd-0.1.0
         < :irc.test 003 ana :This server was started 2026-01-02T02:04:05.678Z
         < :irc.test 004 ana irc.test chatd-0.1.0 B bn
         < :irc.test 005 ana AWAYLEN=300 BOT=B CASEMAPPING=ascii CHANLIMIT=#:1 CHANMODES=b,,,n CHANNELLEN=6 CHANTYPES=# CHATHISTORY=100 ELIST= HOSTLEN=8 MAXTARGETS=1 MODES=1 MONITOR=100 :are supported by this server
         < :irc.test 005 ana MSGREFTYPES=msgid,timestamp NAMELEN=300 NETWORK=chatd NICKLEN=32 PREFIX=(ov)@+ SAFELIST TARGMAX=JOIN:,LIST:1,NAMES:1,NOTICE:1,PART:,PRIVMSG:1,TAGMSG:1,WHOIS:1 TOPICLEN=300 USERLEN=16 UTF8ONLY WHOX :are supported by this server
         < :irc.test 251 ana :There is 1 user and 0 invisible on 1 server
         < :irc.test 252 ana 0 :operator(s) online
         < :irc.test 254 ana 0 :channels formed
         < :irc.test 255 ana :I have 1 client and 0 servers
         < :irc.test 265 ana 1 1 :Current local users 1, max 1
         < :irc.test 266 ana 1 1 :Current global users 1, max 1
         < :irc.test 422 ana :There is no message of the day; the room has a topic
");
}

#[test]
fn missing_parameters_before_registration_are_reported() {
    let mut talk = connected();
    talk.plays(
        r"
         > NICK
         < :irc.test 431 * :No nickname given
         > NICK #ana
         < :irc.test 432 * #ana :Erroneous nickname: a name does not begin with any of / # & $ + % ~ { [
         > USER ann
         < :irc.test 461 * USER :Not enough parameters
         > USER ann 0 * :
         < :irc.test 461 * USER :Not enough parameters
         > PASS
         < :irc.test 461 * PASS :Not enough parameters
         > PASS secret
         > PRIVMSG #lobby :hi
         < :irc.test 451 * :You have not registered
         > PING
         < :irc.test 409 * :No origin specified
         > PING x
         < :irc.test PONG irc.test :x
         > FOO
         < :irc.test 451 * :You have not registered
",
    );
}

#[test]
fn a_client_registers_once() {
    let mut talk = registered("");
    talk.plays(
        r#"
         > USER ann 0 * :Ana
         < :irc.test 462 ana :You may not reregister
         > PASS secret
         < :irc.test 462 ana :You may not reregister
         > QUIT :so long
         < -> Quit(Some("so long"))
"#,
    );
}

#[test]
fn autojoin_joins_the_client_after_registration() {
    let mut talk = connected_as(ClientOptions { autojoin: true, ..ClientOptions::default() });
    let answer = talk.send("NICK ana\r\nUSER ann 0 * :Ana\r\n");
    assert!(answer.contains(":irc.test 254 ana 1 :channel formed\r\n"), "{answer}");
    let joined = answer.split_once(":ana!ann@irc.test JOIN #lobby\r\n").unwrap().1;
    assert!(joined.starts_with(":irc.test 332 ana #lobby :tea\r\n"), "{answer}");
    assert!(joined.ends_with(":irc.test 366 ana #lobby :End of NAMES list\r\n"), "{answer}");
}

#[test]
fn a_taken_nickname_can_be_replaced_by_another() {
    let mut talk = connected();
    talk.arrives("ana", true);
    talk.plays(
        "> USER ann 0 * :Ana
         > NICK ANA
         < :irc.test 433 * ANA :Nickname is already in use
         > PRIVMSG #lobby :hi
         < :irc.test 451 * :You have not registered",
    );
    assert!(talk.send("NICK anna\r\n").starts_with(":irc.test 001 anna :"));
    talk.plays("> NICK ana\n< :irc.test 433 anna ana :Nickname is already in use");
}

#[test]
fn capabilities_are_negotiated() {
    let mut talk = connected();
    talk.plays(r"
         > CAP
         < :irc.test 461 * CAP :Not enough parameters
         > CAP FOO
         < :irc.test 410 * FOO :Invalid CAP command
         > CAP LS
         < :irc.test CAP * LS :account-notify account-tag away-notify batch cap-notify draft/chathistory draft/event-playback draft/message-redaction draft/multiline draft/read-marker echo-message extended-join extended-monitor labeled-response message-tags multi-prefix server-time setname soju.im/search standard-replies userhost-in-names
         > CAP LS 302
         < :irc.test CAP * LS :account-notify account-tag away-notify batch cap-notify draft/chathistory draft/event-playback draft/message-redaction draft/multiline=max-bytes=4096,max-lines=32 draft/read-marker echo-message extended-join extended-monitor labeled-response message-tags multi-prefix server-time setname soju.im/search standard-replies userhost-in-names
         > CAP REQ :batch nonsense
         < :irc.test CAP * NAK :batch nonsense
         > CAP REQ :batch server-time
         < :irc.test CAP * ACK :batch server-time
         > CAP REQ -batch
         < :irc.test CAP * ACK :-batch
         > CAP LIST
         < :irc.test CAP * LIST :cap-notify server-time
         > CAP REQ -cap-notify
         < :irc.test CAP * NAK :-cap-notify
         > CAP REQ sasl
         < :irc.test CAP * NAK :sasl
");
}

#[test]
fn capabilities_changed_later_change_how_events_are_rendered() {
    let mut talk = registered("server-time");
    talk.plays(
        r"
         > CAP REQ server-time
         < :irc.test CAP ana ACK :server-time
         > CAP REQ -server-time
         < :irc.test CAP ana ACK :-server-time
         < -> ChangeForm
         > CAP REQ batch
         < :irc.test CAP ana ACK :batch
",
    );
}

#[test]
fn registration_waits_for_cap_end() {
    let mut talk = connected();
    talk.plays("> CAP REQ batch\n< :irc.test CAP * ACK :batch\n> NICK ana\n> USER ann 0 * :Ana");
    assert!(talk.send("CAP END\r\n").starts_with(":irc.test 001 ana :"));
}

#[test]
fn the_list_of_capabilities_fits_into_a_line() {
    let unlike = || ClientOptions { account: Some("a"), secure_port: Some(65535), ..ClientOptions::default() };
    let list = connected_as(unlike()).send("CAP LS 302\r\n");
    assert!(list.len() <= 512 && list.contains(" sts=port=65535"), "{list}");
    let list = connected_as(ClientOptions { encrypted: true, ..unlike() }).send("CAP LS 302\r\n");
    assert!(list.contains(" sts=duration=86400"), "{list}");
    assert!(!connected_as(unlike()).send("CAP LS\r\n").contains("sts"), "no values in the old version");
    assert!(connected_as(unlike()).send("CAP REQ sts\r\n").contains(" NAK "), "it is not for asking");
}

#[test]
fn sasl_external_accepts_the_client_certificate() {
    let mut talk =
        connected_as(ClientOptions { account: Some("ana@home"), encrypted: true, ..ClientOptions::default() });
    talk.plays(
        r"
         > CAP REQ sasl
         < :irc.test CAP * ACK :sasl
         > AUTHENTICATE
         < :irc.test 461 * AUTHENTICATE :Not enough parameters
         > AUTHENTICATE PLAIN
         < :irc.test 908 * EXTERNAL :are available SASL mechanisms
         < :irc.test 904 * :SASL authentication failed
         > AUTHENTICATE EXTERNAL
         < AUTHENTICATE +
         > AUTHENTICATE +
         < :irc.test 900 * *!chat@irc.test ana@home :You are now logged in as ana@home
         < :irc.test 903 * :SASL authentication successful
         > AUTHENTICATE *
         < :irc.test 906 * :SASL authentication aborted
",
    );
}

#[test]
fn a_silent_client_is_pinged_and_then_disconnected() {
    let mut talk = connected();
    assert_eq!(talk.dialect.due(), None, "the login has a limit of its own");
    talk.send("NICK ana\r\nUSER ann 0 * :Ana\r\n");
    let due = talk.dialect.due().unwrap();
    assert_eq!(talk.expire(due), (Ok(Input::Incomplete), b"PING :irc.test\r\n".to_vec()));
    assert!(talk.dialect.due().unwrap() > due);
    talk.send("PONG :irc.test\r\n");
    assert_eq!(talk.expire(due).0, Ok(Input::Incomplete), "it is still there, and asked again");
    assert_eq!(talk.expire(talk.dialect.due().unwrap()).0, Err(Reason::NoAnswer));
}

#[test]
fn the_reason_for_the_disconnection_is_sent() {
    let mut talk = registered("");
    let reply = Reply::Closing(&Reason::Kicked(None));
    assert_eq!(talk.told(reply), "ERROR :Closing link: kicked\r\n");
    assert_eq!(
        talk.told(Reply::Refused(&Refusal::NotInRoom)),
        ":irc.test 442 ana #lobby :You're not on that channel\r\n"
    );
}
