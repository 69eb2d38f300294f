//! Configured files that are read only when the test allows it.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use super::PATIENCE;

/// A FIFO in place of a file: reading it blocks until the test writes.
pub struct Fifo {
    path: PathBuf,
    opened: Receiver<File>,
}

impl Fifo {
    /// Replaces a file by a FIFO.
    pub fn replace(path: &Path) -> Fifo {
        fs::remove_file(path).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        Fifo::at(path.to_owned())
    }

    /// Waits until the daemon opens the file, and returns the writing end.
    pub fn wait_for_reader(&self) -> File {
        self.opened.recv_timeout(PATIENCE).expect("the file is read")
    }

    /// Prepares the file for the next reader; the last one must have finished.
    pub fn again(self) -> Fifo {
        Fifo::at(self.path)
    }

    fn at(path: PathBuf) -> Fifo {
        let (sender, opened) = channel();
        let file = path.clone();
        // Opening for writing blocks until there is a reader.
        std::thread::spawn(move || sender.send(OpenOptions::new().write(true).open(file).unwrap()));
        Fifo { path, opened }
    }
}
