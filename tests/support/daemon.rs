//! A real `chatd` process with its own configuration, state directory and sockets.

use std::io::{BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use chatd::admin::types::{Status, User, Users};
use tempfile::TempDir;

use super::PATIENCE;
use super::client::Client;
use super::ordinary;

/// The binaries under test.
pub const CHATD: &str = env!("CARGO_BIN_EXE_chatd");
pub const CHATCTL: &str = env!("CARGO_BIN_EXE_chatctl");

/// Plaintext and TLS on ports that the kernel chooses.
pub const LISTENERS: &str = r#"
[[listen]]
address = "127.0.0.1:0"
[[listen]]
address = "127.0.0.1:0"
tls = true
"#;

/// A rate limit that no test reaches.
pub const FAST: &str = "[limits]\nmessage-rate = 1000000\nmessage-burst = 1000000\n";

/// A running daemon; it is killed when dropped.
pub struct Daemon {
    child: Child,
    log: Arc<Log>,
    pub directory: Arc<TempDir>,
}

/// The lines that the daemon has written to standard error so far.
#[derive(Default)]
pub struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

impl Daemon {
    /// Starts with [`LISTENERS`] and `config`, and waits until it is ready.
    pub fn start(config: &str) -> Daemon {
        Daemon::start_with(&format!("{LISTENERS}{config}"), |_| {})
    }

    /// Starts with exactly this configuration and a changed command, and waits until it is ready.
    pub fn start_with(config: &str, change: impl FnOnce(&mut Command)) -> Daemon {
        let daemon = Daemon::launch(config, change);
        daemon.wait_for_log(" is ready");
        daemon
    }

    /// Starts without waiting for readiness.
    pub fn launch(config: &str, change: impl FnOnce(&mut Command)) -> Daemon {
        let directory = tempfile::tempdir().unwrap();
        Daemon::launch_in(Arc::new(directory), config, change)
    }

    /// Starts in a directory that may contain another daemon's state.
    pub fn launch_in(directory: Arc<TempDir>, config: &str, change: impl FnOnce(&mut Command)) -> Daemon {
        std::fs::write(directory.path().join("chatd.toml"), config).unwrap();
        let mut command = Command::new(CHATD);
        command.arg("--config").arg(directory.path().join("chatd.toml"));
        own_environment(&mut command, directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take();
        let daemon = Daemon { child, log, directory };
        if let Some(stderr) = stderr {
            daemon.read_log(stderr);
        }
        daemon
    }

    /// Reads the log from here, for a daemon whose standard error is not a pipe.
    pub fn read_log(&self, from: impl Read + Send + 'static) {
        let log = self.log.clone();
        std::thread::spawn(move || log.collect(BufReader::new(from)));
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Replaces the configuration file; takes effect at the next reload.
    pub fn write_config(&self, config: &str) {
        std::fs::write(self.path("chatd.toml"), config).unwrap();
    }

    /// The first log line that contains `text`; waits for it if necessary.
    pub fn wait_for_log(&self, text: &str) -> String {
        self.log
            .wait(|lines| lines.iter().find(|line| line.contains(text)).cloned())
            .unwrap_or_else(|lines| panic!("no log line with {text:?} came, only:\n{}", lines.join("\n")))
    }

    /// Waits until `count` log lines contain `text`.
    pub fn wait_for_log_count(&self, text: &str, count: usize) {
        self.log
            .wait(|lines| (lines.iter().filter(|line| line.contains(text)).count() >= count).then_some(()))
            .unwrap_or_else(|lines| panic!("no {count} log lines with {text:?} came, only:\n{}", lines.join("\n")));
    }

    pub fn log_lines(&self) -> Vec<String> {
        self.log.lines.lock().unwrap().0.clone()
    }

    /// The address of the first plaintext TCP listener.
    pub fn plain(&self) -> SocketAddr {
        self.address(false)
    }

    /// The address of the first TLS listener.
    pub fn tls(&self) -> SocketAddr {
        self.address(true)
    }

    /// The addresses of all TCP listeners, in the order of the configuration.
    pub fn listeners(&self) -> Vec<SocketAddr> {
        let lines = self.log_lines();
        let addresses = lines.iter().filter_map(|line| line.split_once("listening on ").map(|(_, rest)| rest));
        addresses.filter_map(|rest| rest.split(' ').next()?.parse().ok()).collect()
    }

    fn address(&self, tls: bool) -> SocketAddr {
        let found = self.log.wait(|lines| {
            let mut addresses = lines.iter().filter_map(|line| line.split_once("listening on ").map(|(_, rest)| rest));
            addresses.find(|rest| rest.ends_with(" with TLS") == tls)?.trim_end_matches(" with TLS").parse().ok()
        });
        found.unwrap_or_else(|lines| panic!("no such listener in:\n{}", lines.join("\n")))
    }

    /// A new client on the plaintext listener.
    pub fn connect(&self) -> Client {
        Client::plain(self.plain())
    }

    /// A client that has joined under this name.
    pub fn join(&self, name: &str) -> Client {
        let mut client = self.connect();
        client.login(name);
        client
    }

    /// A client that has joined under this name over TLS; accepts any certificate.
    pub fn join_tls(&self, name: &str) -> Client {
        let mut client = Client::tls(self.tls());
        client.login(name);
        client
    }

    /// Runs `chatctl` against this daemon.
    pub fn chatctl(&self, arguments: &[&str]) -> Output {
        self.chatctl_command(arguments).output().unwrap()
    }

    /// A `chatctl` command for this daemon, not started. It finds the socket by default.
    pub fn chatctl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(CHATCTL);
        own_environment(&mut command, self.directory.path());
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs `chatctl` in an environment where it cannot find any other daemon of this machine.
    pub fn chatctl_alone(&self, arguments: &[&str]) -> Output {
        let mut command = self.chatctl_command(arguments);
        run_by(&mut command, ordinary::command(CHATCTL));
        command.output().unwrap()
    }

    /// The output of `chatctl status`.
    pub fn status(&self) -> Status {
        let output = self.chatctl(&["status", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e} in {output:?}"))
    }

    /// Polls the status until it is as wanted, and returns it.
    pub fn wait_for_status(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "still {status:?}");
        }
    }

    /// This user's entry in `chatctl list`, if any.
    pub fn find(&self, name: &str) -> Option<User> {
        let output = self.chatctl(&["list", "--json"]);
        let list: Users = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e} in {output:?}"));
        list.users.into_iter().find(|user| user.name == name)
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap();
        assert!(status.success(), "kill -s {name}");
    }

    /// Waits until the daemon has ended.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "chatd did not end; its log:\n{}", self.log_lines().join("\n"));
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Waits until the daemon has ended and returns the whole log.
    pub fn wait_with_log(&mut self) -> (ExitStatus, Vec<String>) {
        let status = self.wait();
        self.log.wait_for_end();
        (status, self.log_lines())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log_lines().join("\n"));
        }
    }
}

