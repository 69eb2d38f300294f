//! Runs a program with a full-screen user interface in a tmux terminal.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::PATIENCE;
use super::tool::tool;

/// The polling interval; no test depends on it.
const PAUSE: Duration = Duration::from_millis(50);

/// A program in a tmux terminal; both are killed when dropped.
pub struct Screen {
    tmux: PathBuf,
    directory: TempDir,
}

impl Screen {
    /// Starts `program`; `arguments` is passed a new, empty directory and returns the arguments. `None` without tmux.
    pub fn start(program: &Path, arguments: impl FnOnce(&Path) -> Vec<String>) -> Option<Screen> {
        let tmux = tool("tmux", "tmux")?;
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let arguments = arguments(&home);
        let screen = Screen { tmux, directory };
        let mut command = screen.command(&["-f", "/dev/null", "new-session", "-d", "-x", "200", "-y", "50", "--"]);
        // Ignore the user's own configuration.
        command.arg("env").arg("LC_ALL=C.UTF-8").arg(format!("HOME={}", home.display())).arg(program).args(arguments);
        // The tmux server would inherit pipes, and whoever reads them would wait for it.
        command.stdout(File::create("/dev/null").unwrap()).stderr(File::create("/dev/null").unwrap());
        assert!(command.status().unwrap().success(), "tmux cannot start {}", program.display());
        Some(screen)
    }

    /// Types a line.
    pub fn say(&self, line: &str) {
        assert!(self.run(&["send-keys", "-l", "--", line]).status.success(), "it has ended before {line:?}");
        self.run(&["send-keys", "Enter"]);
    }

    /// Presses keys without Enter: text, or a key by its name, such as `C-d`.
    pub fn press(&self, keys: &[&str]) {
        let arguments: Vec<&str> = ["send-keys", "--"].iter().chain(keys).copied().collect();
        assert!(self.run(&arguments).status.success(), "it has ended before {keys:?}");
    }

    /// Waits until the screen shows `text`.
    pub fn expect(&self, text: &str) {
        self.expect_after(text, || ());
    }

    /// Waits until the screen shows `text`; types `line` again before each check.
    pub fn expect_by(&self, line: &str, text: &str) {
        self.expect_after(text, || self.say(line));
    }

    /// Waits until the screen shows `text`; presses these keys again before each check.
    pub fn expect_by_keys(&self, keys: &[&str], text: &str) {
        self.expect_after(text, || self.press(keys));
    }

    fn expect_after(&self, text: &str, act: impl Fn()) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            act();
            std::thread::sleep(PAUSE);
            let seen = self.seen();
            if seen.contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "{text:?} is not shown:\n{}", seen.trim_end());
        }
    }

    /// Waits until the program has ended.
    pub fn expect_end(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.run(&["has-session"]).status.success() {
            assert!(Instant::now() < deadline, "it has not ended:\n{}", self.seen());
            std::thread::sleep(PAUSE);
        }
    }

    /// The contents of the screen.
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.run(&["capture-pane", "-p"]).stdout).into_owned()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.tmux);
        command.arg("-u").arg("-S").arg(self.directory.path().join("tmux")).args(arguments);
        command.env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        command
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the terminal:\n{}", self.seen().trim_end());
        }
        self.run(&["kill-server"]);
    }
}
