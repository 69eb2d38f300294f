//! Joining: the greeting, names and their refusal, the history.

use crate::support::daemon::Daemon;

#[test]
fn a_newcomer_is_greeted_and_sent_the_list_of_users() {
    let daemon = Daemon::start("");
    let mut ana = daemon.connect();
    ana.expect_next("*** This is lobby, a chat room.");
    ana.expect_next("*** What is your name?");
    ana.say("ana");
    ana.expect_next("*** Welcome to lobby, ana. /help lists the commands, /quit leaves.");
    ana.expect_next("*** Here: ana");
    ana.expect_next("*** Topic: Welcome to the lobby");
    let mut luzmi = daemon.connect();
    luzmi.say("USER luzmi");
    luzmi.expect("*** Here: ana, luzmi");
    ana.expect_next("*** luzmi has joined");
}

#[test]
fn a_name_is_refused_with_the_reason_until_a_good_one_comes() {
    let daemon = Daemon::start("[limits]\nlogin-attempts = 100\n");
    let mut fish = daemon.join("Fish");
    let mut client = daemon.connect();
    client.expect("*** What is your name?");
    for (name, answer) in [
        ("Fish", "*** The name Fish is taken."),
        ("fISH", "*** The name fISH is taken."),
        ("USER \u{fb01}sh", "*** The name fish is taken."),
        ("ＦＩＳＨ", "*** The name FISH is taken."),
        ("ana maria", "*** That name is not possible: a name has no spaces."),
        ("*ana", "*** That name is not possible: a name has none of * , : ! ? @ \"."),
        ("/who", "*** That name is not possible: a name does not begin with any of / # & $ + % ~ { [."),
        ("a\u{200b}na", "*** That name is not possible: a name has only visible characters."),
        (&"x".repeat(33), "*** That name is not possible: a name is at most 32 columns wide."),
        (&"漢".repeat(17), "*** That name is not possible: a name is at most 32 columns wide."),
    ] {
        client.say(name);
        client.expect_next(answer);
        client.expect_next("*** What is your name?");
    }
    client.say("");
    client.expect_next("*** What is your name?");
    client.login(&"x".repeat(32));
    fish.expect_next(&format!("*** {} has joined", "x".repeat(32)));
}

#[test]
fn a_name_is_free_again_when_its_owner_has_left() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    let mut bo = daemon.join("bo");
    bo.say("/nick ANA");
    bo.expect_next("*** The name ANA is taken.");
    ana.say("/quit");
    assert_eq!(ana.rest().last().unwrap(), "*** Goodbye: quit.");
    bo.expect_next("*** ana has left (quit)");
    let mut next = daemon.join("Ana");
    bo.expect_next("*** Ana has joined");
    bo.say("welcome");
    next.expect_next("bo: welcome");
}

#[test]
fn leaving_before_the_login_is_not_announced() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    for goodbye in ["QUIT", "{quit}", "/quit"] {
        let mut client = daemon.connect();
        client.say(goodbye);
        assert_eq!(client.rest().last().unwrap(), "*** Goodbye: quit.");
    }
    drop(daemon.connect());
    ana.say("still alone");
    ana.expect_next("ana: still alone");
}

/// A line of history without its time, which may include a date if the test runs at midnight.
fn without_time(line: &str) -> &str {
    let (time, line) = line.strip_prefix('[').and_then(|line| line.split_once("] ")).unwrap();
    let digits: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert!(["00:00", "0000-00-00 00:00"].contains(&&*digits), "{time}");
    line
}

#[test]
fn a_returning_user_reads_missed_messages_and_can_ask_for_more() {
    let daemon = Daemon::start("");
    let mut bo = daemon.join("bo");
    let mut ana = daemon.join("ana");
    bo.expect_next("*** ana has joined");
    bo.say("one");
    ana.expect_next("bo: one");
    ana.finish();
    ana.rest();
    bo.expect("*** ana has left (connection closed)");
    bo.say("two");
    bo.expect_next("bo: two");
    let mut ana = daemon.join("ana");
    ana.expect_next("*** What was said since you left (/history shows all that is kept):");
    assert_eq!(without_time(&ana.line()), "bo: two");
    ana.expect_start("*** You are up to date; it is ");
    ana.say("/history");
    ana.expect_next("*** What was said:");
    assert_eq!(without_time(&ana.line()), "bo: one");
    assert_eq!(without_time(&ana.line()), "bo: two");
    ana.expect_start("*** You are up to date; it is ");
    ana.say("/quit");
    ana.rest();
    let mut ana = daemon.join("ana");
    ana.expect_next("*** Nothing was said since you left; /history shows all that is kept.");
    ana.say("/who");
    ana.expect_next("*** Here: ana, bo");
}

#[test]
fn the_history_has_messages_and_no_joins_or_leaves() {
    let daemon = Daemon::start("[room]\nhistory = 4\n");
    let mut ana = daemon.join("ana");
    ana.say("forgotten");
    ana.say("one");
    ana.expect("ana: one");
    let mut bo = daemon.join("bo");
    bo.say("/me waves");
    bo.expect("* bo waves");
    assert!(daemon.chatctl(&["notice", "tea is ready"]).status.success());
    ana.expect("*** notice: tea is ready");
    ana.say("/nick anna");
    ana.say("/msg bo between us");
    ana.say("two");
    bo.expect("anna: two");
    bo.say("/quit");
    bo.rest();
    ana.expect_start("*** bo has left");

    let mut newcomer = daemon.join("luzmi");
    newcomer.expect_next("*** What was said before you came:");
    for line in ["ana: one", "* bo waves", "*** notice: tea is ready", "anna: two"] {
        assert_eq!(without_time(&newcomer.line()), line);
    }
    newcomer.expect_start("*** You are up to date; it is ");
    newcomer.say("hi");
    newcomer.expect_next("luzmi: hi");
}

#[test]
fn without_history_a_newcomer_is_told_nothing_of_the_past() {
    let daemon = Daemon::start("[room]\nhistory = 0\nname = \"kitchen\"\ntopic = \"tea\"\n");
    let mut ana = daemon.join("ana");
    ana.say("said before");
    ana.expect_next("ana: said before");
    let mut bo = daemon.connect();
    bo.expect_next("*** This is kitchen, a chat room.");
    bo.say("bo");
    bo.expect("*** Topic: tea");
    bo.say("hi");
    bo.expect_next("bo: hi");
}
