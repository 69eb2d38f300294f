//! A server with real sessions and sockets, but no daemon: what can happen between two parts of a long operation.

use std::collections::HashMap;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use super::*;
use crate::admin::types::Users;
use crate::chat::{Nick, PersonId};
use crate::net::Address;

/// More than are looked at in two steps.
const PEOPLE: usize = 150;

fn server() -> Arc<Server> {
    let directories = Directories { runtime: "/nowhere".into(), state: "/nowhere".into() };
    let configuration = file::parse("", &directories).unwrap();
    Arc::new(Server::new(Source { path: None, directories }, configuration, None, &[], &mut None).unwrap())
}

/// The users in the room. Their sessions get turns only while a test waits.
struct People<'a> {
    server: &'a Server,
    clients: HashMap<String, UnixStream>,
}

impl People<'_> {
    fn new(server: &Server) -> People<'_> {
        People { server, clients: HashMap::new() }
    }

    fn id(&self, name: &str) -> Option<PersonId> {
        let connections = self.server.driver.lock();
        connections.state.people.find(&Nick::new(name).unwrap()).map(|entry| entry.person.id)
    }

    /// Waits until a name is in use, or is free again.
    async fn wait(&mut self, name: &str, here: bool) {
        let mut events = Vec::new();
        while self.id(name).is_some() != here {
            self.server.driver.ready(&mut events).await.unwrap();
            self.server.driver.serve(&mut events).await;
        }
    }

    async fn say(&mut self, name: &str, line: &str) {
        self.clients.get_mut(name).unwrap().write_all(line.as_bytes()).await.unwrap();
    }

    async fn join(&mut self, name: &str) -> PersonId {
        let (socket, client) = UnixStream::pair().unwrap();
        let admission = self.server.admissions.enter(Address::Unix { uid: 0 }, 1000).unwrap();
        accept::start(self.server, socket.into_std().unwrap().into(), None, admission, Some(Protocol::Text));
        self.clients.insert(name.to_owned(), client);
        self.say(name, &format!("{name}\n")).await;
        self.wait(name, true).await;
        self.id(name).unwrap()
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
}

#[tokio::test]
async fn a_client_present_throughout_is_listed_exactly_once() {
    let server = server();
    let mut people = People::new(&server);
    let mut all = Vec::new();
    for number in 0..PEOPLE {
        all.push(people.join(&format!("p{number}")).await);
    }

    // In each step but the last, one from the beginning and one from the end pass each other by their names, and others
    // come and go.
    let (mut list, mut steps, mut new) = (pin!(server.list()), 0, Vec::new());
    let found = loop {
        if let Poll::Ready(found) = poll_fn(|cx| Poll::Ready(list.as_mut().poll(cx))).await {
            break found;
        }
        let last = PEOPLE - 1 - steps;
        people.rename(&format!("p{steps}"), &format!("z{steps}")).await;
        people.rename(&format!("p{last}"), &format!("a{steps}")).await;
        people.leave(&format!("p{}", 20 + steps)).await;
        people.leave(&format!("p{}", PEOPLE - 20 - steps)).await;
        new.push(people.join(&format!("new{steps}")).await);
        steps += 1;
    };
    assert!((2..10).contains(&steps), "{steps} steps");

    let listed = |id: &PersonId| found.0.iter().filter(|seen| seen.person.id == *id).count();
    let left =
        |place: usize| (20..20 + steps).contains(&place) || (PEOPLE - 20 - steps + 1..=PEOPLE - 20).contains(&place);
    for (place, id) in all.iter().enumerate() {
        match left(place) {
            true => assert!(listed(id) <= 1, "p{place}, who has left"),
            false => assert_eq!(listed(id), 1, "p{place}"),
        }
    }
    assert!(new.iter().all(|id| listed(id) <= 1));
    let users = Users::from(found).users;
    assert!(users.is_sorted_by(|one, next| one.name <= next.name));
}

#[tokio::test]
async fn a_kicked_client_is_not_listed() {
    let server = server();
    let mut people = People::new(&server);
    people.join("ana").await;
    people.join("bo").await;
    server.kick("ana", None, 0).unwrap();
    let users = Users::from(server.list().await).users;
    assert_eq!(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["bo"]);
}
