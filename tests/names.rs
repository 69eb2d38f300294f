//! Names that deceive: what looks like another name, like a reserved one, or like what the server says, is refused; what
//! is only rare or new is not.

use std::collections::BTreeMap;
use std::sync::Arc;

use chatd::chat::{
    Command, Event, Look, Nick, NickError, Now, Person, PersonId, Profile, Record, Refusal, Stamp, Words,
};
use chatd::people::{People, Reserved};
use chatd::room::{Actor, HistoryLimit, Outcome, Room, SavedState, State};
use proptest::collection::vec;
use proptest::prelude::*;
use rustls::version::TLS13;

use crate::support::client::Client;
use crate::support::daemon::{Daemon, FAST, LISTENERS};
use crate::tls::Certificates;

const NOW: Now = Now { ticks: 0, unix: 0 };

/// Each with why nobody can choose it.
const DECEPTIVE: [(&str, NickError); 21] = [
    ("an\u{430}", NickError::MixedScripts),
    ("t\u{430}lk", NickError::MixedScripts),
    ("\u{3b1}na", NickError::MixedScripts),
    ("ab\u{13a0}", NickError::MixedScripts),
    ("\u{5d0}\u{627}", NickError::MixedScripts),
    ("\u{2217}\u{2217}\u{2217}\u{2800}notice", NickError::NotVisible),
    ("\u{2217}\u{2217}\u{2217}notice", NickError::LooksReserved),
    ("\u{204e}\u{204e}\u{204e}", NickError::LooksReserved),
    ("ana\u{2236}hello", NickError::LooksReserved),
    ("ana\u{a789}", NickError::LooksReserved),
    ("\u{2044}quit", NickError::LooksReserved),
    ("\u{2800}", NickError::NotVisible),
    ("a\u{2800}b", NickError::NotVisible),
    ("\u{fffc}", NickError::NotVisible),
    ("\u{301}", NickError::LoneMark),
    ("\u{301}ana", NickError::LoneMark),
    ("\u{20dd}", NickError::LoneMark),
    ("a\u{300}\u{316}\u{301}\u{317}\u{302}\u{318}b", NickError::Marks),
    ("Z\u{323}\u{308}\u{32e}\u{35c}\u{336}a", NickError::Marks),
    ("a\u{327}\u{327}", NickError::Marks),
    ("\u{13441}\u{13442}", NickError::NotVisible),
];

/// Scripts of all kinds and ages, what people mix with Latin, what looks like a sign but is a letter, and emoji.
const HONEST: [&str; 30] = [
    "ana",
    "Ñandú",
    "Łukasz",
    "Nguyễn",
    "Ünïcödé",
    "straße",
    "O’Neil",
    "C++",
    "bot]",
    "иван",
    "Ёжик",
    "Σίσυφος",
    "محمد",
    "שָׁלוֹם",
    "רמב״ם",
    "नमः",
    "ஸ்ரீ",
    "ภาษาไทย",
    "བསྒྲུབས",
    "漢字",
    "ひらがな",
    "ノート",
    "김철수",
    "ana日本",
    "デスana",
    "anaกา",
    "🤔",
    "ana🤔",
    "\u{1e900}\u{1e901}\u{1e922}",
    "\u{10428}",
];

#[test]
fn a_deceptive_name_cannot_be_chosen_but_stays_a_name() {
    for (name, why) in DECEPTIVE {
        assert_eq!(Nick::choose(name), Err(why), "{name:?}");
        assert!(Nick::new(name).is_ok(), "{name:?}");
    }
}

#[test]
fn an_honest_name_can_be_chosen() {
    for name in HONEST {
        assert!(Nick::choose(name).is_ok(), "{name}: {:?}", Nick::choose(name));
    }
    // Of Unicode 7 to 16: an emoji of each of some years, letters, a musical note.
    for name in ["🕵", "🤷", "🦄", "🥺", "🦩", "🪐", "🫠", "🫨", "🫩", "ꭓ", "\u{10d4a}\u{10d4b}", "\u{16a70}", "🎵"]
    {
        assert!(Nick::choose(name).is_ok(), "{name}: {:?}", Nick::choose(name));
    }
    // New, but not to be seen; a format control; not assigned.
    for name in ["a\u{180f}b", "a\u{13430}b", "a\u{1bca0}b", "a\u{e0fff}", "a\u{378}", "a\u{e000}"] {
        assert_eq!(Nick::new(name), Err(NickError::NotVisible), "{name:?}");
    }
}

