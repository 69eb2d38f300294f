//! A fake journal for a test. Processes find it at the real journal's path, which cannot be configured.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

/// An entry's fields.
pub(crate) type Entry = BTreeMap<String, String>;

/// Receives what the processes started with [`Journal::command`] send to the journal.
pub(crate) struct Journal {
    directory: TempDir,
    socket: UnixDatagram,
}

impl Journal {
    /// A new journal without entries.
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("socket")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { directory, socket }
    }

    /// A command whose process sees this journal at `/run/systemd/journal`, keeps its process ID, and believes it is
    /// root. If the machine has no `/run/systemd/journal`, the process sees `/run/systemd` (or `/run`, if that is
    /// missing too) empty except for the journal, so its other directories must be elsewhere.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        const MOUNT: &str = r#"
            directory=$1
            shift
            if [ ! -d /run/systemd/journal ]; then
                if [ -d /run/systemd ]; then mount -t tmpfs tmpfs /run/systemd; else mount -t tmpfs tmpfs /run; fi
                mkdir -p /run/systemd/journal
            fi
            mount --bind "$directory" /run/systemd/journal
            exec "$@"
        "#;
        let mut command = Command::new("unshare");
        command.args(namespace()).args(["sh", "-euc", MOUNT, "sh"]).arg(self.directory.path()).arg(program);
        command
    }

    /// The socket's path outside of the processes, for tests that remove it.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// Waits for the next entry.
    pub(crate) fn next(&self) -> Entry {
        let mut datagram = vec![0; 256 * 1024];
        loop {
            let length = match self.socket.recv(&mut datagram) {
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                received => received.expect("an entry within 20 s"),
            };
            // Clients send an empty datagram to check for the journal.
            if length > 0 {
                return parse(&datagram[..length]);
            }
        }
    }

    /// Waits for the next entry of this kind; skips others.
    pub(crate) fn next_of(&self, event: &str) -> Entry {
        loop {
            let entry = self.next();
            if entry.get("CHATD_EVENT").is_some_and(|found| found == event) {
                return entry;
            }
        }
    }
}

/// The value of `JOURNAL_STREAM` for which this file is the stream to the journal.
pub(crate) fn stream(file: &File) -> String {
    let metadata = file.metadata().unwrap();
    format!("{}:{}", metadata.dev(), metadata.ino())
}

/// The options with which unshare(1) may mount on this machine.
pub(crate) fn namespace() -> &'static [&'static str] {
    static NAMESPACE: OnceLock<Option<&[&str]>> = OnceLock::new();
    let found = NAMESPACE.get_or_init(|| {
        let possible: [&[&str]; 2] = [&["--map-root-user", "--mount"], &["--mount"]];
        possible.into_iter().find(|options| {
            let mut command = Command::new("unshare");
            command.args(*options).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
            command.output().is_ok_and(|output| output.status.success())
        })
    });
    found.expect(
        "unshare(1) may not mount here, so nothing can take the journal's place: allow user namespaces or be root",
    )
}

/// Parses an entry in the journal's native protocol: `KEY=value`, or, for arbitrary values, the key, a line feed, the
/// length in eight bytes, the value and a line feed (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).
fn parse(mut datagram: &[u8]) -> Entry {
    let mut entry = Entry::new();
    while !datagram.is_empty() {
        let end = datagram.iter().position(|&byte| byte == b'\n').expect("a line end after the key");
        let (line, rest) = (&datagram[..end], &datagram[end + 1..]);
        let (key, value) = match line.iter().position(|&byte| byte == b'=') {
            Some(equals) => {
                datagram = rest;
                (&line[..equals], &line[equals + 1..])
            }
            None => {
                let (length, rest) = rest.split_first_chunk().expect("a length of eight bytes");
                let (value, rest) = rest.split_at(usize::try_from(u64::from_le_bytes(*length)).unwrap());
                datagram = rest.strip_prefix(b"\n").expect("a line end after the value");
                (line, value)
            }
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(entry.insert(text(key), text(value)), None, "a field appears twice");
    }
    entry
}

#[test]
fn both_forms_of_a_field_are_read() {
    let entry = parse(b"PRIORITY=6\nMESSAGE\n\x05\0\0\0\0\0\0\0a\nb=c\nCODE_LINE=7\n");
    let expected = [("CODE_LINE", "7"), ("MESSAGE", "a\nb=c"), ("PRIORITY", "6")];
    assert_eq!(entry, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
}

#[test]
fn a_process_finds_the_journal_at_its_path() {
    let journal = Journal::new();
    let output = journal.command("ls").arg("/run/systemd/journal").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "socket\n", "{output:?}");
    assert!(fs::exists(journal.path()).unwrap());
}
