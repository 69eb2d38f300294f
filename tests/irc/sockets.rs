//! IRC clients of a real daemon, together with clients of the text protocol.

use crate::support::client::Client;
use crate::support::daemon::Daemon;

/// A rate limit that no test reaches.
const FAST: &str = "[limits]\nmessage-rate = 1000000\nmessage-burst = 1000000\n";

fn irc(mut client: Client, nick: &str, capabilities: &str) -> Client {
    client.send(&format!("CAP REQ :{capabilities}\r\nNICK {nick}\r\nUSER {nick} 0 * :Real {nick}\r\nCAP END\r\n"));
    client.expect_start(&format!(":chatd.internal 366 {nick} #lobby "));
    client
}

/// The next line without CR.
fn next(client: &mut Client) -> String {
    client.line().trim_end_matches('\r').to_owned()
}

#[test]
fn text_and_irc_users_see_each_other() {
    let daemon = Daemon::start(FAST);
    let mut text = daemon.join("ana");
    let mut bo = irc(daemon.connect(), "bo", "away-notify");
    text.expect_next("*** bo has joined");
    text.say("hello");
    text.expect_next("ana: hello");
    assert_eq!(next(&mut bo), ":ana!chat@chatd.internal PRIVMSG #lobby :hello");
    text.say("/me waves");
    assert_eq!(next(&mut bo), ":ana!chat@chatd.internal PRIVMSG #lobby :\u{1}ACTION waves\u{1}");
    text.expect_next("* ana waves");
    // Without echo-message, bo's own message does not come back: the next line is from ana.
    bo.send("PRIVMSG #lobby :hi\r\nPRIVMSG #lobby :\u{1}ACTION nods\u{1}\r\n");
    text.expect_next("bo: hi");
    text.expect_next("* bo nods");
    text.say("/nick anna");
    text.expect_next("*** ana is now known as anna");
    assert_eq!(next(&mut bo), ":ana!chat@chatd.internal NICK anna");
    bo.send("NICK bob\r\nPRIVMSG ANNA :psst\r\n");
    text.expect_next("*** bo is now known as bob");
    text.expect_next("[bob] psst");
    assert_eq!(next(&mut bo), ":bo!bo@chatd.internal NICK bob");
    bo.send("AWAY :lunch\r\n");
    assert_eq!(next(&mut bo), ":chatd.internal 306 bob :You have been marked as being away");
    text.say("/msg bob are you there?");
    text.expect_next("*** You to bob: are you there?");
    text.expect_next("*** bob is away: lunch");
    assert_eq!(next(&mut bo), ":anna!chat@chatd.internal PRIVMSG bob :are you there?");
    text.say("/who");
    text.expect_next("*** Here: anna, bob (away)");
    text.say("/away tea");
    text.expect_next("*** Others are told that you are away: tea");
    assert_eq!(next(&mut bo), ":anna!chat@chatd.internal AWAY :tea");
    text.say("/topic biscuits");
    text.expect_next("*** anna has changed the topic: biscuits");
    assert_eq!(next(&mut bo), ":anna!chat@chatd.internal TOPIC #lobby :biscuits");
    bo.send("TOPIC #lobby :cake\r\n");
    text.expect_next("*** bob has changed the topic: cake");
    assert_eq!(next(&mut bo), ":bob!bo@chatd.internal TOPIC #lobby :cake");
    assert!(daemon.chatctl(&["notice", "tea is ready"]).status.success());
    text.expect_next("*** notice: tea is ready");
    assert_eq!(next(&mut bo), ":chatd.internal NOTICE #lobby :tea is ready");
    text.say("/quit so long");
    assert_eq!(next(&mut bo), ":anna!chat@chatd.internal QUIT :quit: so long");
}

#[test]
fn a_user_who_parts_keeps_the_name_and_gets_private_messages() {
    let daemon = Daemon::start(FAST);
    let mut ana = daemon.join("ana");
    let mut bo = irc(daemon.connect(), "bo", "server-time");
    ana.expect("*** bo has joined");
    bo.send("PART #lobby :a moment\r\n");
    ana.expect_next("*** bo has left the room (a moment)");
    let line = next(&mut bo);
    assert!(line.ends_with(" :bo!bo@chatd.internal PART #lobby :a moment"), "{line}");
    ana.say("unheard");
    ana.expect_next("ana: unheard");
    ana.say("/msg bo psst");
    ana.expect_next("*** You to bo: psst");
    let line = next(&mut bo);
    assert!(line.ends_with(" :ana!chat@chatd.internal PRIVMSG bo :psst"), "{line}");
    let mut other = daemon.connect();
    other.say("BO");
    other.expect("*** The name BO is taken.");
    bo.send("JOIN #lobby\r\n");
    ana.expect_next("*** bo has joined");
    bo.expect_start(":chatd.internal 366 ");
    assert!(next(&mut bo).contains(" NOTICE #lobby :What was said since you left the room, from "));
    assert!(next(&mut bo).ends_with("] unheard"), "from the history");
    assert!(next(&mut bo).contains(" NOTICE #lobby :You are up to date; it is "));
    ana.say("heard");
    assert!(next(&mut bo).ends_with(" :ana!chat@chatd.internal PRIVMSG #lobby :heard"));
}