/// Case folds in scripts that are newer than the tables of RFC 8264.
#[test]
fn new_letters_have_a_small_form() {
    let [capital, small] = ["\u{1e900}\u{1e901}", "\u{1e922}\u{1e923}"].map(|name| Nick::choose(name).unwrap());
    assert_eq!(capital.key(), small.key());
    assert_ne!(capital.as_str(), small.as_str());
}

fn state() -> State {
    let mut state = State::new(NOW, "lobby", "", HistoryLimit { length: 100, size: 10_000 });
    state.people.set_reserved(Reserved::new(["admin", "root", "server", "lobby", "chatd.internal", "#none"]));
    state
}

fn perform(state: &mut State, person: Option<PersonId>, command: Command<'_>) -> Result<Option<PersonId>, Refusal> {
    Ok(match state.perform(NOW, Actor { person, session: 0 }, command)? {
        Outcome::Done(_, Event::Registered(person)) => Some(person.id),
        _ => None,
    })
}

fn come(state: &mut State, name: &str, account: Option<&str>, guest: bool) -> Result<PersonId, Refusal> {
    let profile = Box::new(Profile { account: account.map(Into::into), ..Profile::default() });
    let command = Command::Register { name: name.to_owned().into(), profile, enter: true, guest };
    Ok(perform(state, None, command)?.unwrap())
}

fn looks_taken(name: &str, like: &str) -> Refusal {
    Refusal::NameLooksTaken { name: name.into(), like: like.into() }
}

#[test]
fn a_name_that_looks_like_somebodys_is_refused() {
    // Cyrillic, Latin of phonetics, capitals of other alphabets, Greek, digits beside Cyrillic, a dot that is not seen.
    for (name, other) in [
        ("coco", "сосо"),
        ("scope", "ѕсоре"),
        ("ana", "ɑna"),
        ("HAT", "НАТ"),
        ("hat", "НАТ"),
        ("mat", "МАТ"),
        ("ана1", "анаӏ"),
        ("kim", "ki\u{307}m"),
        ("KIM", "ΚΙΜ"),
        ("क्ष", "क्\u{200d}ष"),
    ] {
        for (first, second) in [(name, other), (other, name)] {
            let mut state = state();
            let here = come(&mut state, first, None, false).unwrap();
            assert_eq!(come(&mut state, second, None, false), Err(looks_taken(second, first)), "{first} {second}");
            let bo = come(&mut state, "bo", None, false).unwrap();
            let rename =
                |state: &mut State, who, to: &str| perform(state, Some(who), Command::Name(to.to_owned().into()));
            assert_eq!(rename(&mut state, bo, second), Err(looks_taken(second, first)));
            rename(&mut state, here, second).unwrap();
            assert_eq!(rename(&mut state, bo, first), Err(looks_taken(first, second)), "the other way round");
            rename(&mut state, here, "zoe").unwrap();
            rename(&mut state, bo, second).unwrap();
        }
    }
}

#[test]
fn names_that_only_resemble_each_other_are_two() {
    let mut state = state();
    for name in [
        "guest1",
        "guestl",
        "guestI2",
        "guest12",
        "guestl2",
        "rn",
        "m",
        "O",
        "0",
        "ana",
        "anna",
        "aña",
        "áná",
        "ânâ",
        "Müller",
        "Muller",
        "Mueller",
        "été",
        "ete",
        "иван",
        "иван1",
        "иван11",
        "ivan",
        "🤔",
        "🤔🤔",
        "🧐",
        "漢",
        "汉",
    ] {
        assert!(come(&mut state, name, None, false).is_ok(), "{name}: {:?}", come(&mut state, name, None, false));
    }
}

