//! Files that are read as slowly as a test likes.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use super::PATIENCE;

/// A file that is read only when it is written.
pub struct Fifo {
    path: PathBuf,
    opened: Receiver<File>,
}

impl Fifo {
    /// Puts one in the place of a file.
    pub fn replace(path: &Path) -> Fifo {
        fs::remove_file(path).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        Fifo::at(path.to_owned())
    }

    /// Waits until the daemon reads it; what is returned is for writing.
    pub fn wait_for_reader(&self) -> File {
        self.opened.recv_timeout(PATIENCE).expect("the file is read")
    }

    /// The same file for whoever reads it next; whoever has read it has finished.
    pub fn again(self) -> Fifo {
        Fifo::at(self.path)
    }

    fn at(path: PathBuf) -> Fifo {
        let (sender, opened) = channel();
        let file = path.clone();
        // It can be opened when somebody reads it, and not sooner.
        std::thread::spawn(move || sender.send(OpenOptions::new().write(true).open(file).unwrap()));
        Fifo { path, opened }
    }
}