#[test]
fn unsent_events_survive_a_form_change() {
    let daemon = Daemon::start(FAST);
    let mut ana = daemon.join("ana");
    let mut bo = irc(daemon.connect(), "bo", "batch");
    ana.expect("*** bo has joined");
    let mut expected = Vec::new();
    for turn in 0..20 {
        for line in 0..20 {
            ana.say(&format!("{turn} {line}"));
            expected.push(format!("PRIVMSG #lobby :{turn} {line}"));
        }
        bo.send(if turn % 2 == 0 { "CAP REQ server-time\r\n" } else { "CAP REQ -server-time\r\n" });
    }
    let mut found = Vec::new();
    while found.len() < expected.len() {
        let line = next(&mut bo);
        found.extend(line.find("PRIVMSG").and_then(|at| line.get(at..)).map(str::to_owned));
    }
    assert_eq!(found, expected);
}

#[test]
fn echo_message_with_labels_over_tls() {
    let daemon = Daemon::start(FAST);
    let mut bo = irc(Client::tls(daemon.tls()), "bo", "echo-message labeled-response batch");
    let mut ana = daemon.join("ana");
    assert_eq!(next(&mut bo), ":ana!chat@chatd.internal JOIN #lobby");
    bo.send("@label=1 PRIVMSG #lobby :hi\r\nPRIVMSG #lobby :there\r\n@label=2 PING x\r\n");
    assert_eq!(next(&mut bo), "@label=1 :bo!bo@chatd.internal PRIVMSG #lobby :hi");
    assert_eq!(next(&mut bo), ":bo!bo@chatd.internal PRIVMSG #lobby :there");
    assert_eq!(next(&mut bo), "@label=2 :chatd.internal PONG chatd.internal :x");
    ana.expect("bo: there");
    bo.send("QUIT :bye\r\n");
    assert_eq!(next(&mut bo), "ERROR :Closing link: quit: bye");
    ana.expect_next("*** bo has left (quit: bye)");
}

#[test]
fn the_administrator_sees_and_kicks_irc_clients() {
    let daemon = Daemon::start(FAST);
    let mut ana = daemon.join("ana");
    let mut bo = irc(daemon.connect(), "bo", "batch");
    let list = String::from_utf8(daemon.chatctl(&["list"]).stdout).unwrap();
    assert!(list.lines().any(|line| line.starts_with("bo ") && line.contains(" irc ")), "{list}");
    assert!(daemon.chatctl(&["kick", "bo", "--reason", "spam"]).status.success());
    assert_eq!(next(&mut bo), "ERROR :Closing link: kicked: spam");
    assert!(bo.next_line().is_none());
    ana.expect("*** bo has left (kicked: spam)");
}

#[test]
fn monitor_reports_users_of_every_protocol() {
    let daemon = Daemon::start(&format!("{FAST}[irc]\nautojoin = false\n"));
    let mut bo = daemon.connect();
    bo.send("NICK bo\r\nUSER bo 0 * :Bo\r\nMONITOR + ana,anna\r\n");
    bo.expect_start(":chatd.internal 731 bo :ana,anna");
    let mut ana = daemon.join("ana");
    assert_eq!(next(&mut bo), ":chatd.internal 730 bo :ana!chat@chatd.internal");
    ana.say("/nick anna");
    assert_eq!(next(&mut bo), ":chatd.internal 731 bo :ana");
    assert_eq!(next(&mut bo), ":chatd.internal 730 bo :anna!chat@chatd.internal");
    assert!(daemon.chatctl(&["kick", "anna"]).status.success());
    assert_eq!(next(&mut bo), ":chatd.internal 731 bo :anna");
}

#[test]
fn a_listener_can_be_configured_for_irc() {
    let daemon = Daemon::start_with("[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"irc\"\n", |_| {});
    let mut bo = daemon.connect();
    bo.send("FOO\r\n");
    assert_eq!(next(&mut bo), ":chatd.internal 451 * :You have not registered");
}
