//! The daemon's runtime and state directories, and where `chatctl` looks for the admin socket. Knows nothing of the
//! configuration.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// File name of the admin socket in the runtime directory.
const ADMIN_SOCKET: &str = "admin.sock";

/// The system daemon's directories.
const SYSTEM_RUNTIME: &str = "/run/chatd";
const SYSTEM_STATE: &str = "/var/lib/chatd";

/// The two directories of a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// Sockets; emptied by a reboot.
    pub runtime: PathBuf,
    /// The self-signed certificate; kept.
    pub state: PathBuf,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The directory is not there and cannot be made.
    #[error("the directory {} cannot be made: {source}", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory under the world-writable temporary directory was created, or could be changed, by another user.
    #[error("the directory {} is not safe to use because {why}; remove it or use another one", path.display())]
    Unsafe {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Directories {
    /// The directories for a daemon in this process: `$RUNTIME_DIRECTORY` and `$STATE_DIRECTORY` if systemd has set
    /// them (systemd.exec(5)); otherwise the system's for root and the user's own for other users (XDG Base Directory
    /// Specification). Creates nothing.
    pub fn of_daemon() -> Self {
        choose(environment, effective_uid())
    }

    /// The default path of the admin socket, to which `chatctl` connects.
    pub fn admin_socket(&self) -> PathBuf {
        self.runtime.join(ADMIN_SOCKET)
    }

    /// Creates the state directory if it is missing, accessible only to the daemon's user.
    ///
    /// # Errors
    ///
    /// It cannot be created, or it is under the temporary directory and not safe from other users.
    pub fn create_state(&self) -> Result<(), DirectoryError> {
        create(&self.state, 0o700, &temporary(environment), effective_uid())
    }

    /// Creates the runtime directory if it is missing and `socket` is to be bound in it. It is accessible only to the
    /// daemon's user; for root, everybody may enter it, because the socket has a mode of its own.
    ///
    /// # Errors
    ///
    /// As [`create_state`](Self::create_state).
    pub fn create_runtime_for(&self, socket: &Path) -> Result<(), DirectoryError> {
        if socket.parent() != Some(&self.runtime) {
            return Ok(());
        }
        let uid = effective_uid();
        create(&self.runtime, if uid == 0 { 0o755 } else { 0o700 }, &temporary(environment), uid)
    }
}

/// Paths where a daemon's admin socket may be, the most likely first: those of a daemon run by this user, then the
/// system's. Omits sockets in directories that another user may have created.
pub fn admin_socket_candidates() -> Vec<PathBuf> {
    let uid = effective_uid();
    let temporary = temporary(environment);
    let trusted = |directory: &PathBuf| !directory.starts_with(&temporary) || check_below(&temporary, directory, uid);
    let directories = runtime_directories(environment, uid);
    directories.into_iter().filter(trusted).map(|directory| directory.join(ADMIN_SOCKET)).collect()
}

/// The name of the user that this process runs as, for messages; the number if `/etc/passwd` has no entry.
pub fn user() -> String {
    let uid = effective_uid().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    // NAME:x:UID:...
    let names = users.lines().filter_map(|line| Some((line.split(':').nth(2)?, line.split(':').next()?)));
    names.into_iter().find(|(number, _)| *number == uid).map_or_else(|| uid.clone(), |(_, name)| name.to_owned())
}

fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn choose(variable: impl Fn(&str) -> Option<OsString>, uid: u32) -> Directories {
    let runtime = runtime_directories(&variable, uid).into_iter().next().unwrap_or_else(|| SYSTEM_RUNTIME.into());
    let state = if let Some(directory) = first_of_list(variable("STATE_DIRECTORY")) {
        directory
    } else if uid == 0 {
        SYSTEM_STATE.into()
    } else if let Some(base) = absolute(variable("XDG_STATE_HOME")) {
        base.join("chatd")
    } else if let Some(home) = absolute(variable("HOME")) {
        home.join(".local/state/chatd")
    } else {
        private(&variable, uid).join("state")
    };
    Directories { runtime, state }
}

/// Candidates for the runtime directory of this user's daemon or the system's. The first is the one to create.
fn runtime_directories(variable: impl Fn(&str) -> Option<OsString>, uid: u32) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    directories.extend(first_of_list(variable("RUNTIME_DIRECTORY")));
    if uid != 0 {
        directories.extend(absolute(variable("XDG_RUNTIME_DIR")).map(|base| base.join("chatd")));
        // Also listed after XDG_RUNTIME_DIR, to find a daemon that was started without that variable.
        directories.push(private(&variable, uid));
    }
    directories.push(SYSTEM_RUNTIME.into());
    directories
}

