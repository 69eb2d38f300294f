//! Each course document's client, from login through list and messages to quit and abrupt end, with text and TLS
//! clients in the room.

use super::daemon;
use super::student::Student;

#[test]
fn document_1_chatter() {
    let (daemon, address) = daemon("preset = 'chatter'", "");
    let mut ariana = Student::start("chatter.py", address, &[]);
    ariana.expect_next("Greetings from the cave! Now type your name and press enter!");
    ariana.say("ariana");
    ariana.expect_next("Welcome ariana! If you ever want to quit, type {quit} to exit.");
    ariana.expect_next("The chat room is empty!");
    let mut oskar = daemon.join("oskar");
    ariana.expect_next("oskar has joined the chat!");
    oskar.say("kaixo, ariana!");
    ariana.expect_next("oskar: kaixo, ariana!");
    ariana.say("kaixo, oskar!");
    ariana.expect_next("ariana: kaixo, oskar!");
    oskar.expect("ariana: kaixo, oskar!");

    let mut luzmi = Student::start("chatter.py", address, &[]);
    luzmi.expect_next("Greetings from the cave! Now type your name and press enter!");
    luzmi.say("luzmi");
    luzmi.expect_next("Welcome luzmi! If you ever want to quit, type {quit} to exit.");
    luzmi.expect_next("Connected users: ariana oskar");
    ariana.expect_next("luzmi has joined the chat!");
    luzmi.say("hemen nago! ñ 😀");
    luzmi.expect_next("luzmi: hemen nago! ñ 😀");
    ariana.expect_next("luzmi: hemen nago! ñ 😀");

    let mut bob = daemon.join_tls("bob");
    bob.expect_start("*** You are up to date; it is ");
    ariana.expect_next("bob has joined the chat!");
    luzmi.expect_next("bob has joined the chat!");
    luzmi.act("abort", "");
    ariana.expect_next("luzmi has left the chat.");
    oskar.expect("*** luzmi has left (connection broken: connection reset)");

    assert!(daemon.chatctl(&["notice", "five minutes left"]).status.success());
    ariana.expect_next("*** five minutes left");
    assert!(daemon.chatctl(&["kick", "bob", "--reason", "enough"]).status.success());
    ariana.expect_next("bob has left the chat.");
    ariana.say("{quit}");
    ariana.expect_end();
    oskar.expect("*** ariana has left (quit)");
}

#[test]
fn document_2_keyword() {
    let (daemon, address) = daemon("preset = 'keyword'", "");
    let mut ana = daemon.join("ana");
    let mut fabricio = Student::start("keyword_client.py", address, &["fabricio"]);
    fabricio.expect_next("fabricio ha entrado en el chat");
    fabricio.expect_next("Conectado al servidor");
    ana.expect_next("*** fabricio has joined");
    fabricio.say("hola");
    fabricio.expect_next("fabricio: hola");
    ana.expect_next("fabricio: hola");
    ana.say("buenas");
    fabricio.expect_next("ana: buenas");
    fabricio.act("close", "");
    ana.expect_start("*** fabricio has left");
}

#[test]
fn a_keyword_of_another_school_and_a_client_that_reads_ascii_alone() {
    let keys = "preset = 'keyword'\n[listen.classic]\nkeyword = 'NICK'\nencoding = 'ascii'\nwelcome = 'Connected to server!'\n\
                join = '{name} joined!'\nleave = '{name} left!'";
    let (daemon, address) = daemon(keys, "");
    let mut ana = Student::start("keyword_client.py", address, &["ana", "NICK", "ascii"]);
    ana.expect_next("ana joined!");
    ana.expect_next("Connected to server!");
    let mut jose = daemon.join("José");
    ana.expect_next("Jose? joined!");
    jose.say("¿qué tal? 漢 😀");
    ana.expect_next("Jose?: ?que tal? Han :grinning:");
    ana.say("fine");
    jose.expect("ana: fine");
    ana.expect_next("ana: fine");
}

