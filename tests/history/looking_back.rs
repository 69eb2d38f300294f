//! `/history` and `/search`, CHATHISTORY and SEARCH.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use super::restart::{irc, msgid};
use crate::support::client::Client;
use crate::support::daemon::Daemon;

/// More history than newcomers are shown.
fn talkative() -> (Daemon, Client) {
    let daemon = Daemon::start("[room]\nhistory = 3\n[limits]\nmessage-rate = 100000\nmessage-burst = 100000\n");
    let mut ana = daemon.join("ana");
    for number in 1..=120 {
        ana.say(&format!("line {number} about {}", if number % 40 == 0 { "Café-Crème" } else { "tea" }));
    }
    ana.expect("ana: line 120 about Café-Crème");
    (daemon, ana)
}

fn said(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.split_once("ana: ").unwrap().1).collect()
}

#[test]
fn history_goes_back_as_far_as_it_is_kept() {
    let (daemon, mut ana) = talkative();
    ana.say("/history");
    ana.expect_next("*** What was said:");
    let lines = ana.lines(50);
    assert_eq!(said(&lines)[0], "line 71 about tea");
    ana.expect_start("*** You are up to date");
    ana.say("/history 110");
    ana.expect_next("*** What was said:");
    let lines = ana.lines(110);
    assert_eq!((said(&lines)[0], said(&lines)[109]), ("line 11 about tea", "line 120 about Café-Crème"));
    ana.expect_start("*** You are up to date");
    ana.say("/history since 1h");
    ana.expect_next("*** What was said since then:");
    assert_eq!(said(&ana.lines(120))[0], "line 1 about tea");
    ana.expect_start("*** You are up to date");
    ana.say("/history since tomorrow");
    ana.expect_next("*** Say: /history [COUNT | since TIME]");
    drop(daemon);
}

#[test]
fn search_finds_words_whatever_their_accents() {
    let (_daemon, mut ana) = talkative();
    ana.say("/search cafe creme");
    ana.expect_next("*** Found, times in UTC:");
    let found: Vec<String> = ana.lines(3);
    assert_eq!(said(&found), [40, 80, 120].map(|number| format!("line {number} about Café-Crème")));
    ana.say("/search \"120 about\"");
    ana.expect_next("*** Found, times in UTC:");
    ana.lines(1);
    ana.say("/search nothing-like-this");
    ana.expect_next("*** Nothing was found.");
    ana.say("/search ?!");
    ana.expect_next("*** Not found: there is no word to search for.");
    // In its turn: what is typed behind a question is done after its answer.
    ana.send("/search cafe\n/who\n");
    ana.expect_next("*** Found, times in UTC:");
    ana.lines(3);
    ana.expect_next("*** Here: ana");
}

/// The texts of the messages in the next batch.
fn batch(client: &mut Client) -> Vec<String> {
    client.expect_start(":chatd.internal BATCH +");
    let mut texts = Vec::new();
    loop {
        let line = client.line();
        if line.starts_with(":chatd.internal BATCH -") {
            return texts;
        }
        texts.push(line.trim_end().split_once(" PRIVMSG #lobby :").unwrap().1.to_owned());
    }
}

#[test]
fn irc_clients_page_back_and_search() {
    let (daemon, _ana) = talkative();
    let mut bo = irc(&daemon, "bo");
    bo.send("CHATHISTORY LATEST #lobby * 2\r\n");
    bo.expect_start(":chatd.internal BATCH +");
    let first = msgid(&mut bo, ":line 119 about tea");
    bo.send(&format!("CHATHISTORY BEFORE #lobby msgid={first} 100\r\n"));
    bo.expect_start(":chatd.internal BATCH -");
    let page = batch(&mut bo);
    assert_eq!((page.len(), &*page[0], &*page[99]), (100, "line 19 about tea", "line 118 about tea"));
    bo.send("SEARCH text=cafe\\screme;from=ANA;in=#lobby;limit=2\r\n");
    assert_eq!(batch(&mut bo), ["line 80 about Café-Crème", "line 120 about Café-Crème"]);
    bo.send("SEARCH text=\"40\\sabout\"\r\n");
    assert_eq!(batch(&mut bo), ["line 40 about Café-Crème"]);
    bo.send("SEARCH text=tea;from=bo\r\n");
    assert!(batch(&mut bo).is_empty());
    bo.send("SEARCH text=?!\r\n");
    bo.expect_start(":chatd.internal FAIL SEARCH INVALID_PARAMS text :there is no word to search for");
}

#[test]
fn a_client_that_has_closed_its_side_still_gets_its_answer() {
    let (daemon, _ana) = talkative();
    let mut stream = TcpStream::connect(daemon.plain()).unwrap();
    stream.write_all(b"bo\n/search cafe\n/history 2\nbye").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    let place = |text: &str| all.find(text).unwrap_or_else(|| panic!("{text:?} is missing in {all}"));
    let places = [place("*** Found,"), place("*** What was said:"), place("bo: bye"), place("*** Goodbye")];
    assert!(places.is_sorted(), "{all}");
}