#[test]
fn guests_get_names_that_look_like_nobodys() {
    let mut state = state();
    let name = |state: &State, id| state.people.get(id).unwrap().person.as_str().to_owned();
    for expected in ["guest", "guest2", "guest3", "guest4"] {
        let guest = come(&mut state, "guest", None, true).unwrap();
        assert_eq!(name(&state, guest), expected);
    }
    for expected in ["гость", "гость2", "гость3", "гость4"] {
        let guest = come(&mut state, "гость", None, true).unwrap();
        assert_eq!(name(&state, guest), expected);
    }
    // As seen, ана5 is there; and a guest of the name of the room is not the room.
    for taken in ["ana", "ana2", "lobby2"] {
        come(&mut state, taken, None, false).unwrap();
    }
    let guest = come(&mut state, "ɑnɑ", None, true).unwrap();
    assert_eq!(name(&state, guest), "ɑnɑ3");
    let guest = come(&mut state, "lobby", None, true).unwrap();
    assert_eq!(name(&state, guest), "lobby3");
}

#[test]
fn reserved_names_are_nobodys() {
    let mut state = state();
    for name in ["server", "Server", "ＳＥＲＶＥＲ", "lobby", "chatd.internal", "CHATD.internal"] {
        let refusal = Refusal::NameReserved(Nick::new(name).unwrap().as_str().into());
        assert_eq!(come(&mut state, name, None, false), Err(refusal), "{name}");
    }
    for (name, like) in [
        ("ѕеrvеr", None),
        ("rооt", None),
        ("l0bby", Some("lobby")),
        ("1obby", Some("lobby")),
        ("r00t", Some("root")),
        ("adrnin", Some("admin")),
        ("chatd.ınternal", Some("chatd.internal")),
        ("ɑdmin", Some("admin")),
        ("сһаtd․intеrnаl", None),
    ] {
        let refusal = match like {
            Some(like) => Refusal::NameLooksReserved { name: name.into(), like: like.into() },
            None => Refusal::NameNotAllowed(NickError::MixedScripts),
        };
        assert_eq!(come(&mut state, name, None, false), Err(refusal), "{name}");
    }
    // Whoever has a name when it is reserved keeps it, and may write it in another way.
    let ana = come(&mut state, "ana", None, false).unwrap();
    state.people.set_reserved(Reserved::new(["ana"]));
    perform(&mut state, Some(ana), Command::Name("ANA".into())).unwrap();
    come(&mut state, "server", None, false).unwrap();
}

#[test]
fn the_name_of_an_account_is_for_its_owner() {
    let mut state = state();
    let owner = come(&mut state, "zoe", Some("coco"), false).unwrap();
    assert_eq!(come(&mut state, "Coco", None, false), Err(Refusal::NameTaken("Coco".into())));
    assert_eq!(come(&mut state, "сосо", Some("other"), false), Err(looks_taken("сосо", "coco")));
    perform(&mut state, Some(owner), Command::Name("coco".into())).unwrap();
    perform(&mut state, Some(owner), Command::Name("zoe".into())).unwrap();
    let second = come(&mut state, "COCO", Some("coco"), false).unwrap();
    let bo = come(&mut state, "bo", None, false).unwrap();
    for gone in [owner, second] {
        assert!(perform(&mut state, Some(bo), Command::Name("coco".into())).is_err());
        state.people.remove(0, gone, None);
    }
    perform(&mut state, Some(bo), Command::Name("coco".into())).unwrap();
    // An account that could be nobody's name stands in nobody's way.
    come(&mut state, "ana", Some("no name"), false).unwrap();
    come(&mut state, "noname", None, false).unwrap();
}

