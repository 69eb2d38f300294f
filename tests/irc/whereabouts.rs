//! WHO, WHOIS, WHOWAS, MONITOR and AWAY: who is here, who was, and who comes and goes.

use chatd::chat::{Command, Event, Profile, Reply, Stamp};

use super::{joined, registered};

#[test]
fn who_lists_people() {
    let mut talk = joined("");
    let bo = talk.arrives("bo", true);
    talk.arrives("ed", false);
    talk.leaves_for(&bo, "lunch");
    talk.plays(
        r"
         > WHO #lobby
         < :irc.test 352 ana #lobby ann irc.test irc.test ana H :0 Ana Real
         < :irc.test 352 ana #lobby chat irc.test irc.test bo G :0 bo Real
         < :irc.test 315 ana #lobby :End of WHO list
         > WHO bo
         < :irc.test 352 ana * chat irc.test irc.test bo G :0 bo Real
         < :irc.test 315 ana bo :End of WHO list
         > WHO ed
         < :irc.test 352 ana * chat irc.test irc.test ed H :0 ed Real
         < :irc.test 315 ana ed :End of WHO list
         > WHO b*
         < :irc.test 352 ana * chat irc.test irc.test bo G :0 bo Real
         < :irc.test 315 ana b* :End of WHO list
         > WHO *
         < :irc.test 352 ana * ann irc.test irc.test ana H :0 Ana Real
         < :irc.test 352 ana * chat irc.test irc.test bo G :0 bo Real
         < :irc.test 315 ana * :End of WHO list
         > WHO
         < :irc.test 352 ana * ann irc.test irc.test ana H :0 Ana Real
         < :irc.test 352 ana * chat irc.test irc.test bo G :0 bo Real
         < :irc.test 315 ana * :End of WHO list
         > WHO x
         < :irc.test 315 ana x :End of WHO list
         > WHO #lobby %tcuihsnfdlaor,42
         < :irc.test 354 ana 42 #lobby ann 255.255.255.255 irc.test irc.test ana H 0 0 0 n/a :Ana Real
         < :irc.test 354 ana 42 #lobby chat 255.255.255.255 irc.test irc.test bo G 0 0 0 n/a :bo Real
         < :irc.test 315 ana #lobby :End of WHO list
         > WHO bo %na
         < :irc.test 354 ana bo 0
         < :irc.test 315 ana bo :End of WHO list
         > WHO bo %nx,1234
         < :irc.test 354 ana bo
         < :irc.test 315 ana bo :End of WHO list
",
    );
}

#[test]
fn whois_tells_who_somebody_is() {
    let mut talk = joined("");
    let bo = talk.arrives("bo", true);
    talk.arrives("ed", false);
    talk.leaves_for(&bo, "lunch");
    talk.plays(
        r"
         > WHOIS
         < :irc.test 431 ana :No nickname given
         > WHOIS bo
         < :irc.test 311 ana bo chat irc.test * :bo Real
         < :irc.test 319 ana bo :#lobby
         < :irc.test 312 ana bo irc.test :a chat room as a system service
         < :irc.test 301 ana bo :lunch
         < :irc.test 317 ana bo 0 1767323045 :seconds idle, signon time
         < :irc.test 318 ana bo :End of WHOIS list
         > WHOIS x ed
         < :irc.test 311 ana ed chat irc.test * :ed Real
         < :irc.test 312 ana ed irc.test :a chat room as a system service
         < :irc.test 317 ana ed 0 1767323045 :seconds idle, signon time
         < :irc.test 318 ana ed :End of WHOIS list
         > WHOIS nobody
         < :irc.test 401 ana nobody :No such nick
         < :irc.test 318 ana nobody :End of WHOIS list
",
    );
}

#[test]
fn whowas_remembers() {
    let mut talk = joined("");
    let bo = talk.arrives("bo", true);
    talk.arrives("ed", false);
    talk.leaves_for(&bo, "lunch");
    talk.plays(
        r"
         > WHOWAS
         < :irc.test 431 ana :No nickname given
         > WHOWAS bo
         < :irc.test 406 ana bo :There was no such nickname
         < :irc.test 369 ana bo :End of WHOWAS
         > NICK anna
         < :ana!ann@irc.test NICK anna
         > WHOWAS ana
         < :irc.test 314 anna ana ann irc.test * :Ana Real
         < :irc.test 312 anna ana irc.test :2026-01-02T03:04:05.678Z
         < :irc.test 369 anna ana :End of WHOWAS
         > WHOWAS ana 1
         < :irc.test 314 anna ana ann irc.test * :Ana Real
         < :irc.test 312 anna ana irc.test :2026-01-02T03:04:05.678Z
         < :irc.test 369 anna ana :End of WHOWAS
",
    );
}