#[test]
fn document_3_quit_echo() {
    let (daemon, address) = daemon("preset = 'quit-echo'", "");
    let mut ana = daemon.join("ana");
    let mut gabriele = Student::start("quit_echo.py", address, &[]);
    gabriele.say("gabriele");
    gabriele.expect_next("Welcome gabriele: if you want left the chat, write {quit} ");
    ana.expect_next("*** gabriele has joined");
    gabriele.say("ciao");
    gabriele.expect_next("gabriele : ciao");
    ana.expect_next("gabriele: ciao");

    let mut luca = Student::start("quit_echo.py", address, &[]);
    luca.say("luca");
    luca.expect_next("Welcome luca: if you want left the chat, write {quit} ");
    gabriele.expect_next("User luca has joined the chat ");
    // Lines sent just before the quit must not arrive together with its answer.
    for n in 0..5 {
        ana.say(&format!("line {n}"));
    }
    luca.act("quit-and-read", "");
    for n in 0..5 {
        luca.expect_next(&format!("ana : line {n}"));
    }
    luca.expect_next("{quit}");
    luca.expect_end();
    gabriele.expect("luca has left the chat. ");
    gabriele.act("close", "");
    ana.expect_start("*** gabriele has left");
}

#[test]
fn document_4_user_quit() {
    let (daemon, address) = daemon("preset = 'user-quit'", "");
    let mut alice = Student::start("user_quit.py", address, &["alice"]);
    alice.expect_next("Il n'y a personne d'autre.\n");
    let mut bob = Student::start("user_quit.py", address, &["bob"]);
    bob.expect_next("Utilisateurs présents : alice\n");
    alice.expect_next("bob est là\n");
    let mut ana = daemon.join_tls("ana");
    alice.expect_next("ana est là\n");
    bob.expect_next("ana est là\n");
    alice.say("bonjour");
    bob.expect_next("alice: bonjour\n");
    ana.expect_next("alice: bonjour");
    bob.say("salut");
    alice.expect_next("bob: salut\n");
    alice.say("quit");
    alice.expect_end();
    bob.expect_next("alice est parti\n");
    bob.act("abort", "");
    ana.expect_start("*** bob has left");
}

#[test]
fn document_5_nic() {
    let (daemon, address) = daemon("preset = 'nic'", "");
    let mut ana = daemon.join("ana");
    let mut hamed = Student::start("nic.py", address, &["hamed"]);
    hamed.expect_next("hamed joined the chat 😀\n");
    hamed.expect_next("Connected to the server.\n");
    ana.expect_next("*** hamed has joined");
    hamed.say("سلام");
    hamed.expect_next("hamed: سلام\n");
    ana.expect_next("hamed: سلام");
    let mut sara = Student::start("nic.py", address, &["sara"]);
    sara.expect_next("sara joined the chat 😀\n");
    sara.expect_next("Connected to the server.\n");
    hamed.expect_next("sara joined the chat 😀\n");
    sara.act("close", "");
    hamed.expect_next("sara left the chat\n");
    assert!(daemon.chatctl(&["kick", "hamed", "--reason", "enough"]).status.success());
    hamed.expect_next("*** Goodbye: kicked: enough.\n");
    hamed.expect_next("ERROR");
    hamed.expect_end();
    ana.expect("*** hamed has left (kicked: enough)");
}

#[test]
fn all_presets_share_one_room() {
    let listeners: String = ["chatter", "keyword", "quit-echo", "user-quit", "nic"]
        .iter()
        .map(|preset| {
            format!(
                "[[listen]]\naddress = '127.0.0.1:0'\nprotocol = 'classic'\npreset = '{preset}'\n\
                 [listen.classic]\ngap = '100ms'\n"
            )
        })
        .collect();
    let daemon = crate::support::daemon::Daemon::start(&listeners);
    let at = daemon.listeners();
    let mut text = daemon.join("text");
    let mut students = [
        ("chatter", Student::start("chatter.py", at[2], &[])),
        ("keyword", Student::start("keyword_client.py", at[3], &["keyword"])),
        ("quitecho", Student::start("quit_echo.py", at[4], &[])),
        ("userquit", Student::start("user_quit.py", at[5], &["userquit"])),
        ("nic", Student::start("nic.py", at[6], &["nic"])),
    ];
    students[0].1.say("chatter");
    students[2].1.say("quitecho");
    let mut names: Vec<&str> = students.iter().map(|(name, _)| *name).collect();
    while !names.is_empty() {
        let line = text.expect_start("*** ");
        names.retain(|name| line != format!("*** {name} has joined"));
    }
    for (name, student) in &mut students {
        student.say(&format!("I am {name}"));
        text.expect(&format!("{name}: I am {name}"));
    }
    text.say("welcome, all");
    for ((_, student), line) in students.iter_mut().zip([
        "text: welcome, all",
        "text: welcome, all",
        "text : welcome, all",
        "text: welcome, all\n",
        "text: welcome, all\n",
    ]) {
        student.expect_part(line);
    }
}
