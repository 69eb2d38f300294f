//! A server with real sessions, but without a daemon around it: what comes between two steps of an answer.

use std::collections::HashMap;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use super::*;
use crate::admin::types::Users;
use crate::chat::Nick;
use crate::net::Address;
use crate::session::{Connection, Session};

/// More than are looked at in two steps.
const PEOPLE: usize = 150;

fn server() -> Server {
    let directories = Directories { runtime: "/nowhere".into(), state: "/nowhere".into() };
    let configuration = file::parse("", &directories).unwrap();
    Server::new(Source { path: None, directories }, configuration, None, &[]).unwrap()
}

/// People in the room, and what gives their sessions their turns when a test lets it.
struct People<'a> {
    server: &'a Server,
    driver: Driver,
    clients: HashMap<String, UnixStream>,
}

impl People<'_> {
    /// Waits until somebody has a name, or nobody has it any more.
    async fn wait(&mut self, name: &str, here: bool) {
        let nick = Nick::new(name).unwrap();
        while self.server.context.room.lock().roster().find(&nick).is_some() != here {
            self.driver.ready().await.unwrap();
            self.driver.serve().await;
        }
    }

    async fn say(&mut self, name: &str, line: &str) {
        self.clients.get_mut(name).unwrap().write_all(line.as_bytes()).await.unwrap();
    }

    async fn join(&mut self, name: &str) {
        let (socket, client) = UnixStream::pair().unwrap();
        let admission = self.server.admissions.enter(Address::Unix { uid: 0 }, 1).unwrap();
        let socket = socket.into_std().unwrap().into();
        let connection = Connection { socket, tls: None, admission, protocol: Some(Protocol::Text) };
        Session::start(&self.server.context, connection).unwrap();
        self.clients.insert(name.to_owned(), client);
        self.say(name, &format!("{name}\n")).await;
        self.wait(name, true).await;
    }

    async fn rename(&mut self, name: &str, new: &str) {
        self.say(name, &format!("/nick {new}\n")).await;
        let client = self.clients.remove(name).unwrap();
        self.clients.insert(new.to_owned(), client);
        self.wait(new, true).await;
    }

    async fn leave(&mut self, name: &str) {
        self.clients.remove(name);
        self.wait(name, false).await;
    }

    /// Who has this name, whatever else they are called later.
    fn number(&self, name: &str) -> u64 {
        self.server.context.room.lock().roster().find(&Nick::new(name).unwrap()).unwrap().person.number
    }
}

#[tokio::test]
async fn whoever_is_here_all_the_time_is_listed_once_whatever_happens_meanwhile() {
    let server = server();
    let mut people = People { server: &server, driver: Driver::new(server.context.clone()), clients: HashMap::new() };
    for number in 0..PEOPLE {
        people.join(&format!("p{number}")).await;
    }
    let all: Vec<u64> = (0..PEOPLE).map(|number| people.number(&format!("p{number}"))).collect();

    // In each step but the last, one from the beginning and one from the end pass each other by their names, and others
    // come and go.
    let (mut list, mut steps) = (pin!(server.list()), 0);
    let found = loop {
        if let Poll::Ready(found) = poll_fn(|cx| Poll::Ready(list.as_mut().poll(cx))).await {
            break found;
        }
        let last = PEOPLE - 1 - steps;
        people.rename(&format!("p{steps}"), &format!("z{steps}")).await;
        people.rename(&format!("p{last}"), &format!("a{steps}")).await;
        people.leave(&format!("p{}", 20 + steps)).await;
        people.leave(&format!("p{}", PEOPLE - 20 - steps)).await;
        people.join(&format!("new{steps}")).await;
        steps += 1;
    };
    assert!((2..10).contains(&steps), "{steps} steps");

    let listed = |number: &u64| found.0.iter().filter(|seen| seen.person.number == *number).count();
    let left =
        |place: usize| (20..20 + steps).contains(&place) || (PEOPLE - 20 - steps + 1..=PEOPLE - 20).contains(&place);
    for (place, number) in all.iter().enumerate() {
        match left(place) {
            true => assert!(listed(number) <= 1, "p{place}, who has left"),
            false => assert_eq!(listed(number), 1, "p{place}"),
        }
    }
    for step in 0..steps {
        assert!(listed(&people.number(&format!("new{step}"))) <= 1, "new{step}");
    }
    let users = Users::from(found).users;
    assert!(users.is_sorted_by(|one, next| one.name <= next.name));
}

#[tokio::test]
async fn whoever_was_kicked_is_listed_no_more() {
    let server = server();
    let mut people = People { server: &server, driver: Driver::new(server.context.clone()), clients: HashMap::new() };
    people.join("ana").await;
    people.join("bo").await;
    server.kick("ana", None, 0).unwrap();
    let users = Users::from(server.list().await).users;
    assert_eq!(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["bo"]);
}
