//! Whatever happens in whatever order, the reader receives what a simple model says, and nothing is kept afterwards.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::task::{Context, Waker};

use proptest::collection::vec;
use proptest::prelude::*;
use rustix::net::sockopt;
use tokio::net::UnixStream;

use super::*;
use crate::chat::{Event, Form, Stamp};
use crate::net::{Poller, Stream};
use crate::room::Feed;

/// The feed's bytes are made up here; no event is rendered.
struct Nothing;

impl Form for Nothing {
    fn id(&self) -> (&'static str, u64) {
        ("nothing", 0)
    }

    fn render(&self, _: Stamp, _: Event<'_>, _: &mut Vec<u8>) {}
}

#[derive(Debug, Clone)]
enum Step {
    /// Somebody says this many bytes.
    Append(usize),
    /// The client says something that it is not to be sent.
    AppendOmitted(usize),
    /// Somebody joins.
    Freeze,
    /// The client is answered.
    Post(usize),
    /// A round of the delivery; so many bytes are appended before it gets to the client.
    Round(usize),
    /// The session's own task has its turn.
    Task,
    /// The client reads at most this many bytes.
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![1..50_usize, 1000..6000_usize];
    prop_oneof![
        length.clone().prop_map(Step::Append),
        length.clone().prop_map(Step::AppendOmitted),
        Just(Step::Freeze),
        length.clone().prop_map(Step::Post),
        prop_oneof![Just(0), length.clone()].prop_map(Step::Round),
        Just(Step::Task),
        length.prop_map(Step::Read),
    ]
}

/// One client at the end of a small socket, its feed, and what it should be sent.
struct World {
    feed: Feed,
    output: Output,
    transport: Transport,
    poller: Poller,
    client: std::os::unix::net::UnixStream,
    expected: Vec<u8>,
    received: Vec<u8>,
    /// Makes all bytes different from their neighbours.
    counter: u8,
}

impl World {
    fn new() -> World {
        let (stream, client) = UnixStream::pair().unwrap();
        sockopt::set_socket_send_buffer_size(&stream, 1).unwrap();
        let client = client.into_std().unwrap();
        let stream = Stream::from(OwnedFd::from(stream.into_std().unwrap()));
        let poller = Poller::new().unwrap();
        poller.add(&stream, 0).unwrap();
        let transport = Transport::new(stream, None);
        let mut feed = Feed::new(Arc::new(Nothing));
        feed.add_reader();
        // What was said just before, and nobody has been sent yet, is not the newcomer's.
        feed.tail().unwrap().1.extend_from_slice(b"before");
        let mut output = Output::default();
        output.enter(feed.end(), feed.head().clone());
        let (expected, received) = (Vec::new(), Vec::new());
        World { feed, output, transport, poller, client, expected, received, counter: 0 }
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        std::iter::repeat_with(|| {
            self.counter = self.counter.wrapping_add(1);
            self.counter
        })
        .take(length)
        .collect()
    }

    fn append(&mut self, length: usize) -> Vec<u8> {
        let bytes = self.bytes(length);
        self.feed.tail().unwrap().1.extend_from_slice(&bytes);
        bytes
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Append(length) => {
                let bytes = self.append(length);
                self.expected.extend(bytes);
            }
            Step::AppendOmitted(length) => {
                let start = self.feed.end();
                self.append(length);
                self.output.omit(start, self.feed.end());
            }
            Step::Freeze => drop(self.feed.freeze()),
            Step::Post(length) => {
                let bytes = self.bytes(length);
                self.output.post(self.feed.end(), &bytes);
                self.expected.extend(bytes);
            }
            Step::Round(appended) => self.round(appended),
            Step::Task => self.task().await,
            Step::Read(length) => self.read(length),
        }
    }

    /// As the delivery does it.
    fn round(&mut self, appended: usize) {
        let (from, to) = (self.feed.delivered().clone(), self.feed.freeze());
        let (mut chain, mut block) = (Vec::new(), from.clone());
        while let Some(next) = block.next().cloned() {
            chain.push(next.clone());
            block = next;
        }
        let bytes = self.append(appended);
        self.expected.extend(bytes);
        let slices: Vec<_> = chain.iter().map(|block| IoSlice::new(block.bytes())).collect();
        let news = News { from: &from, start: from.end(), end: to.end(), slices: &slices };
        if news.start < news.end {
            self.output.deliver(&mut self.transport, &news).unwrap();
            assert!(self.output.is_blocked() || self.output.position() >= news.end, "all is sent, or somebody waits");
        }
        self.feed.set_delivered(to);
    }

    /// As the session does it.
    async fn task(&mut self) {
        // The runtime looks at the sockets.
        tokio::task::yield_now().await;
        let mut events = Vec::new();
        let _ = self.poller.poll(&mut Context::from_waker(Waker::noop()), &mut events);
        events.into_iter().for_each(|(_, readiness)| self.transport.note(readiness));
        if !self.output.is_blocked() {
            self.output.send(&mut self.transport, self.output.position()).unwrap();
        }
        if self.output.is_blocked() && self.transport.is_writable() {
            self.output.send(&mut self.transport, u64::MAX).unwrap();
        }
    }

    fn read(&mut self, length: usize) {
        let mut buffer = vec![0; length];
        match self.client.read(&mut buffer) {
            Ok(length) => self.received.extend_from_slice(&buffer[..length]),
            Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
        }
    }
}

proptest! {
    #[test]
    fn the_reader_receives_everything_once_and_in_order(steps in vec(step(), 0..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in steps {
                world.take(step).await;
                prop_assert!(world.expected.starts_with(&world.received));
            }
            // Nothing more happens, and the client reads on.
            for _ in 0..10_000 {
                if world.received.len() == world.expected.len() {
                    break;
                }
                for step in [Step::Round(0), Step::Task, Step::Read(10_000)] {
                    world.take(step).await;
                }
            }
            prop_assert!(world.received == world.expected, "{} of {}", world.received.len(), world.expected.len());
            // One more line: whoever is up to date holds nothing after it.
            for step in [Step::Append(10), Step::Round(0), Step::Task] {
                world.take(step).await;
            }
            let Output { position, block, outbox, blocked, pace: _ } = &world.output;
            prop_assert_eq!(*position, world.feed.end());
            prop_assert!(block.is_none() && !blocked);
            prop_assert!(outbox.is_none());
            Ok(())
        })?;
    }

    #[test]
    fn whoever_is_given_up_holds_nothing(steps in vec(step(), 0..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in steps {
                world.take(step).await;
            }
            world.output.abandon();
            let Output { block, outbox, .. } = &world.output;
            prop_assert!(block.is_none() && outbox.is_none());
            Ok(())
        })?;
    }
}
