//! A student's client: a Python program that uses its socket like the one in the course document.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::support::PATIENCE;

/// A client process; killed when dropped.
pub struct Student {
    child: Child,
    keyboard: ChildStdin,
    screen: Receiver<String>,
    seen: Vec<String>,
}

impl Student {
    /// Starts a program from this directory with the address and these arguments.
    pub fn start(program: &str, address: SocketAddr, arguments: &[&str]) -> Student {
        Student::start_with("python3", program, address, arguments)
    }

    /// Like [`start`](Self::start), with the given Python interpreter.
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

    /// Types a line.
    pub fn say(&mut self, text: &str) {
        self.act("say", text);
    }

    pub fn act(&mut self, action: &str, text: &str) {
        writeln!(self.keyboard, "{action} {text}").unwrap();
    }

    /// The result of one `recv`; `None` if the server has closed the connection.
    pub fn shown(&mut self) -> Option<String> {
        let line = self.screen.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nothing after {:#?}", self.seen));
        self.seen.push(line.clone());
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"))
    }

    /// Expects the next `recv` to return exactly this.
    pub fn expect_next(&mut self, expected: &str) {
        assert_eq!(self.shown().as_deref(), Some(expected), "{:#?}", self.seen);
    }

    /// Expects one of the following `recv` calls to return this.
    pub fn expect(&mut self, expected: &str) {
        while self.shown().unwrap_or_else(|| panic!("closed before {expected:?} came")) != expected {}
    }

    /// Expects this to be shown, by itself or in one `recv` with other messages: a client that does not run for longer than
    /// the pause between them reads several at once.
    pub fn expect_part(&mut self, expected: &str) {
        while !self.shown().unwrap_or_else(|| panic!("closed before {expected:?} came")).contains(expected) {}
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