#[test]
fn who_is_here() {
    let mut talk = joined("");
    let bo = talk.arrives("bo", true);
    talk.arrives("ed", false);
    talk.leaves_for(&bo, "lunch");
    talk.plays(
        r"
         > USERHOST bo ed ana nobody
         < :irc.test 302 ana :bo=-chat@irc.test ed=+chat@irc.test ana=+ann@irc.test
         > USERHOST
         < :irc.test 461 ana USERHOST :Not enough parameters
         > ISON bo nobody ana
         < :irc.test 303 ana :bo ana
",
    );
}

#[test]
fn monitor_tells_of_those_who_are_watched() {
    let mut talk = joined("");
    let bo = talk.arrives("bo", true);
    talk.arrives("ed", false);
    talk.leaves_for(&bo, "lunch");
    talk.plays(
        r"
         > MONITOR
         < :irc.test 461 ana MONITOR :Not enough parameters
         > MONITOR + bo,nobody,*!*@x
         < :irc.test 730 ana :bo!chat@irc.test
         < :irc.test 731 ana :nobody
         > MONITOR L
         < :irc.test 732 ana :bo,nobody
         < :irc.test 733 ana :End of MONITOR list
         > MONITOR S
         < :irc.test 730 ana :bo!chat@irc.test
         < :irc.test 731 ana :nobody
         > MONITOR - bo
         > MONITOR L
         < :irc.test 732 ana :nobody
         < :irc.test 733 ana :End of MONITOR list
         > MONITOR C
         > MONITOR L
         < :irc.test 733 ana :End of MONITOR list
",
    );
}

#[test]
fn names_may_come_with_hosts() {
    let mut talk = joined("userhost-in-names");
    talk.arrives("bo", true);
    talk.plays(
        r"
         > NAMES #lobby
         < :irc.test 353 ana = #lobby :ana!ann@irc.test bo!chat@irc.test
         < :irc.test 366 ana #lobby :End of NAMES list
",
    );
}

#[test]
fn many_names_take_many_lines_of_the_right_length() {
    let mut talk = joined("");
    let names: Vec<String> = (100..300).map(|i| format!("somebody{i}")).collect();
    names.iter().for_each(|name| drop(talk.arrives(name, true)));
    let answer = talk.send("NAMES #lobby\r\n");
    let lists: Vec<&str> =
        answer.split("\r\n").filter_map(|line| line.strip_prefix(":irc.test 353 ana = #lobby :")).collect();
    assert!(lists.len() > 3 && answer.split("\r\n").all(|line| line.len() <= 510), "{answer}");
    let found: Vec<&str> = lists.iter().flat_map(|list| list.split(' ')).collect();
    assert_eq!(found.len(), 201);
    assert!(names.iter().all(|name| found.contains(&name.as_str())));
}

#[test]
fn whois_shows_bot_account_and_tls() {
    let mut talk = joined("");
    let bo = talk.arrives("bo", true);
    let account = Some("bo@home".into());
    let profile = Profile { account, bot: true, encrypted: true, ..(*bo.profile).clone() };
    talk.does(Some(&bo), Command::Describe(Box::new(profile)));
    talk.plays(
        "> WHOIS bo
         < :irc.test 311 ana bo chat irc.test * :bo Real
         < :irc.test 319 ana bo :#lobby
         < :irc.test 312 ana bo irc.test :a chat room as a system service
         < :irc.test 335 ana bo :is a bot
         < :irc.test 330 ana bo bo@home :is logged in as
         < :irc.test 671 ana bo :is using a secure connection
         < :irc.test 317 ana bo 0 1767323045 :seconds idle, signon time
         < :irc.test 318 ana bo :End of WHOIS list
         > WHO bo %naf
         < :irc.test 354 ana bo HB bo@home
         < :irc.test 315 ana bo :End of WHO list",
    );
}

#[test]
fn monitor_reports_logins_logouts_and_changes() {
    let mut talk = registered("away-notify setname extended-monitor");
    let bo = &talk.arrives("bo", false);
    let stamp = Stamp { sequence: 9, unix: 0 };
    let away = Event::Away(bo.clone(), Some("tea".into()));
    let described = Event::Described(bo.clone());
    for (reply, line) in [
        (Reply::Presence { person: bo, here: true }, ":irc.test 730 ana :bo!chat@irc.test\r\n"),
        (Reply::Presence { person: bo, here: false }, ":irc.test 731 ana :bo\r\n"),
        (Reply::Watched(stamp, &away), ":bo!chat@irc.test AWAY :tea\r\n"),
        (Reply::Watched(stamp, &described), ":bo!chat@irc.test SETNAME :bo Real\r\n"),
    ] {
        assert_eq!(talk.told(reply), line);
    }
    let mut talk = registered("away-notify");
    assert_eq!(talk.told(Reply::Watched(stamp, &away)), "", "it has not asked for that");
}

#[test]
fn the_monitor_list_has_a_limit() {
    let mut talk = registered("");
    for i in 0..100 {
        talk.send(&format!("MONITOR + somebody{i}\r\n"));
    }
    talk.plays("> MONITOR + one,two\n< :irc.test 734 ana 100 one :Monitor list is full");
}