/// What is on disk and in saved sessions may be from a time when other names could be chosen.
#[test]
fn what_was_a_name_can_still_be_read() {
    for (name, _) in DECEPTIVE {
        let person = Arc::new(Person::named(Nick::new(name).unwrap()));
        let stamp = Stamp { sequence: 7, unix: 1 };
        let words = Words::plain("hello".to_owned());
        for event in [
            Event::Said(person.clone(), words),
            Event::Renamed { from: person.clone(), to: person.nick.clone() },
            Event::Joined(person.clone()),
        ] {
            let record = Record { stamp, event };
            let bytes = postcard::to_allocvec(&record).unwrap();
            assert_eq!(postcard::from_bytes::<Record>(&bytes).unwrap(), record, "{name:?}");
        }
        // Restored, they are here under their names, which nobody else gets.
        let mut before = state();
        before.people.add(NOW, person).unwrap();
        let people = postcard::from_bytes(&postcard::to_allocvec(&before.people).unwrap()).unwrap();
        let room: Room = postcard::from_bytes(&postcard::to_allocvec(&before.room).unwrap()).unwrap();
        let mut after = SavedState { people, room, sequence: 9, shared: Vec::new() }.restore();
        assert!(after.people.find(&Nick::new(name).unwrap()).is_some(), "{name:?}");
        assert!(come(&mut after, name, None, false).is_err());
    }
    let mut before = state();
    come(&mut before, "coco", Some("hat"), false).unwrap();
    let people = postcard::from_bytes(&postcard::to_allocvec(&before.people).unwrap()).unwrap();
    let mut after = SavedState { people, room: before.room, sequence: 9, shared: Vec::new() }.restore();
    assert_eq!(come(&mut after, "сосо", None, false), Err(looks_taken("сосо", "coco")));
    assert_eq!(come(&mut after, "НАТ", None, false), Err(looks_taken("НАТ", "hat")));
}

fn are_alike(one: &Nick, other: &Nick) -> bool {
    let [one, other] = [one, other].map(Look::of);
    !(one.is_ascii && other.is_ascii) && one.forms().any(|form| other.forms().any(|known| known == form))
}

proptest! {
    /// Whatever people do with their names, no two look alike, and nobody is refused for less.
    #[test]
    fn look_alikes_are_found_whatever_happens(steps in vec((0..4_u8, 0..8_usize, 0..12_usize), 0..60)) {
        const NAMES: [&str; 12] =
            ["coco", "сосо", "COCO", "hat", "НАТ", "mat", "МАТ", "guest1", "guestl", "ɡuest1", "Iana", "lana"];
        let mut people = People::default();
        let mut model: BTreeMap<PersonId, Nick> = BTreeMap::new();
        for (number, (what, who, name)) in steps.into_iter().enumerate() {
            let name = Nick::choose(NAMES[name]).unwrap();
            let who = model.keys().nth(who).copied();
            let is_in_the_way = |own| {
                let is_own = model.get(&own).is_some_and(|known| known.key() == name.key());
                !is_own && model.iter().any(|(id, known)| *id != own && (known.key() == name.key() || are_alike(known, &name)))
            };
            match (what, who) {
                (0, Some(who)) => {
                    people.remove(0, who, None).unwrap();
                    model.remove(&who);
                }
                (1, Some(who)) => {
                    let allowed = people.may_rename(who, &name).is_ok();
                    prop_assert_eq!(allowed, !is_in_the_way(who), "{:?} {:?}", name, model);
                    if allowed {
                        people.rename(Stamp { sequence: 1, unix: 0 }, who, &name).unwrap();
                        model.insert(who, name);
                    }
                }
                _ => {
                    let id = PersonId(number as u64 + 1);
                    let allowed = people.may_have(&name, None).is_ok();
                    prop_assert_eq!(allowed, !is_in_the_way(id), "{:?} {:?}", name, model);
                    if allowed {
                        people.add(NOW, Arc::new(Person { id, ..Person::named(name.clone()) })).unwrap();
                        model.insert(id, name);
                    }
                }
            }
        }
    }

    #[test]
    fn any_name_can_be_judged_and_looks_like_itself(name in "\\PC{0,20}|[a-z\u{430}-\u{43f}\u{300}-\u{304}\u{2217}\u{2800}\u{5d0}]{1,8}") {
        if let Ok(nick) = Nick::choose(&name) {
            prop_assert_eq!(Nick::new(&name), Ok(nick.clone()));
            prop_assert_eq!(Nick::choose(nick.as_str()), Ok(nick.clone()), "what is shown can be chosen, too");
            prop_assert!(nick.as_str().is_ascii() || are_alike(&nick, &nick));
        }
    }

    /// Ordinary names of one alphabet and numbers are the same only if they are the same but for case.
    #[test]
    fn ascii_names_are_compared_by_letters(one in "[a-zA-Z0-9]{1,3}", other in "[a-zA-Z0-9]{1,3}") {
        let mut state = State::new(NOW, "lobby", "", HistoryLimit { length: 0, size: 0 });
        come(&mut state, &one, None, false).unwrap();
        prop_assert_eq!(come(&mut state, &other, None, false).is_ok(), !one.eq_ignore_ascii_case(&other));
    }
}

