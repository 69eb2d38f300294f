//! Commands in the room, as seen by their sender and by the others.

use crate::support::client::Client;
use crate::support::daemon::Daemon;

fn ana_and_bo(daemon: &Daemon) -> (Client, Client) {
    let mut ana = daemon.join("ana");
    let bo = daemon.join_tls("bo");
    ana.expect_next("*** bo has joined");
    (ana, bo)
}

#[test]
fn messages_and_actions_reach_everybody_including_the_author() {
    let daemon = Daemon::start("");
    let (mut ana, mut bo) = ana_and_bo(&daemon);
    ana.say("hello, bo");
    ana.say("/me waves");
    ana.say("//etc is a path");
    ana.say("  ");
    ana.say("QUIT smoking");
    for client in [&mut ana, &mut bo] {
        client.expect_next("ana: hello, bo");
        client.expect_next("* ana waves");
        client.expect_next("ana: /etc is a path");
        client.expect_next("ana: QUIT smoking");
    }
}

#[test]
fn a_private_message_reaches_only_its_recipient() {
    let daemon = Daemon::start("");
    let (mut ana, mut bo) = ana_and_bo(&daemon);
    let mut luzmi = daemon.join("luzmi");
    ana.say("/msg BO psst");
    ana.say("/msg nobody psst");
    ana.say("/msg bad:name psst");
    ana.say("aloud");
    ana.expect_next("*** luzmi has joined");
    ana.expect_next("*** You to bo: psst");
    ana.expect_next("*** Nobody here is called nobody.");
    ana.expect_next("*** Nobody here is called bad:name.");
    ana.expect_next("ana: aloud");
    bo.expect_next("*** luzmi has joined");
    bo.expect_next("[ana] psst");
    bo.expect_next("ana: aloud");
    luzmi.expect_next("ana: aloud");
    luzmi.say("/msg luzmi note to self");
    luzmi.expect_next("*** You to luzmi: note to self");
    luzmi.expect_next("[luzmi] note to self");
}

#[test]
fn a_name_can_be_changed_and_the_old_one_is_free() {
    let daemon = Daemon::start("");
    let (mut ana, mut bo) = ana_and_bo(&daemon);
    ana.say("/nick anna");
    ana.say("hi");
    for client in [&mut ana, &mut bo] {
        client.expect_next("*** ana is now known as anna");
        client.expect_next("anna: hi");
    }
    bo.say("/nick ana");
    bo.say("/msg anna it was free");
    ana.expect_next("*** bo is now known as ana");
    ana.expect_next("[ana] it was free");
    ana.say("/nick a b");
    ana.expect_next("*** That name is not possible: a name has no spaces.");
    ana.say("/nick ANNA");
    ana.expect_next("*** anna is now known as ANNA");
}

#[test]
fn queries_are_answered_only_to_the_client_that_asks() {
    let daemon = Daemon::start("");
    let (mut ana, mut bo) = ana_and_bo(&daemon);
    ana.say("/who");
    ana.expect_next("*** Here: ana, bo");
    ana.say("/topic");
    ana.expect_next("*** Topic: Welcome to the lobby");
    ana.say("/help");
    let help = ana.lines(11).join("\n");
    let commands = [
        "help",
        "who",
        "history [COUNT | since TIME]",
        "search WORDS",
        "topic [TEXT]",
        "me TEXT",
        "msg NAME TEXT",
        "nick NAME",
        "away [TEXT]",
        "echo on|off",
        "quit [TEXT]",
    ];
    for command in commands {
        assert!(help.contains(&format!("*** /{command} ")), "{command} in {help}");
    }
    ana.expect_start("*** ");
    for (line, answer) in [
        ("/dance", "*** There is no command /dance; /help lists them. To say it, begin with two slashes."),
        ("/me", "*** Say: /me TEXT"),
        ("/msg bo", "*** Say: /msg NAME TEXT"),
        ("/nick", "*** Say: /nick NAME"),
    ] {
        ana.say(line);
        ana.expect_next(answer);
    }
    ana.say("done");
    bo.expect_next("ana: done");
}

#[test]
fn a_changed_topic_is_sent_to_everybody() {
    let daemon = Daemon::start("");
    let (mut ana, mut bo) = ana_and_bo(&daemon);
    daemon.write_config(&format!("{}[room]\ntopic = \"tea\"\n", crate::support::daemon::LISTENERS));
    assert!(daemon.chatctl(&["reload"]).status.success());
    ana.expect_next("*** Topic: tea");
    bo.expect_next("*** Topic: tea");
    bo.say("/topic");
    bo.expect_next("*** Topic: tea");
}

#[test]
fn echo_off_leaves_out_ones_own_lines() {
    let daemon = Daemon::start("");
    let mut ana = daemon.join("ana");
    let mut bo = daemon.join("bo");
    ana.expect_next("*** bo has joined");
    ana.say("/echo off");
    ana.expect_next("*** Your own lines do not come back to you.");
    for line in ["hello", "/me waves", "/topic tea", "/nick anna"] {
        ana.say(line);
    }
    // With echo off, everything except one's own messages still arrives, in order.
    ana.expect_next("*** ana has changed the topic: tea");
    ana.expect_next("*** ana is now known as anna");
    for line in ["ana: hello", "* ana waves", "*** ana has changed the topic: tea", "*** ana is now known as anna"] {
        bo.expect_next(line);
    }
    bo.say("hello anna");
    ana.expect_next("bo: hello anna");
    ana.say("/echo on");
    ana.expect_next("*** Your own lines come back to you.");
    ana.say("again");
    ana.expect_next("anna: again");
}
