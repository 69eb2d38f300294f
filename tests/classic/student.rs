//! A student's client: a Python program that does on its socket what the document's does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::support::PATIENCE;

/// Ended when dropped.
pub struct Student {
    child: Child,
    keyboard: ChildStdin,
    screen: Receiver<String>,
    seen: Vec<String>,
}

impl Student {
    /// Starts a program of this directory; its arguments are the address and then these.
    pub fn start(program: &str, address: SocketAddr, arguments: &[&str]) -> Student {
        Student::start_with("python3", program, address, arguments)
    }

    /// The same with a Python of its own.
    pub fn start_with(python: impl AsRef<Path>, program: &str, address: SocketAddr, arguments: &[&str]) -> Student {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/classic");
        let mut command = Command::new(python.as_ref());
        command.args(["-u", "-B"]).arg(directory.join(program));
        command.args([address.ip().to_string(), address.port().to_string()]).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 is needed");
        let (keyboard, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (to_screen, screen) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = to_screen.send(line);
            }
        });
        Student { child, keyboard, screen, seen: Vec::new() }
    }

    /// Types something.
    pub fn say(&mut self, text: &str) {
        self.act("say", text);
    }

    pub fn act(&mut self, action: &str, text: &str) {
        writeln!(self.keyboard, "{action} {text}").unwrap();
    }

    /// What one `recv` has returned; `None` when the server has closed.
    pub fn shown(&mut self) -> Option<String> {
        let line = self.screen.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nothing after {:#?}", self.seen));
        self.seen.push(line.clone());
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"))
    }

    /// The next `recv` returns exactly this.
    pub fn expect_next(&mut self, expected: &str) {
        assert_eq!(self.shown().as_deref(), Some(expected), "{:#?}", self.seen);
    }

    /// One of the next ones does.
    pub fn expect(&mut self, expected: &str) {
        while self.shown().unwrap_or_else(|| panic!("closed before {expected:?} came")) != expected {}
    }

    pub fn expect_end(&mut self) {
        assert_eq!(self.shown(), None, "{:#?}", self.seen);
    }
}

impl Drop for Student {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