/// A user's directory below the world-writable temporary directory.
fn private(variable: impl Fn(&str) -> Option<OsString>, uid: u32) -> PathBuf {
    temporary(variable).join(format!("chatd-{uid}"))
}

fn temporary(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    absolute(variable("TMPDIR")).unwrap_or_else(|| "/tmp".into())
}

/// systemd separates several directories by colons; the first is the daemon's.
fn first_of_list(value: Option<OsString>) -> Option<PathBuf> {
    let value = value?;
    absolute(value.as_bytes().split(|byte| *byte == b':').next().map(|first| OsStr::from_bytes(first).to_owned()))
}

/// By the XDG specification a relative path is ignored and an empty variable counts as unset.
fn absolute(value: Option<OsString>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}

fn create(path: &Path, mode: u32, temporary: &Path, uid: u32) -> Result<(), DirectoryError> {
    let failed = |source| DirectoryError::Create { path: path.to_owned(), source };
    if path.starts_with(temporary) {
        for directory in below(temporary, path) {
            make(directory, mode).map_err(failed)?;
            check(directory, uid)?;
        }
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(mode).create(parent).map_err(failed)?;
    }
    make(path, mode).map_err(failed)
}

/// Creates one directory if it is missing.
fn make(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        // The umask may have cleared bits; set the mode again so that it does not depend on the caller's umask.
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// The directories on the path from `temporary` to `path`: the outermost first, `path` last.
fn below<'p>(temporary: &Path, path: &'p Path) -> Vec<&'p Path> {
    let mut directories: Vec<&Path> = path.ancestors().take_while(|ancestor| *ancestor != temporary).collect();
    directories.reverse();
    directories
}

/// Whether every directory from `temporary` to `path` is missing or safe.
fn check_below(temporary: &Path, path: &Path, uid: u32) -> bool {
    below(temporary, path).into_iter().all(|directory| match check(directory, uid) {
        Ok(()) => true,
        Err(DirectoryError::Create { source, .. }) => source.kind() == ErrorKind::NotFound,
        Err(DirectoryError::Unsafe { .. }) => false,
    })
}

