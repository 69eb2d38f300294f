//! `chatctl backup`: writes what the daemon sends to a file, which appears under its name only when it is complete.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::connection::{Connection, LIMIT, Reply};
use super::failure::Failure;
use crate::admin::request::Request;
use crate::admin::types::BackupPiece;

/// How often to look whether the user has interrupted it.
const TICK: Duration = Duration::from_millis(200);

/// Has the daemon make a backup, and writes it to `path`, which must not exist. Returns its size and lines.
pub fn save(connection: &mut Connection, path: &Path) -> Result<BackupPiece, Failure> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(Failure::FileExists { path: path.to_owned() });
    }
    let interrupted = Arc::new(AtomicUsize::new(0));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register_usize(signal, interrupted.clone(), signal as usize)
            .map_err(Failure::Interruptible)?;
    }
    let partial = Partial::create(path)?;
    let saved = receive(connection, &partial, &interrupted).and_then(|last| {
        partial.file.sync_all().and_then(|()| partial.rename(path)).map_err(|error| partial.failed(error))?;
        Ok(last)
    });
    if saved.is_err() {
        // It may have its name already, or the disk has failed.
        let _ = fs::remove_file(&partial.path);
        let signal = interrupted.load(Ordering::Relaxed);
        if signal != 0 {
            // Ends the program as the signal would have done.
            let _ = signal_hook::low_level::emulate_default_handler(signal as i32);
        }
    }
    saved
}

/// Writes all pieces and returns the last reply.
fn receive(connection: &mut Connection, partial: &Partial, interrupted: &AtomicUsize) -> Result<BackupPiece, Failure> {
    connection.begin(&Request::Backup {})?;
    let mut received = 0;
    loop {
        // Until the first piece comes, the daemon is making its copy.
        let patience = (received > 0).then_some(LIMIT);
        let Reply { parameters, continues } = next(connection, patience, interrupted)?;
        let piece: BackupPiece = super::parse(&parameters)?;
        let bytes = STANDARD.decode(&piece.data).map_err(|error| Failure::NotUnderstood(error.to_string()))?;
        (&partial.file).write_all(&bytes).map_err(|error| partial.failed(error))?;
        received += bytes.len() as u64;
        if !continues {
            return if received == piece.bytes { Ok(piece) } else { Err(Failure::Closed) };
        }
    }
}

/// The next reply. Looks in between whether there was a signal.
fn next(connection: &mut Connection, patience: Option<Duration>, interrupted: &AtomicUsize) -> Result<Reply, Failure> {
    let mut waited = Duration::ZERO;
    loop {
        if interrupted.load(Ordering::Relaxed) != 0 {
            return Err(Failure::Interrupted);
        }
        match connection.next_reply(Some(TICK)) {
            Err(Failure::NoAnswer { .. }) if patience.is_none_or(|patience| waited < patience) => waited += TICK,
            replied => return replied,
        }
    }
}

/// The file while it is not complete.
struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    fn create(path: &Path) -> Result<Partial, Failure> {
        let mut name = OsString::from(path);
        name.push(".partial");
        let path = PathBuf::from(name);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => Ok(Partial { path, file }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Failure::FileExists { path }),
            Err(error) => Err(Failure::File { path, error }),
        }
    }

    /// Gives it its name, unless a file has come to have that name meanwhile.
    fn rename(&self, path: &Path) -> io::Result<()> {
        match renameat_with(CWD, &self.path, CWD, path, RenameFlags::NOREPLACE) {
            // Some file systems cannot do it this way.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => fs::rename(&self.path, path)?,
            renamed => renamed?,
        }
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()
    }

    fn failed(&self, error: io::Error) -> Failure {
        Failure::File { path: self.path.clone(), error }
    }
}
