//! Two clients that talk for as long as something else happens to the daemon, and that miss nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use super::PATIENCE;
use super::client::Client;
use super::daemon::Daemon;

/// One over plaintext, the other over TLS. Their daemon must not limit how fast they talk.
pub struct Pair {
    rounds: Arc<AtomicUsize>,
    stops: Arc<AtomicBool>,
    talking: JoinHandle<()>,
}

impl Pair {
    /// `una` and `duo` join, and each answers what the other says.
    pub fn start(daemon: &Daemon) -> Pair {
        let (mut una, mut duo) = (daemon.join("una"), daemon.join_tls("duo"));
        let (rounds, stops) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, stopped) = (rounds.clone(), stops.clone());
        let talking = std::thread::spawn(move || {
            for round in 0.. {
                for una_speaks in [true, false] {
                    let (name, speaker) = if una_speaks { ("una", &mut una) } else { ("duo", &mut duo) };
                    speaker.say(&format!("{round}"));
                    for reader in [&mut una, &mut duo] {
                        assert_eq!(next_said(reader), format!("{name}: {round}"), "nothing is lost, all in order");
                    }
                }
                counted.fetch_add(1, Ordering::SeqCst);
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        let pair = Pair { rounds, stops, talking };
        pair.go_on();
        pair
    }

    /// Waits until they have talked since this was called.
    pub fn go_on(&self) {
        // The second round from now on begins after now.
        let (wanted, deadline) = (self.rounds.load(Ordering::SeqCst) + 2, Instant::now() + PATIENCE);
        while self.rounds.load(Ordering::SeqCst) < wanted {
            assert!(!self.talking.is_finished() && Instant::now() < deadline, "they cannot talk");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Both have heard everything.
    pub fn finish(self) {
        self.go_on();
        self.stops.store(true, Ordering::SeqCst);
        self.talking.join().unwrap();
    }
}

/// The next line that one of the two has said; others may come and go, and talk.
fn next_said(reader: &mut Client) -> String {
    loop {
        let line = reader.line();
        if line.starts_with("una: ") || line.starts_with("duo: ") {
            return line;
        }
    }
}