/// A client of IRC that has said who it is.
fn irc(daemon: &Daemon, nick: &str) -> Client {
    let mut client = daemon.connect();
    client.send(&format!("NICK {nick}\r\nUSER u 0 * :U\r\n"));
    client
}

#[test]
fn everybody_is_told_why_a_name_is_refused() {
    let daemon = Daemon::start(FAST);
    let (_coco, mut client) = (daemon.join("coco"), daemon.connect());
    for (name, answer) in [
        ("сосо", "*** That name looks like \"coco\", which is taken."),
        ("server", "*** The name server is reserved."),
        ("r00t", "*** That name looks like \"root\", which is reserved."),
        ("chatd.internal", "*** The name chatd.internal is reserved."),
        ("Lobby", "*** The name Lobby is reserved."),
        ("tаlk", "*** That name is not possible: a name does not mix alphabets, such as Latin and Cyrillic."),
        ("∗∗∗⠀notice", "*** That name is not possible: a name has only visible characters."),
        ("\u{301}", "*** That name is not possible: a name does not begin with a combining mark."),
    ] {
        client.say(name);
        client.expect_start(answer);
    }
    client.login("🤔");
    client.say("/nick сосо");
    client.expect_start("*** That name looks like \"coco\", which is taken.");
    client.say("/nick 𞤀𞤁");
    client.expect("*** 🤔 is now known as 𞤀𞤁");

    let mut irc = irc(&daemon, "сосо");
    irc.expect_start(":chatd.internal 433 * сосо :Nickname looks like coco, which is in use");
    for (nick, answer) in [
        ("COCO", "433 * COCO :Nickname is already in use"),
        ("server", "432 * server :Erroneous nickname: it is reserved"),
        ("adrnin", "432 * adrnin :Erroneous nickname: it looks like admin, which is reserved"),
        ("аnа", "432 * аnа :Erroneous nickname: a name does not mix alphabets, such as Latin and Cyrillic"),
    ] {
        irc.send(&format!("NICK {nick}\r\n"));
        irc.expect_start(&format!(":chatd.internal {answer}"));
    }
    irc.send("NICK ana\r\n");
    irc.expect_start(":chatd.internal 001 ana ");
    irc.send("NICK сосо\r\n");
    irc.expect_start(":chatd.internal 433 ana сосо :Nickname looks like coco, which is in use");
}

#[test]
fn the_name_of_a_certificate_is_for_who_has_it() {
    let certificates = Certificates::new();
    certificates.issue("authority", "server", "100");
    certificates.issue("authority", "coco", "100");
    let daemon = Daemon::start(&(certificates.section("server") + &certificates.client_ca("optional")));
    let mut owner = Client::tls_with(daemon.tls(), certificates.client("coco", &TLS13)).unwrap();
    owner.login("zoe");
    let mut other = daemon.connect();
    other.say("coco");
    other.expect_start("*** The name coco is taken.");
    other.say("сосо");
    other.expect_start("*** That name looks like \"coco\", which is taken.");
    other.login("bo");
    owner.say("/nick coco");
    other.expect("*** zoe is now known as coco");
}

#[test]
fn a_reload_changes_the_reserved_names() {
    let daemon = Daemon::start(FAST);
    let mut boss = daemon.join("boss");
    daemon.write_config(&format!("{LISTENERS}{FAST}[room]\nreserved-names = [\"boss\", \"шеф\"]\n"));
    assert!(daemon.chatctl(&["reload"]).status.success());
    let mut admin = daemon.join("admin");
    for (name, answer) in [
        ("шеф", "*** The name шеф is reserved."),
        ("lobby", "*** The name lobby is reserved."),
        ("b0ss", "*** That name looks like \"boss\", which is reserved."),
    ] {
        admin.say(&format!("/nick {name}"));
        admin.expect(answer);
    }
    boss.say("I stay");
    admin.expect("boss: I stay");
    daemon.write_config(&format!("{LISTENERS}{FAST}[room]\nreserved-names = []\n"));
    assert!(daemon.chatctl(&["reload"]).status.success());
    admin.say("/nick шеф");
    boss.expect("*** admin is now known as шеф");
}