impl Log {
    fn collect(&self, stderr: impl std::io::BufRead) {
        for line in stderr.lines().map_while(Result::ok) {
            self.lines.lock().unwrap().0.push(line);
            self.more.notify_all();
        }
        self.lines.lock().unwrap().1 = true;
        self.more.notify_all();
    }

    /// Waits until `find` returns something. Fails at the end of the log, with all lines.
    fn wait<T>(&self, find: impl Fn(&[String]) -> Option<T>) -> Result<T, Vec<String>> {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.lines.lock().unwrap();
        loop {
            if let Some(found) = find(&lines.0) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if lines.1 || left.is_zero() {
                return Err(lines.0.clone());
            }
            lines = self.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    fn wait_for_end(&self) {
        let lines = self.lines.lock().unwrap();
        drop(self.more.wait_timeout_while(lines, PATIENCE, |lines| !lines.1).unwrap());
    }
}

/// Makes `command` run under `runner`, a command line to which a program can be appended.
pub fn run_by(command: &mut Command, mut runner: Command) {
    runner.args(command.get_args()).env_clear();
    runner.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    runner.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    *command = runner;
}

/// Clears the environment and sets the test's own directories.
pub fn own_environment(command: &mut Command, directory: &Path) {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("RUNTIME_DIRECTORY", directory.join("run")).env("STATE_DIRECTORY", directory.join("state"));
    command.env("TMPDIR", directory);
}