/// Rejects a directory that is not owned by this user or root, or that others could replace or write to.
fn check(path: &Path, uid: u32) -> Result<(), DirectoryError> {
    let metadata =
        fs::symlink_metadata(path).map_err(|source| DirectoryError::Create { path: path.to_owned(), source })?;
    let why = if metadata.is_symlink() {
        "it is a symbolic link"
    } else if !metadata.is_dir() {
        "it is not a directory"
    } else if metadata.uid() != uid && metadata.uid() != 0 {
        "it belongs to another user"
    } else if metadata.mode() & 0o022 != 0 {
        "other users may write to it"
    } else {
        return Ok(());
    };
    Err(DirectoryError::Unsafe { path: path.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn of<'e>(variables: &'e [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + 'e {
        move |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
    }

    fn chosen(variables: &[(&str, &str)], uid: u32) -> (String, String) {
        let directories = choose(of(variables), uid);
        (directories.runtime.display().to_string(), directories.state.display().to_string())
    }

    fn pair(runtime: &str, state: &str) -> (String, String) {
        (runtime.to_owned(), state.to_owned())
    }

    #[test]
    fn systemd_decides_first() {
        let set =
            [("RUNTIME_DIRECTORY", "/run/one:/run/two"), ("STATE_DIRECTORY", "/var/lib/one"), ("HOME", "/home/a")];
        assert_eq!(chosen(&set, 0), pair("/run/one", "/var/lib/one"));
        assert_eq!(chosen(&set, 1000), pair("/run/one", "/var/lib/one"));
    }

    #[test]
    fn root_has_the_systems_directories() {
        let set = [("XDG_RUNTIME_DIR", "/run/user/0"), ("HOME", "/root")];
        assert_eq!(chosen(&set, 0), pair("/run/chatd", "/var/lib/chatd"));
    }

    #[test]
    fn anybody_else_has_their_own() {
        let full = [("XDG_RUNTIME_DIR", "/run/user/7"), ("XDG_STATE_HOME", "/home/a/s"), ("HOME", "/home/a")];
        assert_eq!(chosen(&full, 7), pair("/run/user/7/chatd", "/home/a/s/chatd"));
        assert_eq!(chosen(&[("HOME", "/home/a")], 7), pair("/tmp/chatd-7", "/home/a/.local/state/chatd"));
        assert_eq!(chosen(&[("TMPDIR", "/scratch")], 7), pair("/scratch/chatd-7", "/scratch/chatd-7/state"));
    }

    #[test]
    fn relative_and_empty_values_are_ignored() {
        let set = [
            ("RUNTIME_DIRECTORY", ""),
            ("XDG_RUNTIME_DIR", "run"),
            ("XDG_STATE_HOME", "."),
            ("HOME", "/h"),
            ("TMPDIR", ""),
        ];
        assert_eq!(chosen(&set, 7), pair("/tmp/chatd-7", "/h/.local/state/chatd"));
    }

    #[test]
    fn chatctl_looks_where_a_daemon_would_be() {
        let set = [("XDG_RUNTIME_DIR", "/run/user/7")];
        let places = |uid| runtime_directories(of(&set), uid);
        assert_eq!(places(7), ["/run/user/7/chatd", "/tmp/chatd-7", "/run/chatd"].map(PathBuf::from));
        assert_eq!(places(0), [PathBuf::from("/run/chatd")]);
    }

    #[test]
    fn missing_directories_are_made_with_their_mode() {
        let temporary = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        for (path, wanted) in [(temporary.path().join("a/b"), 0o700), (elsewhere.path().join("c/d"), 0o755)] {
            create(&path, wanted, temporary.path(), effective_uid()).unwrap();
            assert_eq!(mode(&path), wanted);
            create(&path, wanted, temporary.path(), effective_uid()).unwrap();
        }
        assert_eq!(mode(&temporary.path().join("a")), 0o700);
    }

    #[test]
    fn the_runtime_directory_is_made_only_for_a_socket_in_it() {
        let base = tempfile::tempdir().unwrap();
        let directories = Directories { runtime: base.path().join("run"), state: base.path().join("state") };
        directories.create_runtime_for(&base.path().join("elsewhere/admin.sock")).unwrap();
        assert!(!directories.runtime.exists());
        directories.create_runtime_for(&directories.admin_socket()).unwrap();
        assert!(directories.runtime.is_dir());
    }

    #[test]
    fn a_directory_that_others_prepared_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let uid = effective_uid();
        let refused = |name: &str, uid| {
            let path = temporary.path().join(name);
            let error = create(&path, 0o700, temporary.path(), uid).unwrap_err();
            assert!(!check_below(temporary.path(), &path, uid));
            let shown = error.to_string();
            assert!(shown.starts_with(&format!("the directory {}", temporary.path().display())), "{shown}");
            shown.split_once(" because ").unwrap().1.split_once(';').unwrap().0.to_owned()
        };

        symlink("/", temporary.path().join("link")).unwrap();
        assert_eq!(refused("link", uid), "it is a symbolic link");
        assert_eq!(refused("link/inner", uid), "it is a symbolic link");

        fs::write(temporary.path().join("file"), "").unwrap();
        assert_eq!(refused("file", uid), "it is not a directory");

        let open = temporary.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        assert_eq!(refused("open", uid), "other users may write to it");
        assert_eq!(refused("open/inner", uid), "other users may write to it");
    }

    #[test]
    fn a_directory_of_another_user_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let theirs = temporary.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        let (owner, us) = if effective_uid() == 0 {
            std::os::unix::fs::chown(&theirs, Some(65534), None).unwrap();
            (65534, 0)
        } else {
            (effective_uid(), effective_uid() + 1)
        };
        assert!(check(&theirs, owner).is_ok());
        assert!(matches!(check(&theirs, us), Err(DirectoryError::Unsafe { why: "it belongs to another user", .. })));
    }

    #[test]
    fn a_missing_directory_is_trusted() {
        let temporary = tempfile::tempdir().unwrap();
        assert!(check_below(temporary.path(), &temporary.path().join("nothing/here"), effective_uid()));
    }
}
