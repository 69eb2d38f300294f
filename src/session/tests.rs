//! Sessions over real sockets, but without a daemon around them: moments that no client can bring about by itself.

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::*;
use crate::chat::{Event, Nick};
use crate::directories::Directories;
use crate::room::HistoryLimit;

/// The limits that hold without a configuration.
pub(super) fn limits() -> Limits {
    let directories = Directories { runtime: "/nowhere".into(), state: "/nowhere".into() };
    crate::config::file::parse("", &directories).unwrap().limits
}

fn context() -> Arc<Context> {
    let (name, room) = ("chatd.example".into(), "lobby".into());
    let irc = irc::Server { name, room, autojoin: true, started: 0, secure_port: None, markers: Arc::default() };
    let context = Arc::new(Context {
        room: Room::new(Now::default(), "lobby", "", HistoryLimit { length: 0, size: 0 }),
        sessions: Sessions::new().unwrap(),
        alarms: Alarms::default(),
        clock: Clock::default(),
        limits: RwLock::new(Arc::new(limits())),
        counters: Counters::default(),
        stopping: AtomicBool::new(false),
        irc: RwLock::new(Arc::new(irc)),
        watchers: Watchers::default(),
    });
    let mut driver = Driver::new(context.clone());
    tokio::spawn(async move {
        loop {
            driver.ready().await.unwrap();
            driver.serve().await;
        }
    });
    context
}

/// Begins a session of the text protocol; returns its client's end.
fn connect(context: &Arc<Context>) -> UnixStream {
    let (socket, other) = UnixStream::pair().unwrap();
    let admission = Arc::new(Admissions::default()).enter(Address::Unix { uid: 0 }, 1).unwrap();
    let socket = socket.into_std().unwrap().into();
    let connection = Connection { socket, tls: None, admission, protocol: Some(Protocol::Text) };
    Session::start(context, connection).unwrap();
    other
}

fn nick(name: &str) -> Nick {
    Nick::new(name).unwrap()
}

/// The other end of a session.
struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    async fn join(context: &Arc<Context>, name: &str) -> Client {
        let mut client = Client { stream: BufReader::new(connect(context)) };
        client.stream.write_all(format!("{name}\n").as_bytes()).await.unwrap();
        while client.line().await != "*** Topic: \n" {}
        client
    }

    /// The next line; empty at the end.
    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        line
    }
}

#[tokio::test]
async fn a_private_message_has_its_place_even_if_its_reader_had_no_turn_before_the_delivery() {
    let context = context();
    let mut bo = Client::join(&context, "bo").await;
    {
        let (now, ana) = (context.clock.now(), Person::named(nick("ana")));
        let mut room = context.room.lock();
        let stamp = room.say(now, Event::Said(&ana, &Words::plain("before")));
        let bo = room.roster().find(&nick("bo")).unwrap();
        let at = bo.feed.map_or(0, |feed| room.end(feed));
        let words = Words::plain("between");
        bo.handle.mail(Mail::Private { at, stamp, from: ana.clone(), to: nick("bo"), words });
        room.say(now, Event::Said(&ana, &Words::plain("after")));
    }
    Delivery::new(context).round().await;
    for line in ["ana: before\n", "[ana] between\n", "ana: after\n"] {
        assert_eq!(bo.line().await, line);
    }
}

#[tokio::test]
async fn whoever_is_kicked_takes_nobody_along_who_has_the_name_already() {
    let context = context();
    let (mut ana, _bo) = (Client::join(&context, "ana").await, Client::join(&context, "bo").await);
    {
        let (now, kicked) = (context.clock.now(), Reason::Kicked(None));
        let mut room = context.room.lock();
        let session = room.leave(now, &nick("ana"), &kicked).unwrap();
        room.rename(now, &nick("bo"), &nick("ana")).unwrap();
        session.close(kicked);
    }
    Delivery::new(context.clone()).round().await;
    while ana.line().await != "*** Goodbye: kicked.\n" {}
    assert!(context.room.lock().roster().find(&nick("ana")).is_some());
}

#[tokio::test]
async fn whoever_comes_in_while_the_daemon_stops_is_sent_away() {
    let context = context();
    context.stopping.store(true, Ordering::Relaxed);
    let mut client = Client { stream: BufReader::new(connect(&context)) };
    while client.line().await != "*** Goodbye: the server is stopping.\n" {}
    drop(client);
    context.sessions.gone().await;
}

#[tokio::test]
async fn a_full_socket_is_tried_again_even_if_the_kernel_never_says_that_there_is_room() {
    let context = context();
    let alarms = context.clone();
    tokio::spawn(async move { alarms.alarms.run(&alarms.clock, &alarms.sessions.woken).await });
    let mut bo = Client::join(&context, "bo").await;
    let session = context.room.lock().roster().find(&nick("bo")).unwrap().handle.clone();
    let delivery = Delivery::new(context.clone());
    let (line, mut said) = ("x".repeat(1000), 0);
    while !session.lock().output.is_blocked() {
        context.room.lock().append(context.clock.now(), Event::Notice(&line));
        said += 1;
        delivery.round().await;
    }
    context.sessions.poller.remove(session.lock().transport.socket());
    for _ in 0..said {
        assert_eq!(bo.line().await, format!("*** notice: {line}\n"));
    }
}

#[test]
fn an_idle_session_is_small() {
    use crate::dialect::text::Text;
    // What there is of each for every client. Whoever makes one larger pays for it as often.
    assert!(size_of::<Session>() <= 320, "{}", size_of::<Session>());
    assert!(size_of::<Text>() <= 48, "{}", size_of::<Text>());
    assert!(size_of::<irc::Irc>() <= 112, "{}", size_of::<irc::Irc>());
    assert!(size_of::<Person>() <= 48, "{}", size_of::<Person>());
    assert!(size_of::<crate::room::Member<Arc<Session>>>() <= 72);
}
